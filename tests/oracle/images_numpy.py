"""Writes tests/data/images: small images by NumPy and Pillow, and the pixels that a reader must find.

    python3 tests/oracle/images_numpy.py

Each expected array is [n, channels, height, width], 8 bits.
"""

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

out = Path(__file__).resolve().parent.parent / "data" / "images"
rng = np.random.default_rng(1)


def expect(name, pixels):
    np.save(out / f"{name}_expected.npy", np.ascontiguousarray(pixels, dtype=np.uint8).reshape(-1))


def idx(array, code):
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


out.mkdir(exist_ok=True)
grey = rng.integers(0, 256, (3, 4, 5), dtype=np.uint8)
colour = rng.integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
labels = np.array([7, 2, 7], dtype=np.uint8)

np.save(out / "grey.npy", grey)
np.save(out / "grey_int64.npy", grey.astype(np.int64))
np.save(out / "fractions.npy", (grey / 255).astype(np.float32))
np.save(out / "labels.npy", labels.astype(np.int64))
expect("grey", grey)
np.save(out / "colour.npy", colour)
expect("colour", colour.transpose(0, 3, 1, 2))

(out / "t-images-idx3-ubyte").write_bytes(idx(grey, 0x08))
(out / "t-labels-idx1-ubyte").write_bytes(idx(labels, 0x08))
for name in ["t-images-idx3-ubyte", "t-labels-idx1-ubyte"]:
    (out / f"{name}.gz").write_bytes(gzip.compress((out / name).read_bytes(), mtime=0))
(out / "floats-idx3").write_bytes(idx((grey / 255).astype(np.float32), 0x0D))

# CIFAR-10: a label, then red, green, blue.
cifar = rng.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
(out / "cifar.bin").write_bytes(b"".join(bytes([k]) + image.tobytes() for k, image in zip([3, 9], cifar)))
expect("cifar", cifar)

# Pictures: classes b and a, of which the first is by name a. JPEG is lossy: libjpeg's own pixels.
for folder in ["classes/a", "classes/b", "deep", "mixed"]:
    (out / folder).mkdir(parents=True, exist_ok=True)
Image.fromarray(grey[0]).save(out / "classes/b/1.png")
Image.fromarray(colour[0]).save(out / "classes/a/2.png")
Image.fromarray(colour[1]).convert("P", palette=Image.Palette.ADAPTIVE).save(out / "classes/a/10.png")
palette = np.array(Image.open(out / "classes/a/10.png").convert("RGB"))
smooth = np.linspace(0, 255, 60).reshape(4, 5, 3).astype(np.uint8)
Image.fromarray(smooth).save(out / "classes/b/3.jpg", quality=95)
jpeg = np.array(Image.open(out / "classes/b/3.jpg"))
expect("classes", np.stack([palette, colour[0], np.stack([grey[0]] * 3, -1), jpeg]).transpose(0, 3, 1, 2))

# What is refused, or skipped.
Image.fromarray((grey[0].astype(np.uint16) * 257)).save(out / "deep/sixteen.png")
Image.fromarray(grey[0]).save(out / "mixed/first.png")
whole = (out / "mixed/first.png").read_bytes()
(out / "mixed/cut.png").write_bytes(whole[:-20])
jpeg_bytes = (out / "classes/b/3.jpg").read_bytes()
(out / "mixed/cut.jpg").write_bytes(jpeg_bytes[: len(jpeg_bytes) // 2])
Image.fromarray(grey[1]).save(out / "mixed/last.png")
np.save(out / "sixteen.npy", grey.astype(np.uint16) * 257)
np.save(out / "wide_range.npy", (grey / 16).astype(np.float64))
(out / "cut-images-idx3-ubyte").write_bytes((out / "t-images-idx3-ubyte").read_bytes()[:-3])

#!/usr/bin/env python3
"""How well a model of Fashion-MNIST tells other images from its test images.

    python3 scripts/benchmarks/image_anomaly.py MODEL [--millrace PATH] [--n N]

MODEL was fitted by `millrace flow fit fashion-mnist`. Others are

    digits      docs/examples/digits.npy, scaled to 28x28
    noise       uniform noise
    corrupted   test images with Gaussian noise of deviation 25 levels
    half        test images whose lower half is that of the next one
    black       images that are black

The area under the ROC curve (0.5: not told apart) by the negative log-likelihood and by typicality.
Needs NumPy and Debian's package dataset-fashion-mnist.
"""

import argparse
import gzip
import pathlib
import subprocess
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEST = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"


def test_images(n):
    with gzip.open(TEST) as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)[:n]


def other_images(clothes):
    random = np.random.default_rng(1)
    noise = random.integers(0, 256, clothes.shape, dtype=np.uint8)
    corrupted = np.clip(np.round(clothes + 25 * random.normal(size=clothes.shape)), 0, 255).astype(np.uint8)
    half = clothes.copy()
    half[:, 14:] = np.roll(clothes, 1, axis=0)[:, 14:]
    return {"noise": noise, "corrupted": corrupted, "half": half, "black": np.zeros_like(clothes)}


def scores(millrace, model, data, folder):
    """Log-likelihood and typicality of each image."""
    out = folder / "scores.npy"
    command = [millrace, "flow", "score", model, str(data), "--size", "28x28", "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    table = np.load(out)
    return -table[:, 0], table[:, 2]


def roc_area(usual, unusual):
    """The probability that an unusual image has the higher score; ties count half (Mann and Whitney)."""
    everything = np.concatenate([usual, unusual])
    _, inverse, counts = np.unique(everything, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = len(usual), len(unusual)
    return (ranks[n:].sum() - m * (m + 1) / 2) / (n * m)


def report(millrace, model, n):
    """Prints the areas for n test images."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        clothes = test_images(n)
        np.save(folder / "clothes.npy", clothes)
        sources = {"digits": ROOT / "docs/examples/digits.npy"}
        for kind, images in other_images(clothes).items():
            np.save(folder / f"{kind}.npy", images)
            sources[kind] = folder / f"{kind}.npy"
        usual = scores(millrace, model, folder / "clothes.npy", folder)
        print(f"{'other images':12} {'likelihood':>10} {'typicality':>10}")
        for kind, path in sources.items():
            unusual = scores(millrace, model, path, folder)
            areas = [roc_area(a, b) for a, b in zip(usual, unusual)]
            print(f"{kind:12} {areas[0]:10.3f} {areas[1]:10.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--millrace", default=str(ROOT / "build/release/bin/millrace"))
    parser.add_argument("--n", type=int, default=2000, help="test images")
    chosen = parser.parse_args()
    report(chosen.millrace, chosen.model, chosen.n)


if __name__ == "__main__":
    main()

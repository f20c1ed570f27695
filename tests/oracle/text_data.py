#!/usr/bin/env python3
"""The texts of docs/flows.md, out of Debian's packages r-cran-janeaustenr and wamerican.

    text_data.py FOLDER

Writes Jane Austen's Pride and Prejudice as book.txt (its first nine tenths, 616,316 characters)
and chapter.txt (the rest), and the word list as words.txt and new_words.txt (a tenth of the words,
chosen at random). The packages are downloaded by apt-get and not installed.
"""

import argparse
import lzma
import pathlib
import random
import re
import struct
import subprocess
import tempfile
import zlib

BOOK_CHARACTERS = 616316
FIRST_LINE = "PRIDE AND PREJUDICE"


def unpack(package, folder):
    subprocess.run(["apt-get", "download", package], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    archive, = pathlib.Path(folder).glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)


def inflate(data):
    """An object of R's: four bytes of its size, then "Z" and LZMA2, or zlib."""
    if data[4:5] == b"Z":
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 9}]
        return lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=filters).decompress(data[5:])
    return zlib.decompress(data[4:])


def lines_of(data):
    """A vector of texts as R serializes it: its type (16), its length, then each with its own."""
    at = data.index(b"\0\0\0\x10")
    n, = struct.unpack(">i", data[at + 4:at + 8])
    at += 8
    for _ in range(n):
        size, = struct.unpack(">i", data[at + 4:at + 8])
        yield data[at + 8:at + 8 + max(size, 0)].decode()
        at += 8 + max(size, 0)


def book(folder):
    """The index has pairs of integers: where an object begins, and its size."""
    index, = pathlib.Path(folder).glob("**/janeaustenr/data/Rdata.rdx")
    objects = index.with_suffix(".rdb").read_bytes()
    pairs = re.findall(rb"\0\0\0\x0d\0\0\0\x02(.{8})", zlib.decompress(index.read_bytes(), 47), re.S)
    for first, size in (struct.unpack(">ii", pair) for pair in pairs):
        data = inflate(objects[first:first + size])
        if FIRST_LINE.encode() in data[:200]:
            return "".join(line + "\n" for line in lines_of(data))
    raise SystemExit(f"{index}: has no book that begins with {FIRST_LINE}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    out = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as folder:
        unpack("r-cran-janeaustenr", folder)
        unpack("wamerican", folder)
        text = book(folder)
        words = (pathlib.Path(folder) / "usr/share/dict/american-english").read_text("utf-8")
    words = words.splitlines()
    random.Random(1).shuffle(words)
    n_new = len(words) // 10
    texts = {"book": text[:BOOK_CHARACTERS], "chapter": text[BOOK_CHARACTERS:],
             "words": "".join(word + "\n" for word in words[n_new:]),
             "new_words": "".join(word + "\n" for word in words[:n_new])}
    out.mkdir(exist_ok=True)
    for name, part in texts.items():
        (out / f"{name}.txt").write_text(part, "utf-8")
        print(f"{out / name}.txt: {len(part)} characters")


if __name__ == "__main__":
    main()

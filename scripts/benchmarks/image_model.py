#!/usr/bin/env python3
"""Everything that is asked of a model of Fashion-MNIST.

    python3 scripts/benchmarks/image_model.py MODEL [--out DIR] [--millrace PATH] [--n N]

MODEL was fitted by `millrace flow fit fashion-mnist`, best with --class-conditional. Prints

    bits a dimension of the test images, by their labels if the model is class-conditional;
    those of the first N of them without labels, by 1 and 10 draws of the noise on pixels;
    how many samples of each class a classifier takes for that class (image_classes.py);
    areas under the ROC curve against other images (image_anomaly.py),

and writes samples at temperatures 0.7 and 1 into DIR. Needs NumPy and Debian's package dataset-fashion-mnist.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import image_anomaly
import image_classes
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEST = "fashion-mnist:test"
DRAWS = (1, 10)


def run(millrace, *arguments):
    command = [millrace, "flow", *map(str, arguments), "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def print_bits(millrace, model, n, folder):
    """Returns whether the model is class-conditional."""
    scores = run(millrace, "score", model, TEST)
    by = ", by their labels" if scores["labels"] else ""
    print(f"test images      {scores['bits_per_dim']:.4f} ± {scores['stderr']:.4f} bits a dimension{by}")
    first = folder / "first.npy"
    np.save(first, image_anomaly.test_images(n))
    for n_draws in DRAWS:
        bits = run(millrace, "score", model, first, "--importance-samples", n_draws)["bits_per_dim"]
        print(f"first {n:<10} {bits:.4f} by {n_draws} draws")
    return scores["labels"]


def write_samples(millrace, model, out):
    out.mkdir(parents=True, exist_ok=True)
    for temperature in ("0.7", "1"):
        path = out / f"samples_{temperature}.png"
        run(millrace, "sample", model, "-n", 80, "--temperature", temperature, "--out", path)
        print(f"samples          {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("samples"))
    parser.add_argument("--millrace", default=str(ROOT / "build/release/bin/millrace"))
    parser.add_argument("--n", type=int, default=500, help="test images that are scored without labels")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        has_classes = print_bits(chosen.millrace, chosen.model, chosen.n, pathlib.Path(name))
    write_samples(chosen.millrace, chosen.model, chosen.out)
    if has_classes:
        image_classes.report(chosen.millrace, chosen.model, 100, "0.7")
    image_anomaly.report(chosen.millrace, chosen.model, chosen.n)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Whether a class-conditional model of Fashion-MNIST draws what it is asked for.

    python3 scripts/benchmarks/image_classes.py MODEL [--millrace PATH] [--n N] [--temperature T]

MODEL was fitted by `millrace flow fit fashion-mnist --class-conditional`. A classifier (a net of one hidden
layer, trained here on the training images) says how many samples of each class are of that class, and how
many of the test images. Needs NumPy and Debian's package dataset-fashion-mnist.
"""

import argparse
import gzip
import pathlib
import subprocess
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
N_CLASSES, N_HIDDEN, N_EPOCHS, BATCH = 10, 128, 6, 256


def read_part(name):
    with gzip.open(DATA / f"{name}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(DATA / f"{name}-labels-idx1-ubyte.gz") as file:
        return images, np.frombuffer(file.read(), np.uint8, offset=8)


class Classifier:
    """Softmax over one layer of ReLUs, by Adam with a learning rate that falls to 0."""

    def __init__(self, images, labels):
        random = np.random.default_rng(1)
        shapes = [(784, N_HIDDEN), (N_HIDDEN,), (N_HIDDEN, N_CLASSES), (N_CLASSES,)]
        self.params = [random.normal(size=s).astype(np.float32) * (2 / s[0]) ** 0.5 * (len(s) > 1) for s in shapes]
        moments = [[np.zeros_like(p) for p in self.params] for _ in range(2)]
        n_batches = len(images) // BATCH
        for step in range(N_EPOCHS * n_batches):
            if step % n_batches == 0:
                order = random.permutation(len(images))
            rows = order[step % n_batches * BATCH :][:BATCH]
            self.update(self.gradients(self.see(images[rows]), labels[rows]), moments, step, N_EPOCHS * n_batches)

    @staticmethod
    def see(images):
        return images.reshape(len(images), -1).astype(np.float32) / 255 - 0.3

    def gradients(self, x, y):
        hidden = np.maximum(x @ self.params[0] + self.params[1], 0)
        logits = hidden @ self.params[2] + self.params[3]
        error = np.exp(logits - logits.max(1, keepdims=True))
        error /= error.sum(1, keepdims=True)
        error[np.arange(len(y)), y] -= 1
        error /= len(y)
        back = error @ self.params[2].T * (hidden > 0)
        return [x.T @ back, back.sum(0), hidden.T @ error, error.sum(0)]

    def update(self, gradients, moments, step, n_steps):
        for p, g, m, v in zip(self.params, gradients, *moments):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            scale = 1e-3 * (1 - step / n_steps) * (1 - 0.999 ** (step + 1)) ** 0.5 / (1 - 0.9 ** (step + 1))
            p -= scale * m / (np.sqrt(v) + 1e-8)

    def classes(self, images):
        x = self.see(images)
        return np.argmax(np.maximum(x @ self.params[0] + self.params[1], 0) @ self.params[2] + self.params[3], 1)


def report(millrace, model, n, temperature):
    """Prints how many of n samples of each class are of that class."""
    classifier = Classifier(*read_part("train"))
    images, labels = read_part("t10k")
    print(f"test images  {np.mean(classifier.classes(images) == labels):.3f}")
    right = []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(N_CLASSES):
            out = f"{folder}/samples.npy"
            command = [millrace, "flow", "sample", model, "--given", str(k), "-n", str(n)]
            command += ["--temperature", temperature, "--out", out]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            right.append(np.mean(classifier.classes(np.load(out)) == k))
            print(f"class {k}      {right[-1]:.3f}")
    print(f"all samples  {np.mean(right):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--millrace", default=str(ROOT / "build/release/bin/millrace"))
    parser.add_argument("--n", type=int, default=100, help="samples of each class")
    parser.add_argument("--temperature", default="0.7")
    chosen = parser.parse_args()
    report(chosen.millrace, chosen.model, chosen.n, chosen.temperature)


if __name__ == "__main__":
    main()

"""Holds base/tensors_read.c and base/tensors_write.c against Python's safetensors, both ways.

    python tests/oracle/safetensors_python.py record tests/data/tensors
        writes python.safetensors, which tests/nn/test_tensors.c reads and writes byte for byte
    python tests/oracle/safetensors_python.py check tests/data/tensors
        opens millrace.safetensors, whose bytes that test holds our writer to

Needs numpy and safetensors.
"""

import argparse
import pathlib
import sys

import numpy
from safetensors import safe_open
from safetensors.numpy import save_file

# The same numbers stand in tests/nn/test_tensors.c.
METADATA = {"about": 'quotes ", backslash \\, newline \n, umlaut \u00fc'}
ARRAYS = {
    "steps": numpy.array([-1, 2**62], dtype=numpy.int64),
    "mean": numpy.array([0.1, -1e300, 3.0], dtype=numpy.float64),
    "actor.weight": numpy.array([[0.5, -1.5, 2.5], [3.5, 1e-30, 0.0]], dtype=numpy.float32),
    "empty": numpy.zeros((0, 4), dtype=numpy.float32),
    "scalar": numpy.array(7.25, dtype=numpy.float32),
    "flags": numpy.array([1, 0, 255], dtype=numpy.uint8),
}


def record(folder):
    save_file(ARRAYS, folder / "python.safetensors", metadata=METADATA)


def check(folder):
    with safe_open(folder / "millrace.safetensors", framework="numpy") as file:
        assert file.metadata() == METADATA, file.metadata()
        assert set(file.keys()) == set(ARRAYS), file.keys()
        for name, expected in ARRAYS.items():
            found = file.get_tensor(name)
            assert found.dtype == expected.dtype, (name, found.dtype)
            assert found.shape == expected.shape, (name, found.shape)
            assert numpy.array_equal(found, expected), (name, found)
    print(f"millrace.safetensors: {len(ARRAYS)} arrays as expected")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["record", "check"])
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    {"record": record, "check": check}[arguments.action](arguments.folder)


if __name__ == "__main__":
    sys.exit(main())

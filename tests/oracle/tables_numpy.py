#!/usr/bin/env python3
"""Writes tests/data/tables: arrays as NumPy saves them, of each type of number, order of bytes and
order of axes; archives of one array and of two; what pandas-like programs write as .csv. NUMBERS.csv
holds what TYPE_*.npy must be read as. tests/nn/test_tables.c reads them.

    tests/oracle/tables_numpy.py
"""

import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent.parent / "data" / "tables"

LARGEST = 2**53  # whole numbers up to here are doubles
NUMBERS = {
    "b1": [[0, 1, 1], [1, 0, 0]],
    "i1": [[0, 1, -1], [127, -128, 5]],
    "i2": [[0, 1, -1], [32767, -32768, 258]],
    "i4": [[0, 1, -1], [2**31 - 1, -(2**31), 16909060]],
    "i8": [[0, 1, -1], [LARGEST, -LARGEST, 72623859790382856 // 16]],
    "u1": [[0, 1, 2], [255, 128, 127]],
    "u2": [[0, 1, 2], [65535, 32768, 258]],
    "u4": [[0, 1, 2], [2**32 - 1, 2**31, 16909060]],
    "u8": [[0, 1, 2], [LARGEST, 2**63, 256]],
    "f2": [[0, 0.5, -2], [65504, 2**-24, 1.0009765625]],
    "f4": [[0, 0.5, -2], [3.4028234663852886e38, 2**-149, 0.1]],
    "f8": [[0, 0.5, -2], [1e300, 5e-324, 0.1]],
}


def save_types():
    for name, rows in NUMBERS.items():
        orders = {"little": "<", "big": ">"} if name[1] != "1" else {"byte": "|"}
        for order, sign in orders.items():
            table = np.array(rows, dtype=sign + name)
            np.save(FOLDER / f"{name}_{order}_c.npy", table)
            np.save(FOLDER / f"{name}_{order}_fortran.npy", np.asfortranarray(table))
        expected = np.array(rows, dtype=name).astype("f8")
        np.savetxt(FOLDER / f"{name}.csv", expected, fmt="%.17g", delimiter=",")


def save_archives():
    table = np.array([[1, 2], [3, 4], [5, 6.5]])
    np.savez(FOLDER / "stored.npz", table)
    np.savez_compressed(FOLDER / "deflated.npz", points=table)
    np.savez(FOLDER / "two.npz", train=table, test=table)
    np.savez(FOLDER / "none.npz")
    whole = (FOLDER / "deflated.npz").read_bytes()
    (FOLDER / "cut.npz").write_bytes(whole[:-20])
    spoiled = bytearray(whole)
    spoiled[80] ^= 1  # within the deflated numbers
    (FOLDER / "spoiled.npz").write_bytes(spoiled)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_types()
    save_archives()

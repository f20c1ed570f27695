#!/usr/bin/env python3
"""A table with categorical columns, made of Debian's package lists, by three kinds of models.

    flow_categories.py MILLRACE [--rows 20000] [--epochs 60]
    flow_categories.py --table packages.csv [--rows 20000]

Columns: section, priority and architecture of a package, as text; the logarithms of its installed
size, its download and the number of its dependencies. (Sizes are whole numbers; a uniform number
from 0 to 1 is added to each before the logarithm.) The second form writes the table and ends. The
first prints the mean log-likelihood of rows that no model has seen, in nats, of

- independent marginals: frequencies of the categories (each category counted once more) and a flow
  for each other column;
- a flow that takes the categories for numbers, in the order of the alphabet, with a uniform number
  from 0 to 1 added (dequantisation, Uria et al. 2013), whose likelihood is a bound, too;
- a flow fitted to the table as it is, and the same with 100 importance samples.

Of rows to be scored none has a category that no row to be fitted has. The rows come from `apt-cache dumpavail`, which needs `apt-get update` once.
"""

import argparse
import csv
import json
import random
import subprocess
import tempfile

import numpy

NAMES = ["section", "priority", "architecture", "installed", "download", "dependencies"]
CATEGORIES = 3  # the first columns


def packages():
    text = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True,
                          check=True).stdout
    for record in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in record.split("\n")
                      if ": " in line and line[0] != " ")
        if {"Section", "Priority", "Architecture", "Installed-Size", "Size"} <= fields.keys():
            yield fields


def table(n):
    """Rows of texts and numbers, in random order."""
    packed = sorted(packages(), key=lambda fields: fields["Package"])
    random.Random(1).shuffle(packed)
    noise = numpy.random.default_rng(1).uniform(size=(n, 3))
    rows = []
    for fields, u in zip(packed, noise):
        depends = fields.get("Depends", "")
        counts = int(fields["Installed-Size"]), int(fields["Size"]), depends.count(",") + bool(depends)
        rows.append([fields[name] for name in ("Section", "Priority", "Architecture")]
                    + [f"{x:.6f}" for x in numpy.log(numpy.array(counts) + u)])
    return rows


def save(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(NAMES)
        writer.writerows(rows)


def split(rows):
    """The rows to fit, and a fifth of all to score, but for those with a category of their own."""
    test, train = rows[:len(rows) // 5], rows[len(rows) // 5:]
    known = [{row[j] for row in train} for j in range(CATEGORIES)]
    is_known = [all(row[j] in known[j] for j in range(CATEGORIES)) for row in test]
    train += [row for row, is_one in zip(test, is_known) if not is_one]
    return train, [row for row, is_one in zip(test, is_known) if is_one]


def as_numbers(train, test):
    """Both with codes for texts."""
    code = [{text: k for k, text in enumerate(sorted({row[j] for row in train}))}
            for j in range(CATEGORIES)]
    return [numpy.array([[code[j][row[j]] for j in range(CATEGORIES)]
                         + [float(x) for x in row[CATEGORIES:]] for row in rows])
            for rows in (train, test)]


def run(*words):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(result.stderr)
    return json.loads(result.stdout)


class Command:
    def __init__(self, path, folder, epochs):
        self.path, self.folder, self.epochs = path, folder, epochs

    def fit(self, train, test, *options, scoring=((),)):
        suffix = "npy" if isinstance(train, numpy.ndarray) else "csv"
        names = [f"{self.folder}/{name}.{suffix}" for name in ("train", "test")]
        for name, x in zip(names, (train, test)):
            numpy.save(name, x) if suffix == "npy" else save(name, x)
        model = f"{self.folder}/model.safetensors"
        end = run(self.path, "flow", "fit", names[0], "--out", model, "--epochs", self.epochs,
                  "--json", *options)
        print(f"    {len(end['columns'])} columns, {len(end['categorical_columns'])} of categories: "
              f"{end['epochs']} epochs, {end['seconds']:.0f} s", flush=True)
        return [run(self.path, "flow", "score", model, names[1], "--json",
                    *more)["mean_log_likelihood"] for more in scoring]


def marginals(command, train, test):
    total = 0
    for j in range(train.shape[1]):
        if j >= CATEGORIES:
            total += command.fit(train[:, j:j + 1], test[:, j:j + 1])[0]
            continue
        n = int(max(train[:, j].max(), test[:, j].max())) + 1
        p = numpy.bincount(train[:, j].astype(int), minlength=n) + 1
        total += numpy.log(p / p.sum())[test[:, j].astype(int)].mean()
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("millrace", nargs="?")
    parser.add_argument("--table")
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--epochs", type=int, default=60)
    chosen = parser.parse_args()
    rows = table(chosen.rows)
    if chosen.table:
        save(chosen.table, rows)
        return
    train, test = split(rows)
    numbers_train, numbers_test = as_numbers(train, test)
    sections, priorities, architectures = (len({row[j] for row in train}) for j in range(CATEGORIES))
    print(f"{len(train)} rows to fit, {len(test)} to score; {sections} sections, {priorities} "
          f"priorities, {architectures} architectures")
    noise = numpy.zeros((len(rows), len(NAMES)))
    noise[:, :CATEGORIES] = numpy.random.default_rng(2).uniform(size=(len(rows), CATEGORIES))
    with tempfile.TemporaryDirectory() as folder:
        command = Command(chosen.millrace, folder, chosen.epochs)
        alone = marginals(command, numbers_train, numbers_test)
        numbers, = command.fit(numbers_train + noise[len(test):], numbers_test + noise[:len(test)])
        one, many = command.fit(train, test, scoring=((), ("--importance-samples", "100")))
    for name, value in (("independent marginals", alone), ("categories as numbers", numbers),
                        ("columns of text", one), ("columns of text, 100 samples", many)):
        print(f"{name:28} {value:8.3f} nats")


if __name__ == "__main__":
    main()

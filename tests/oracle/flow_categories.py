#!/usr/bin/env python3
"""A table with categorical columns, made of Debian's package lists, by three kinds of models.

    flow_categories.py MILLRACE [--rows 20000] [--epochs 60]

Columns: section, priority and architecture of a package as numbers, in the order of the alphabet;
the logarithms of its installed size, its download and the number of its dependencies. (Sizes are
whole numbers; a uniform number from 0 to 1 is added to each before the logarithm.) Prints the mean
log-likelihood of rows that no model has seen, in nats, of

- independent marginals: frequencies of the categories (each category counted once more) and a flow
  for each other column;
- a flow that takes the categories for numbers, with a uniform number from 0 to 1 added
  (dequantisation, Uria et al. 2013), whose likelihood is a bound, too;
- a flow with --categorical, and the same with 100 importance samples.

The rows come from `apt-cache dumpavail`, which needs `apt-get update` once.
"""

import argparse
import json
import random
import subprocess
import tempfile

import numpy

CATEGORIES = 3


def packages():
    text = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True,
                          check=True).stdout
    for record in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in record.split("\n")
                      if ": " in line and line[0] != " ")
        if {"Section", "Priority", "Architecture", "Installed-Size", "Size"} <= fields.keys():
            yield fields


def table(n):
    rows = sorted(packages(), key=lambda fields: fields["Package"])
    random.Random(1).shuffle(rows)
    rows = rows[:n]
    x = numpy.empty((len(rows), 6))
    noise = numpy.random.default_rng(1).uniform(size=(len(rows), 3))
    for j, name in enumerate(["Section", "Priority", "Architecture"]):
        values = sorted({row[name] for row in rows})
        x[:, j] = [values.index(row[name]) for row in rows]
    for i, row in enumerate(rows):
        depends = row.get("Depends", "")
        counts = int(row["Installed-Size"]), int(row["Size"]), depends.count(",") + bool(depends)
        x[i, 3:] = numpy.log(numpy.array(counts) + noise[i])
    return x


def run(*words):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(result.stderr)
    return json.loads(result.stdout)


class Command:
    def __init__(self, path, folder, epochs):
        self.path, self.folder, self.epochs = path, folder, epochs

    def fit(self, train, test, *options, scoring=((),)):
        names = [f"{self.folder}/{name}.npy" for name in ("train", "test")]
        for name, x in zip(names, (train, test)):
            numpy.save(name, x)
        model = f"{self.folder}/model.safetensors"
        end = run(self.path, "flow", "fit", names[0], "--out", model, "--epochs", self.epochs,
                  "--json", *options)
        print(f"    {' '.join(options) or 'fit'}: {end['epochs']} epochs, {end['seconds']:.0f} s",
              flush=True)
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
    parser.add_argument("millrace")
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--epochs", type=int, default=60)
    chosen = parser.parse_args()
    x = table(chosen.rows)
    n_test = len(x) // 5
    train, test = x[n_test:], x[:n_test]
    print(f"{len(train)} rows to fit, {n_test} to score; {int(x[:, 0].max()) + 1} sections, "
          f"{int(x[:, 1].max()) + 1} priorities, {int(x[:, 2].max()) + 1} architectures")
    noise = numpy.zeros_like(x)
    noise[:, :CATEGORIES] = numpy.random.default_rng(2).uniform(size=(len(x), CATEGORIES))
    ranges = ",".join(f"{j + 1}:0:{int(x[:, j].max())}" for j in range(CATEGORIES))
    with tempfile.TemporaryDirectory() as folder:
        command = Command(chosen.millrace, folder, chosen.epochs)
        alone = marginals(command, train, test)
        numbers, = command.fit(train + noise[n_test:], test + noise[:n_test])
        one, many = command.fit(train, test, "--categorical", ranges,
                                scoring=((), ("--importance-samples", "100")))
    for name, value in (("independent marginals", alone), ("categories as numbers", numbers),
                        ("--categorical", one), ("--categorical, 100 samples", many)):
        print(f"{name:28} {value:8.3f} nats")


if __name__ == "__main__":
    main()

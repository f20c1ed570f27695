"""Holds the event file of a run against its tables, read by TensorBoard itself.

    python tests/oracle/events_tensorboard.py RUN_DIR...

Every number of progress.csv and evaluations.csv must be there once, at its step, and nothing else. Exits with 1 on the
first difference. Needs tensorboard.
"""

import argparse
import collections
import csv
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

FLOAT32_ROUNDING = 2.0**-23  # TensorBoard keeps float32; the tables' ten digits are rounded once more
STEP = "time/total_timesteps"
EVALUATION = ("eval/mean_reward", "eval/std_reward", "eval/mean_ep_length")


def read_tables(run):
    """(tag, step) -> value, of what belongs into the events."""
    expected = {}
    with open(run / "progress.csv", newline="") as file:
        for row in csv.DictReader(file):
            for tag, cell in row.items():
                if cell and not tag.startswith("eval/"):
                    expected[tag, int(row[STEP])] = float(cell)
    with open(run / "evaluations.csv", newline="") as file:
        for row in csv.DictReader(file):
            for tag in EVALUATION:
                expected[tag, int(row[STEP])] = float(row[tag])
    return expected


def read_events(run):
    """(tag, step) -> values."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    found = collections.defaultdict(list)
    for tag in events.Tags()["scalars"]:
        for point in events.Scalars(tag):
            found[tag, point.step].append(point.value)
    assert events.file_version == 2.0, events.file_version
    return found


def check(run):
    expected = read_tables(run)
    found = read_events(run)
    assert expected.keys() == found.keys(), sorted(expected.keys() ^ found.keys())
    for key, value in expected.items():
        assert len(found[key]) == 1, (key, found[key])
        assert abs(found[key][0] - value) <= FLOAT32_ROUNDING * abs(value), (key, found[key], value)
    print(f"{run}: {len(expected)} numbers under {len({tag for tag, _ in expected})} tags as in the tables")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", metavar="RUN_DIR", type=pathlib.Path, nargs="+")
    for run in parser.parse_args().runs:
        check(run)


if __name__ == "__main__":
    sys.exit(main())

"""The page about speed, docs/performance.md, made by running the programs of tests/bench.

Everything that is measured is a row of one of two tables below. A Bench is one figure and its ratio to a limit that was
measured in the same rounds; a Curve is a bench over the values of one of its options. To add one: a program in
tests/bench that prints a JSON object a line with --json, and a row here.
"""

import dataclasses
import json
import math
import os
import pathlib
import platform
import re
import subprocess

from .plan import PlanError

# What --quick adds to each program: few rounds, to see that all runs.
QUICK = {
    "bench_sac_update": ["--rounds", "3", "--updates", "5"],
    "bench_train": ["--rounds", "2"],
    "bench_envs": ["--rounds", "3", "--round-ms", "20"],
    "bench_bridge": ["--rounds", "3", "--round-ms", "20"],
    "bench_replay": ["--rounds", "3"],
}


@dataclasses.dataclass(frozen=True)
class Bench:
    """A figure beside its limit."""

    title: str
    command: tuple  # program and options
    rate: str  # key of the figure in what the program prints
    unit: str
    ratio: str  # key of its ratio to the limit
    limit: str  # what the limit is


@dataclasses.dataclass(frozen=True)
class Curve:
    """A figure over the values of an option."""

    title: str
    command: tuple
    option: str
    values: tuple
    rate: str
    unit: str
    reason: str  # a sentence that says why the curve is as it is
    quick: tuple = ()  # values for --quick; empty: the first and the last


UPDATE = ("bench_sac_update",)
PRODUCTS = "its matrix products by OpenBLAS"

BENCHES = (
    Bench("SAC update, `gaussian`, 1 thread", UPDATE + ("--threads", "1"), "updates_per_s", "updates/s", "ratio_to_gemm", PRODUCTS),
    Bench("SAC update, `gaussian`, 2 threads", UPDATE + ("--threads", "2"), "updates_per_s", "updates/s", "ratio_to_gemm", PRODUCTS),
    Bench("SAC update, `real_nvp`, 2 threads", UPDATE + ("--threads", "2", "--policy", "real_nvp"), "updates_per_s", "updates/s", "ratio_to_gemm", PRODUCTS),
    Bench("training, HalfCheetah-v5, 2 threads", ("bench_train", "--threads", "2"), "steps_per_s", "steps/s", "ratio_to_gemm", PRODUCTS),
    Bench("environment, HalfCheetah-v5", ("bench_envs", "HalfCheetah-v5"), "steps_per_s", "steps/s", "ratio_to_mujoco", "bare `mj_step`"),
    Bench("environment, Humanoid-v5", ("bench_envs", "Humanoid-v5"), "steps_per_s", "steps/s", "ratio_to_mujoco", "bare `mj_step`"),
    Bench("bridge, one environment", ("bench_bridge",), "steps_per_s", "steps/s", "ratio_to_ping_pong", "bare ZeroMQ"),
    Bench("batch from a replay buffer of 1,000,000", ("bench_replay",), "batches_per_s", "batches/s", "ratio_to_copies", "bare copies from random places"),
)


def powers_of_two(first, last):
    return tuple(2**k for k in range(int(math.log2(first)), int(math.log2(last)) + 1))


CURVES = (
    Curve(
        "Batch size",
        UPDATE + ("--threads", "1"),
        "--batch",
        powers_of_two(64, 4096),
        "updates_per_s",
        "updates/s",
        "The products grow with the batch; what an update costs once (Adam, the targets, meeting of threads) does not.",
    ),
    Curve(
        "Units of both hidden layers",
        UPDATE + ("--threads", "1", "--updates", "10"),
        "--hidden",
        powers_of_two(64, 2048),
        "updates_per_s",
        "updates/s",
        "The products between the hidden layers grow with the square of the width.",
    ),
    Curve(
        "Actions",
        UPDATE + ("--threads", "1"),
        "--act-dim",
        (1, 3, 10, 30, 100),
        "updates_per_s",
        "updates/s",
        "Only the first layer of the critics and the last of the policy are wider.",
    ),
    Curve(
        "Layers of a `real_nvp` policy",
        UPDATE + ("--threads", "1", "--policy"),
        "real_nvp:layers=",
        powers_of_two(1, 32),
        "updates_per_s",
        "updates/s",
        "Each coupling has a net of its own, which the policy runs for the actions of the update and for those of the target.",
    ),
    Curve(
        "Threads",
        UPDATE,
        "--threads",
        powers_of_two(1, max(1, os.cpu_count() or 1)),
        "updates_per_s",
        "updates/s",
        "Threads share the rows of a batch and meet between an update's graphs.",
    ),
    Curve(
        "Copies of HalfCheetah-v5, all threads",
        ("bench_envs", "HalfCheetah-v5", "--threads", str(os.cpu_count() or 1)),
        "--envs",
        (1, 4, 16, 64, 256, 1024),
        "threads_steps_per_s",
        "steps/s of all copies",
        "A step of a copy costs the same, and more copies share out better over the threads.",
    ),
    Curve(
        "Transitions in the replay buffer",
        ("bench_replay",),
        "--rows",
        (10**4, 10**5, 10**6, 10**7),
        "batches_per_s",
        "batches/s",
        "Once no cache holds the buffer, a transition costs the memory's time for a random place.",
        (10**4, 10**5),
    ),
)

PLAN = """\
## On 64 cores

Not measured; what the figures above say. A batch of 256 at 2 x 256 has so little work that its threads would meet more
than they compute: use cores for independent runs (`scripts/benchmark TABLE.yaml` gives each its own) or for copies of the
environment. Updates with 1,024 rows or layers of 1,024 units and more have work for several threads: rows are shared out
without copies, and only gradients are added up, in the order of the threads. Memory is the next limit: each thread has a
gradient of its own of all parameters, and draws from the replay buffer wait for memory, not for processors.
"""


def machine():
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    name = model.group(1) if model else platform.processor()
    return f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def run(folder, command, options):
    """The first JSON object that a program prints."""
    program, *arguments = command
    path = folder / program
    if not path.exists():
        raise PlanError(f"{path} is not there; build it with scripts/build")
    done = subprocess.run([path, *arguments, *options, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise PlanError(f"{' '.join([program, *arguments, *options])}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[0])


def number(value):
    """Three digits that count, with commas."""
    if value >= 100:
        return f"{round(value, 2 - int(math.log10(value))):,.0f}"
    return f"{value:.3g}"


def quick_options(command, is_quick):
    return QUICK.get(command[0], []) if is_quick else []


def bench_rows(folder, is_quick):
    for bench in BENCHES:
        found = run(folder, bench.command, quick_options(bench.command, is_quick))
        print(f"{bench.title}: {number(found[bench.rate])} {bench.unit}, {found[bench.ratio]:.2f} of {bench.limit}", flush=True)
        yield f"| {bench.title} | {number(found[bench.rate])} {bench.unit} | {found[bench.ratio]:.2f} | {bench.limit} |"


def options_for(curve, value):
    """`--batch 64`, or `real_nvp:layers=4` where the option ends in `=`."""
    return [f"{curve.option}{value}"] if curve.option.endswith("=") else [curve.option, str(value)]


def measure(folder, curve, is_quick):
    """[(value, rate)]"""
    values = (curve.quick or (curve.values[0], curve.values[-1])) if is_quick else curve.values
    points = []
    for value in dict.fromkeys(values):
        options = options_for(curve, value) + quick_options(curve.command, is_quick)
        points.append((value, run(folder, curve.command, options)[curve.rate]))
        print(f"{curve.title} {value:,}: {number(points[-1][1])} {curve.unit}", flush=True)
    return points


def sentence(curve, points):
    """How the rate changes from the first value to the last, and why."""
    (first, rate_first), (last, rate_last) = points[0], points[-1]
    if first == last:
        return curve.reason
    power = math.log(rate_last / rate_first) / math.log(last / first)
    return f"From {first:,} to {last:,} the rate changes by a factor of {rate_last / rate_first:.2g}: the power {power:.2f}. {curve.reason}"


def curve_section(folder, curve, is_quick):
    points = measure(folder, curve, is_quick)
    header = "| | " + " | ".join(f"{value:,}" for value, _ in points) + " |"
    rule = "| --- |" + " --- |" * len(points)
    rates = f"| {curve.unit} | " + " | ".join(number(rate) for _, rate in points) + " |"
    return f"### {curve.title}\n\n{sentence(curve, points)}\n\n{header}\n{rule}\n{rates}\n"


def write(folder, out, is_quick):
    """Measures everything and writes the page."""
    version = subprocess.run([folder / "millrace", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    rows = "\n".join(bench_rows(folder, is_quick))
    curves = "\n".join(curve_section(folder, curve, is_quick) for curve in CURVES)
    note = "Few rounds of each, on a machine with other work: the shape counts, not the digits.\n\n" if is_quick else ""
    out.write_text(
        f"""# Performance

Made by `scripts/benchmark --speed{" --quick" if is_quick else ""}`, with {version}, on {machine()}. Other measurements are in [results.md](results.md#speed).

{note}## Against the machine's limits

Each ratio is to a limit that was measured in the same rounds, in turns; 1 is all there is.

| | rate | ratio | limit |
| --- | --- | --- | --- |
{rows}

## How cost grows

Sizes are those of HalfCheetah-v5 (17 observations, 6 actions, two hidden layers of 256, batch 256), but for the one that varies.

{curves}
{PLAN}"""
    )
    print(f"written: {out}")
    return 0

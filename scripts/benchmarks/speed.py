"""The page about speed, docs/performance.md, made by running the programs of tests/bench.

Everything that is measured is a row of one of two tables below. A Bench is one figure and its ratio to a limit that was
measured in the same rounds; a Curve is a bench over the values of one of its options. To add one: a program in
tests/bench that prints a JSON object a line with --json, and a row here.
"""

import dataclasses
import functools
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
    "bench_threads": ["--rounds", "2", "--seconds", "0.1"],
    "bench_act": ["--calls", "10000"],
    "bench_start": ["--rounds", "5"],
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
ONE_THREAD = "one thread in the same place; the least of 1, 2, 4 and the default number"
TWO_RUNS = "one run of one thread alone; 2 is all there is on two cores"
SPREAD = "99.9th percentile over median, of a bare loop of equal length over the action's"
LOADED = "`millrace --version`, which loads the libraries and ends"

# Tasks of bench_threads, and their sizes.
SIZES = (("Pendulum-v1", "2 x 64, batch 100"), ("HalfCheetah-v5", "2 x 256, batch 256"), ("Humanoid-v5", "2 x 256, batch 256, 348 observations"))

BENCHES = (
    Bench("SAC update, `gaussian`, 1 thread", UPDATE + ("--threads", "1"), "updates_per_s", "updates/s", "ratio_to_gemm", PRODUCTS),
    Bench("SAC update, `gaussian`, 2 threads", UPDATE + ("--threads", "2"), "updates_per_s", "updates/s", "ratio_to_gemm", PRODUCTS),
    Bench("SAC update, `real_nvp`, 2 threads", UPDATE + ("--threads", "2", "--policy", "real_nvp"), "updates_per_s", "updates/s", "ratio_to_gemm", PRODUCTS),
    Bench("training, HalfCheetah-v5, 2 threads", ("bench_train", "--threads", "2"), "steps_per_s", "steps/s", "ratio_to_gemm", PRODUCTS),
    *(
        Bench(f"SAC update beside a busy process, {sizes}, default threads", ("bench_threads", "--task", task), "beside_updates_per_s", "updates/s", "beside_least_ratio", ONE_THREAD)
        for task, sizes in SIZES
    ),
    *(
        Bench(f"two runs at once, {sizes}, default threads", ("bench_threads", "--task", task), "paired_updates_per_s", "updates/s of both", "paired_ratio", TWO_RUNS)
        for task, sizes in SIZES
    ),
    Bench("one action, `gaussian`", ("bench_act", "--policy", "gaussian"), "median_us", "µs", "ratio_to_bare", SPREAD),
    Bench("one action, `real_nvp`", ("bench_act", "--policy", "real_nvp"), "median_us", "µs", "ratio_to_bare", SPREAD),
    Bench("`millrace train HalfCheetah-v5 --agent sac` to its first step", ("bench_start",), "train_ms", "ms", "train_ratio", LOADED),
    Bench("`millrace envs`", ("bench_start",), "envs_ms", "ms", "envs_ratio", LOADED),
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

Not measured; what the figures above say of a machine of 64 cores.

- Scales as it is: independent runs, a core each (`scripts/benchmark TABLE.yaml`), because runs share nothing. Copies of the environment: they share the task's model, which nobody writes to.
- Scales to a few threads: one update. Threads share the rows of the batch, and a thread's products cost more a row the fewer rows it has: 4 to 5% more with 128 rows than with 256, 9 to 11% with 64 (on one thread, at 2 x 256). So a batch of 256 feeds four threads, where the default number of threads ends, and one of 4,096 feeds 64.
- Does not scale: what an update does once, whatever the batch. Adam and Polyak averaging touch value, gradient, moments and target of each parameter and wait for memory once these exceed the caches. Each thread has a gradient of its own of all parameters, and all are added up in the order of the threads: 64 of them are 56 MB at 2 x 256 and 3.3 GB at 2 x 2,048. Draws from a replay buffer that no cache holds wait for memory, too.
- What would be changed first: gradients added up as a tree; memory of graphs, parameters and replay buffer near the cores that use it (the system gives a page where it is first touched, so each thread would touch its own first); the next batch drawn during an update where several follow one step; then several learners on one replay buffer in the place of more threads in one.
"""

BF16 = """\
## Beyond float32

There are no bfloat16 products. They pay with AVX512-BF16 or AMX only, which no machine had that this page was measured on. So neither their gain nor returns as good as float32's can be shown, and an option without that evidence is left out.
"""

TITLES = {"millrace": "millrace", "stable_baselines3": "Stable-Baselines3", "sbx": "SBX", "rltools": "RLtools"}


def peers_section(path):
    """The section about other programs, from what tests/bench/peers/compare has measured; empty if it hasn't."""
    if not path.exists():
        return ""
    kept = json.loads(path.read_text())
    rows = "\n".join(
        f"| {row['what']} | {TITLES[name]} | {number(of['steps_per_s'])} | {of['ratio']:.2f} | {of['peak_mb']:,.0f} MB | {row['date']} |"
        for row in kept.values()
        for name, of in row["contenders"].items()
    )
    machines = ", ".join(dict.fromkeys(row["machine"] for row in kept.values()))
    return f"""\
## Beside other programs

SAC with one update a step, made by `tests/bench/peers/compare` on {machines}: the contenders take turns, each in a process of its own on as many cores as it has threads. The ratio is our rate over theirs.

| | | steps/s | ratio | peak memory | measured |
| --- | --- | --- | --- | --- | --- |
{rows}

"""


def machine():
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    name = model.group(1) if model else platform.processor()
    return f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


@functools.cache
def run(folder, command, options):
    """The first JSON object that a program prints. Rows that show two of its figures are of one run."""
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
    return tuple(QUICK.get(command[0], ())) if is_quick else ()


def bench_rows(folder, is_quick):
    for bench in BENCHES:
        found = run(folder, bench.command, quick_options(bench.command, is_quick))
        print(f"{bench.title}: {number(found[bench.rate])} {bench.unit}, {found[bench.ratio]:.2f} of {bench.limit}", flush=True)
        yield f"| {bench.title} | {number(found[bench.rate])} {bench.unit} | {found[bench.ratio]:.2f} | {bench.limit} |"


def options_for(curve, value):
    """`--batch 64`, or `real_nvp:layers=4` where the option ends in `=`."""
    return (f"{curve.option}{value}",) if curve.option.endswith("=") else (curve.option, str(value))


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
    peers = peers_section(out.parent / "benchmark" / "peers.json")
    note = "Few rounds of each, on a machine with other work: the shape counts, not the digits.\n\n" if is_quick else ""
    out.write_text(
        f"""# Performance

Made by `scripts/benchmark --speed{" --quick" if is_quick else ""}`, with {version}, on {machine()}. Other measurements are in [results.md](results.md#speed).

{note}## Against the machine's limits

Each ratio is to a limit that was measured in the same rounds, in turns. 1 is the limit itself, unless the last column says otherwise.

| | measured | ratio | limit |
| --- | --- | --- | --- |
{rows}

## How cost grows

Sizes are those of HalfCheetah-v5 (17 observations, 6 actions, two hidden layers of 256, batch 256), but for the one that varies.

{curves}
{peers}{BF16}
{PLAN}"""
    )
    print(f"written: {out}")
    return 0

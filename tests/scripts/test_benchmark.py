"""scripts/benchmark, as its user meets it: a small table trained, stopped, gone on with, and its report."""

import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
BENCHMARK = ROOT / "scripts" / "benchmark"
sys.path.insert(0, str(ROOT / "scripts"))

from benchmarks import plan, report, speed  # noqa: E402

TABLE = """
steps: {steps}
seeds: [1, 2]
tasks: [Pendulum-v1]
agents:
  sac: {{policy: gaussian}}
  td3: {{agent: td3}}
settings: {{hidden: [16], batch_size: 16, learning_starts: 100, eval_every: 1000, eval_episodes: 1}}
reference: {{Pendulum-v1: 150}}
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(TABLE.format(steps=1000))
    return path


def benchmark(table, *options):
    return [BENCHMARK, table, "--runs", table.parent / "runs", "--results", table.parent / "results", *options]


def run(command):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)


def test_trains_a_table_and_makes_its_report_from_the_kept_results(table):
    done = run(benchmark(table, "--jobs", "1"))
    assert done.returncode == 0, done.stdout + done.stderr
    results = table.parent / "results"
    assert sorted(path.name for path in results.iterdir()) == [
        f"Pendulum-v1-{agent}-s{seed}" for agent in ("sac", "td3") for seed in (1, 2)
    ]
    facts = json.loads((results / "Pendulum-v1-sac-s1" / "run.json").read_text())
    assert 0 < facts["cpu_seconds"]["1000"] < 300

    made = run(benchmark(table, "--table"))
    assert made.returncode == 0, made.stderr
    with open(results / "Pendulum-v1-td3-s2" / "evaluations.csv", newline="") as file:
        at_the_end = list(csv.DictReader(file))[-1]["eval/mean_reward"]
    assert f"{float(at_the_end):.0f}" in (results / "table.md").read_text()
    assert (results / "curves_cpu.png").stat().st_size > 1000

    again = run(benchmark(table))
    assert again.returncode == 0 and "4 of 4 runs are finished" in again.stdout


def test_goes_on_where_it_was_stopped(table):
    table.write_text(TABLE.format(steps=4000))
    process = subprocess.Popen(benchmark(table, "--jobs", "1"), stdout=subprocess.PIPE, text=True)
    checkpoint = table.parent / "runs" / "Pendulum-v1-sac-s1" / "checkpoint.safetensors"
    until = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stopped, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on" in stopped
    assert not list((table.parent / "results").glob("*"))

    done = run(benchmark(table, "--jobs", "1"))
    assert done.returncode == 0 and "Pendulum-v1-sac-s1: goes on" in done.stdout


def test_a_table_of_other_settings_does_not_take_the_results_of_before(table):
    text = table.read_text().replace("seeds: [1, 2]", "seeds: [1]").replace("  td3: {agent: td3}\n", "")
    table.write_text(text)
    assert run(benchmark(table, "--jobs", "1")).returncode == 0
    table.write_text(text.replace("hidden: [16]", "hidden: 16"))
    again = run(benchmark(table))
    assert again.returncode == 0 and "1 of 1 runs are finished" in again.stdout
    table.write_text(text.replace("batch_size: 16", "batch_size: 32"))
    refused = run(benchmark(table))
    assert refused.returncode == 2 and "batch_size is 16, and the table has 32; remove" in refused.stderr
    table.write_text(text.replace("steps: 1000", "steps: 2000"))
    longer = run(benchmark(table, "--jobs", "1"))
    assert longer.returncode == 0 and "goes on" in longer.stdout and "finished" in longer.stdout


@pytest.mark.parametrize(
    "change, message",
    [
        (("steps: 1000", "steps: many"), "'steps' must be a number above 0"),
        (("tasks:", "task:"), "unknown key 'task'; there are steps, seeds"),
        (("seeds: [1, 2]", ""), "the key 'seeds' is missing"),
        (("reference:", "baseline: sacc\nreference:"), "baseline: there is no agent 'sacc'; there are sac, td3"),
        (("reference:", "baseline: 3\nreference:"), "'baseline' must be a name, not 3"),
        (("Pendulum-v1: 150", "Pendulum-v1: -150"), "reference of Pendulum-v1: returns are divided by it"),
        (("sac: {policy: gaussian}", "sac: gaussian"), "agent 'sac' must be a mapping of settings"),
    ],
)
def test_a_wrong_table_is_one_line(table, change, message):
    table.write_text(table.read_text().replace(*change))
    refused = run(benchmark(table))
    assert refused.returncode == 2
    assert message in refused.stderr and refused.stderr.count("\n") == 1


def test_a_command_that_is_not_there_is_one_line(table):
    refused = run(benchmark(table, "--millrace", "nowhere/millrace"))
    assert refused.returncode == 2
    assert "nowhere/millrace is not there; build it" in refused.stderr and refused.stderr.count("\n") == 1


def test_a_run_that_cannot_be_kept_is_a_failure(table):
    (table.parent / "results").write_text("a file in the place of the folder")
    done = run(benchmark(table, "--jobs", "1"))
    assert done.returncode == 1 and "Not a directory" in done.stdout


def test_more_jobs_than_cores_are_refused(table):
    refused = run(benchmark(table, "--jobs", str(len(os.sched_getaffinity(0)) + 1)))
    assert refused.returncode == 2 and "share a core" in refused.stderr


def test_the_interquartile_mean_is_the_mean_of_the_middle_half():
    # Of eight values the middle four; of six the middle two, and half of each neighbour.
    assert report.interquartile_mean([1000, 1, 2, 3, 4, -1000, 5, 6]) == pytest.approx((2 + 3 + 4 + 5) / 4)
    assert report.interquartile_mean([1, 2, 3, 4, 5, 6]) == pytest.approx((0.5 * 2 + 3 + 4 + 0.5 * 5) / 3)


def test_the_interval_draws_seeds_within_their_task():
    # One seed a task can only be drawn as it is: the interval is the value.
    by_task = [np.array([1.0]), np.array([2.0]), np.array([3.0]), np.array([4.0])]
    low, high = report.stratified_interval(by_task, np.random.default_rng(0))
    assert low == high == pytest.approx(2.5)


def test_an_aggregate_has_an_interval_once_every_task_has_two_seeds():
    one, two = [np.array([1.0]), np.array([2.0, 4.0])], [np.array([1.0, 1.0]), np.array([2.0, 4.0])]
    assert report._aggregate(one, np.random.default_rng(0)) == "2.17"
    assert re.fullmatch(r"1.50 \[1\.\d\d, 2\.\d\d\]", report._aggregate(two, np.random.default_rng(0)))


def kept(folder, name, returns):
    """A kept result whose evaluations come every 10 steps and 2 CPU seconds."""
    (folder / name).mkdir(parents=True)
    rows = [f"{10 * i},{value},0" for i, value in enumerate(returns, 1)]
    (folder / name / "evaluations.csv").write_text("\n".join(["time/total_timesteps,eval/mean_reward,eval/std_reward", *rows]) + "\n")
    seconds = {str(10 * i): 2 * i for i, _ in enumerate(returns, 1)}
    (folder / name / "run.json").write_text(json.dumps({"version": "v", "machine": "m", "threads": 1, "cpu_seconds": seconds}))


def test_the_time_to_the_last_return_of_the_baseline(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text("{steps: 40, seeds: [1, 2], tasks: [A, B], agents: {sac: {}, best: {}}, baseline: sac}")
    results = tmp_path / "results"
    kept(results, "A-sac-s1", [1, 2, 5, 4])  # the mean of both seeds at the end is 5
    kept(results, "A-sac-s2", [1, 2, 3, 6])
    kept(results, "A-best-s1", [4, 7, 4, 8])
    kept(results, "A-best-s2", [4, 4.9, 4, 4.9])
    kept(results, "B-best-s1", [9, 9, 9, 9])  # which the baseline hasn't been run on
    table_of = plan.read_plan(path)
    text = report.make_table(table_of, report.read_curves(table_of, results))
    assert "until the return that sac has at 40 steps" in text
    assert "| agent | A: 5 |" in text
    assert "| sac | 6 (30), 8 (40) |" in text
    assert "| best | 4 (20), never |" in text


def test_a_plan_goes_seed_by_seed(table):
    names = [run.name for run in plan.read_plan(table).runs]
    assert names == ["Pendulum-v1-sac-s1", "Pendulum-v1-td3-s1", "Pendulum-v1-sac-s2", "Pendulum-v1-td3-s2"]


BENCH_SOURCES = ROOT / "tests" / "bench"
# Of what docs/exploration.md and docs/results.md tell, and what tests/bench/counts runs.
ELSEWHERE = {"bench_bonus", "bench_conv", "bench_counts", "bench_flows"}


def rows_of(program):
    return [row for row in (*speed.BENCHES, *speed.CURVES) if row.command[0] == program]


def keys_of(row):
    return {row.rate, row.ratio} if isinstance(row, speed.Bench) else {row.rate}


PROGRAMS = sorted({row.command[0] for row in (*speed.BENCHES, *speed.CURVES)})
FIGURES = {"updates_per_s": 200, "ratio_to_gemm": 0.81, "batches_per_s": 1234567}


def fake_programs(folder):
    """Benchmark programs that take no time, by which only the page is made. Each writes down that it was called."""
    for program in PROGRAMS:
        figures = {key: FIGURES.get(key, 10) for row in rows_of(program) for key in keys_of(row)}
        (folder / program).write_text(f"#!/bin/sh\necho \"$*\" >> {folder}/{program}.calls\necho '{json.dumps(figures)}'\n")
    (folder / "millrace").write_text("#!/bin/sh\necho millrace 9.9\n")
    for path in folder.iterdir():
        path.chmod(0o755)


def measure(folder, page):
    return run([BENCHMARK, "--speed", "--millrace", folder / "millrace", "--page", page])


def test_the_page_about_speed_has_every_bench_and_every_curve(tmp_path):
    folder, page = tmp_path / "bin", tmp_path / "performance.md"
    folder.mkdir()
    fake_programs(folder)
    done = measure(folder, page)
    assert done.returncode == 0, done.stdout + done.stderr
    text = page.read_text()
    assert "with millrace 9.9, on " in text
    for bench in speed.BENCHES:
        assert f"| {bench.title} |" in text
    for curve in speed.CURVES:
        assert f"### {curve.title}\n" in text
    assert "| SAC update, `gaussian`, 1 thread | 200 updates/s | 0.81 |" in text
    assert "| batches/s | 1,230,000 | 1,230,000 | 1,230,000 | 1,230,000 |" in text


def test_the_page_has_what_was_measured_of_peers_if_anything_was(tmp_path):
    contenders = {"millrace": {"steps_per_s": 300, "ratio": 1.0, "peak_mb": 50}, "sbx": {"steps_per_s": 150, "ratio": 2.0, "peak_mb": 900}}
    kept = {"a": {"what": "Pendulum-v1, small", "contenders": contenders, "machine": "a machine", "date": "2026-01-02"}}
    assert speed.peers_section(tmp_path / "peers.json") == ""
    (tmp_path / "peers.json").write_text(json.dumps(kept))
    section = speed.peers_section(tmp_path / "peers.json")
    assert "| Pendulum-v1, small | SBX | 150 | 2.00 | 900 MB | 2026-01-02 |" in section and "on a machine:" in section


def test_rows_that_show_two_figures_of_a_program_run_it_once(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    fake_programs(folder)
    assert measure(folder, tmp_path / "performance.md").returncode == 0
    assert len(rows_of("bench_start")) == 2
    assert (folder / "bench_start.calls").read_text() == "--json\n"


def test_every_benchmark_program_is_on_the_page_or_told_of_elsewhere():
    assert {path.stem for path in BENCH_SOURCES.glob("bench_*.c")} == set(PROGRAMS) | ELSEWHERE


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_row_asks_a_program_for_what_it_takes_and_prints(program):
    source = (BENCH_SOURCES / f"{program}.c").read_text()
    curves = [row.option for row in rows_of(program) if isinstance(row, speed.Curve) and row.option.startswith("--")]
    options = [word for row in rows_of(program) for word in row.command if word.startswith("--")]
    for option in {*options, *curves, *speed.QUICK[program][::2], "--json"}:
        assert f'{{"{option[2:]}", 0, POPT_ARG_' in source, option
    for key in set().union(*map(keys_of, rows_of(program))):
        assert f'\\"{key}\\"' in source, key


@pytest.mark.parametrize(
    "option, first, last",
    [
        ("--batch", 64, 4096),
        ("--hidden", 64, 2048),
        ("--act-dim", 1, 100),
        ("real_nvp:layers=", 1, 32),
        ("--envs", 1, 1024),
        ("--rows", 10**4, 10**7),
    ],
)
def test_a_curve_reaches_from_small_to_large(option, first, last):
    (curve,) = [curve for curve in speed.CURVES if curve.option == option]
    assert (curve.values[0], curve.values[-1]) == (first, last)


def test_a_benchmark_program_that_is_missing_or_fails_is_named_and_no_page_is_written(tmp_path):
    folder, page = tmp_path / "bin", tmp_path / "performance.md"
    folder.mkdir()
    fake_programs(folder)
    (folder / "bench_replay").write_text("#!/bin/sh\necho 'bench_replay: no room' >&2\nexit 1\n")
    done = measure(folder, page)
    assert done.returncode == 2 and "benchmark: bench_replay: bench_replay: no room" in done.stderr
    (folder / "bench_replay").unlink()
    done = measure(folder, page)
    assert done.returncode == 2 and "bench_replay is not there; build it with scripts/build" in done.stderr
    assert not page.exists()

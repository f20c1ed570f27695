"""millrace sweep --slurm on a real Slurm of one node, which scripts/slurm_for_tests starts on the loopback interface."""

import csv
import os
import pathlib
import re
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SLURM = ROOT / "scripts" / "slurm_for_tests"
MILLRACE = os.environ.get("MILLRACE", str(ROOT / "build" / "release" / "bin" / "millrace"))
WAIT_S = 180

GRID = """
method: grid
settings: {{env: InvertedPendulum-v5, policy: gaussian, hidden: [{hidden}], batch_size: 16, learning_starts: 60,
           eval_every: 500, eval_episodes: 1, checkpoint_every: 300, steps: {steps}}}
vary: {{gamma: [0.9, 0.99]}}
slurm: {slurm}
"""

HALVING = """
method: halving
first_steps: 100
eta: 2
settings: {env: InvertedPendulum-v5, policy: gaussian, hidden: [16], batch_size: 16, learning_starts: 60,
           eval_every: 100, eval_episodes: 1, steps: 300}
vary: {gamma: [0.8, 0.9, 0.99]}
"""


def slurm(action, folder, check=True):
    return subprocess.run([SLURM, action, folder], capture_output=True, text=True, check=check)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    started = slurm("start", folder, check=False)
    if started.returncode == 3:
        pytest.skip(started.stderr.strip())
    try:
        assert started.returncode == 0, started.stderr
        name, _, value = started.stdout.strip().partition("=")
        os.environ[name] = value
        yield folder
    finally:
        slurm("stop", folder, check=False)
        os.environ.pop("SLURM_CONF", None)


@pytest.fixture
def sweep(cluster, tmp_path, monkeypatch):
    """Writes a sweep's file and calls millrace in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(text, *options, check=True):
        pathlib.Path("a.yaml").write_text(text)
        return subprocess.run([MILLRACE, "sweep", "a.yaml", *options], capture_output=True, text=True, check=check)

    yield call
    subprocess.run(["scancel", "--state=PENDING"], check=False)
    subprocess.run(["scancel", "--state=RUNNING"], check=False)
    wait_until(lambda: queue() == [], "the queue is empty")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The runs of a sweep that was never interrupted, and its file."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "a.yaml").write_text(grid(4000, hidden=64))
    subprocess.run([MILLRACE, "sweep", "a.yaml", "--jobs", "2", "--out", "here"], cwd=folder, check=True)
    return folder / "here"


def queue(form="%t"):
    listed = subprocess.run(["squeue", "--noheader", "--array", f"--format={form}"], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def wait_until(condition, what):
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"waited {WAIT_S} s until {what}; queue: {queue('%i %t %r')}; logs: {logs()}"
        time.sleep(0.1)


def logs():
    return {path.name: path.read_text() for path in pathlib.Path().glob("c/.sweep/*.log")}


def steps_of(run):
    """The steps of a run's last row of progress.csv."""
    path = run / "progress.csv"
    rows = list(csv.DictReader(path.open())) if path.exists() else []
    return float(rows[-1]["time/total_timesteps"]) if rows else 0


def runs_of(folder):
    return sorted(path.parent for path in pathlib.Path(folder).glob("*/config.yaml"))


def has_begun(n):
    """Whether n runs are past their first row, which comes after 1,000 steps."""
    return len([run for run in runs_of("c") if steps_of(run) > 0]) == n


def expect_same(folder, other):
    runs = runs_of(folder)
    assert [run.name for run in runs] == [run.name for run in runs_of(other)] and runs
    for run in runs:
        for name in "policy.safetensors", "best_policy.safetensors", "evaluations.csv":
            assert (run / name).read_bytes() == (pathlib.Path(other) / run.name / name).read_bytes(), f"{run}/{name}"


def grid(steps, hidden=16, slurm="{}"):
    return GRID.format(steps=steps, hidden=hidden, slurm=slurm)


def job_of(submitted):
    """The id of the job array that a call has submitted."""
    return re.search(r"submitted job (\d+):", submitted.stdout)[1]


def test_a_sweep_is_the_same_as_here(sweep):
    sweep(grid(1000), "--jobs", "2", "--out", "here")
    submitted = sweep(grid(1000), "--slurm", "--out", "c")
    assert re.fullmatch(r"submitted job \d+: --array=0-1\n", submitted.stdout)
    wait_until(lambda: queue() == [], "the jobs are over")
    expect_same("here", "c")
    table = sweep(grid(1000), "--table", "csv", "--out", "c").stdout
    assert table.count(",1/1,1000,") == 2
    assert sweep(grid(1000), "--slurm", "--out", "c").stdout == "all runs are done\n"


def test_nothing_is_lost_when_the_daemons_of_a_node_are_killed(sweep, cluster, whole):
    sweep(grid(4000, hidden=64), "--slurm", "--out", "c")
    wait_until(lambda: has_begun(2), "both runs have begun")
    slurm("kill-node", cluster)
    wait_until(lambda: "R" not in queue(), "Slurm has noticed")
    slurm("start-node", cluster)
    wait_until(lambda: queue() == [], "the jobs are over")
    assert any("resuming" in log for log in logs().values()), logs()
    expect_same(whole, "c")


def test_a_job_whose_time_is_nearly_over_saves_and_goes_on_in_its_next_slot(sweep, whole):
    submitted = sweep(grid(4000, hidden=64), "--slurm", "--out", "c")
    wait_until(lambda: has_begun(2), "both runs have begun")
    # As the limit of time does, and in one call: the id of an array also stands for a task that waits again already.
    subprocess.run(["scancel", "--batch", "--signal=USR1", job_of(submitted)], check=True)
    wait_until(lambda: queue() == [], "the jobs are over")
    assert all(log.count("resuming") == 1 for log in logs().values()) and len(logs()) == 2, logs()
    expect_same(whole, "c")


def test_a_job_that_is_preempted_saves_and_goes_on(sweep):
    sweep(grid(1000000, hidden=64), "--slurm", "--out", "c")
    wait_until(lambda: has_begun(2), "both runs have begun")
    subprocess.run(["sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true"], check=True, capture_output=True)
    wait_until(lambda: len(logs()) == 2 and all("resuming" in log for log in logs().values()), "both runs go on")
    for log in logs().values():
        stopped = re.search(r"stopped after (\d+) steps", log)
        resumed = re.search(r"resuming .* at step (\d+) of", log)
        assert stopped and resumed and stopped[1] == resumed[1] and int(resumed[1]) > 1000, log


def test_rounds_of_halving_follow_each_other(sweep):
    sweep(HALVING, "--jobs", "2", "--out", "here")
    submitted = sweep(HALVING, "--slurm", "--out", "c").stdout
    assert submitted.count("submitted job") == 3
    wait_until(lambda: queue() == [], "the jobs are over")
    expect_same("here", "c")
    assert sorted(steps_of(run) for run in runs_of("c")) == [100, 100, 300]


def test_jobs_that_are_in_the_queue_are_not_submitted_again(sweep):
    sweep(grid(100000, hidden=128), "--slurm", "--jobs", "1", "--out", "c")
    again = sweep(grid(100000, hidden=128), "--slurm", "--out", "c", check=False)
    assert again.returncode == 2
    assert re.search(r"jobs of this sweep are in the queue already \(\d+\); `squeue --jobs", again.stderr)


def test_names_and_values_with_special_characters_reach_sbatch(sweep):
    submitted = sweep(grid(100, slurm=r"""{comment: 'a "b" \c 5%'}"""), "--slurm", "--out", "my runs/50%a")
    wait_until(lambda: queue() == [], "the jobs are over")
    shown = subprocess.run(["scontrol", "show", "job", job_of(submitted)], capture_output=True, text=True, check=True).stdout
    assert "JobName=50%a\n" in shown and 'Comment=a "b" \\c 5%' in shown
    assert sorted(path.name for path in pathlib.Path("my runs/50%a/.sweep").glob("*.log")) == ["job-0.log", "job-1.log"]
    assert len(runs_of("my runs/50%a")) == 2


def test_options_of_sbatch_reach_it_and_what_it_refuses_is_told(sweep):
    refused = sweep(grid(100, slurm="{partition: nowhere}"), "--slurm", "--out", "c", check=False)
    assert refused.returncode == 1
    assert "cannot submit the sweep: sbatch failed with exit code 1: " in refused.stderr and "invalid partition" in refused.stderr

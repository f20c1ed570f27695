"""Trains the runs of a table, one core each, and keeps the small results of those that are finished."""

import csv
import json
import os
import platform
import queue
import re
import shutil
import signal
import subprocess
import threading

import yaml

from benchmarks.plan import PlanError

# What is kept of a run: how it was evaluated, with which settings; run.json has the machine and the time it took.
KEPT_FILES = ("evaluations.csv", "config.yaml")


def _setting_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(str(v) for v in value)
    return str(value)


def _widths(text):
    """Lists of widths in one form: 256,256 and 256x256 are the same."""
    return text.replace("x", ",") if re.fullmatch(r"[0-9x,]+", text) else text


def _same(a, b):
    try:
        return float(a) == float(b)
    except (TypeError, ValueError):
        return _widths(_setting_text(a)) == _widths(_setting_text(b))


def check_same_settings(run, directory):
    """Raises PlanError if a run directory, or a folder of kept results, has other settings than the table's run."""
    path = directory / "config.yaml"
    if not path.exists():
        return
    found = yaml.safe_load(path.read_text())
    for name, value in {"env": run.task, "seed": run.seed, **run.settings}.items():
        if name in found and not _same(found[name], value):
            raise PlanError(
                f"{path}: {name} is {_setting_text(found[name])}, and the table has {_setting_text(value)}; "
                f"remove {directory}, or give the table's agent another name"
            )


def _command(millrace, run, directory):
    if (directory / "checkpoint.safetensors").exists():
        steps = yaml.safe_load((directory / "config.yaml").read_text())["steps"]
        return [millrace, "train", "--resume", directory, *(["--set", f"steps={run.steps}"] if steps != run.steps else [])]
    command = [millrace, "train", run.task, "--steps", run.steps, "--seed", run.seed, "--threads", 1, "--out", directory]
    for name, value in run.settings.items():
        command += ["--set", f"{name}={_setting_text(value)}"]
    return command


def _machine():
    model = re.search(r"^model name\s*:\s*(.*)$", open("/proc/cpuinfo").read(), re.MULTILINE)
    return f"{model.group(1) if model else platform.processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _read_rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def cpu_seconds_at_evaluations(directory):
    """CPU seconds of the whole process (training and evaluations) at each evaluation's step, from progress.csv."""
    at_row = {int(row["time/total_timesteps"]): float(row["time/cpu_seconds"]) for row in _read_rows(directory / "progress.csv")}
    steps = [int(row["time/total_timesteps"]) for row in _read_rows(directory / "evaluations.csv")]
    return {step: at_row[step] for step in steps if step in at_row}


def is_finished(run, directory):
    """Whether a run directory, or a folder of kept results, has the evaluation of the run's last step."""
    path = directory / "evaluations.csv"
    rows = _read_rows(path) if path.exists() else []
    return bool(rows) and int(rows[-1]["time/total_timesteps"]) >= run.steps


def keep_results(millrace, directory, kept):
    """Copies a finished run's small results; the folder appears whole or not at all."""
    asked = subprocess.run([millrace, "--version"], capture_output=True, text=True, check=True, start_new_session=True)  # Ctrl-C doesn't reach it
    version = asked.stdout.strip()
    unfinished = kept.with_name(kept.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name in KEPT_FILES:
        shutil.copyfile(directory / name, unfinished / name)
    facts = {"version": version, "machine": _machine(), "threads": 1, "cpu_seconds": cpu_seconds_at_evaluations(directory)}
    (unfinished / "run.json").write_text(json.dumps(facts, indent=1) + "\n")
    shutil.rmtree(kept, ignore_errors=True)
    unfinished.rename(kept)


class _Trainer:
    """Workers with a core each that take runs from one queue."""

    def __init__(self, millrace, runs_folder, results):
        self.millrace = millrace
        self.runs_folder = runs_folder
        self.results = results
        self.waiting = queue.Queue()
        self.stopping = threading.Event()
        self.processes = set()
        self.failed = []

    def stop(self, *_):
        self.stopping.set()
        for process in list(self.processes):
            process.send_signal(signal.SIGINT)  # millrace saves a checkpoint and ends

    def train(self, run, core):
        directory = self.runs_folder / run.name
        log_path = self.runs_folder / f"{run.name}.log"
        if not is_finished(run, directory):
            command = [str(word) for word in _command(self.millrace, run, directory)]
            print(f"{run.name}: {'goes on' if '--resume' in command else 'begins'} on core {core}", flush=True)
            with open(log_path, "a") as log:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C reaches it by stop() alone, once
                    preexec_fn=lambda: os.sched_setaffinity(0, {core}),
                )
                self.processes.add(process)
                if self.stopping.is_set():
                    process.send_signal(signal.SIGINT)
                code = process.wait()
                self.processes.discard(process)
            if self.stopping.is_set():
                return
            if code != 0 or not is_finished(run, directory):
                self.failed.append(run.name)
                print(f"{run.name}: failed with exit code {code}; see {log_path}", flush=True)
                return
        keep_results(self.millrace, directory, self.results / run.name)
        print(f"{run.name}: finished, results in {self.results / run.name}", flush=True)

    def work(self, core):
        while not self.stopping.is_set():
            try:
                run = self.waiting.get_nowait()
            except queue.Empty:
                return
            try:
                self.train(run, core)
            except OSError as error:
                self.failed.append(run.name)
                print(f"{run.name}: {error}", flush=True)


def train_missing(plan, millrace, runs_folder, results, n_jobs):
    """Trains every run without kept results. Returns the exit code: 1 if a run failed, 130 if it was stopped."""
    trainer = _Trainer(millrace, runs_folder, results)
    runs_folder.mkdir(parents=True, exist_ok=True)
    for run in plan.runs:
        check_same_settings(run, results / run.name)
        check_same_settings(run, runs_folder / run.name)
    missing = [run for run in plan.runs if not is_finished(run, results / run.name)]
    print(f"{len(plan.runs) - len(missing)} of {len(plan.runs)} runs are finished", flush=True)
    for run in missing:
        trainer.waiting.put(run)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, trainer.stop)
    cores = sorted(os.sched_getaffinity(0))[:n_jobs]
    workers = [threading.Thread(target=trainer.work, args=(core,)) for core in cores]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if trainer.stopping.is_set():
        print("stopped; the same command goes on", flush=True)
        return 130
    return 1 if trainer.failed else 0

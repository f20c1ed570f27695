"""The report of a table, made from its kept results alone: table.md and the learning curves.

Aggregates are interquartile means over tasks and seeds with 95 % stratified bootstrap intervals, as recommended by
Agarwal et al. 2021 (arXiv:2108.13264): seeds are drawn again with replacement within each task.
"""

import csv
import json
import subprocess

import numpy as np

from .plan import PlanError

N_RESAMPLES = 10000


class Curve:
    """The evaluations of one run: steps [n], CPU seconds [n], mean returns [n]."""

    def __init__(self, folder):
        with open(folder / "evaluations.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        facts = json.loads((folder / "run.json").read_text())
        seconds = {int(step): value for step, value in facts["cpu_seconds"].items()}
        self.steps = np.array([int(row["time/total_timesteps"]) for row in rows])
        self.returns = np.array([float(row["eval/mean_reward"]) for row in rows])
        self.cpu_seconds = np.array([seconds.get(int(step), np.nan) for step in self.steps])
        self.machine, self.version = facts["machine"], facts["version"]

    def return_at(self, step):
        """The return of the evaluation at a step, NaN without one."""
        found = np.flatnonzero(self.steps == step)
        return self.returns[found[0]] if found.size else np.nan

    def first_reaching(self, value):
        """Steps and CPU seconds of the first evaluation with at least that return, None without one."""
        found = np.flatnonzero(self.returns >= value)
        return (self.steps[found[0]], self.cpu_seconds[found[0]]) if found.size else None


def read_curves(plan, results):
    """{(task, agent): [Curve, one a finished seed]} of the runs that have results."""
    curves = {}
    for run in plan.runs:
        if (results / run.name / "run.json").exists():
            curves.setdefault((run.task, run.agent), []).append(Curve(results / run.name))
    if not curves:
        raise PlanError(f"{results}: no results yet; train them first, without --table")
    return curves


def interquartile_mean(values):
    """The mean of the middle half; what falls on a quartile counts by its fraction."""
    ordered = np.sort(np.asarray(values, dtype=float), axis=-1)
    n = ordered.shape[-1]
    edges = np.arange(n + 1)
    weights = np.clip(np.minimum(edges[1:], 0.75 * n) - np.maximum(edges[:-1], 0.25 * n), 0, None)
    return ordered @ weights / weights.sum()


def stratified_interval(by_task, rng):
    """95 % interval of the interquartile mean: by_task is a list of arrays, one a task, of its seeds' scores."""
    drawn = [scores[rng.integers(len(scores), size=(N_RESAMPLES, len(scores)))] for scores in by_task]
    return np.percentile(interquartile_mean(np.concatenate(drawn, axis=1)), [2.5, 97.5])


def _returns_at(curves, step):
    """The returns at a step of those that were evaluated there."""
    returns = np.array([curve.return_at(step) for curve in curves])
    return returns[~np.isnan(returns)]


def scores_at(plan, curves, agent, step):
    """Scores (return / reference return) at a step, an array a task; None unless every task has some."""
    by_task = []
    for task in plan.tasks:
        returns = _returns_at(curves.get((task, agent), []), step)
        if not returns.size or task not in plan.reference:
            return None
        by_task.append(returns / plan.reference[task])
    return by_task


def _aggregate(by_task, rng):
    """The interquartile mean, and its interval where every task has two seeds: one alone shows nothing of how seeds differ."""
    mean = f"{interquartile_mean(np.concatenate(by_task)):.2f}"
    if min(len(scores) for scores in by_task) < 2:
        return mean
    low, high = stratified_interval(by_task, rng)
    return f"{mean} [{low:.2f}, {high:.2f}]"


def _number(value):
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cell(curves, step):
    returns = _returns_at(curves, step)
    if not returns.size:
        return ""
    listed = ", ".join(_number(value) for value in returns)
    return f"{_number(returns.mean())} ({listed})" if returns.size > 1 else listed


def _cpu_cell(curves):
    seconds = [curve.cpu_seconds[-1] for curve in curves]
    return _number(np.mean(seconds)) if seconds else ""


def _reached_cell(curves, value):
    """Of each seed, what it took to come to a return."""
    reached = [curve.first_reaching(value) for curve in curves]
    return ", ".join(f"{_number(found[1])} ({found[0]:,})" if found else "never" for found in reached)


def _baseline_returns(plan, curves):
    """{task: the baseline's last return, a mean over seeds} of the tasks that it was run on."""
    last = {}
    for task in plan.tasks:
        returns = _returns_at(curves.get((task, plan.baseline), []), plan.steps)
        if returns.size:
            last[task] = returns.mean()
    return last


def _time_to_baseline(plan, curves):
    """The table of what each agent took to come to the baseline's last return."""
    targets = _baseline_returns(plan, curves)
    if not targets:
        return []
    rows = [
        [agent] + [_reached_cell(curves.get((task, agent), []), value) for task, value in targets.items()]
        for agent in plan.agents
    ]
    return [
        f"## CPU seconds (steps) until the return that {plan.baseline} has at {plan.steps:,} steps",
        "",
        "By the first evaluation that reaches it, of each seed.",
        "",
        *_markdown(["agent"] + [f"{task}: {_number(value)}" for task, value in targets.items()], rows),
        "",
    ]


def _markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def make_table(plan, curves):
    """The report's text: returns at half and at all steps, interquartile means, CPU seconds."""
    rng = np.random.default_rng(0)
    lines = [f"Made by `scripts/benchmark --table` from the folders beside this file. Mean return of evaluations (each seed's), seeds planned: {len(plan.seeds)}.", ""]
    evaluated = {step for several in curves.values() for curve in several for step in curve.steps}
    for step in sorted(evaluated & {plan.steps // 2, plan.steps}):
        rows = []
        for agent in plan.agents:
            row = [agent] + [_cell(curves.get((task, agent), []), step) for task in plan.tasks]
            by_task = scores_at(plan, curves, agent, step)
            rows.append(row + [_aggregate(by_task, rng) if by_task else ""])
        lines += [f"## At {step:,} steps", ""]
        lines += _markdown(["agent"] + plan.tasks + ["interquartile mean [95 %]"], rows) + [""]
    if plan.reference:
        listed = ", ".join(f"{task} {value:,}" for task, value in plan.reference.items())
        lines += [f"The interquartile mean is over returns divided by reference returns: {listed}.", ""]
    rows = [[agent] + [_cpu_cell(curves.get((task, agent), [])) for task in plan.tasks] for agent in plan.agents]
    lines += ["## CPU seconds of a run, evaluations included", ""]
    lines += _markdown(["agent"] + plan.tasks, rows) + [""]
    if plan.baseline:
        lines += _time_to_baseline(plan, curves)
    machines = sorted({f"{curve.version}; {curve.machine}" for several in curves.values() for curve in several})
    return "\n".join(lines + ["Versions and machines:", ""] + [f"- {machine}" for machine in machines]) + "\n"


def _mean_curve(several, x_of):
    """Mean over seeds, at the steps that all of them have."""
    common = sorted(set.intersection(*(set(curve.steps) for curve in several)))
    x = [np.mean([x_of(curve)[curve.steps == step][0] for curve in several]) for step in common]
    returns = [[curve.return_at(step) for curve in several] for step in common]
    return x, returns


def _tick_step(largest):
    """The distance of some four ticks from 0 to `largest`: 1, 2 or 5 times a power of ten."""
    least = max(largest, 1e-9) / 5
    power = 10 ** np.floor(np.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)


def draw(plan, curves, x_of, x_label, path):
    """One panel a task that has runs, one line an agent: the mean over seeds, with the range of the seeds as a band."""
    tasks = [task for task in plan.tasks if any((task, agent) in curves for agent in plan.agents)]
    n_columns = max(1, min(3, len(tasks)))
    n_rows = max(1, -(-len(tasks) // n_columns))
    script = [
        f"set terminal pngcairo size {420 * n_columns},{330 * n_rows} noenhanced font 'sans,10'",
        f"set output '{path}'",
        f"set multiplot layout {n_rows},{n_columns}",
        "set grid lc rgb '#dddddd'; set key bottom right",
        f"set xlabel '{x_label}'; set ylabel 'mean return'; set style fill transparent solid 0.15 noborder",
    ]
    for task in tasks:
        blocks, plots, largest = [], [], 0
        for number, agent in enumerate(plan.agents, 1):
            if (task, agent) not in curves:
                continue
            x, returns = _mean_curve(curves[task, agent], x_of)
            rows = [f"{a} {np.mean(r)} {np.min(r)} {np.max(r)}" for a, r in zip(x, returns) if np.isfinite(a)]
            if not rows:
                continue
            blocks += [f"$data{number} << END", *rows, "END"]
            largest = max(largest, np.nanmax(x))
            plots.append(f"$data{number} using 1:3:4 with filledcurves lc {number} notitle")
            plots.append(f"$data{number} using 1:2 with lines lw 2 lc {number} title '{agent}'")
        if plots:
            script += blocks + [f"set title '{task}'; set xtics {_tick_step(largest):g}", "plot " + ", ".join(plots)]
    subprocess.run(["gnuplot"], input="\n".join(script + ["unset multiplot", ""]), text=True, check=True)


def write(plan, results):
    """Writes table.md, curves_steps.png and curves_cpu.png into the results folder."""
    curves = read_curves(plan, results)
    (results / "table.md").write_text(make_table(plan, curves))
    draw(plan, curves, lambda curve: curve.steps, "steps", results / "curves_steps.png")
    draw(plan, curves, lambda curve: curve.cpu_seconds, "CPU seconds", results / "curves_cpu.png")
    print(f"{results / 'table.md'}, curves_steps.png, curves_cpu.png")

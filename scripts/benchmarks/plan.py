"""A benchmark's table file: which tasks, agents and seeds are run, with which settings."""

import dataclasses

import yaml

# What a file may hold; those with a default may be missing.
KEYS = {
    "steps": (int, None),
    "seeds": (list, None),
    "tasks": (list, None),
    "agents": (dict, None),
    "settings": (dict, {}),
    "reference": (dict, {}),
    "baseline": (str, ""),
}


class PlanError(Exception):
    """A table file, or an argument, that makes no sense."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run of a table."""

    task: str
    agent: str
    seed: int
    steps: int
    settings: dict

    @property
    def name(self):
        return f"{self.task}-{self.agent}-s{self.seed}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A table: its runs, seed by seed, so that a table that is stopped early has whole rows."""

    tasks: list
    agents: list
    seeds: list
    steps: int
    reference: dict  # task -> the return that counts as 1 where tasks are averaged
    baseline: str  # the agent whose last return the others are timed by; "": none
    runs: list


def _check(path, key, value, kind):
    if not isinstance(value, kind) or value in ([], {}, 0) and KEYS[key][1] is None:
        names = {int: "number above 0", str: "name"}
        raise PlanError(f"{path}: '{key}' must be a {names.get(kind, kind.__name__)}, not {value!r}")


def _read_keys(path):
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise PlanError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise PlanError(f"{path}: must be a mapping with the keys {', '.join(KEYS)}")
    for key in content:
        if key not in KEYS:
            raise PlanError(f"{path}: unknown key '{key}'; there are {', '.join(KEYS)}")
    values = {}
    for key, (kind, default) in KEYS.items():
        if key not in content and default is None:
            raise PlanError(f"{path}: the key '{key}' is missing")
        values[key] = content.get(key, default)
        _check(path, key, values[key], kind)
    return values


def read_plan(path):
    """Reads a table file. Raises PlanError, whose text names the file, the key and the remedy."""
    values = _read_keys(path)
    for agent, settings in values["agents"].items():
        if not isinstance(settings, dict):
            raise PlanError(f"{path}: agent '{agent}' must be a mapping of settings, such as {{agent: sac, policy: gaussian}}")
    for task, value in values["reference"].items():
        if not isinstance(value, (int, float)) or value <= 0:
            raise PlanError(f"{path}: reference of {task}: returns are divided by it, so it must be a number above 0, not {value!r}")
    if values["baseline"] and values["baseline"] not in values["agents"]:
        raise PlanError(f"{path}: baseline: there is no agent '{values['baseline']}'; there are {', '.join(values['agents'])}")
    runs = [
        Run(task, agent, seed, values["steps"], {**values["settings"], **settings})
        for seed in values["seeds"]
        for task in values["tasks"]
        for agent, settings in values["agents"].items()
    ]
    return Plan(
        values["tasks"],
        list(values["agents"]),
        values["seeds"],
        values["steps"],
        values["reference"],
        values["baseline"],
        runs,
    )

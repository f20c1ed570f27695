#!/usr/bin/env python3
"""Steps of our environments a second, beside Gymnasium's.

    tests/bench/peers/envs.py BENCH [--envs N] [--rounds N] [TASK ...]

BENCH is the program bench_envs; build/release/bin/bench_envs runs the MuJoCo that scripts/setup chose,
which should be the Python package's. Our copies by one thread and Gymnasium's synchronous vector environment of the same size take
turns in short rounds, with random actions; episodes that end begin anew at once on both sides. Prints one JSON object a
task, with medians over the rounds. Needs gymnasium[mujoco].
"""

import argparse
import json
import statistics
import subprocess
import time
import warnings

import gymnasium
import mujoco

ROUND_S, BLOCK = 0.1, 16


class Gymnasium:
    """Gymnasium's side: a vector environment and actions to go round."""

    def __init__(self, task, n_envs):
        same_step = {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}
        self.envs = gymnasium.make_vec(task, num_envs=n_envs, vectorization_mode="sync", vector_kwargs=same_step)
        self.envs.action_space.seed(1)
        self.actions = [self.envs.action_space.sample() for _ in range(BLOCK)]
        self.envs.reset(seed=1)

    def rate(self):
        n, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < ROUND_S:
            for action in self.actions:
                self.envs.step(action)
            n += BLOCK * self.envs.num_envs
        return n / (time.perf_counter() - begun)


def our_round(options, task):
    command = [options.bench, "--json", "--rounds", "1", "--threads", "1", "--envs", str(options.envs), task]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(options, task):
    theirs = Gymnasium(task, options.envs)
    theirs.rate()  # warms up
    rounds = [(our_round(options, task), theirs.rate()) for _ in range(options.rounds)]
    theirs.envs.close()
    ours = [result["one_thread_steps_per_s"] for result, _ in rounds]
    return {
        "task": task,
        "copies": options.envs,
        "steps_per_s": round(statistics.median(ours), 1),
        "gymnasium_steps_per_s": round(statistics.median(rate for _, rate in rounds), 1),
        "ratio_to_gymnasium": round(statistics.median(a / b for a, (_, b) in zip(ours, rounds)), 2),
        "mujoco": rounds[0][0].get("mujoco"),
        "gymnasium": gymnasium.__version__,
        "gymnasium_mujoco": mujoco.__version__,
    }


def tasks_of(bench):
    lines = subprocess.run([bench, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return lines.split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", help="the path of bench_envs")
    parser.add_argument("tasks", nargs="*", help="default: all that bench_envs knows")
    parser.add_argument("--envs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    mujoco.set_mju_user_warning(lambda text: None)  # no MUJOCO_LOG.TXT
    for task in options.tasks or tasks_of(options.bench):
        print(json.dumps(measure(options, task)), flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares our classic tasks with Gymnasium's, number for number, or records Gymnasium's transitions.

    classic_gymnasium.py compare DRIVER [--steps N]
    classic_gymnasium.py record FOLDER [--steps N]

compare  starts Gymnasium where each episode of ours starts, gives both the same actions (random ones, beyond the bounds
         too, and ones that push with the motion, so that speeds, walls and goals are reached), and demands that
         observations and rewards agree to 1e-9 and that terminated and truncated are equal. Prints the steps a second
         of both. DRIVER is the test program classic_driver. Exits with 1 on the first difference.
record   writes FOLDER/TASK.csv: transitions of Gymnasium with the state that each started from.

Needs: gymnasium (with numpy). Actions are handed over in float64: in float32, Gymnasium rounds more (see
envs/classic/mountain_car.c).
"""

import argparse
import csv
import pathlib
import subprocess
import sys
import time
import warnings

import gymnasium
import numpy as np

TASKS = ["MountainCarContinuous-v0", "Pendulum-v1"]
TOLERANCE = 1e-9


def make(task, seed):
    """Gymnasium's task, with its time limit but without the checks that complain of float64 actions."""
    warnings.filterwarnings("ignore")
    env = gymnasium.make(task, disable_env_checker=True)
    env.reset(seed=seed)
    return env, np.random.default_rng(seed)


def draw_action(env, rng, episode):
    """Every other episode pushes with the motion most of the time; a third of what is drawn is out of bounds."""
    high = env.action_space.high.astype(np.float64)
    action = rng.uniform(-1.5 * high, 1.5 * high)
    if episode % 2 == 1 and rng.uniform() < 0.95:
        action = np.copysign(action, env.unwrapped.state[1])
    return action


class Driver:
    """Our side: the program classic_driver."""

    def __init__(self, program, task):
        self.process = subprocess.Popen([program, task], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def ask(self, command, *numbers):
        print(command, *(f"{x:.17g}" for x in numbers), file=self.process.stdin, flush=True)
        return np.array([float(x) for x in self.process.stdout.readline().split()])

    def close(self):
        print("quit", file=self.process.stdin, flush=True)
        self.process.wait()


def start_both(env, driver):
    """Begins an episode on both sides, in our random start: the largest difference of the observations."""
    answer = driver.ask("reset")
    env.reset()
    env.unwrapped.state = answer[:2].copy()
    task = env.unwrapped
    obs = task._get_obs() if hasattr(task, "_get_obs") else np.array(task.state, dtype=np.float32)
    return float(np.max(np.abs(answer[2:] - obs)))


def step_both(env, driver, action):
    """One step on both sides: the largest difference, whether the ends agree, and how the episode goes on."""
    obs, reward, terminated, truncated, _ = env.step(action)
    answer = driver.ask("step", *action)
    worst = float(np.max(np.abs(answer[:-2] - [*obs, reward])))
    return worst, (answer[-2], answer[-1]) == (terminated, truncated), terminated, truncated


def gymnasiums_rate(task, n_steps):
    env, _ = make(task, 1)
    action, over = np.zeros(1), False
    start = time.perf_counter()
    for _ in range(n_steps):
        if over:
            env.reset()
        over = any(env.step(action)[2:4])
    return n_steps / (time.perf_counter() - start)


def compare(task, arguments):
    env, rng = make(task, 1)
    driver = Driver(arguments.target, task)
    worst, n_terminated, n_truncated, over = 0.0, 0, 0, True
    for t in range(arguments.steps):
        if over:
            worst = max(worst, start_both(env, driver))
        episode = n_terminated + n_truncated
        error, same_end, terminated, truncated = step_both(env, driver, draw_action(env, rng, episode))
        worst, over = max(worst, error), terminated or truncated
        n_terminated += terminated
        n_truncated += truncated and not terminated
        if worst > TOLERANCE or not same_end:
            sys.exit(f"{task}: step {t} differs by {worst:.3g}, ends {'agree' if same_end else 'differ'}")
    rate = driver.ask("time", 2_000_000)[0]
    driver.close()
    print(f"{task}: {arguments.steps} steps, {n_terminated} terminated, {n_truncated} truncated, largest difference "
          f"{worst:.3g}; {rate / 1e6:.1f} million steps a second, Gymnasium "
          f"{gymnasiums_rate(task, 20_000) / 1e6:.3f}")


def record(task, arguments):
    env, rng = make(task, 2)
    path = pathlib.Path(arguments.target) / f"{task}.csv"
    n_obs, episode = env.observation_space.shape[0], 1
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["start", "state0", "state1", "action", *(f"obs{i}" for i in range(n_obs)), "reward",
                         "terminated", "truncated"])
        start = True
        for _ in range(arguments.steps):
            state, action = env.unwrapped.state.copy(), draw_action(env, rng, episode)
            obs, reward, terminated, truncated, _ = env.step(action)
            numbers = [f"{x:.17g}" for x in [*state, *action, *obs, reward]]
            writer.writerow([int(start), *numbers, int(terminated), int(truncated)])
            start = terminated or truncated
            if start:
                episode += 1
                env.reset()
    print(f"{path}: {arguments.steps} transitions of Gymnasium {gymnasium.__version__}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["compare", "record"])
    parser.add_argument("target", help="the driver's path, or the folder to write to")
    parser.add_argument("--steps", type=int, default=5000)
    arguments = parser.parse_args()
    for task in TASKS:
        {"compare": compare, "record": record}[arguments.action](task, arguments)


if __name__ == "__main__":
    main()

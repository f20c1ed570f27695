#!/usr/bin/env python3
"""Compares our MuJoCo tasks with Gymnasium's, number for number, or records Gymnasium's transitions.

    envs_gymnasium.py compare DRIVER [--steps N] [TASK ...]
    envs_gymnasium.py record FOLDER [--steps N] [TASK ...]

compare  starts both sides in the same states, gives both the same random actions, and demands that observations and
         rewards agree to 1e-9 (absolute, or relative above 1) and that terminated and truncated are equal. DRIVER is
         the test program env_driver, built against the libmujoco that the Python package mujoco carries
         (-DMUJOCO_ROOT=the package's folder). Exits with 1 on the first difference.
record   writes FOLDER/TASK.csv: transitions of Gymnasium with the state that each started from.

Needs: gymnasium[mujoco] (with numpy, mujoco, imageio, packaging). Actions are handed over in float64: in float32 Gymnasium's control cost would be
rounded to float32.
"""

import argparse
import csv
import pathlib
import subprocess
import sys
import warnings

import gymnasium
import mujoco
import numpy as np

TASKS = ["InvertedPendulum-v5", "HalfCheetah-v5", "Hopper-v5"]
TOLERANCE = 1e-9


def make(task, seed):
    """Gymnasium's task, with its time limit but without the checks that complain of float64 actions."""
    warnings.filterwarnings("ignore")
    mujoco.set_mju_user_warning(lambda text: None)  # no MUJOCO_LOG.TXT from the divergence that is made below
    env = gymnasium.make(task, disable_env_checker=True)
    env.reset(seed=seed)
    return env, np.random.default_rng(seed)


def draw_action(env, rng):
    """A uniform action; representable in float32, as an agent's would be."""
    space = env.action_space
    return rng.uniform(space.low, space.high).astype(np.float32).astype(np.float64)


class Driver:
    """Our side: the program env_driver."""

    def __init__(self, program, task):
        self.process = subprocess.Popen([program, task], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        *sizes, self.version = self.process.stdout.readline().split()
        self.obs_dim, self.act_dim, self.nq, self.nv = map(int, sizes)

    def ask(self, command, numbers):
        print(command, *(f"{x:.17g}" for x in numbers), file=self.process.stdin, flush=True)
        return np.array([float(x) for x in self.process.stdout.readline().split()])

    def begin(self, qpos, qvel):
        return self.ask("state", [*qpos, *qvel])

    def step(self, action):
        answer = self.ask("step", action)
        return answer[:-3], answer[-3], bool(answer[-2]), bool(answer[-1])

    def close(self):
        print("quit", file=self.process.stdin, flush=True)
        self.process.wait()


def difference(a, b):
    """The largest of |a - b|, relative where |b| is above 1."""
    return float(np.max(np.abs(a - b) / np.maximum(1.0, np.abs(b))))


def start_both(env, driver, state=None):
    """Begins an episode on both sides, in Gymnasium's random start or in a given state."""
    obs, _ = env.reset()
    if state is not None:
        env.unwrapped.set_state(*state)
        obs = env.unwrapped._get_obs()
    data = env.unwrapped.data
    return difference(driver.begin(data.qpos, data.qvel), obs)


def step_both(env, driver, action):
    """One step on both sides: the largest difference, whether the ends agree, and whether the episode is over."""
    obs, reward, terminated, truncated, _ = env.step(action)
    our_obs, our_reward, our_terminated, our_truncated = driver.step(action)
    worst = max(difference(our_obs, obs), difference(np.array([our_reward]), np.array([reward])))
    same_end = our_terminated == terminated and our_truncated == truncated
    return worst, same_end, terminated or truncated


def compare_episodes(task, program, n_steps, seed):
    """Random actions with a new start after each end."""
    env, rng = make(task, seed)
    driver = Driver(program, task)
    if driver.version != mujoco.__version__:
        sys.exit(f"{program} runs MuJoCo {driver.version}, Python {mujoco.__version__}: build it with -DMUJOCO_ROOT")
    worst, n_ends, over = 0.0, 0, True
    for t in range(n_steps):
        if over:
            worst = max(worst, start_both(env, driver))
        error, same_end, over = step_both(env, driver, draw_action(env, rng))
        worst = max(worst, error)
        n_ends += over
        if worst > TOLERANCE or not same_end:
            sys.exit(f"{task}: step {t} differs by {worst:.3g}, ends {'agree' if same_end else 'differ'}")
    driver.close()
    return worst, n_ends


def compare_divergence(task, program):
    """A state from which the simulation diverges: MuJoCo starts over, and both sides go on from there."""
    env, rng = make(task, 0)
    driver = Driver(program, task)
    data = env.unwrapped.data
    worst = start_both(env, driver, (data.qpos.copy(), np.full_like(data.qvel, 1e11)))
    worst = max(worst, step_both(env, driver, draw_action(env, rng))[0])
    driver.close()
    if not worst <= TOLERANCE:
        sys.exit(f"{task}: after a divergence, the sides differ by {worst:.3g}")
    return worst


def compare(task, arguments):
    worst, n_ends = compare_episodes(task, arguments.target, arguments.steps, seed=1)
    diverged = compare_divergence(task, arguments.target)
    print(f"{task}: {arguments.steps} steps, {n_ends} ends, largest difference {worst:.3g}; "
          f"after a divergence {diverged:.3g}")


def columns(env):
    model = env.unwrapped.model
    obs_dim = env.observation_space.shape[0]
    groups = [("qpos", model.nq), ("qvel", model.nv), ("warmstart", model.nv), ("action", model.nu),
              ("obs", obs_dim)]
    names = [f"{name}{i}" for name, n in groups for i in range(n)]
    return [*names, "reward", "terminated", "truncated"]


def record(task, arguments):
    env, rng = make(task, 2)
    data = env.unwrapped.data
    path = pathlib.Path(arguments.target) / f"{task}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns(env))
        for _ in range(arguments.steps):
            before = [*data.qpos, *data.qvel, *data.qacc_warmstart]
            action = draw_action(env, rng)
            obs, reward, terminated, truncated, _ = env.step(action)
            numbers = [f"{x:.17g}" for x in [*before, *action, *obs, reward]]
            writer.writerow([*numbers, int(terminated), int(truncated)])
            if terminated or truncated:
                env.reset()
    print(f"{path}: {arguments.steps} transitions of Gymnasium {gymnasium.__version__}, "
          f"MuJoCo {mujoco.__version__}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["compare", "record"])
    parser.add_argument("target", help="the driver's path, or the folder to write to")
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--steps", type=int, default=1000)
    arguments = parser.parse_args()
    for task in arguments.tasks or TASKS:
        {"compare": compare, "record": record}[arguments.action](task, arguments)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares our MuJoCo tasks with Gymnasium's, number for number, or records Gymnasium's transitions.

    envs_gymnasium.py compare DRIVER [--steps N] [TASK ...]
    envs_gymnasium.py record FOLDER [--driver DRIVER] [TASK ...]

compare  starts both sides in the same states, gives both the same random actions, and demands that observations,
         rewards and info agree to 1e-9 (absolute, or relative above 1) and that terminated and truncated are equal;
         with the default options, and with others; then holds the spread of random starts of both sides together.
         DRIVER is the test program env_driver, built against the libmujoco that the Python package mujoco carries
         (-DMUJOCO_ROOT=the package's folder). Exits with 1 on the first difference.
record   writes FOLDER/TASK.csv: transitions of Gymnasium with the state that each started from; with --driver, writes
         FOLDER/TASK-VERSION.csv, for which Gymnasium's classes look at the physics of the driver's libmujoco:
         releases turn free bodies and solve contacts in different ways.

Needs: gymnasium[mujoco] (with numpy, mujoco, imageio, packaging). Actions are handed over in float64: in float32 Gymnasium's control cost would be
rounded to float32.
"""

import argparse
import csv
import pathlib
import subprocess
import sys
import types
import warnings

import gymnasium
import mujoco
import numpy as np

TOLERANCE = 1e-9
INF = float("inf")
ASSETS = pathlib.Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"

# The tasks, and settings of their options beside the defaults. All options of each task are there.
PLANAR = dict(forward_reward_weight=2.5, ctrl_cost_weight=0.3, reset_noise_scale=0.02, frame_skip=3)
HEALTHY = dict(healthy_reward=0.7, terminate_when_unhealthy=False)
HUMANOID = dict(exclude_current_positions_from_observation=False, include_cinert_in_observation=False,
                include_cvel_in_observation=False, include_cfrc_ext_in_observation=False, reset_noise_scale=0.05,
                ctrl_cost_weight=0.4, frame_skip=3)
TASKS = {
    "Ant-v5": [
        dict(PLANAR, **HEALTHY, contact_cost_weight=0.01, contact_force_range=(-0.5, 2.0), healthy_z_range=(0.3, 0.7),
             exclude_current_positions_from_observation=False, main_body="aux_1"),
        dict(include_cfrc_ext_in_observation=False, main_body=3, healthy_z_range=(0.4, 0.9)),
        dict(xml_file=str(ASSETS / "ant.xml")),
    ],
    "HalfCheetah-v5": [dict(PLANAR, exclude_current_positions_from_observation=False)],
    "Hopper-v5": [
        dict(PLANAR, **HEALTHY, exclude_current_positions_from_observation=False),
        dict(healthy_z_range=(1.1, 1.26), healthy_angle_range=(-0.05, 0.06), healthy_state_range=(-2.0, 3.0)),
        dict(xml_file=str(ASSETS / "hopper.xml")),
    ],
    "Humanoid-v5": [
        dict(HUMANOID, **HEALTHY, forward_reward_weight=2.0, contact_cost_weight=1e-4, contact_cost_range=(0.5, 1.0)),
        dict(include_qfrc_actuator_in_observation=False, healthy_z_range=(1.2, 1.5)),
    ],
    "HumanoidStandup-v5": [
        dict(HUMANOID, uph_cost_weight=3.0, impact_cost_weight=1e-4, impact_cost_range=(0.5, 1.0)),
        dict(include_qfrc_actuator_in_observation=False),
    ],
    "InvertedDoublePendulum-v5": [dict(healthy_reward=3.0, reset_noise_scale=0.3, frame_skip=2)],
    "InvertedPendulum-v5": [dict(reset_noise_scale=0.05, frame_skip=4)],
    "Pusher-v5": [dict(reward_near_weight=2.0, reward_dist_weight=3.0, reward_control_weight=0.7, frame_skip=3)],
    "Reacher-v5": [dict(reward_dist_weight=3.0, reward_control_weight=0.7, frame_skip=3)],
    "Swimmer-v5": [dict(PLANAR, exclude_current_positions_from_observation=False)],
    "Walker2d-v5": [
        dict(PLANAR, **HEALTHY, exclude_current_positions_from_observation=False),
        dict(healthy_z_range=(1.1, 1.3), healthy_angle_range=(-0.1, 0.2)),
    ],
}

# How many transitions are recorded of each. Humanoids' rows are long.
RECORDED = {"Ant-v5": 40, "Humanoid-v5": 26, "HumanoidStandup-v5": 14, "HalfCheetah-v5": 60, "Walker2d-v5": 60}
STARTS = 2000


def make(task, seed, options=None):
    """Gymnasium's task, with its time limit but without the checks that complain of float64 actions."""
    warnings.filterwarnings("ignore")
    mujoco.set_mju_user_warning(lambda text: None)  # no MUJOCO_LOG.TXT
    env = gymnasium.make(task, disable_env_checker=True, **(options or {}))
    env.reset(seed=seed)
    return env, np.random.default_rng(seed)


def draw_action(env, rng):
    """A uniform action; representable in float32, as an agent's would be."""
    space = env.action_space
    return rng.uniform(space.low, space.high).astype(np.float32).astype(np.float64)


def option_text(options):
    """Options as --env-set takes them."""

    def text(value):
        if isinstance(value, tuple):
            return f"{value[0]!r}:{value[1]!r}"
        return str(value).lower() if isinstance(value, bool) else str(value)

    return ",".join(f"{key}={text(value)}" for key, value in options.items())


class Driver:
    """Our side: the program env_driver."""

    def __init__(self, program, task, options=None, any_version=False):
        command = [program, task, option_text(options or {})]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        if not words:
            sys.exit(f"{task}: the driver did not open it")
        self.obs_dim, self.act_dim, self.nq, self.nv = map(int, words[:4])
        self.version, self.info_names = words[4], words[5:]
        if self.version != mujoco.__version__ and not any_version:
            sys.exit(f"{program} runs MuJoCo {self.version}, Python {mujoco.__version__}: "
                     "build it with -DMUJOCO_ROOT")

    def ask(self, command, numbers):
        print(command, *(f"{x:.17g}" for x in numbers), file=self.process.stdin, flush=True)
        return np.array([float(x) for x in self.process.stdout.readline().split()])

    def split(self, answer):
        """The observation, info by name, and the rest."""
        end = self.obs_dim + len(self.info_names)
        return answer[:self.obs_dim], dict(zip(self.info_names, answer[self.obs_dim:end])), answer[end:]

    def begin(self, qpos, qvel):
        return self.split(self.ask("state", [*qpos, *qvel]))[:2]

    def step(self, action):
        obs, info, (reward, terminated, truncated) = self.split(self.ask("step", action))
        return obs, info, reward, bool(terminated), bool(truncated)

    def reset(self, seed):
        return self.ask("reset", [seed])

    def fields(self, command, numbers=()):
        """The fields of mjData by name, one after the other in one line."""
        print(command, *(f"{x:.17g}" for x in numbers), file=self.process.stdin, flush=True)
        words, fields = self.process.stdout.readline().split(), {}
        while words:
            name, n = words[0], int(words[1])
            fields[name] = np.array([float(x) for x in words[2:2 + n]])
            words = words[2 + n:]
        return fields

    def close(self):
        print("quit", file=self.process.stdin, flush=True)
        self.process.wait()


def difference(a, b):
    """The largest of |a - b|, relative where |b| is above 1; infinite where sizes differ or one is NaN."""
    a, b = np.atleast_1d(a), np.atleast_1d(b)
    if a.shape != b.shape:
        return INF
    error = np.abs(a - b) / np.maximum(1.0, np.abs(b))
    return INF if np.isnan(error).any() else float(np.max(error, initial=0.0))


def flat(info):
    """Gymnasium's info with the components of arrays as name[0], name[1], ..."""
    numbers = {}
    for name, value in info.items():
        parts = np.ravel(value)
        for i, part in enumerate(parts):
            numbers[f"{name}[{i}]" if parts.size > 1 else name] = float(part)
    return numbers


def info_difference(ours, theirs):
    """Theirs must all be there."""
    return max((difference(ours.get(name, INF), value) for name, value in theirs.items()), default=0.0)


def start_both(env, driver):
    """Begins an episode on both sides, in Gymnasium's random start."""
    obs, info = env.reset()
    data = env.unwrapped.data
    our_obs, our_info = driver.begin(data.qpos, data.qvel)
    return max(difference(our_obs, obs), info_difference(our_info, flat(info)))


def step_both(env, driver, action):
    """One step on both sides: the largest difference, whether the ends agree, and whether the episode is over."""
    obs, reward, terminated, truncated, info = env.step(action)
    our_obs, our_info, our_reward, our_terminated, our_truncated = driver.step(action)
    info = flat(info)
    worst = max(difference(our_obs, obs), difference(our_reward, reward), info_difference(our_info, info))
    if set(our_info) != set(info):
        sys.exit(f"info holds {sorted(our_info)}, Gymnasium's {sorted(info)}")
    same_end = our_terminated == terminated and our_truncated == truncated
    return worst, same_end, terminated or truncated


def compare_episodes(task, program, n_steps, seed, options=None):
    """Random actions with a new start after each end."""
    env, rng = make(task, seed, options)
    driver = Driver(program, task, options)
    worst, n_ends, over = 0.0, 0, True
    for t in range(n_steps):
        if over:
            worst = max(worst, start_both(env, driver))
        error, same_end, over = step_both(env, driver, draw_action(env, rng))
        worst = max(worst, error)
        n_ends += over
        if worst > TOLERANCE or not same_end:
            sys.exit(f"{task} {options or ''}: step {t} differs by {worst:.3g}, "
                     f"ends {'agree' if same_end else 'differ'}")
    driver.close()
    env.close()
    return worst, n_ends


def compare_starts(task, program):
    """Random starts of both sides: lowest, highest, mean and deviation of each coordinate."""
    env, _ = make(task, 3)
    driver = Driver(program, task)
    ours = np.array([driver.reset(seed) for seed in range(STARTS)])
    theirs = []
    for _ in range(STARTS):
        env.reset()
        theirs.append([*env.unwrapped.data.qpos, *env.unwrapped.data.qvel])
    theirs = np.array(theirs)
    driver.close()
    env.close()
    deviation = theirs.std(axis=0)
    if ((deviation == 0) != (ours.std(axis=0) == 0)).any():
        sys.exit(f"{task}: other coordinates are random at the start")
    # Both are estimates from STARTS draws: a mean errs by deviation / sqrt(STARTS), a deviation by at most that
    # again (normal: 0.71 of it); five of sqrt(2) of them are allowed.
    scale = np.where(deviation > 0, deviation, 1.0) * np.sqrt(2.0 / STARTS)
    errors = np.abs([ours.mean(axis=0) - theirs.mean(axis=0), ours.std(axis=0) - deviation]) / scale
    if errors.max() > 5.0:
        sys.exit(f"{task}: starts differ by {errors.max():.2g} standard errors at coordinate "
                 f"{int(errors.max(axis=0).argmax())}")
    bounded = np.abs(theirs - theirs.mean(axis=0)).max(axis=0) < 2.5 * deviation  # no normal has none beyond
    width = np.ptp(theirs, axis=0) - np.ptp(ours, axis=0)
    if (np.abs(width)[bounded] > 0.1 * np.ptp(theirs, axis=0)[bounded]).any():
        sys.exit(f"{task}: starts reach differently far")
    return errors.max()


def compare(task, arguments):
    worst, n_ends = compare_episodes(task, arguments.target, arguments.steps, seed=1)
    print(f"{task}: {arguments.steps} steps, {n_ends} ends, largest difference {worst:.3g}")
    for i, options in enumerate(TASKS[task]):
        worst, n_ends = compare_episodes(task, arguments.target, arguments.steps // 2, 4 + i, options)
        print(f"    {arguments.steps // 2} steps, {n_ends} ends, {worst:.3g} with {option_text(options)}")
    print(f"    {STARTS} starts within {compare_starts(task, arguments.target):.2g} standard errors", flush=True)


class HostedData:
    """What Gymnasium's tasks read of mjData, filled from elsewhere."""

    def __init__(self, model, fields):
        self.model = model
        widths = {"cinert": 10, "cvel": 6, "cfrc_ext": 6, "xpos": 3, "xipos": 3, "site_xpos": 3}
        for name, values in fields.items():
            setattr(self, name, values.reshape(-1, widths[name]) if name in widths else values)

    def body(self, key):
        index = key if isinstance(key, int) else mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, key)
        return types.SimpleNamespace(xpos=self.xpos[index])


class Hosted:
    """Gymnasium's task on the physics of a driver."""

    def __init__(self, task, program):
        env, self.rng = make(task, 2)
        self.env, self.n_starts = env.unwrapped, 0
        self.driver = Driver(program, task, any_version=True)
        self.env.do_simulation = lambda ctrl, n: self.take("simulate", ctrl)
        self.observation_space, self.action_space, self.unwrapped = env.observation_space, env.action_space, self.env
        self.reset()

    def take(self, command, numbers=()):
        self.env.data = HostedData(self.env.model, self.driver.fields(command, numbers))

    def reset(self):
        self.n_starts += 1
        self.driver.reset(self.n_starts)
        self.take("fields")

    def step(self, action):
        return self.env.step(action)


def columns(env, info):
    model = env.unwrapped.model
    obs_dim = env.observation_space.shape[0]
    groups = [("qpos", model.nq), ("qvel", model.nv), ("warmstart", model.nv), ("action", model.nu),
              ("obs", obs_dim)]
    names = [f"{name}{i}" for name, n in groups for i in range(n)]
    return [*names, "reward", "terminated", "truncated", *(f"info:{name}" for name in info)]


def record(task, arguments):
    path, version = pathlib.Path(arguments.target) / f"{task}.csv", mujoco.__version__
    if arguments.driver:
        env = Hosted(task, arguments.driver)
        rng, version = env.rng, env.driver.version
        path = path.with_name(f"{task}-{version}.csv")
    else:
        env, rng = make(task, 2)
    n_steps = RECORDED.get(task, 100)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for t in range(n_steps):
            data = env.unwrapped.data
            before = [*data.qpos, *data.qvel, *data.qacc_warmstart]
            action = draw_action(env, rng)
            obs, reward, terminated, truncated, info = env.step(action)
            info = flat(info)
            if t == 0:
                writer.writerow(columns(env, info))
            numbers = [f"{x:.17g}" for x in [*before, *action, *obs, reward]]
            writer.writerow([*numbers, int(terminated), int(truncated), *(f"{x:.17g}" for x in info.values())])
            if terminated or truncated:
                env.reset()
    print(f"{path}: {n_steps} transitions of Gymnasium {gymnasium.__version__}, "
          f"MuJoCo {version}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["compare", "record"])
    parser.add_argument("target", help="the driver's path, or the folder to write to")
    parser.add_argument("tasks", nargs="*", default=[])
    parser.add_argument("--driver", help="record on the physics of this env_driver")
    parser.add_argument("--steps", type=int, default=1000)
    arguments = parser.parse_intermixed_args()
    for task in arguments.tasks or TASKS:
        {"compare": compare, "record": record}[arguments.action](task, arguments)


if __name__ == "__main__":
    main()

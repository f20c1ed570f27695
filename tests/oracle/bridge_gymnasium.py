#!/usr/bin/env python3
"""Holds Gymnasium's HalfCheetah-v5, served by millrace_bridge, against the built-in one.

    bridge_gymnasium.py DRIVER [--steps N]

DRIVER is the test program env_driver, built against the libmujoco that the Python package mujoco carries
(-DMUJOCO_ROOT=the package's folder). The served environment shows its whole state in its observation
(exclude_current_positions_from_observation=False); the built-in one starts each episode there, and both get the same random
actions in float64. Exits with 1 on the first difference above 1e-9 (absolute, or relative above 1).

Needs gymnasium[mujoco], pyzmq, msgpack.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "python"
sys.path.insert(0, str(PACKAGE))
from envs_gymnasium import TOLERANCE, Driver, difference, info_difference  # noqa: E402
from millrace_bridge import Client  # noqa: E402

TASK = "HalfCheetah-v5"


class Served:
    """The server as a process of its own."""

    def __init__(self):
        command = [sys.executable, "-m", "millrace_bridge", TASK, "--bind", "tcp://127.0.0.1:*",
                   "--kwargs", '{"exclude_current_positions_from_observation": false}']
        self.folder = tempfile.TemporaryDirectory()  # for MuJoCo's MUJOCO_LOG.TXT
        self.process = subprocess.Popen(command, cwd=self.folder.name, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "PYTHONPATH": str(PACKAGE)})
        lines = iter(self.process.stderr.readline, "")  # MuJoCo may warn of something first
        self.endpoint = next(line for line in lines if line.startswith(TASK)).split()[2].rstrip(":")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def compare(client, driver, n_steps):
    rng, worst, over, seed, n_episodes = np.random.default_rng(1), 0.0, True, 1, 0
    for t in range(n_steps):
        if over:
            obs = client.reset([0], [seed])[0]
            our_obs, _ = driver.begin(obs[:driver.nq], obs[driver.nq:])
            worst, seed, n_episodes = max(worst, difference(our_obs, obs)), None, n_episodes + 1
        action = rng.uniform(client.spec.act_low, client.spec.act_high)
        theirs = client.step([0], action[None])
        our_obs, our_info, our_reward, our_terminated, our_truncated = driver.step(action)
        info = {name: values[0] for name, values in theirs.info.items()}
        worst = max(worst, difference(our_obs, theirs.obs[0]), difference(our_reward, theirs.reward[0]),
                    info_difference(our_info, info))
        if worst > TOLERANCE or (our_terminated, our_truncated) != (theirs.terminated[0], theirs.truncated[0]):
            sys.exit(f"{TASK}: step {t} differs by {worst:.3g}")
        over = our_terminated or our_truncated
    print(f"{TASK} served from Python: {n_steps} steps in {n_episodes} episodes, largest difference {worst:.3g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver", help="the path of env_driver")
    parser.add_argument("--steps", type=int, default=3000)
    arguments = parser.parse_args()
    served = Served()
    try:
        client = Client(served.endpoint)
        driver = Driver(arguments.driver, TASK, {"exclude_current_positions_from_observation": False})
        compare(client, driver, arguments.steps)
        driver.close()
        client.close()
    finally:
        served.stop()


if __name__ == "__main__":
    main()

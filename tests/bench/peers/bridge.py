#!/usr/bin/env python3
"""Steps a second over the Python bridge, beside Gymnasium's own vector environments.

    tests/bench/peers/bridge.py [--envs N] [--rounds N] [TASK]

The same environments: in this process (Gymnasium's synchronous vector environment), in one process each (its asynchronous one), and behind
millrace_bridge (one server process, one message a step of all). The three take turns in short rounds, with random actions; episodes that
end begin anew on all sides. Prints one JSON object with medians over the rounds. Needs gymnasium, pyzmq, msgpack.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import gymnasium
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "python"
sys.path.insert(0, str(FOLDER))
from millrace_bridge import Client  # noqa: E402

ROUND_S = 0.3


class Vector:
    def __init__(self, task, n, mode):
        same_step = {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}
        self.envs = gymnasium.make_vec(task, num_envs=n, vectorization_mode=mode, vector_kwargs=same_step)
        self.envs.reset(seed=1)

    def step(self, actions):
        self.envs.step(actions)

    def close(self):
        self.envs.close()


class Bridge:
    def __init__(self, task, n):
        command = [sys.executable, "-m", "millrace_bridge", task, "--num-envs", str(n), "--bind", "tcp://127.0.0.1:*"]
        environ = {**os.environ, "PYTHONPATH": str(FOLDER)}
        self.process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
        lines = iter(self.process.stderr.readline, "")  # MuJoCo may warn of something first
        self.client = Client(next(line for line in lines if line.startswith(task)).split()[2].rstrip(":"))
        self.indices = list(range(n))
        self.client.reset(self.indices, self.indices)

    def step(self, actions):
        result = self.client.step(self.indices, actions)
        over = np.flatnonzero(result.terminated | result.truncated).tolist()
        if over:
            self.client.reset(over, [None] * len(over))

    def close(self):
        self.client.close()
        self.process.terminate()
        self.process.wait()


def rate(side, actions):
    n, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < ROUND_S:
        side.step(actions)
        n += len(actions)
    return n / (time.perf_counter() - begun)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="?", default="Pendulum-v1")
    parser.add_argument("--envs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    os.chdir(folder.name)  # for MuJoCo's MUJOCO_LOG.TXT
    sides = {
        "bridge": Bridge(options.task, options.envs),
        "gymnasium_sync": Vector(options.task, options.envs, "sync"),
        "gymnasium_async": Vector(options.task, options.envs, "async"),
    }
    spec = sides["bridge"].client.spec
    rng = np.random.default_rng(1)
    actions = rng.uniform(spec.act_low, spec.act_high, (options.envs, spec.act_dim)).astype(np.float32)
    for side in sides.values():
        rate(side, actions)  # warms up
    rounds = [{name: rate(side, actions) for name, side in sides.items()} for _ in range(options.rounds)]
    for side in sides.values():
        side.close()
    medians = {f"{name}_steps_per_s": round(statistics.median(r[name] for r in rounds)) for name in sides}
    print(json.dumps({"task": options.task, "envs": options.envs, **medians, "gymnasium": gymnasium.__version__}))


if __name__ == "__main__":
    main()

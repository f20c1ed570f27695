#!/usr/bin/env python3
"""The Python package beside what its users know: one action, a fit, a vector environment, a training.

    tests/bench/peers/python.py [predict] [vector] [fit] [train]   (all)

Prints one JSON object a measurement, of which docs/python.md has the figures. One thread each, in turns.

predict  microseconds for one observation: `predict` of a gaussian policy, 2 x 256, of HalfCheetah-v5; Stable-Baselines3's SAC
vector   steps a second of 16 x HalfCheetah-v5 with random actions: make_vec, Gymnasium's SyncVectorEnv, EnvPool
fit      seconds until a flow has the same log-density of 10,000 fresh rows (nats): Flow.fit by five seeds, zuko by its first.
         The shapes, flows and zuko's fit are those of tests/oracle/flow_fits.py
train    seconds of 1,000 updates of SAC on HalfCheetah-v5: millrace.train, the command

Needs the package millrace (pip install -e python) with a release build, and gymnasium[mujoco]; zuko and safetensors for `fit`.
Stable-Baselines3 and EnvPool are left out, and said to be, if they are not installed.
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

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))

os.environ["OMP_NUM_THREADS"] = "1"

import gymnasium  # noqa: E402
import numpy as np  # noqa: E402

import millrace  # noqa: E402

TASK = "HalfCheetah-v5"
COMMAND = ROOT / "build" / "release" / "bin" / "millrace"


def medians(rounds, contenders):
    """{name: median of what it returns}, each called once in a round."""
    results = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            results[name].append(measure())
    return {name: statistics.median(values) for name, values in results.items()}


def left_out(name, error):
    print(f"without {name}: {error}", file=sys.stderr)


# ---- One action


def microseconds(call, n):
    begun = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - begun) / n * 1e6


def measure_predict():
    with tempfile.TemporaryDirectory() as folder:
        few = {"steps": 20, "learning_starts": 10, "eval_episodes": 1, "env_set": {"max_episode_steps": 10}}
        run = millrace.train(TASK, agent="sac", policy="gaussian", out=f"{folder}/run", threads=1, **few)
        policy = run.load_policy(seed=1)
    observation = np.random.default_rng(1).normal(size=policy.obs_dim)
    contenders = {
        "millrace, deterministic": lambda: microseconds(lambda: policy.predict(observation, deterministic=True), 2000),
        "millrace, sampled": lambda: microseconds(lambda: policy.predict(observation), 2000),
    }
    try:
        import torch
        from stable_baselines3 import SAC
    except ImportError as error:
        left_out("Stable-Baselines3", error)
    else:
        torch.set_num_threads(1)
        model = SAC("MlpPolicy", TASK, buffer_size=1)
        contenders["Stable-Baselines3, deterministic"] = lambda: microseconds(
            lambda: model.predict(observation, deterministic=True), 200
        )
    return {"predict_us": {name: round(value, 1) for name, value in medians(9, contenders).items()}}


# ---- A vector environment

N_ENVS, ROUND_S = 16, 0.3


def steps_per_s(envs, actions):
    n, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < ROUND_S:
        for action in actions:
            envs.step(action)
        n += len(actions) * N_ENVS
    return n / (time.perf_counter() - begun)


def measure_vector():
    rng = np.random.default_rng(1)
    actions = rng.uniform(-1, 1, (16, N_ENVS, 6)).astype(np.float32)
    envs = {
        "millrace": millrace.make_vec(TASK, N_ENVS),
        "SyncVectorEnv": gymnasium.make_vec(TASK, num_envs=N_ENVS, vectorization_mode="sync"),
    }
    try:
        import envpool

        envs["EnvPool"] = envpool.make_gymnasium(TASK, num_envs=N_ENVS, num_threads=1)
    except Exception as error:
        left_out("EnvPool", error)
    contenders = {}
    for name, made in envs.items():
        made.reset()
        contenders[name] = lambda made=made: steps_per_s(made, actions)
    return {"steps_per_s": {name: round(value) for name, value in medians(9, contenders).items()}}


# ---- A fit


SEEDS = range(1, 6)  # after the same epochs, maf on pinwheel is up to 0.1 nats apart by its seed


def fit_ours(flow, x, test, target, most, seed):
    """Seconds of the shortest fit whose log-density of the fresh rows reaches the target, by its number of epochs: a
    shorter fit is the beginning of a longer one. None: none does."""

    def fit(epochs):
        begun = time.perf_counter()
        fitted = millrace.Flow(flow, epochs=epochs, seed=seed).fit(x)
        return time.perf_counter() - begun, fitted.score(test)

    short, long = 0, 1
    while fit(long)[1] < target:
        if long == most:
            return None
        short, long = long, min(2 * long, most)
    while long - short > 1:
        middle = (short + long) // 2
        short, long = (short, middle) if fit(middle)[1] >= target else (middle, long)
    seconds, nats = fit(long)
    return {"seed": seed, "seconds": round(seconds, 2), "nats": round(nats, 4), "epochs": long}


def measure_fit(epochs):
    import flow_fits

    rows = []
    for shape, flow in ((flow_fits.two_moons, "nsf:layers=4,hidden=64x64,bound=5"), (flow_fits.pinwheel, "maf:layers=5,hidden=64x64")):
        g = np.random.default_rng(1)
        x, test = shape(g, flow_fits.N_FIT), shape(g, flow_fits.N_TEST)
        nats, seconds, _ = flow_fits.fit_zuko(flow_fits.FLOWS[flow], epochs, x, test)
        theirs = {"seconds": round(seconds, 2), "nats": round(nats, 4), "epochs": epochs}
        ours = [fit_ours(flow, x, test, nats, 100, seed) for seed in SEEDS]
        rows.append({"shape": shape.__name__, "flow": flow, "zuko": theirs, "millrace": ours})
    return {"fits": rows}


# ---- A training

SIZES = {"steps": 1500, "learning_starts": 500, "eval_every": 10**6, "agent": "sac", "policy": "real_nvp", "threads": 1, "seed": 1}


def measure_train():
    from millrace._texts import text_of

    options = [f"--{name.replace('_', '-')}={text_of(value)}" for name, value in SIZES.items()]
    with tempfile.TemporaryDirectory() as folder:
        n_runs = iter(range(100))

        def timed(train):
            begun = time.perf_counter()
            train(f"{folder}/{next(n_runs)}")
            return time.perf_counter() - begun

        contenders = {
            "millrace.train": lambda: timed(lambda out: millrace.train(TASK, out=out, **SIZES)),
            "command": lambda: timed(
                lambda out: subprocess.run([COMMAND, "train", TASK, *options, "--out", out], check=True, capture_output=True)
            ),
        }
        return {"train_s": {name: round(value, 2) for name, value in medians(3, contenders).items()}}


MEASUREMENTS = {"predict": measure_predict, "vector": measure_vector, "fit": lambda: measure_fit(20), "train": measure_train}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="MEASUREMENT", help=", ".join(MEASUREMENTS))
    options = parser.parse_args()
    unknown = set(options.what) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"there is no measurement {sorted(unknown)[0]!r}, but {', '.join(MEASUREMENTS)}")
    for name in options.what or MEASUREMENTS:
        print(json.dumps(MEASUREMENTS[name]()), flush=True)


if __name__ == "__main__":
    main()

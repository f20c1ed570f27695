"""Training steps a second of SAC by Stable-Baselines3 or SBX, as a yardstick for bench_train: the same task, sizes and updates.

    python3 tests/bench/peers/baselines_sac.py stable_baselines3 [--env HalfCheetah-v5] [--hidden 256] [--batch 256] [--threads 2]
    python3 tests/bench/peers/baselines_sac.py sbx ...

One update a step; episodes begin with 1,000 steps of random actions and 200 more that compile and warm up. Prints one JSON
object. Needs the library that is named, and gymnasium[mujoco].
"""

import argparse
import importlib
import json
import os
import statistics
import time

LEARNING_STARTS, WARM_UP, ROUND_STEPS = 1000, 200, 100


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=["stable_baselines3", "sbx"])
    parser.add_argument("--env", default="HalfCheetah-v5")
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15, help="of 100 steps each; the median counts")
    return parser.parse_args()


def stopwatch_of(base):
    """A callback, of the class that the library's training takes, that times rounds once updates are under way."""

    class Stopwatch(base):
        def __init__(self):
            super().__init__()
            self.rates, self.begun = [], None

        def _on_step(self):
            done = self.num_timesteps - LEARNING_STARTS - WARM_UP
            if done >= 0 and done % ROUND_STEPS == 0:
                now = time.perf_counter()
                if self.begun is not None:
                    self.rates.append(ROUND_STEPS / (now - self.begun))
                self.begun = now
            return True

    return Stopwatch()


def main():
    options = parse_arguments()
    # PyTorch and XLA size their pools by the cores that they see.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    import gymnasium
    import mujoco
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    mujoco.set_mju_user_warning(lambda text: None)  # no MUJOCO_LOG.TXT
    torch.set_num_threads(options.threads)
    library = importlib.import_module(options.library)
    stopwatch = stopwatch_of(BaseCallback)
    agent = library.SAC(
        "MlpPolicy",
        gymnasium.make(options.env),
        learning_starts=LEARNING_STARTS,
        batch_size=options.batch,
        policy_kwargs={"net_arch": [options.hidden, options.hidden]},
        device="cpu",
        seed=1,
    )
    agent.learn(LEARNING_STARTS + WARM_UP + options.rounds * ROUND_STEPS + 1, callback=stopwatch)
    print(json.dumps({"version": library.__version__, "steps_per_s": round(statistics.median(stopwatch.rates), 1)}))


if __name__ == "__main__":
    main()

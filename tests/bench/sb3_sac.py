"""Training steps a second of Stable-Baselines3's SAC, as a yardstick for bench_train.

The same task, sizes and number of updates a step as bench_train: HalfCheetah-v5, two hidden layers of 256, batch 256,
one update a step. Needs stable-baselines3, gymnasium[mujoco] and torch.

    python3 tests/bench/sb3_sac.py --threads 2
"""

import argparse
import json
import statistics
import time

import gymnasium
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import BaseCallback

LEARNING_STARTS, WARM_UP, ROUND_STEPS = 1000, 200, 100


class Stopwatch(BaseCallback):
    """Times rounds of ROUND_STEPS steps once updates are under way."""

    def __init__(self):
        super().__init__()
        self.rates = []
        self.begun = None

    def _on_step(self):
        done = self.num_timesteps - LEARNING_STARTS - WARM_UP
        if done >= 0 and done % ROUND_STEPS == 0:
            now = time.perf_counter()
            if self.begun is not None:
                self.rates.append(ROUND_STEPS / (now - self.begun))
            self.begun = now
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    stopwatch = Stopwatch()
    agent = stable_baselines3.SAC(
        "MlpPolicy", gymnasium.make("HalfCheetah-v5"), learning_starts=LEARNING_STARTS, device="cpu", seed=1
    )
    agent.learn(LEARNING_STARTS + WARM_UP + options.rounds * ROUND_STEPS + 1, callback=stopwatch)
    print(
        json.dumps(
            {
                "stable_baselines3": stable_baselines3.__version__,
                "torch": torch.__version__,
                "threads": options.threads,
                "steps_per_s": round(statistics.median(stopwatch.rates), 1),
            }
        )
    )


if __name__ == "__main__":
    main()

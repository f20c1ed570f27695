"""Records tests/data/episodes: a data set that Minari itself has made, and files that are refused.

    python tests/oracle/episodes_minari.py

Needs minari[hdf5,create] and gymnasium[mujoco]. The tests hold the numbers in minari.csv against what is read.
"""

import os
import pathlib
import shutil
import tempfile

DATA = pathlib.Path(__file__).parents[1] / "data" / "episodes"
SETS = tempfile.TemporaryDirectory()
os.environ["MINARI_DATASETS_PATH"] = SETS.name

import gymnasium  # noqa: E402
import h5py  # noqa: E402
import minari  # noqa: E402
import numpy as np  # noqa: E402

N_EPISODES = 3


def collect():
    """Random actions on InvertedPendulum-v5, until the pole falls."""
    env = minari.DataCollector(gymnasium.make("InvertedPendulum-v5", max_episode_steps=9))
    env.action_space.seed(1)
    for seed in range(N_EPISODES):
        env.reset(seed=seed)
        ended = False
        while not ended:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            ended = terminated or truncated
    return env.create_dataset("pendulum/random-v0", algorithm_name="random", description="random actions")


def write_numbers(dataset):
    """A row a step: episode, observation, action, reward, terminated, next observation."""
    rows = [
        [episode.id, *episode.observations[t], *episode.actions[t], episode.rewards[t], episode.terminations[t]]
        + list(episode.observations[t + 1])
        for episode in dataset
        for t in range(len(episode))
    ]
    np.savetxt(DATA / "minari.csv", np.array(rows), fmt="%.17g", delimiter=",")


def write_refused(name, change):
    """An episode of two steps with one thing wrong."""
    with h5py.File(DATA / f"{name}.h5", "w") as file:
        episode = file.create_group("episode_0")
        episode["observations"] = np.zeros((3, 4))
        episode["actions"] = np.zeros((2, 1), np.float32)
        episode["rewards"] = np.zeros(2)
        episode["terminations"] = np.zeros(2, bool)
        episode["truncations"] = np.array([False, True])
        change(episode)


def replace(name, value):
    def change(episode):
        del episode[name]
        episode[name] = value

    return change


def make_group(episode):
    del episode["observations"]
    episode.create_group("observations")["position"] = np.zeros((3, 4))


def main():
    DATA.mkdir(exist_ok=True)
    write_numbers(collect())
    shutil.rmtree(DATA / "minari", ignore_errors=True)
    shutil.copytree(pathlib.Path(SETS.name) / "pendulum" / "random-v0" / "data", DATA / "minari")
    write_refused("no_actions", lambda episode: episode.__delitem__("actions"))
    write_refused("dictionary", make_group)
    write_refused("short", replace("observations", np.zeros((2, 4))))
    write_refused("text", replace("rewards", np.array([b"1", b"2"])))


if __name__ == "__main__":
    main()

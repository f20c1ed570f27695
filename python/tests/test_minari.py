"""Data sets of `millrace record`, read by Minari; skipped where it is not installed."""

import os
import pathlib
import subprocess

import numpy as np
import pytest

minari = pytest.importorskip("minari", reason="Minari is not installed")

MILLRACE = pathlib.Path(os.environ.get("MILLRACE", pathlib.Path(__file__).parents[2] / "build/release/bin/millrace"))

pytestmark = pytest.mark.skipif(not MILLRACE.exists(), reason="build/release/bin/millrace is not built")


def millrace(*arguments):
    subprocess.run([MILLRACE, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("run") / "run"
    millrace("train", "Hopper-v5", "--steps", "20", "--hidden", "16", "--threads", "1", "--out", run)
    return run


def check_episodes(episodes, seeds):
    for i, (episode, seed) in enumerate(zip(episodes, seeds, strict=True)):
        n = len(episode)
        assert (episode.id, seed) == (i, 3 + i)
        assert episode.observations.shape == (n + 1, 11)
        assert episode.actions.shape == (n, 3) and episode.actions.dtype == np.float32
        assert episode.terminations.dtype == bool and episode.truncations.dtype == bool
        assert episode.terminations[-1] or episode.truncations[-1]
        assert not episode.terminations[:-1].any() and not episode.truncations[:-1].any()
        assert episode.infos["x_position"].shape == (n + 1,)
        # The task's own terms: 1 for each step on its feet, and those of info.
        infos = episode.infos
        terms = infos["reward_forward"] + infos["reward_ctrl"] + infos["reward_survive"]
        np.testing.assert_allclose(terms[1:], episode.rewards, rtol=0, atol=1e-12)


def test_minari_loads_a_directory_by_its_name(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    millrace("record", run, "--episodes", "4", "--seed", "3", "--out", tmp_path / "hopper" / "new-v0" / "data")
    dataset = minari.load_dataset("hopper/new-v0")
    assert dataset.total_episodes == 4 and len(dataset) == 4
    assert dataset.total_steps == sum(len(episode) for episode in dataset)
    assert dataset.observation_space.shape == (11,) and dataset.action_space.shape == (3,)
    assert (dataset.action_space.low == -1).all() and (dataset.action_space.high == 1).all()
    check_episodes(dataset, (m["seed"] for m in dataset.storage.get_episode_metadata(range(4))))
    assert all(dataset.action_space.contains(action) for episode in dataset for action in episode.actions)
    assert len(dataset.filter_episodes(lambda episode: len(episode) > 1)) == 4
    assert dataset.storage.metadata["env"] == "Hopper-v5"


def test_a_single_file_is_that_of_a_directory(run, tmp_path):
    millrace("record", run, "--episodes", "2", "--out", tmp_path / "set")
    millrace("record", run, "--episodes", "2", "--out", tmp_path / "set.h5")
    assert (tmp_path / "set.h5").read_bytes() == (tmp_path / "set" / "main_data.hdf5").read_bytes()


def test_minari_combines_it_with_another(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    for name in "a-v0", "b-v0":
        millrace("record", run, "--episodes", "2", "--out", tmp_path / name / "data")
    both = minari.combine_datasets([minari.load_dataset("a-v0"), minari.load_dataset("b-v0")], "both-v0")
    assert both.total_episodes == 4

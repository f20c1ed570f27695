"""The C engine's environments under Gymnasium's own checks, and against Gymnasium's vector environments."""

import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from native import millrace

gymnasium = pytest.importorskip("gymnasium", minversion="1.1", reason="Gymnasium is not installed")

from gymnasium.utils.env_checker import check_env  # noqa: E402
from gymnasium.vector import AutoresetMode, SyncVectorEnv  # noqa: E402

NAME, N = "Hopper-v5", 5  # falls soon when it acts at random
MODES = ["NextStep", "SameStep", "Disabled"]


def run(envs, n_steps=150, seed=3):
    """A rollout with random actions, as a list of what each call returned. Ended episodes are begun anew
    where the mode leaves that to the caller."""
    envs.action_space.seed(1)
    record = [envs.reset(seed=seed)]
    for _ in range(n_steps):
        if envs.metadata["autoreset_mode"] == AutoresetMode.DISABLED and len(record[-1]) == 5:
            ended = record[-1][2] | record[-1][3]
            if ended.any():
                envs.reset(options={"reset_mask": ended})
        record.append(envs.step(envs.action_space.sample()))
    return record


def expect_same(found, expected, where=""):
    assert type(found) is type(expected) or np.isscalar(found), where
    if isinstance(found, dict):
        assert found.keys() == expected.keys(), where
        for key in found:
            expect_same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(found, np.ndarray) and found.dtype == object:
        assert [row is None for row in found] == [row is None for row in expected], where
        for row, other in zip(found, expected):
            assert row is None or (row == other).all(), where
    elif isinstance(found, (list, tuple)):
        assert len(found) == len(expected), where
        for i, pair in enumerate(zip(found, expected)):
            expect_same(*pair, f"{where}[{i}]")
    else:
        np.testing.assert_array_equal(found, expected, err_msg=where)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["Ant-v5", "Pendulum-v1", "Hopper-v5", "Reacher-v5"])
def test_passes_gymnasiums_check_of_environments(name):
    env = gymnasium.make(f"millrace/{name}")
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_all_environments_are_registered():
    from millrace import _library

    names = [_library.library.mr_env_at(i).name.decode() for i in range(_library.library.mr_env_count())]
    registered = {id for id in gymnasium.registry if id.startswith("millrace/")}
    assert registered == {f"millrace/{name}" for name in names}, "python/millrace/_registration.py"
    envs = gymnasium.make_vec("millrace/Ant-v5", num_envs=3, threads=2)
    assert isinstance(envs.unwrapped, millrace.VectorEnv) and envs.num_envs == 3
    envs.close()


@pytest.mark.parametrize("make", ["make", "make_vec"])
def test_gymnasium_says_why_the_library_is_not_loaded(make, tmp_path):
    missing = str(tmp_path / "none.so")
    program = f"import gymnasium, millrace; gymnasium.{make}('millrace/Ant-v5')"
    environment = {**os.environ, "MILLRACE_LIBRARY": missing}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("millrace.errors.LibraryError: libmillrace can't be loaded") and missing in last


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("threads", [1, 2])
def test_steps_as_gymnasiums_vector_of_its_environments(mode, threads):
    theirs = SyncVectorEnv([lambda: millrace.Env(NAME) for _ in range(N)], autoreset_mode=mode)
    ours = millrace.make_vec(NAME, N, threads=threads, autoreset_mode=mode)
    assert ours.observation_space == theirs.observation_space and ours.action_space == theirs.action_space
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    found, expected = run(ours), run(theirs)
    assert sum(step[2].sum() for step in found[1:]) > 10  # episodes ended
    drop = mode == "NextStep"  # an environment that is reset has infos of its own there
    for t, (one, other) in enumerate(zip(found, expected)):
        infos, other_infos = one[-1], other[-1]
        expect_same(one[:-1], other[:-1], f"{t}")
        if drop:
            infos = {key: value for key, value in infos.items() if key in other_infos}
        expect_same(infos, other_infos, f"{t}: infos")
    ours.close()
    theirs.close()


def test_is_gymnasiums_task():
    pytest.importorskip("mujoco", reason="MuJoCo's package is not installed")
    ours, theirs = (
        millrace.make("Ant-v5", ctrl_cost_weight=0.1),
        gymnasium.make("Ant-v5", ctrl_cost_weight=0.1),
    )
    assert ours.action_space == theirs.action_space and ours.observation_space == theirs.observation_space
    assert ours.reset(seed=1)[0].shape == theirs.reset(seed=1)[0].shape


def test_options_are_gymnasiums():
    env = millrace.make(
        "Ant-v5", healthy_z_range=(0.3, 0.9), include_cfrc_ext_in_observation=False, frame_skip=4
    )
    assert env.observation_space.shape == (27,)
    with pytest.raises(millrace.UsageError, match="healthy_z_range"):
        millrace.make("Ant-v5", healthy_z_rang=(0.3, 0.9))
    with pytest.raises(millrace.UsageError, match="Hopper-v5"):
        millrace.make("Hoper-v5")


def test_episodes_follow_their_seeds_and_differ_without():
    first, second = (millrace.make_vec(NAME, 3) for _ in range(2))
    assert not (first.reset()[0] == second.reset()[0]).any()
    obs, _ = first.reset(seed=7)
    np.testing.assert_array_equal(second.reset(seed=[9, 8, 7])[0], obs[::-1])
    assert (second.reset()[0] != obs).any()
    one, other = millrace.make(NAME), millrace.make(NAME)
    assert not (one.reset()[0] == other.reset()[0]).any()
    np.testing.assert_array_equal(one.reset(seed=8)[0], obs[1])


def test_infos_are_those_of_the_environment_alone():
    envs, env = millrace.make_vec("Ant-v5", 2), millrace.make("Ant-v5")
    envs.reset(seed=4)
    _, info = env.reset(seed=5)
    for _ in range(3):
        *_, infos = envs.step(np.full((2, 8), 0.3))
        *_, info = env.step(np.full(8, 0.3))
    assert {"x_position", "reward_forward"} <= info.keys() and info["x_position"] != 0
    assert {name: infos[name][1] for name in info} == info and infos["_x_position"].all()


# ---- Misuse


@pytest.fixture
def envs():
    envs = millrace.make_vec(NAME, N)
    yield envs
    envs.close()


def zeros():
    return np.zeros((N, 3))


def test_a_step_without_a_reset_is_refused(envs):
    with pytest.raises(millrace.UsageError, match="reset all"):
        envs.step(zeros())
    env = millrace.make(NAME)
    with pytest.raises(millrace.UsageError, match="reset"):
        env.step(np.zeros(3))


@pytest.mark.parametrize(
    "wrong", [np.zeros((N, 2)), np.zeros(4), np.zeros((N, 3), complex), None, "abc", [[0] * 3] * 4]
)
def test_wrong_actions_are_refused_and_the_episodes_go_on(envs, wrong):
    envs.reset(seed=1)
    with pytest.raises(millrace.UsageError):
        envs.step(wrong)
    envs.step(zeros())
    env = millrace.make(NAME)
    env.reset(seed=1)
    with pytest.raises(millrace.UsageError):
        env.step(wrong)
    env.step(np.zeros(3))


def test_after_an_action_that_is_not_finite_all_are_reset(envs):
    envs.reset(seed=1)
    actions = zeros()
    actions[2, 1] = np.nan
    with pytest.raises(millrace.NumericError, match="environment 2: Hopper-v5: action 1"):
        envs.step(actions)
    with pytest.raises(millrace.UsageError, match="reset all"):
        envs.step(zeros())
    envs.reset()
    envs.step(zeros())


def test_arguments_that_make_no_sense_are_refused(envs):
    for n in (0, -1, 2.5, None):
        with pytest.raises(millrace.UsageError, match="num_envs"):
            millrace.make_vec(NAME, n)
    with pytest.raises(millrace.UsageError, match="threads"):
        millrace.make_vec(NAME, 2, threads=0)
    with pytest.raises(millrace.UsageError, match="'Sometimes'; give one of 'NextStep', 'SameStep', 'Disabled'"):
        millrace.make_vec(NAME, 2, autoreset_mode="Sometimes")
    for make in (millrace.make, millrace.make_vec):
        with pytest.raises(millrace.UsageError, match="render_mode"):
            make(NAME, render_mode="human")
    with pytest.raises(TypeError):  # what Stable-Baselines3 takes for "make it without"
        gymnasium.make(f"millrace/{NAME}", render_mode="rgb_array")
    for wrong in ([1], [None] * 6):
        with pytest.raises(millrace.UsageError, match="seeds for 5"):
            envs.reset(seed=wrong)
    with pytest.raises(millrace.UsageError, match="seed is -1"):
        envs.reset(seed=-1)
    for options in ({"x": 1}, {"reset_mask": [True] * N}, {"reset_mask": np.zeros(N, bool)}):
        with pytest.raises(millrace.UsageError, match="reset"):
            envs.reset(options=options)
    with pytest.raises(millrace.UsageError, match="reset all"):
        envs.reset(options={"reset_mask": np.arange(N) == 1})  # no episodes are under way yet


def test_the_caller_resets_where_the_mode_says_so():
    envs = millrace.make_vec("Pendulum-v1", 2, autoreset_mode="Disabled")
    envs.reset(seed=1)
    for _ in range(200):
        *_, truncated, _ = envs.step(np.zeros((2, 1)))
    assert truncated.all()
    with pytest.raises(millrace.UsageError, match=r"environments \[0, 1\] have ended"):
        envs.step(np.zeros((2, 1)))
    envs.reset(options={"reset_mask": np.ones(2, bool)})
    envs.step(np.zeros((2, 1)))


def test_closed_environments_raise(envs):
    envs.reset(seed=1)
    envs.close()
    for call in (envs.reset, lambda: envs.step(zeros())):
        with pytest.raises(millrace.ClosedError):
            call()
    env = millrace.make(NAME)
    env.reset()
    env.close()
    env.close()
    for call in (env.reset, lambda: env.step(np.zeros(3))):
        with pytest.raises(millrace.ClosedError):
            call()


def test_two_threads_at_once_raise_and_nothing_crashes():
    envs, busy, n = millrace.make_vec(NAME, 64), [], [0]
    envs.reset(seed=1)

    def step():
        for _ in range(100):
            try:
                envs.step(np.zeros((64, 3)))
                n[0] += 1
            except millrace.BusyError as error:
                busy.append(error)

    threads = [threading.Thread(target=step) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy and n[0] + len(busy) == 400
    envs.reset()
    envs.step(np.zeros((64, 3)))


def test_a_thread_in_the_middle_of_anothers_first_reset_is_told_that_they_are_busy(envs):
    with envs._session:  # as the other thread has it
        for call in (envs.reset, lambda: envs.step(zeros())):
            with pytest.raises(millrace.BusyError, match="another thread"):
                call()
        with pytest.raises(millrace.BusyError, match="another thread"):
            envs.reset(options={"reset_mask": np.arange(N) == 1})


def test_the_observations_of_a_call_are_not_overwritten(envs):
    first, _ = envs.reset(seed=1)
    kept = first.copy()
    second, *_ = envs.step(zeros())
    assert (first == kept).all() and not np.shares_memory(first, second)


def test_stable_baselines3_trains_on_it():
    pytest.importorskip("stable_baselines3", reason="Stable-Baselines3 is not installed")
    from stable_baselines3 import SAC

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        SAC("MlpPolicy", "millrace/Pendulum-v1", learning_starts=50, buffer_size=1000, device="cpu").learn(
            120
        )

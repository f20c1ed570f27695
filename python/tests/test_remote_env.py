"""Servers as Gymnasium's own environments, single and vector; skipped where it is not installed."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
from conftest import Walk, hasty

gymnasium = pytest.importorskip("gymnasium", reason="Gymnasium is not installed")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from millrace_bridge import BridgeError, EpisodeBroken, NoReply, RemoteEnv  # noqa: E402

with contextlib.suppress(ImportError):  # a Gymnasium before 1.1
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    from millrace_bridge import RemoteVectorEnv

needs_vector = pytest.mark.skipif(
    "RemoteVectorEnv" not in globals(), reason="vector environments need Gymnasium 1.1"
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("env_id", ["Remote-v0", "millrace_bridge:Remote-v0"])
def test_what_gymnasium_makes_passes_its_checks_and_can_be_used_after_them(serve, env_id):
    walk = Walk()
    walk.render_mode = None  # check_env tries the render modes that are announced: there must be none
    env = gymnasium.make(env_id, endpoint=serve(walk).endpoint)
    check_env(env)
    check_env(env.unwrapped)
    assert isinstance(env.unwrapped, RemoteEnv) and env.spec.id == "Remote-v0"
    env.reset(seed=1)
    env.step(np.zeros(2, np.float32))
    env.close()
    env.close()


@pytest.mark.filterwarnings("ignore")
def test_pictures_pass_the_checks_where_they_were_asked_for(serve):
    env = gymnasium.make("Remote-v0", endpoint=serve().endpoint, render_mode="rgb_array", width=6, height=4)
    check_env(env)
    env.close()


def test_a_notebooks_cell_can_be_run_again(serve):
    endpoint = serve().endpoint
    for _ in range(3):
        env = RemoteEnv(endpoint)
        env.reset(seed=1)
        env.step([0.1, 0.1])
    env.close()


def test_an_environment_that_is_garbage_leaves_the_server_free(serve, raw):
    endpoint = serve().endpoint
    env = gymnasium.make("Remote-v0", endpoint=endpoint)
    env.reset(seed=1)
    del env
    assert raw(endpoint).hello()["type"] == "spec"


def test_remote_env_goes_on_by_a_reset_after_ctrl_c_and_no_reply(serve):
    walk = Walk()
    env = RemoteEnv(serve(walk).endpoint)
    env.reset(seed=1)
    walk.pause = threading.Event()
    with hasty(env._client), pytest.raises(NoReply):
        env.step([0.9, 0.0])
    walk.pause.set()
    with pytest.raises(EpisodeBroken, match="reset it"):
        env.step([0.1, 0.0])
    begun, _ = env.reset(seed=1)
    obs, reward, *_ = env.step([0.1, 0.0])
    assert (obs == begun + np.array([0.1, 0])).all() and reward == -obs.sum()

    walk.pause = threading.Event()
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        env.step([0.9, 0.0])
    walk.pause.set()
    with pytest.raises(EpisodeBroken):
        env.step([0.1, 0.0])
    assert (env.reset(seed=1)[0] == begun).all()
    assert (env.step([0.1, 0.0])[0] == obs).all()
    env.close()


# ---- Vector environments


class Countdown:
    """Ends after as many steps as its seed says; its state is (seed, steps), its info 10 x the steps."""

    spec = types.SimpleNamespace(id="Countdown-v0", max_episode_steps=None)
    render_mode = "rgb_array"
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self):
        self.length, self.n = 3, 0

    def reset(self, *, seed=None, options=None):
        self.length, self.n = seed or self.length, 0
        return np.array([self.length, 0.0]), {}

    def step(self, action):
        self.n += 1
        info = {"tens": 10.0 * self.n, **({"last": 1.0} if self.n == self.length else {})}
        return np.array([self.length, self.n + action[0]]), self.n, self.n == self.length, False, info

    def render(self):
        return np.full((4, 6, 3), self.n, np.uint8)

    def close(self):
        pass


class CountdownEnv(Countdown, gymnasium.Env):
    metadata = {"render_modes": []}  # noqa: RUF012
    render_mode, spec = None, None


def same(a, b):
    """Nested dictionaries, tuples, arrays and arrays of objects are equal, with their types."""
    if isinstance(a, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray) and a.dtype == object:
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return np.array_equal(a, b) and getattr(a, "dtype", None) == getattr(b, "dtype", None)


@needs_vector
@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_a_servers_environments_are_as_gymnasiums_own_vector_environment(serve, mode):
    far = RemoteVectorEnv(serve(*(Countdown() for _ in range(3))).endpoint, autoreset_mode=mode)
    near = SyncVectorEnv([CountdownEnv] * 3, autoreset_mode=mode)
    assert far.metadata["autoreset_mode"] == near.metadata["autoreset_mode"] == AutoresetMode(mode)
    assert far.observation_space == near.observation_space and far.action_space == near.action_space
    assert (far.single_action_space, far.num_envs) == (near.single_action_space, 3)
    assert same(far.reset(seed=2), near.reset(seed=2))
    far.action_space.seed(1)
    for _ in range(12):
        actions = far.action_space.sample()
        expected = near.step(actions)
        given = far.step(actions)
        assert same(given, expected), (given, expected)
        ended = expected[2] | expected[3]
        if mode == "Disabled" and ended.any():
            resets = [env.reset(seed=[4, 2, None], options={"reset_mask": ended}) for env in (far, near)]
            assert same(*resets)
    assert same(far.reset(seed=[5, None, 2]), near.reset(seed=[5, None, 2]))
    far.close()
    far.close()


@needs_vector
def test_make_vec_makes_as_many_as_are_asked_for(serve):
    endpoint = serve(*(Countdown() for _ in range(3))).endpoint
    with pytest.raises(ValueError, match="has 3 environments, not 4"):
        gymnasium.make_vec("Remote-v0", num_envs=4, endpoint=endpoint)
    pictures = {"render_mode": "rgb_array", "width": 6, "height": 4}
    envs = gymnasium.make_vec("Remote-v0", num_envs=2, endpoint=endpoint, **pictures)
    assert isinstance(envs, RemoteVectorEnv) and envs.num_envs == 2
    envs.reset(seed=[3, 4])
    envs.step(np.zeros((2, 1), np.float32))
    assert [picture.shape for picture in envs.render()] == [(4, 6, 3)] * 2 and envs.render()[0].max() == 1
    wrapped = gymnasium.wrappers.vector.RecordEpisodeStatistics(envs)
    wrapped.reset(seed=[2, 3])
    wrapped.step(np.zeros((2, 1), np.float32))
    info = wrapped.step(np.zeros((2, 1), np.float32))[4]
    assert info["episode"]["r"].tolist() == [3, 0] and info["_episode"].tolist() == [True, False]
    wrapped.close()


@needs_vector
@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_vector_episodes_are_cut_when_the_server_was_started_afresh(serve, mode):
    first = serve(Countdown(), Countdown())
    envs = RemoteVectorEnv(first.endpoint, autoreset_mode=mode, timeout=1, pause=0.01)
    envs.reset(seed=[8, 9])
    before = envs.step(np.zeros((2, 1)))[0]
    first.stop()
    serve(Countdown(), Countdown(), bind=first.endpoint)
    obs, reward, terminated, truncated, info = envs.step(np.zeros((2, 1)))
    last = np.stack(info["final_obs"]) if mode == "SameStep" else obs
    assert (last == before).all() and not reward.any() and not terminated.any() and truncated.all()
    lost = info["final_info"] if mode == "SameStep" else info
    assert lost["connection_lost"].all() and lost["connection_lost"].dtype == bool
    if mode == "Disabled":
        envs.reset()
    elif mode == "NextStep":
        assert (envs.step(np.zeros((2, 1)))[0][:, 1] == 0).all()
    assert (envs.step(np.zeros((2, 1)))[0][:, 1] == 1).all()
    envs.close()


@needs_vector
def test_a_reset_that_finds_a_server_started_afresh_cuts_the_other_episodes(serve):
    first = serve(Countdown(), Countdown())
    envs = RemoteVectorEnv(first.endpoint, timeout=1, pause=0.01)
    envs.reset(seed=[1, 9])
    envs.step(np.zeros((2, 1)))
    first.stop()
    serve(Countdown(), Countdown(), bind=first.endpoint)
    obs, _, _, truncated, info = envs.step(np.zeros((2, 1)))
    assert obs[0, 1] == 0 and obs[1].tolist() == [9, 1]
    assert truncated.tolist() == [False, True] and info["_connection_lost"].tolist() == [False, True]
    assert envs.step(np.zeros((2, 1)))[0][:, 1].tolist() == [1, 0]
    envs.close()


@needs_vector
def test_a_vector_step_that_was_interrupted_is_refused_until_all_are_reset(serve):
    walks = [Walk(), Walk()]
    envs = RemoteVectorEnv(serve(*walks).endpoint)
    begun, _ = envs.reset(seed=[1, 2])
    walks[1].pause = threading.Event()
    with hasty(envs._client), pytest.raises(NoReply):
        envs.step(np.full((2, 2), 0.2))
    walks[1].pause.set()
    with pytest.raises(EpisodeBroken, match="reset all"):
        envs.step(np.full((2, 2), 0.1))
    with pytest.raises(EpisodeBroken, match="reset all"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    assert (envs.reset(seed=[1, 2])[0] == begun).all()
    assert (envs.step(np.full((2, 2), 0.1))[0] == begun + 0.1).all()
    envs.close()


@needs_vector
def test_vector_arguments_that_do_not_fit_are_named(serve):
    envs = RemoteVectorEnv(serve(Countdown(), Countdown()).endpoint)
    with pytest.raises(ValueError, match="3 seeds for 2"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match="no options but"):
        envs.reset(options={"x": 1})
    for mask in (np.zeros(2, bool), np.ones(3, bool), [True, True]):
        with pytest.raises(ValueError, match="array of 2 booleans"):
            envs.reset(options={"reset_mask": mask})
    with pytest.raises(ValueError, match=r"shape \(2,\), not \(2, 1\)"):
        envs.step(np.zeros(2))
    with pytest.raises(ValueError, match="not a valid AutoresetMode"):
        RemoteVectorEnv(envs._client.endpoint, autoreset_mode="x")
    envs.close()


def test_single_environments_of_one_server_in_one_process_say_what_to_use_instead(serve):
    endpoint = serve(Walk(), Walk()).endpoint
    first, second = RemoteEnv(endpoint, env=0), RemoteEnv(endpoint, env=1)
    first.reset(seed=1)
    second.reset(seed=1)
    with pytest.raises(BridgeError, match="RemoteVectorEnv"):
        first.step([0.1, 0.1])
    first.close()
    second.close()


def test_the_package_registers_its_environment_without_being_in_the_way():
    program = "import millrace_bridge, gymnasium; gymnasium.spec('Remote-v0')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def warn_of(client, warned):
    """Lets every step of a client's server come with a warning."""
    ask = client._ask

    def ask_and_be_warned(request, kind):
        extra = {"warned": warned, "warning": "no room for contacts"} if kind == "transition" else {}
        return {**ask(request, kind), **extra}

    client._ask = ask_and_be_warned


def test_info_marks_a_step_that_the_server_warns_of(serve):
    env = RemoteEnv(serve().endpoint)
    env.reset(seed=1)
    assert "warned" not in env.step([0.1, 0.1])[4]
    warn_of(env._client, [True])
    assert env.step([0.1, 0.1])[4]["warned"] is True
    env.close()


@needs_vector
def test_vector_infos_mark_the_environments_that_the_server_warns_of(serve):
    envs = RemoteVectorEnv(serve(Walk(), Walk()).endpoint)
    envs.reset(seed=1)
    warn_of(envs._client, [False, True])
    infos = envs.step(np.zeros((2, 2)))[4]
    assert infos["warned"].tolist() == infos["_warned"].tolist() == [False, True]
    assert infos["warned"].dtype == bool
    envs.close()

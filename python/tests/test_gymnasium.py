"""With the real Gymnasium; skipped where it is not installed."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import Walk

gymnasium = pytest.importorskip("gymnasium", reason="Gymnasium is not installed")

from gymnasium.utils.env_checker import check_env  # noqa: E402

import millrace_bridge  # noqa: E402
from millrace_bridge import Client, RemoteEnv, RemoteError  # noqa: E402


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [Walk, lambda: gymnasium.make("Pendulum-v1")], ids=["Walk", "Pendulum"])
def test_remote_env_passes_the_checks_of_gymnasium(serve, make):
    env = RemoteEnv(serve(make()).endpoint)
    check_env(env)
    env.close()


def test_pendulum_is_the_same_near_and_far(serve):
    near = gymnasium.make("Pendulum-v1")
    far = RemoteEnv(serve(gymnasium.make("Pendulum-v1", disable_env_checker=True)).endpoint)
    near.action_space.seed(1)
    assert (near.reset(seed=4)[0] == far.reset(seed=4)[0]).all()
    for _ in range(200):
        action = near.action_space.sample()
        expected, answer = near.step(action), far.step(action)
        assert (expected[0] == answer[0]).all() and expected[1:4] == answer[1:4]
    assert answer[3]
    assert (near.reset()[0] == far.reset()[0]).all()  # goes on with its own random state
    far.close()


def test_remote_env_cuts_the_episode_when_the_server_was_started_afresh(serve):
    first = serve()
    env = RemoteEnv(first.endpoint, timeout=1, pause=0.01)
    env.reset(seed=1)
    obs = env.step([0.1, 0.1])[0]
    first.stop()
    serve(bind=first.endpoint)
    after, reward, terminated, truncated, info = env.step([0.1, 0.1])
    assert (after == obs).all() and (reward, terminated, truncated) == (0, False, True)
    assert info == {"connection_lost": True}
    env.reset(seed=1)
    assert not env.step([0.1, 0.1])[3]
    env.close()


def test_remote_env_gives_pictures(serve):
    env = RemoteEnv(serve().endpoint, render_mode="rgb_array", width=6, height=4)
    env.reset(seed=1)
    assert env.render().shape == (4, 6, 3)
    env.close()


vector = pytest.importorskip("gymnasium.vector")


def make_vector(mode=None):
    """Three Pendulums of 3 steps an episode."""
    makers = [lambda: gymnasium.make("Pendulum-v1", disable_env_checker=True, max_episode_steps=3)] * 3
    return vector.SyncVectorEnv(makers, **({} if mode is None else {"autoreset_mode": mode}))


@pytest.mark.parametrize("mode", [None, *getattr(vector, "AutoresetMode", ())], ids=str)
def test_a_vector_environment_is_served_as_its_environments_whatever_its_autoreset_mode(serve, mode):
    client = Client(serve(make_vector(mode)).endpoint)
    alone = [gymnasium.make("Pendulum-v1", max_episode_steps=3) for _ in range(3)]
    assert (client.spec.num_envs, client.spec.name, client.spec.max_episode_steps) == (3, "Pendulum-v1", 3)
    for episode in range(2):
        seeds = [5 + episode, 6, 7]
        obs = client.reset([0, 1, 2], seeds)
        assert (obs == np.stack([env.reset(seed=seed)[0] for env, seed in zip(alone, seeds)])).all()
        for t in range(1, 4):
            which = [0, 1, 2] if t < 3 else [2, 0]  # one may be left behind
            result = client.step(which, [[0.5]] * len(which))
            expected = [alone[i].step(np.array([0.5]))[:4] for i in which]
            assert (result.obs == np.stack([e[0] for e in expected])).all()  # the last one included
            assert result.reward.tolist() == [e[1] for e in expected]
            assert result.truncated.tolist() == [t == 3] * len(which)
        with pytest.raises(RemoteError, match="needs-reset"):
            client.step([0], [[0.5]])
    client.close()


def test_other_vector_environments_are_refused_by_name():
    async_vector = vector.AsyncVectorEnv([lambda: gymnasium.make("Pendulum-v1")])
    try:
        with pytest.raises(TypeError, match="AsyncVectorEnv is a vector environment"):
            millrace_bridge.serve(async_vector)
    finally:
        async_vector.close()
    wrappers = pytest.importorskip("gymnasium.wrappers.vector", reason="a Gymnasium before 1.0")
    with pytest.raises(TypeError, match="RecordEpisodeStatistics is a vector environment"):
        millrace_bridge.serve(wrappers.RecordEpisodeStatistics(make_vector()))

    class DummyVecEnv:  # as Stable-Baselines3's
        num_envs = 2

        def step(self, actions): ...
        def step_async(self, actions): ...

    with pytest.raises(TypeError, match="DummyVecEnv is a vector environment"):
        millrace_bridge.serve(DummyVecEnv())


def write_dict_environment(folder):
    (folder / "dict_env.py").write_text(
        "import gymnasium as g, numpy as np\n"
        "class Reach(g.Env):\n"
        "    box = g.spaces.Box(-1, 1, (2,), np.float64)\n"
        "    observation_space = g.spaces.Dict({'goal': box, 'color': g.spaces.Discrete(3), 'at': box})\n"
        "    action_space = g.spaces.Box(-1, 1, (2,), np.float32)\n"
        "    def _obs(self): return {'goal': np.array([.5, .25]), 'color': 1, 'at': self.at}\n"
        "    def reset(self, *, seed=None, options=None):\n"
        "        super().reset(seed=seed); self.at = np.zeros(2); return self._obs(), {}\n"
        "    def step(self, action):\n"
        "        self.at = self.at + action; return self._obs(), 0.0, False, False, {}\n"
        "g.register('Reach-v0', Reach)\n"
    )
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{os.environ['PYTHONPATH']}"}


def test_command_flattens_observations_that_are_no_box(tmp_path):
    environ = write_dict_environment(tmp_path)
    command = [sys.executable, "-m", "millrace_bridge", "dict_env:Reach-v0", "--bind", "tcp://127.0.0.1:*"]
    refused = subprocess.run(command, capture_output=True, text=True, env=environ)
    assert refused.returncode == 2 and "Dict; only Box" in refused.stderr and "--flatten" in refused.stderr
    with subprocess.Popen([*command, "--flatten"], stderr=subprocess.PIPE, text=True, env=environ) as process:
        client = Client(process.stderr.readline().split()[2].rstrip(":"))
        client.reset([0], [1])
        obs = client.step([0], np.array([[0.25, -0.5]])).obs
        # Gymnasium orders the entries by name: at, color (one of three), goal.
        assert obs.tolist() == [[0.25, -0.5, 0, 1, 0, 0.5, 0.25]]
        client.close()
        process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_serves_and_stops_cleanly(number):
    command = [sys.executable, "-m", "millrace_bridge", "Pendulum-v1", "--num-envs", "3"]
    with subprocess.Popen(
        [*command, "--bind", "tcp://127.0.0.1:*", "--kwargs", '{"g": 1.0}'], stderr=subprocess.PIPE, text=True
    ) as process:
        line = process.stderr.readline()
        assert line.startswith("Pendulum-v1 at tcp://127.0.0.1:") and "3 environments" in line
        env = RemoteEnv(line.split()[2].rstrip(":"), env=2)
        env.reset(seed=1)
        env.step(env.action_space.sample())
        env.close()
        process.send_signal(number)
        assert process.stderr.read() == "stopped after 1 steps\n"
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["Nothing-v7"], 2, "Nothing"),
        (["CartPole-v1"], 2, "only Box"),
        (["Pendulum-v1", "--bind", "tcp://0.0.0.0:5999"], 2, "loopback"),
        (["Pendulum-v1", "--kwargs", "[]"], 2, "JSON object"),
        (["Pendulum-v1", "--num-envs", "0"], 2, "from 1 to"),
        (["Pendulum-v1", "--bind", "tcp://127.0.0.1:x"], 2, "tcp://127.0.0.1:x"),
        (["Pendulum-v1", "--bind", "ipc:///tmp"], 1, "ipc:///tmp: a folder is there"),
    ],
)
def test_command_says_in_a_line_what_is_wrong(arguments, code, text):
    command = [sys.executable, "-m", "millrace_bridge", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code and text in done.stderr.splitlines()[-1]

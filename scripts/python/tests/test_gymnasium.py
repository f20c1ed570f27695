"""With the real Gymnasium; skipped where it is not installed."""

import signal
import subprocess
import sys

import pytest
from conftest import Walk

gymnasium = pytest.importorskip("gymnasium", reason="Gymnasium is not installed")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from millrace_bridge import RemoteEnv  # noqa: E402


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

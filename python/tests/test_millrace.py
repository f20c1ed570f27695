"""With the real `millrace`, each side in turn; skipped where it is not built."""

import csv
import math
import os
import pathlib
import signal
import subprocess

import numpy as np
import pytest

from millrace_bridge import Client

MILLRACE = pathlib.Path(os.environ.get("MILLRACE", pathlib.Path(__file__).parents[2] / "build/release/bin/millrace"))

pytestmark = pytest.mark.skipif(not MILLRACE.exists(), reason="build/release/bin/millrace is not built")


@pytest.fixture
def served(tmp_path):
    """Endpoints of `millrace serve`; each is stopped at the end, and must end well."""
    processes = []

    def start(*arguments):
        command = [MILLRACE, "serve", *arguments, "--bind", f"ipc://{tmp_path}/served"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        line = process.stderr.readline()
        assert line.startswith("serving ") and str(tmp_path) in line
        return f"ipc://{tmp_path}/served"

    yield start
    for process in processes:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
        assert process.returncode == 0 and out.startswith("served ")


def pendulum_step(obs, action):
    """Gymnasium's Pendulum-v1 by its formulas: the next observation, and the reward."""
    angle, speed, torque = math.atan2(obs[1], obs[0]), obs[2], np.clip(action, -2, 2)
    reward = -(angle**2 + 0.1 * speed**2 + 0.001 * torque**2)
    speed = np.clip(speed + (15 * math.sin(angle) + 3 * torque) * 0.05, -8, 8)
    angle += speed * 0.05
    return [math.cos(angle), math.sin(angle), speed], reward


def test_steps_what_millrace_serves(served):
    client = Client(served("Pendulum-v1", "--num-envs", "3"))
    assert (client.spec.num_envs, client.spec.obs_dtype, client.spec.max_episode_steps) == (3, "f8", 200)
    rng, obs = np.random.default_rng(1), client.reset([0, 1, 2], [1, 2, 1])
    assert (obs[0] == obs[2]).all() and not (obs[0] == obs[1]).all()
    for t in range(1, 201):
        actions = rng.uniform(-3, 3, (3, 1))
        result = client.step([0, 1, 2], actions)
        for i in range(3):
            expected, reward = pendulum_step(obs[i], actions[i, 0])
            # Pendulum-v1 hands its state out through float32, as Gymnasium's does.
            np.testing.assert_allclose(result.obs[i], expected, rtol=0, atol=2e-6)
            assert result.reward[i] == pytest.approx(reward, abs=2e-5)
        assert (result.truncated == (t == 200)).all() and not result.terminated.any()
        obs = result.obs
    client.close()


def test_millrace_gives_pictures(served):
    client = Client(served("Hopper-v5"))
    client.reset([0], [1])
    try:
        picture = client.render(0, 60, 40)
    except Exception as error:  # a machine without OpenGL
        pytest.skip(str(error))
    assert picture.shape == (40, 60, 3) and picture.std() > 10
    client.close()


@pytest.mark.filterwarnings("ignore")
def test_millrace_served_passes_the_checks_of_gymnasium(served):
    pytest.importorskip("gymnasium", reason="Gymnasium is not installed")
    from gymnasium.utils.env_checker import check_env

    from millrace_bridge import RemoteEnv

    env = RemoteEnv(served("InvertedPendulum-v5"))
    check_env(env)
    env.close()


def test_millrace_trains_on_what_is_served_here(serve, tmp_path):
    running = serve()
    command = [
        *(MILLRACE, "train", f"zmq:{running.endpoint}", "--steps", "700", "--learning-starts", "100"),
        *("--hidden", "16", "--policy", "gaussian", "--eval-every", "350", "--eval-episodes", "2"),
        *("--out", tmp_path / "run"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "run/evaluations.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["time/total_timesteps"]) for row in rows] == [350, 700]
    # Nothing was stepped but for training, its evaluations, and once again what those interrupted.
    evaluated = sum(int(n) for row in rows for n in row["eval/lengths"].split())
    again = running.envs[0].n_steps - 700 - evaluated
    assert 0 <= again < 100
    assert (tmp_path / "run/policy.safetensors").exists()

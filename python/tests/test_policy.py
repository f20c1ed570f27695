"""RemotePolicy against `millrace serve-policy`, and that against the policy's file in numpy."""

import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import hasty

from millrace_bridge import BridgeError, NoReply, RemoteError, RemotePolicy

ROOT = pathlib.Path(__file__).parents[2]
COMMAND = pathlib.Path(os.environ.get("MILLRACE", ROOT / "build" / "release" / "bin" / "millrace"))

pytestmark = pytest.mark.skipif(
    not COMMAND.exists(), reason=f"{COMMAND} is not built (scripts/build; or MILLRACE=... names another)"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A policy for Pendulum, hardly trained."""
    folder = tmp_path_factory.mktemp("policy") / "run"
    few = "--steps 60 --learning-starts 40 --batch-size 8 --hidden 16,16 --threads 1 --eval-episodes 1"
    arguments = ["train", "Pendulum-v1", "--agent", "sac", "--policy", "gaussian", *few.split(), "--out", folder]
    subprocess.run([COMMAND, *arguments], check=True, capture_output=True)
    return folder


@pytest.fixture
def start(run, tmp_path):
    """Starts servers; stops them at the end."""
    running = []

    def begin(name="s", *arguments):
        address = f"ipc://{tmp_path}/{name}"
        command = [COMMAND, "serve-policy", run, "--bind", address, *arguments]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return address

    begin.running = running
    yield begin
    for process in running:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert " request" in out


@pytest.fixture
def policy(start):
    with RemotePolicy(start()) as client:
        yield client


def read_tensors(path):
    """By the safetensors format: the header's length, the header, the numbers."""
    data = path.read_bytes()
    (n,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + n])
    header.pop("__metadata__")
    numbers = data[8 + n :]
    return {
        name: np.frombuffer(numbers[slice(*at["data_offsets"])], "<f4").reshape(at["shape"]).astype("f8")
        for name, at in header.items()
    }


def gaussian_action(run, obs):
    """tanh of the mean, scaled to Pendulum's bounds, in float64."""
    tensors = read_tensors(run / "policy.safetensors")
    x = obs
    for layer in ("0", "1"):
        x = np.maximum(0, x @ tensors[f"trunk.{layer}.weight"].T + tensors[f"trunk.{layer}.bias"])
    weight, bias = tensors["base.weight"], tensors["base.bias"]  # the mean's come first
    return 2 * np.tanh(x @ weight[:1].T + bias[:1])


def observations(n):
    return np.random.default_rng(1).uniform(-1, 1, (n, 3))


def test_says_what_it_serves(policy):
    assert (policy.spec.name, policy.obs_dim, policy.act_dim) == ("Pendulum-v1", 3, 1)
    assert (policy.action_low, policy.action_high) == (-2, 2)
    policy.ping()


def test_actions_are_those_of_the_file(policy, run):
    obs = observations(300)
    actions, state = policy.predict(obs)
    assert state is None and actions.dtype == np.float32
    # float32 against float64, in nets of order 1
    np.testing.assert_allclose(actions, gaussian_action(run, obs), atol=1e-5)


def test_a_single_observation_keeps_its_shape(policy, run):
    obs = observations(1)
    single, _ = policy.predict(obs[0])
    assert single.shape == (1,) and policy.predict(obs)[0].shape == (1, 1)
    np.testing.assert_allclose(single, gaussian_action(run, obs)[0], atol=1e-5)
    narrow, _ = policy.predict(obs[0].astype(np.float32))
    np.testing.assert_allclose(narrow, single, atol=1e-5)


def test_stochastic_actions_differ_and_stay_in_bounds(policy):
    obs = np.repeat(observations(1), 200, 0)
    first, second = (policy.predict(obs, deterministic=False)[0] for _ in range(2))
    assert len(np.unique(first)) > 100 and (first != second).any()
    assert (np.abs(first) <= 2).all()


def test_a_repeated_request_gets_the_same_bytes_after_a_restart_too(start, raw):
    first = raw(start("a", "--seed", "7"))
    act = first.pack("act", 5, n=1, obs=observations(1).tobytes(), stochastic=True)
    again = raw(start("b", "--seed", "7"), session=first.session)
    other = raw(start("c", "--seed", "8"), session=first.session)
    reply = first.exchange(act)
    assert reply == first.exchange(act) == again.exchange(act) != other.exchange(act)


def test_several_clients_at_once(start):
    address = start()
    with RemotePolicy(address) as one, RemotePolicy(address) as two:
        obs = observations(1)
        assert (one.predict(obs)[0] == two.predict(obs)[0]).all()
        assert one.predict(obs, deterministic=False)[0] != two.predict(obs, deterministic=False)[0]


def test_bad_observations_are_named_and_the_server_stays_up(policy):
    obs = observations(4)
    obs[2, 1] = np.nan
    with pytest.raises(RemoteError, match="row 2, column 1 is -?nan") as caught:
        policy.predict(obs)
    assert caught.value.code == "bad-obs"
    with pytest.raises(ValueError, match="shape"):
        policy.predict(np.zeros(4))
    with pytest.raises(ValueError, match="one call takes"):
        policy.predict(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="one call takes"):
        policy.predict(np.zeros((policy.spec.max_rows + 1, 3)))
    policy.predict(observations(4))


def test_the_largest_batch_goes_through(policy):
    n = policy.spec.max_rows
    actions, _ = policy.predict(np.zeros((n, 3)))
    assert actions.shape == (n, 1) and (actions == actions[0]).all()


def test_waits_for_a_server_that_was_paused(start):
    with RemotePolicy(start(), timeout=0.2, retries=20) as policy:
        expected, _ = policy.predict(observations(1))
        server = start.running[0]
        server.send_signal(signal.SIGSTOP)
        timer = subprocess.Popen(["sh", "-c", f"sleep 0.7; kill -CONT {server.pid}"])
        assert policy.predict(observations(1))[0] == expected
        timer.wait()


def test_after_ctrl_c_the_next_call_returns_its_own_actions(start):
    with RemotePolicy(start()) as policy:
        a, b = observations(2)
        expected_a, expected_b = policy.predict(a)[0], policy.predict(b)[0]
        assert expected_a != expected_b
        for _ in range(3):
            server = start.running[0]
            server.send_signal(signal.SIGSTOP)
            threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            with pytest.raises(KeyboardInterrupt):
                policy.predict(a)
            server.send_signal(signal.SIGCONT)
            time.sleep(0.2)  # the reply to the first is there by then
            assert policy.predict(b)[0] == expected_b
            assert policy.predict(a)[0] == expected_a


def test_after_no_reply_the_next_call_returns_its_own_actions(start):
    with RemotePolicy(start()) as policy:
        a, b = observations(2)
        expected_b = policy.predict(b)[0]
        server = start.running[0]
        server.send_signal(signal.SIGSTOP)
        with hasty(policy):
            with pytest.raises(NoReply, match=r"no reply to 'act' within 0.3 s, once"):
                policy.predict(a)
            with pytest.raises(NoReply):
                policy.predict(a)
        server.send_signal(signal.SIGCONT)
        assert policy.predict(b)[0] == expected_b


def test_a_deadline_by_a_signal_that_asks_again_gets_the_right_actions(start):
    """A handler that asks the same client is answered, and the call it came into says so."""
    with RemotePolicy(start()) as policy:
        a, b = observations(2)
        expected_b, got = policy.predict(b)[0], []
        server = start.running[0]

        def ring(*_):
            server.send_signal(signal.SIGCONT)
            got.append(policy.predict(b)[0])

        before = signal.signal(signal.SIGALRM, ring)
        try:
            server.send_signal(signal.SIGSTOP)
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(BridgeError, match="another request was made while 'act' waited"):
                policy.predict(a)
        finally:
            signal.signal(signal.SIGALRM, before)
        assert got == [expected_b]


def test_nobody_there_and_not_a_policy(tmp_path, serve):
    with pytest.raises(NoReply, match="no reply to 'hello'"):
        RemotePolicy(f"ipc://{tmp_path}/nobody", timeout=0.05, retries=0)
    with pytest.raises(BridgeError, match="answered 'hello' with 'spec', not 'policy'"):
        RemotePolicy(serve().endpoint)


def test_the_example_client_asks_the_endpoint_that_it_is_given_for_an_action_for_each_observation(start, run):
    program = [sys.executable, ROOT / "docs" / "examples" / "policy_client.py", start()]
    done = subprocess.run(program, check=True, capture_output=True, text=True)
    printed = np.array([[float(word) for word in line.split()] for line in done.stdout.splitlines()])
    obs = np.array([[0.0] * 3, [0.1] * 3])
    np.testing.assert_allclose(printed, gaussian_action(run, obs), atol=1e-5)

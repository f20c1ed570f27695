"""Client and faults: a proxy that loses, doubles and delays, servers that go and come back."""

import os
import pathlib
import random
import subprocess
import threading
import time

import msgpack
import numpy as np
import pytest
import zmq
from conftest import Running, Walk

from millrace_bridge import BridgeError, Client, NoReply, RemoteError


class Proxy:
    """Between client and server; `fault(message)` gives how often each message goes on."""

    def __init__(self, target, fault):
        self.context = zmq.Context()
        self.front, self.back = self.context.socket(zmq.ROUTER), self.context.socket(zmq.DEALER)
        for socket in (self.front, self.back):
            socket.setsockopt(zmq.LINGER, 0)
        self.endpoint = f"tcp://127.0.0.1:{self.front.bind_to_random_port('tcp://127.0.0.1')}"
        self.back.connect(target)
        self.fault, self.over = fault, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        poller = zmq.Poller()
        poller.register(self.front, zmq.POLLIN)
        poller.register(self.back, zmq.POLLIN)
        while not self.over.is_set():
            for socket, _ in poller.poll(50):
                frames = socket.recv_multipart()
                other = self.back if socket is self.front else self.front
                for _ in range(self.fault(frames[-1])):
                    other.send_multipart(frames)
        self.front.close()
        self.back.close()
        self.context.term()

    def stop(self):
        self.over.set()
        self.thread.join()


@pytest.fixture
def proxy():
    proxies = []

    def start(*args):
        proxies.append(Proxy(*args))
        return proxies[-1]

    yield start
    for each in proxies:
        each.stop()


def walk(client, n):
    """All that a run of n steps sees."""
    rng, seen = np.random.default_rng(3), [client.reset([0], [5])[0].tolist()]
    for _ in range(n):
        result = client.step([0], rng.uniform(-0.1, 0.1, (1, 2)))
        seen.append([*result.obs[0], result.reward[0], result.terminated[0], result.truncated[0]])
        if result.terminated[0] or result.truncated[0]:
            seen.append(client.reset([0], [None])[0].tolist())
    return seen


def test_loses_and_doubles_nothing_behind_a_bad_link(serve, proxy):
    plain, running = serve(), serve()
    rng = random.Random(1)
    link = proxy(running.endpoint, lambda message: rng.choices([0, 1, 2, 3], [2, 94, 2, 2])[0])
    clean, client = Client(plain.endpoint), Client(link.endpoint, timeout=0.05, pause=0.01, retries=20)
    assert walk(client, 1000) == walk(clean, 1000)
    assert running.envs[0].n_steps == plain.envs[0].n_steps == 1000
    clean.close()
    client.close()


def test_asks_again_when_a_reply_is_lost(serve, proxy):
    running = serve()
    lost = []

    def lose_first_transition(message):
        lose = not lost and msgpack.unpackb(message)["type"] == "transition"
        lost.extend([1] * lose)
        return 0 if lose else 1

    client = Client(proxy(running.endpoint, lose_first_transition).endpoint, timeout=0.2, pause=0.01)
    client.reset([0], [1])
    client.step([0], [[0.1, 0.1]])
    assert lost and running.envs[0].n_steps == 1
    client.close()


def test_waits_for_a_slow_environment_and_steps_it_once(serve):
    running = serve()
    running.envs[0].pause = threading.Event()
    client = Client(running.endpoint, timeout=0.1, pause=0.01, retries=20)
    client.reset([0], [1])
    threading.Timer(0.5, running.envs[0].pause.set).start()
    client.step([0], [[0.1, 0.1]])
    client.step([0], [[0.1, 0.1]])
    assert running.envs[0].n_steps == 2
    client.close()


def test_begins_again_with_a_server_started_afresh(serve):
    first = serve()
    client = Client(first.endpoint, timeout=1, pause=0.01)
    client.reset([0], [1])
    first.stop()
    second = serve(bind=first.endpoint)
    with pytest.raises(RemoteError) as error:
        client.step([0], [[0.1, 0.1]])
    assert error.value.code == "unknown-session" and second.envs[0].n_steps == 0
    client.renew()
    client.reset([0], [1])
    client.step([0], [[0.1, 0.1]])
    client.close()


def test_does_not_go_on_with_another_environment(serve):
    first = serve()
    client = Client(first.endpoint, pause=0.01)
    first.stop()
    serve(bind=first.endpoint, name="Other-v0")
    with pytest.raises(BridgeError, match="another environment"):
        client.renew()
    client.close()


def test_says_when_nobody_answers():
    begun = time.monotonic()
    with pytest.raises(NoReply, match="9: no reply"):
        Client("tcp://127.0.0.1:9", timeout=0.05, retries=2, pause=0.01)
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("endpoint", ["nonsense", "tcp://127.0.0.1", "http://127.0.0.1:1"])
def test_says_what_is_no_endpoint(endpoint):
    with pytest.raises(BridgeError, match="as in tcp"):
        Client(endpoint)


def test_says_which_key_file_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="none: cannot read"):
        Client("tcp://127.0.0.1:9", curve_server_key=tmp_path / "none", curve_secret_key=tmp_path / "none")


def test_says_when_the_server_is_busy_and_leaves_it_free(serve, raw):
    running = serve()
    first = raw(running.endpoint)
    first.hello()
    with pytest.raises(RemoteError, match="leased"):
        Client(running.endpoint)
    first.ask("bye")
    Client(running.endpoint).close()


def test_raises_what_the_environment_raised_and_goes_on(serve):
    running = serve()
    client = Client(running.endpoint)
    client.reset([0], [1])
    with pytest.raises(RemoteError, match="not finite"):
        client.step([0], [[np.nan, 0]])
    client.step([0], [[0.1, 0.1]])
    with pytest.raises(ValueError, match="shape"):
        client.step([0], [[0.1]])
    client.ping()
    assert client.render(0, 3, 2).shape == (2, 3, 3)
    client.close()


@pytest.mark.parametrize(
    "change",
    [{"obs": b"x"}, {"reward": None}, {"terminated": [0]}, {"truncated": []}, {"info": [1]}, {"type": "x"}],
)
def test_refuses_replies_that_are_not_of_the_protocol(serve, proxy, change):
    running = serve()
    link = proxy(running.endpoint, lambda message: 1)
    client = Client(link.endpoint)
    client.reset([0], [1])
    ask = client._connection.ask
    client._connection.ask = lambda request: {**ask(request), **change}
    with pytest.raises(BridgeError):
        client.step([0], [[0.1, 0.1]])
    client._connection.ask = ask
    client.close()


@pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq has no CURVE")
def test_admits_those_with_a_key_and_nobody_else(serve, tmp_path):
    allowed = tmp_path / "allowed"
    allowed.mkdir()

    def key_files(name):
        public, secret = zmq.curve_keypair()
        (tmp_path / f"{name}.secret").write_bytes(secret + b"\n")
        (tmp_path / f"{name}.pub").write_bytes(public + b"\n")
        return {"curve_secret_key": tmp_path / f"{name}.secret"}

    key_files("server")
    key_files("other_server")
    friend, stranger = key_files("friend"), key_files("stranger")
    (tmp_path / "friend.pub").rename(allowed / "friend.pub")
    running = serve(curve_secret_key=tmp_path / "server.secret", curve_allow=allowed)
    server_key = {"curve_server_key": tmp_path / "server.pub"}
    few = {"timeout": 0.3, "retries": 1, "pause": 0.01}
    for options in (
        {},
        {**server_key, **stranger},
        {"curve_server_key": tmp_path / "other_server.pub", **friend},
    ):
        with pytest.raises(NoReply):
            Client(running.endpoint, **few, **options)
    client = Client(running.endpoint, **server_key, **friend)
    walk(client, 10)
    client.close()


@pytest.mark.skipif(not zmq.has("curve"), reason="this libzmq has no CURVE")
def test_curve_needs_both_keys_and_readable_files(tmp_path):
    with pytest.raises(ValueError, match="both"):
        Running(Walk(), curve_secret_key=tmp_path / "none")
    with pytest.raises(ValueError, match="both"):
        Client("tcp://127.0.0.1:9", curve_server_key=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="nobody could connect"):
        Running(Walk(), curve_secret_key=tmp_path / "none", curve_allow=tmp_path / "empty")


COMMAND = pathlib.Path(os.environ.get("MILLRACE", pathlib.Path(__file__).parents[2] / "build/release/bin/millrace"))


@pytest.mark.skipif(not COMMAND.exists() or not zmq.has("curve"), reason="no build/release/bin/millrace, or no CURVE")
def test_takes_the_keys_that_keygen_makes(tmp_path):
    (tmp_path / "allowed").mkdir()
    for name in ("server", "allowed/me", "stranger"):
        subprocess.run([COMMAND, "keygen", tmp_path / name], check=True, capture_output=True)
    bind, server_key = f"ipc://{tmp_path}/socket", tmp_path / "server.key"
    keys = ["--curve-secret-key", tmp_path / "server.key_secret", "--curve-allow", tmp_path / "allowed"]
    server = subprocess.Popen([COMMAND, "serve", "Pendulum-v1", "--bind", bind, *keys], stdout=subprocess.PIPE)
    try:
        client = Client(bind, curve_server_key=server_key, curve_secret_key=tmp_path / "allowed/me.key_secret")
        client.reset([0], [1])
        assert np.isfinite(client.step([0], [[1.0]]).reward).all()
        client.close()
        with pytest.raises(NoReply, match=bind):
            Client(
                bind,
                timeout=0.3,
                retries=1,
                pause=0.01,
                curve_server_key=server_key,
                curve_secret_key=tmp_path / "stranger.key_secret",
            )
    finally:
        server.terminate()
        server.communicate(timeout=20)
    assert server.returncode == 0


def test_a_servers_warning_is_logged_once_and_its_steps_are_marked(serve, caplog):
    warned = {"warned": [True], "warning": "no room for contacts; give the model more memory"}
    with Client(serve(Walk()).endpoint) as client:
        client.reset([0], [1])
        ask = client._ask

        def ask_and_be_warned(request, kind):
            return {**ask(request, kind), **(warned if kind == "transition" else {})}

        client._ask = ask_and_be_warned
        assert all(client.step([0], [[0.1, 0.1]]).warned.tolist() == [True] for _ in range(3))
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 1 and texts[0].endswith("no room for contacts; give the model more memory")

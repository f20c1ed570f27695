"""A small environment with Gymnasium's signatures, servers of it, and a client by hand."""

import contextlib
import os
import pathlib
import signal
import threading
import types

import msgpack
import numpy as np
import pytest
import zmq

from millrace_bridge import Server

# So that programs that the tests start find the package too, installed or not.
os.environ["PYTHONPATH"] = str(pathlib.Path(__file__).parents[1])

# A shell's background job begins with Ctrl-C ignored, and so do the programs that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Walk:
    """Adds up actions. Ends by itself above 1, is cut off after 100 steps; says what it was given."""

    spec = types.SimpleNamespace(id="Walk-v0", max_episode_steps=100)
    render_mode = "rgb_array"
    observation_space = types.SimpleNamespace(
        shape=(2, 1), dtype=np.dtype(np.float64), low=np.full((2, 1), -np.inf), high=np.full((2, 1), np.inf)
    )
    action_space = types.SimpleNamespace(
        shape=(2,), dtype=np.dtype(np.float32), low=np.float32([-1, -1]), high=np.float32([1, 0.5])
    )

    def __init__(self):
        self.at, self.n, self.n_steps, self.seeds, self.actions = np.zeros(2), 0, 0, [], []
        self.failure, self.closed, self.pause, self.more = None, False, None, {}
        self.rng = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.at, self.n = self.rng.uniform(-0.1, 0.1, 2), 0
        return self.at.reshape(2, 1), {}

    def step(self, action):
        if self.failure:
            raise self.failure
        if self.pause:
            self.pause.wait()
        self.actions.append(action)
        self.at, self.n, self.n_steps = self.at + action, self.n + 1, self.n_steps + 1
        info = {"n": self.n, "parts": np.array([1.5, 2.5]), "name": "walk", "good": True, **self.more}
        return self.at.reshape(2, 1), -self.at.sum(), self.at[0] > 1, self.n >= 100, info

    def render(self):
        return np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)

    def close(self):
        self.closed = True


class Running:
    """A server in a thread."""

    def __init__(self, *envs, **options):
        self.envs = list(envs) or [Walk()]
        options.setdefault("bind", "tcp://127.0.0.1:*")
        self.server = Server(self.envs, **options)
        self.endpoint = self.server.endpoint
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def stop(self):
        self.server.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


class Raw:
    """A client written from the protocol's page, without the package."""

    def __init__(self, endpoint, kind=zmq.DEALER, session=None):
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, 5000)
        self.socket.connect(endpoint)
        self.kind, self.session, self.seq = kind, session or os.urandom(16), 0

    def send(self, frames):
        self.socket.send_multipart(frames)

    def receive(self):
        """The bytes of a reply."""
        frames = self.socket.recv_multipart()
        assert len(frames) == (2 if self.kind == zmq.DEALER else 1)
        return frames[-1]

    def exchange(self, data):
        self.send([b"", data] if self.kind == zmq.DEALER else [data])
        return self.receive()

    def pack(self, kind, seq, **fields):
        return msgpack.packb({"v": 1, "type": kind, "session": self.session, "seq": seq, **fields})

    def at(self, seq, kind, **fields):
        """The reply to a request with that number."""
        reply = msgpack.unpackb(self.exchange(self.pack(kind, seq, **fields)))
        assert (reply["v"], reply["session"], reply["seq"]) == (1, self.session, seq)
        return reply

    def ask(self, kind, **fields):
        """The reply to the next request."""
        reply = self.at(self.seq, kind, **fields)
        self.seq += 1
        return reply

    def hello(self):
        self.seq = 0
        return self.ask("hello", client="raw")

    def silent(self, ms=300):
        return not self.socket.poll(ms)

    def close(self):
        self.socket.close()
        self.context.term()


@pytest.fixture
def serve():
    """Starts servers; stops them at the end."""
    running = []

    def start(*envs, **options):
        running.append(Running(*envs, **options))
        return running[-1]

    yield start
    for server in running:
        if server.thread.is_alive():
            server.stop()


@pytest.fixture
def raw():
    """Makes clients by hand; closes them at the end."""
    clients = []

    def connect(endpoint, *args, **options):
        clients.append(Raw(endpoint, *args, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@contextlib.contextmanager
def hasty(client, timeout=0.3):
    """Waits for a reply no longer than that, once; what comes before and after may take its time."""
    connection = client._connection
    usual = connection.timeout, connection.retries
    connection.timeout, connection.retries = timeout, 0
    yield
    connection.timeout, connection.retries = usual


def f8(*numbers):
    return np.array(numbers, "<f8").tobytes()

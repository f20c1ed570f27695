"""The servers of docs/examples, which know nothing of this package, against its client."""

import pathlib
import shutil
import subprocess
import sys

import msgpack
import numpy as np
import pytest

from millrace_bridge import Client, RemoteError

EXAMPLES = pathlib.Path(__file__).parents[2] / "docs" / "examples"


def has_ruby():
    test = ["ruby", "-e", 'require "ffi-rzmq"; require "msgpack"']
    return shutil.which("ruby") is not None and subprocess.run(test, capture_output=True).returncode == 0


@pytest.fixture(params=["point_server.py", "point_server.rb"])
def endpoint(request, tmp_path):
    if request.param.endswith(".rb") and not has_ruby():
        pytest.skip("ruby with ffi-rzmq and msgpack is not installed")
    address = f"ipc://{tmp_path}/s"
    language = "ruby" if request.param.endswith(".rb") else sys.executable
    process = subprocess.Popen([language, EXAMPLES / request.param, address])
    yield address
    process.kill()
    process.wait()


def test_example_plays_episodes_and_repeats_a_reply(endpoint, raw):
    client = Client(endpoint, timeout=2)
    first = client.reset([0], [7])
    for t in range(1, 101):
        result = client.step([0], np.zeros((1, 1), np.float32 if t % 2 else np.float64))
        assert result.truncated[0] == (t == 100) and not result.terminated[0]
    with pytest.raises(RemoteError, match="needs-reset"):
        client.step([0], [[0.0]])
    assert (client.reset([0], [7]) == first).all()
    assert (client.reset([0], [None]) != first).any()
    by_hand = raw(endpoint)
    assert by_hand.at(0, "hello", client="raw")["code"] == "busy"
    client.close()
    by_hand.hello()
    by_hand.ask("reset", envs=[0], seeds=[1])
    step = by_hand.pack("step", 2, envs=[0], actions=bytes(8))
    assert by_hand.exchange(step) == by_hand.exchange(step)
    assert msgpack.unpackb(by_hand.exchange(by_hand.pack("ping", 1)))["code"] == "bad-sequence"

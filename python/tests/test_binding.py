"""What a server binds, and what it leaves alone."""

import os
import pathlib
import socket
import subprocess
import sys

import pytest
import zmq
from conftest import Walk

from millrace_bridge import Server


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(endpoint, error=zmq.ZMQError):
    with pytest.raises(error) as caught:
        Server([Walk()], endpoint)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_removes_nothing_that_is_no_socket():
    pathlib.Path("file").write_text("precious")
    os.mkdir("folder")
    os.symlink("file", "link")
    os.symlink("nowhere", "dangling")
    assert refused("ipc://file").startswith("cannot bind ipc://file: a file is there")
    assert "a folder is there" in refused("ipc://folder")
    assert "a symbolic link is there" in refused("ipc://link")
    assert "a symbolic link is there" in refused("ipc://dangling")
    assert pathlib.Path("file").read_text() == "precious" and os.path.islink("dangling")


def test_takes_the_place_of_a_server_that_died(serve, raw):
    program = "import os, zmq; s = zmq.Context().socket(zmq.ROUTER); s.bind('ipc://s'); os._exit(0)"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert os.path.exists("s")
    assert raw(serve(bind="ipc://s").endpoint).hello()["type"] == "spec"


@pytest.mark.parametrize("endpoint", ["ipc://s", "ipc://@millrace-test-binding"])
def test_leaves_a_server_alone_that_lives(serve, raw, endpoint):
    running = serve(bind=endpoint)
    assert "another server is there" in refused(endpoint)
    assert raw(running.endpoint).hello()["type"] == "spec"


def test_leaves_the_socket_of_another_program_alone():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind("s")
        assert "another server is there" in refused("ipc://s")


def test_lets_one_of_many_have_the_place_that_start_at_once():
    program = (
        "import sys, time, zmq; from millrace_bridge import binding\n"
        "s = zmq.Context().socket(zmq.ROUTER)\n"
        "print(flush=True); sys.stdin.read()\n"
        "binding.bind(s, 'ipc://s')\n"
        "print('bound', flush=True); time.sleep(2); s.close()"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(6)
    ]
    for child in children:
        child.stdout.readline()
    for child in children:
        child.stdin.close()
    texts = [(child.stdout.read(), child.stderr.read(), child.wait()) for child in children]
    assert sorted(out for out, _, _ in texts) == [""] * 5 + ["bound\n"]
    assert all("another server is there" in err for out, err, _ in texts if not out)


def test_looks_up_names_of_hosts_and_takes_any_free_port(serve, raw):
    for bind in ("tcp://localhost:*", "tcp://localhost:0"):
        endpoint = serve(bind=bind).endpoint
        assert endpoint.startswith("tcp://127.0.0.1:") and int(endpoint.rpartition(":")[2]) > 0
        assert raw(endpoint.replace("127.0.0.1", "localhost")).hello()["type"] == "spec"
    # "invalid" names nothing, ever (RFC 6761).
    assert "no host or interface 'host.invalid'" in refused("tcp://host.invalid:5555")


def test_binds_ipv6_with_brackets_and_without(serve):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"no IPv6: {error}")
    for bind in ("tcp://[::1]:*", "tcp://::1:*"):
        assert serve(bind=bind).endpoint.startswith("tcp://[::1]:")


def test_says_what_is_wrong_with_an_address(serve):
    assert "a path of 120 bytes, and sockets at most 107" in refused(f"ipc://{'x' * 120}", ValueError)
    assert "make its folder first" in refused("ipc://nowhere/s")
    for endpoint in ("", "foo", "tcp://", "tcp://a", "tcp://a:99999", "tcp://a:5555x", "ipc://"):
        assert "is no endpoint" in refused(endpoint, ValueError)
    taken = serve().endpoint
    assert refused(taken).startswith(f"cannot bind {taken}: ") and "another server is there" in refused(taken)

"""A server, held against the protocol's page by a client that knows only that page."""

import random
import struct
import subprocess
import sys
import time
import types

import msgpack
import numpy as np
import pytest
import zmq
from conftest import Walk, f8

from millrace_bridge import Server
from millrace_bridge.process import process_name


def error_of(reply):
    assert reply["type"] == "error" and isinstance(reply["fatal"], bool) and "\n" not in reply["message"]
    return reply["code"]


def test_says_what_the_environments_are(serve, raw):
    spec = raw(serve(Walk(), Walk()).endpoint).hello()
    assert spec["type"] == "spec" and spec["name"] == "Walk-v0"
    assert (spec["num_envs"], spec["obs_dim"], spec["act_dim"], spec["obs_dtype"]) == (2, 2, 2, "f8")
    assert spec["act_low"] == f8(-1, -1) and spec["act_high"] == f8(1, 0.5)
    assert spec["max_episode_steps"] == 100 and spec["lease_s"] == 60


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ])
def test_resets_and_steps(serve, raw, kind):
    running = serve(Walk(), Walk())
    client = raw(running.endpoint, kind)
    client.hello()
    state = client.ask("reset", envs=[1, 0], seeds=[2**64 - 1, None])
    assert [env.seeds for env in running.envs] == [[None], [2**64 - 1]]
    begun = np.frombuffer(state["obs"], "<f8").reshape(2, 2)
    reply = client.ask("step", envs=[1], actions=f8(0.1, 0.2))
    assert reply["type"] == "transition"
    assert np.array_equal(np.frombuffer(reply["obs"], "<f8"), begun[0] + [0.1, 0.2])
    assert struct.unpack("<d", reply["reward"]) == pytest.approx(-running.envs[1].at.sum())
    assert reply["terminated"] == [False] and reply["truncated"] == [False]
    assert reply["info"] == {"n": f8(1), "parts[0]": f8(1.5), "parts[1]": f8(2.5), "good": f8(1)}


def test_clips_actions_and_keeps_their_precision(serve, raw):
    running = serve()
    client = raw(running.endpoint)
    client.hello()
    client.ask("reset", envs=[0], seeds=[1])
    client.ask("step", envs=[0], actions=f8(-7, 0.1))
    client.ask("step", envs=[0], actions=np.array([0.1, 9], "<f4").tobytes())
    assert running.envs[0].actions[0].tolist() == [-1, 0.1]
    assert running.envs[0].actions[1].tolist() == [np.float32(0.1), 0.5]


def test_ends_episodes_only_by_reset(serve, raw):
    client = raw(serve().endpoint)
    client.hello()
    assert error_of(client.ask("step", envs=[0], actions=f8(0, 0))) == "needs-reset"
    client.ask("reset", envs=[0], seeds=[1])
    client.ask("step", envs=[0], actions=f8(0.5, 0))
    assert client.ask("step", envs=[0], actions=f8(1, 0))["terminated"] == [True]
    assert error_of(client.ask("step", envs=[0], actions=f8(0, 0))) == "needs-reset"
    client.ask("reset", envs=[0], seeds=[None])
    for _ in range(99):
        client.ask("step", envs=[0], actions=f8(0, 0))
    assert client.ask("step", envs=[0], actions=f8(0, 0))["truncated"] == [True]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"envs": [0], "actions": f8(0, np.nan)}, "bad-action"),
        ({"envs": [0], "actions": f8(0, -np.inf)}, "bad-action"),
        ({"envs": [1], "actions": f8(0, 0)}, "bad-env"),
        ({"envs": [-1], "actions": f8(0, 0)}, "bad-env"),
        ({"envs": [0, 0], "actions": f8(0, 0, 0, 0)}, "bad-env"),
        ({"envs": [True], "actions": f8(0, 0)}, "bad-env"),
        ({"envs": 0, "actions": f8(0, 0)}, "bad-message"),
        ({"envs": [0], "actions": f8(0)[:-1]}, "bad-message"),
        ({"envs": [0], "actions": "text"}, "bad-message"),
        ({"envs": [0]}, "bad-message"),
    ],
)
def test_refuses_bad_steps_and_steps_nothing(serve, raw, fields, code):
    running = serve()
    client = raw(running.endpoint)
    client.hello()
    client.ask("reset", envs=[0], seeds=[1])
    assert error_of(client.ask("step", **fields)) == code
    assert running.envs[0].n_steps == 0
    assert client.ask("step", envs=[0], actions=f8(0, 0))["type"] == "transition"


@pytest.mark.parametrize("seeds", [[-1], [1.5], ["x"], [1, 2], None, [True]])
def test_refuses_bad_seeds(serve, raw, seeds):
    client = raw(serve().endpoint)
    client.hello()
    assert error_of(client.ask("reset", envs=[0], seeds=seeds)) == "bad-message"


def test_refuses_other_versions_and_requests(serve, raw):
    client = raw(serve().endpoint)
    reply = msgpack.unpackb(client.exchange(msgpack.packb(
        {"v": 2, "type": "hello", "session": client.session, "seq": 0, "client": "x"})))
    assert error_of(reply) == "bad-version" and reply["fatal"]
    client.hello()
    assert error_of(client.ask("dance")) == "bad-message"
    assert client.ask("ping", unknown="key")["type"] == "pong"


def test_tells_what_an_environment_raised_and_goes_on(serve, raw):
    running = serve()
    client = raw(running.endpoint)
    client.hello()
    client.ask("reset", envs=[0], seeds=[1])
    running.envs[0].failure = RuntimeError("the motor\nis hot")
    reply = client.ask("step", envs=[0], actions=f8(0, 0))
    assert error_of(reply) == "env-failed" and "the motor is hot" in reply["message"]
    running.envs[0].failure = None
    assert error_of(client.ask("step", envs=[0], actions=f8(0, 0))) == "needs-reset"
    assert client.ask("reset", envs=[0], seeds=[1])["type"] == "state"


def test_names_space_dtype_where_an_environment_insists_on_it(serve, raw):
    class Strict(Walk):
        def step(self, action):
            assert self.action_space.contains(action), f"{action!r} invalid"
            return super().step(action)

    Strict.action_space = types.SimpleNamespace(
        **vars(Walk.action_space), contains=lambda action: action.dtype == np.float32
    )
    for options, named in (({}, True), ({"space_dtype": True}, False)):
        client = raw(serve(Strict(), **options).endpoint)
        client.hello()
        client.ask("reset", envs=[0], seeds=[1])
        reply = client.ask("step", envs=[0], actions=f8(0.1, 0.2))
        assert ("--space-dtype" in reply.get("message", "")) == named == (reply["type"] == "error")


def _step_with_info(serve, raw, info, n_envs=1):
    """The info that comes of it."""
    envs = [Walk() for _ in range(n_envs)]
    for env in envs:
        env.more = info
    client = raw(serve(*envs).endpoint)
    client.hello()
    client.ask("reset", envs=list(range(n_envs)), seeds=[1] * n_envs)
    return client.ask("step", envs=list(range(n_envs)), actions=f8(*[0, 0] * n_envs))["info"]


def test_sends_infos_of_many_numbers_whole(serve, raw, caplog):
    info = _step_with_info(serve, raw, {"lidar": np.arange(4000.0).reshape(40, 100)})
    assert [info[f"lidar[{i}]"] for i in range(4000)] == [f8(i) for i in range(4000)]
    assert not caplog.records


def test_says_which_infos_messages_have_no_room_for_and_sends_the_others(serve, raw, caplog):
    info = _step_with_info(serve, raw, {"image": np.zeros((100, 100)), "x" * 201: 1, "late": 7.0})
    assert info["late"] == f8(7) and not [name for name in info if name[0] in "ix"]
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2 and "info 'image' (10000 numbers) is not sent" in texts[0]
    # 4096 numbers for each of 256 environments are 8 MiB.
    info = _step_with_info(serve, raw, {"parts_of_many": np.zeros(4000)}, n_envs=256)
    assert "'parts_of_many' (4000 numbers) is not sent" in caplog.records[-1].getMessage()
    assert info["n"] == f8(*[1] * 256)


def test_says_of_endless_new_names_only_some(serve, raw, caplog):
    info = _step_with_info(serve, raw, {f"name {i}": 1.0 for i in range(6000)})
    assert len(info) == 4096 and len(caplog.records) == 10
    assert caplog.records[-1].getMessage().endswith("nor is what else there is no room for")


def test_survives_texts_that_are_no_unicode(serve, raw):
    info = _step_with_info(serve, raw, {"a\ud800\n": 1})
    assert info["a"] == f8(1)
    assert raw(serve(Walk(), name="W\udfff").endpoint).hello()["name"] == "W"


def test_refuses_more_than_a_client_takes():
    env = Walk()
    env.observation_space = types.SimpleNamespace(
        shape=(4096,), dtype=np.dtype(np.float32), low=np.zeros(4096), high=np.ones(4096)
    )
    with pytest.raises(ValueError, match="4096 environments of 4096 observations and 2 actions are too much"):
        Server([env] * 4096, "tcp://127.0.0.1:*")


@pytest.mark.parametrize("lease", [0, -1, float("inf"), float("nan")])
def test_refuses_a_lease_that_is_none(lease):
    with pytest.raises(ValueError, match="the lease must be"):
        Server([Walk()], "tcp://127.0.0.1:*", lease_s=lease)


def test_renders_in_the_size_asked_for(serve, raw):
    running = serve()
    client = raw(running.endpoint)
    client.hello()
    assert client.ask("render", env=0, width=6, height=4)["rgb"] == running.envs[0].render().tobytes()
    assert len(client.ask("render", env=0, width=5, height=9)["rgb"]) == 5 * 9 * 3
    assert error_of(client.ask("render", env=0, width=0, height=9)) == "bad-message"
    running.envs[0].render_mode = None
    assert error_of(client.ask("render", env=0, width=6, height=4)) == "env-failed"


def test_answers_a_repeated_request_with_the_same_bytes(serve, raw):
    running = serve()
    client = raw(running.endpoint)
    hello = client.pack("hello", 0, client="raw")
    assert client.exchange(hello) == client.exchange(hello)
    client.seq = 1
    client.ask("reset", envs=[0], seeds=[1])
    step = client.pack("step", 2, envs=[0], actions=f8(0.1, 0))
    first = client.exchange(step)
    other = raw(running.endpoint, session=client.session)  # after a reconnect
    assert first == client.exchange(step) == other.exchange(step)
    assert running.envs[0].n_steps == 1


def test_refuses_late_duplicates_and_forgets_nothing_by_them(serve, raw):
    running = serve()
    client = raw(running.endpoint)
    client.hello()
    client.ask("reset", envs=[0], seeds=[1])
    step = client.pack("step", 2, envs=[0], actions=f8(0.1, 0))
    last = client.exchange(step)
    assert error_of(client.at(0, "hello", client="raw")) == "bad-sequence"
    assert error_of(client.at(1, "reset", envs=[0], seeds=[1])) == "bad-sequence"
    assert error_of(client.at(4, "step", envs=[0], actions=f8(0.1, 0))) == "bad-sequence"
    assert client.exchange(step) == last and running.envs[0].n_steps == 1
    assert client.at(3, "step", envs=[0], actions=f8(0.1, 0))["type"] == "transition"


def test_remembers_errors_like_other_replies(serve, raw):
    client = raw(serve().endpoint)
    client.hello()
    step = client.pack("step", 1, envs=[0], actions=f8(0, 0))
    assert client.exchange(step) == client.exchange(step)
    assert client.at(2, "ping")["type"] == "pong"


def test_knows_only_sessions_that_said_hello(serve, raw):
    client = raw(serve().endpoint)
    assert error_of(client.at(1, "ping")) == "unknown-session"
    assert error_of(client.at(3, "hello", client="raw")) == "bad-sequence"
    client.hello()
    bye = client.pack("bye", 1)
    assert client.exchange(bye) == client.exchange(bye)
    assert error_of(client.at(0, "hello", client="raw")) == "bad-sequence"
    assert error_of(client.at(2, "ping")) == "unknown-session"


def test_leases_to_one_at_a_time(serve, raw):
    running = serve(lease_s=0.5)
    first, second = raw(running.endpoint), raw(running.endpoint)
    first.hello()
    first.ask("reset", envs=[0], seeds=[1])
    assert error_of(second.at(0, "hello", client="raw")) == "busy"
    time.sleep(0.4)
    first.ask("ping")
    time.sleep(0.3)
    assert error_of(second.at(0, "hello", client="raw")) == "busy"
    time.sleep(0.6)
    assert second.hello()["type"] == "spec"
    assert error_of(first.at(first.seq, "ping")) == "unknown-session"
    assert error_of(first.at(0, "hello", client="raw")) == "busy"
    assert error_of(second.ask("step", envs=[0], actions=f8(0, 0))) == "needs-reset"
    second.ask("bye")
    assert first.hello()["type"] == "spec"


def test_goes_on_with_a_silent_client_that_nobody_replaced(serve, raw):
    client = raw(serve(lease_s=0.1).endpoint)
    client.hello()
    time.sleep(0.3)
    assert client.ask("ping")["type"] == "pong"


@pytest.mark.parametrize("length", [511, 512])
def test_refuses_the_name_of_a_process_that_is_too_long(serve, raw, length):
    reply = raw(serve().endpoint).at(0, "hello", client="raw", process="x" * length)
    assert reply["type"] == "spec" if length == 511 else error_of(reply) == "bad-message"
    assert error_of(raw(serve().endpoint).at(0, "hello", client="raw", process=7)) == "bad-message"


def test_knows_a_process_that_begins_anew_and_makes_way_at_once(serve, raw):
    running = serve()
    first, second, other = (raw(running.endpoint) for _ in range(3))
    mine = {"client": "raw", "process": "host:7:100:boot:1"}
    first.at(0, "hello", **mine)
    first.at(1, "reset", envs=[0], seeds=[1])
    reply = other.at(0, "hello", client="raw")
    assert error_of(reply) == "busy" and "(of process host:7);" in reply["message"]
    assert error_of(other.at(0, "hello", client="raw", process="host:8:100:boot:1")) == "busy"
    assert second.at(0, "hello", **mine)["type"] == "spec"
    # Nothing of the one before goes on, and it takes nothing back.
    assert error_of(second.at(1, "step", envs=[0], actions=f8(0, 0))) == "needs-reset"
    assert error_of(first.at(2, "step", envs=[0], actions=f8(0, 0))) == "unknown-session"
    reply = first.at(0, "hello", **mine)
    assert error_of(reply) == "busy" and "newer session of the same process" in reply["message"]
    assert second.at(2, "ping")["type"] == "pong" and running.envs[0].n_steps == 0
    second.at(3, "bye")
    assert first.at(0, "hello", **mine)["type"] == "spec"
    assert first.at(1, "reset", envs=[0], seeds=[1])["type"] == "state"


def test_takes_nameless_clients_for_different_processes(serve, raw):
    running = serve()
    raw(running.endpoint).at(0, "hello", client="raw", process="")
    assert error_of(raw(running.endpoint).at(0, "hello", client="raw", process="")) == "busy"


def test_frees_the_environments_of_a_process_that_died(serve, raw):
    running = serve()
    first, second, third = (raw(running.endpoint) for _ in range(3))
    program = "from millrace_bridge.process import process_name as p; print(p())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first.at(0, "hello", client="raw", process=done.stdout.strip())
    assert first.at(1, "ping")["type"] == "pong"  # nobody else came
    assert second.at(0, "hello", client="raw", process=process_name())["type"] == "spec"
    assert error_of(third.at(0, "hello", client="raw")) == "busy"  # this process lives


def test_lets_who_gave_up_on_a_request_leave_all_the_same(serve, raw):
    running = serve()
    client = raw(running.endpoint)
    client.hello()
    client.ask("reset", envs=[0], seeds=[1])
    bye = client.pack("bye", 3)  # request 2 never came
    last = client.exchange(bye)
    assert msgpack.unpackb(last)["type"] == "bye"
    assert raw(running.endpoint).hello()["type"] == "spec"
    assert error_of(client.at(2, "step", envs=[0], actions=f8(0, 0))) == "bad-sequence"  # it comes now
    assert client.exchange(bye) == last and running.envs[0].n_steps == 0


def test_stays_up_under_random_bytes(serve, raw):
    running = serve()
    good, bad = raw(running.endpoint), raw(running.endpoint)
    good.hello()
    rng = random.Random(1)
    seeds = [good.pack("step", 1, envs=[0], actions=f8(0, 0)), good.pack("hello", 0, client="x")]
    for _ in range(3000):
        data = bytearray(rng.choice([*seeds, rng.randbytes(rng.randrange(60))]))
        for _ in range(rng.randrange(4)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        if bytes(good.session) in bytes(data):
            data = data.replace(good.session, bytes(16))
        bad.send(rng.choice([[b"", bytes(data)]] * 4 + [[bytes(data)], [b"x", b"y", b""], [b""] * 40]))
        while bad.socket.poll(0):
            assert msgpack.unpackb(bad.receive())["type"] in ("error", "spec")
    for data in (b"\x91" * 100000, b"\x81" * 5000, b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b""):
        bad.send([b"", data])
    assert good.ask("ping")["type"] == "pong"


def test_drops_messages_that_are_too_large(serve, raw):
    running = serve()
    good, bad = raw(running.endpoint), raw(running.endpoint)
    good.hello()
    bad.send([b"", bytes(17 * 1024 * 1024)])
    assert bad.silent()
    assert good.ask("ping")["type"] == "pong"


@pytest.mark.parametrize(
    "bind", ["tcp://*:5999", "tcp://0.0.0.0:5999", "tcp://192.0.2.1:5999", "tcp://lo:5999", "tcp://[::]:5999"]
)
def test_binds_other_addresses_only_when_told(bind):
    with pytest.raises(ValueError, match="loopback"):
        Server([Walk()], bind)


def test_binds_ipc_and_with_insecure_everything(serve, raw, tmp_path):
    assert raw(serve(bind=f"ipc://{tmp_path}/s").endpoint).hello()["type"] == "spec"
    port = serve(bind="tcp://*:*", insecure=True).endpoint.rpartition(":")[2]
    assert raw(f"tcp://127.0.0.1:{port}").hello()["type"] == "spec"


def test_closes_the_environments_at_the_end(serve):
    running = serve()
    running.stop()
    assert running.envs[0].closed


def test_refuses_spaces_that_are_not_boxes():
    env = Walk()
    env.action_space = object()
    with pytest.raises(TypeError, match="only Box"):
        Server([env], "tcp://127.0.0.1:*")

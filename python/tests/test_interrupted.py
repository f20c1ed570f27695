"""Calls that are left without their reply (no reply, Ctrl-C, a fork, another thread), and what follows."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import Walk, hasty

import millrace_bridge
from millrace_bridge import BridgeError, Client, EpisodeBroken, NoReply, RemoteError

PACKAGE = str(pathlib.Path(millrace_bridge.client.__file__).parent)

# Its observation and reward are the action that it was given last; it sleeps 2 s on an action of 0.9, and
# on a reset with seed 9.
SLOW = """
import sys, time, types, numpy as np, millrace_bridge
class Slow:
    observation_space = action_space = types.SimpleNamespace(
        shape=(1,), dtype=np.dtype(np.float64), low=np.full(1, -1.0), high=np.full(1, 1.0))
    def reset(self, *, seed=None):
        time.sleep(2 * (seed == 9))
        return np.array([(seed or 0) / 100]), {}
    def step(self, action):
        time.sleep(2 * (action[0] == 0.9))
        return action, action[0], False, False, {}
    def close(self): pass
millrace_bridge.serve(Slow(), sys.argv[1])
"""


@pytest.fixture
def slow_server(tmp_path):
    """A process; its endpoint."""
    endpoint = f"ipc://{tmp_path}/slow"
    with subprocess.Popen([sys.executable, "-c", SLOW, endpoint], stderr=subprocess.PIPE) as process:
        assert b"Slow at ipc://" in process.stderr.readline()
        yield endpoint, process
        process.send_signal(signal.SIGCONT)
        process.terminate()


def interrupt_after(seconds):
    timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    return timer


def step(client, action):
    result = client.step([0], [[action]])
    return result.obs[0, 0], result.reward[0]


# ---- A real slow server


def test_a_step_after_no_reply_is_refused_and_a_reset_goes_on(slow_server):
    with Client(slow_server[0]) as client:
        client.reset([0], [1])
        with hasty(client, 0.5), pytest.raises(NoReply, match=r"slow: no reply to 'step' within 0.5 s, once"):
            step(client, 0.9)
        time.sleep(2)
        for _ in range(2):
            with pytest.raises(EpisodeBroken, match=r"slow: step: .* environment 0 .* reset it"):
                step(client, 0.1)
        assert client.reset([0], [3]) == [[0.03]]
        assert step(client, 0.1) == (0.1, 0.1)


def test_a_reset_after_no_reply_waits_for_a_server_that_is_still_at_the_step(slow_server):
    with Client(slow_server[0]) as client:
        client.reset([0], [1])
        with hasty(client):
            with pytest.raises(NoReply):
                step(client, 0.9)
            with pytest.raises(NoReply, match=r"no reply to 'step'.*before anything else is asked"):
                client.reset([0], [3])
        assert client.reset([0], [3]) == [[0.03]]
        assert step(client, 0.2) == (0.2, 0.2)


def test_a_step_after_ctrl_c_is_refused_and_a_reset_goes_on(slow_server):
    with Client(slow_server[0]) as client:
        client.reset([0], [1])
        interrupt_after(0.3)
        with pytest.raises(KeyboardInterrupt):
            step(client, 0.9)
        with pytest.raises(EpisodeBroken):
            step(client, 0.1)
        assert client.reset([0], [3]) == [[0.03]]
        assert step(client, 0.1) == (0.1, 0.1)


def test_after_ctrl_c_in_a_reset_the_next_reset_gets_its_own_observation(slow_server):
    with Client(slow_server[0]) as client:
        interrupt_after(0.3)
        with pytest.raises(KeyboardInterrupt):
            client.reset([0], [9])
        with pytest.raises(EpisodeBroken):
            step(client, 0.1)
        assert client.reset([0], [3]) == [[0.03]]
        assert step(client, 0.1) == (0.1, 0.1)


def test_a_signal_handlers_exception_is_as_ctrl_c(slow_server):
    class DeadlineError(Exception):
        pass

    def ring(*_):
        raise DeadlineError

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with Client(slow_server[0]) as client:
            client.reset([0], [1])
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(DeadlineError):
                step(client, 0.9)
            with pytest.raises(EpisodeBroken):
                step(client, 0.1)
            assert client.reset([0], [3]) == [[0.03]]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_signal_handler_that_asks_in_between_gets_its_answer_and_the_step_says_so(slow_server):
    with Client(slow_server[0]) as client:
        client.reset([0], [1])
        before = signal.signal(signal.SIGALRM, lambda *_: client.ping())
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(BridgeError, match="another request was made while 'step' waited"):
                step(client, 0.9)
        finally:
            signal.signal(signal.SIGALRM, before)
        with pytest.raises(EpisodeBroken):
            step(client, 0.1)
        assert client.reset([0], [3]) == [[0.03]]


def test_a_step_that_was_never_received_is_not_executed_late(serve, tmp_path):
    running = serve()
    with Client(running.endpoint) as client:
        client.reset([0], [1])
        send, client._connection._send = client._connection._send, lambda data: client._connection._connect()
        with hasty(client), pytest.raises(NoReply):
            client.step([0], [[0.1, 0.1]])
        client._connection._send = send
        client.ping()
        client.reset([0], [1])
        assert running.envs[0].n_steps == 0


# ---- An interrupt at each place


@contextlib.contextmanager
def interrupted_at(n):
    """Raises KeyboardInterrupt before the n-th instruction of the package; yields how many it came to."""
    count = [0]

    def trace(frame, event, _):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count[0] += 1
            if count[0] == n:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(None)


def expect_truth(client, env, action):
    """A step gives what just became of its own action, or refuses."""
    try:
        obs = client.step([0], [action]).obs[0]
    except EpisodeBroken:
        return False
    assert env.actions[-1].tolist() == action and obs.tolist() == env.at.tolist()
    return True


def each_place(call, after, stride=1):
    """Interrupts `call` before each of its instructions (each `stride`-th), and calls `after`."""
    n, n_interrupted = 1, 0
    while True:
        try:
            with interrupted_at(n) as count:
                call()
        except KeyboardInterrupt:
            n_interrupted += 1
        if count[0] < n:
            return n_interrupted
        after()
        n += stride


def test_wherever_a_step_is_interrupted_no_other_steps_result_is_returned(serve):
    env = Walk()
    went_on = []
    with Client(serve(env).endpoint) as client:

        def after():
            went_on.append(expect_truth(client, env, [0.02, 0.02]))
            assert (client.reset([0], [1])[0] == env.at).all()
            assert expect_truth(client, env, [0.03, 0.03])

        client.reset([0], [1])
        assert each_place(lambda: client.step([0], [[0.01, 0.01]]), after, stride=2) > 150
    # Before the request exists and after its result is there an episode can go on; in between it can't.
    assert True in went_on and went_on.count(False) > len(went_on) / 2


def test_wherever_a_reset_is_interrupted_no_other_resets_observation_is_returned(serve):
    env = Walk()
    with Client(serve(env).endpoint) as client:

        def after():
            expect_truth(client, env, [0.02, 0.02])
            assert (client.reset([0], [2])[0] == env.at).all()
            assert expect_truth(client, env, [0.03, 0.03])

        client.reset([0], [1])
        assert each_place(lambda: client.reset([0], [1]), after, stride=3) > 100


def test_wherever_the_beginning_is_interrupted_the_next_client_gets_the_environments(serve):
    endpoint = serve(Walk()).endpoint

    def after():
        with Client(endpoint) as client:
            client.reset([0], [1])

    assert each_place(lambda: Client(endpoint).close(), after, stride=3) > 200


# ---- Ends without close()


def ends(endpoint, program, code):
    text = f"import os, signal, millrace_bridge\nclient = millrace_bridge.Client({endpoint!r})\n{program}"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("client.reset([0], [1]); 1 / 0", 1),
        ("os.kill(os.getpid(), signal.SIGINT); signal.pause()", -signal.SIGINT),
        ("client.me = client; del client", 0),
        ("import threading; threading.Thread(target=client.ping).start()", 0),
    ],
)
def test_a_program_that_ends_without_close_leaves_the_server_free(serve, program, code):
    endpoint = serve().endpoint
    ends(endpoint, program, code)
    with Client(endpoint) as client:  # of another process: it would be told "busy"
        client.reset([0], [1])


def test_a_program_that_was_killed_leaves_the_server_free(serve):
    endpoint = serve().endpoint
    ends(endpoint, "client.reset([0], [1]); os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)
    with Client(endpoint) as client:
        client.reset([0], [1])


def test_a_program_that_ends_in_the_middle_of_a_step_leaves_the_server_free(slow_server):
    endpoint, _ = slow_server
    program = (
        "client._connection.timeout, client._connection.retries = 0.3, 0\n"
        "client.reset([0], [1]); client.step([0], [[0.9]])"
    )
    error = ends(endpoint, program, 1)
    assert "NoReply" in error.splitlines()[-1]
    with Client(endpoint) as client:  # the bye waits behind the step
        assert client.reset([0], [2]) == [[0.02]]


def test_a_hello_that_was_given_up_leaves_the_server_free(slow_server):
    endpoint, process = slow_server
    process.send_signal(signal.SIGSTOP)
    text = f"import millrace_bridge; millrace_bridge.Client({endpoint!r}, timeout=0.3, retries=1, pause=0.1)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30)
    assert "NoReply" in done.stderr
    process.send_signal(signal.SIGCONT)
    time.sleep(0.3)  # it answers the hello of the one that is gone
    Client(endpoint).close()


def test_a_client_that_is_garbage_leaves_the_server_free(serve, raw):
    endpoint = serve().endpoint
    client = Client(endpoint)
    client.reset([0], [1])
    del client
    assert raw(endpoint).hello()["type"] == "spec"


@pytest.mark.parametrize("knows_processes", [True, False])
def test_a_later_client_of_the_process_takes_over_and_the_first_says_so(serve, monkeypatch, knows_processes):
    if not knows_processes:  # as with a server that passes the field over
        monkeypatch.setattr(millrace_bridge.peer, "process_name", lambda: os.urandom(8).hex())
    endpoint = serve().endpoint
    first = Client(endpoint)
    first.reset([0], [1])
    second = Client(endpoint)
    second.reset([0], [1])
    with pytest.raises(BridgeError, match="a later client of this process has taken the environments over"):
        first.step([0], [[0.1, 0.1]])
    second.step([0], [[0.1, 0.1]])
    first.reset([0], [1], renew=True)
    first.step([0], [[0.1, 0.1]])
    with pytest.raises(BridgeError, match="a later client"):
        second.step([0], [[0.1, 0.1]])
    first.close()
    second.close()
    with pytest.raises(BridgeError, match="closed"):
        first.reset([0], [1], renew=True)


def test_a_client_of_another_process_is_not_taken_over(serve, raw):
    endpoint = serve().endpoint
    raw(endpoint).hello()
    with pytest.raises(RemoteError, match="busy"):
        Client(endpoint)


def test_closing_raises_nothing_whatever_became_of_the_server(serve):
    running = serve()
    client = Client(running.endpoint)
    client.reset([0], [1])
    running.stop()
    begun = time.monotonic()
    client.close()
    client.close()
    assert time.monotonic() - begun < 3


# ---- Forks and threads


def test_a_forked_process_can_not_use_its_parents_client_and_ends_nothing(serve):
    with Client(serve().endpoint) as client:
        client.reset([0], [1])
        child = os.fork()
        if child == 0:
            try:
                client.step([0], [[0.1, 0.1]])
            except BridgeError as error:
                client.close()
                del client
                os._exit(7 if "fork" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        client.step([0], [[0.1, 0.1]])


def test_threads_take_turns(serve):
    envs = [Walk(), Walk()]
    with Client(serve(*envs).endpoint) as client:
        wrong = []

        def play(i):
            client.reset([i], [i])
            for k in range(150):
                obs = client.step([i], [[1e-5 * k, 0.0]]).obs[0]
                if (obs != envs[i].at).any():
                    wrong.append((i, k))
                if k == 80:
                    client.reset([i], [i])

        threads = [threading.Thread(target=play, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            client.ping()
        for thread in threads:
            thread.join()
        assert not wrong and [env.n_steps for env in envs] == [150, 150]


def test_a_close_ends_the_waiting_of_another_thread(slow_server):
    client = Client(slow_server[0])
    client.reset([0], [1])
    said = []

    def wait():
        try:
            step(client, 0.9)
        except BridgeError as error:
            said.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    client.close()
    thread.join(5)
    assert len(said) == 1 and "closed" in said[0]


def test_numbers_of_numpy_are_seeds_and_indices_and_bad_ones_are_named(serve):
    with Client(serve().endpoint) as client:
        client.reset(np.arange(1), [np.int64(3)])
        for envs, seeds in (([0], [-1]), ([0], [2**64]), ([0], [])):
            with pytest.raises(ValueError, match="seeds"):
                client.reset(envs, seeds)
        for envs in ([1], [-1], [0, 0]):
            with pytest.raises(ValueError, match="from 0 to 0"):
                client.reset(envs, [None] * len(envs))
        client.step([0], [[0.1, 0.1]])


@pytest.mark.parametrize(
    "options", [{"timeout": 0}, {"timeout": float("nan")}, {"retries": -1}, {"pause": -1}]
)
def test_options_are_checked_before_anything_is_asked(options):
    with pytest.raises(ValueError, match="timeout above 0"):
        Client("tcp://127.0.0.1:9", **options)

"""Long calls of the library: Ctrl-C at any instruction of Python while one begins and is waited for."""

import _thread
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from native import millrace  # noqa: F401 - skips where there is no library

from millrace import _running
from millrace._running import Run


def interrupted_at(place, call):
    """Calls it with a KeyboardInterrupt before the `place`th instruction of Python that this thread computes
    in millrace._running and threading; whether there are as many, and what it raised."""
    n = 0

    def trace(frame, event, argument):
        nonlocal n
        if frame.f_code.co_filename not in (_running.__file__, threading.__file__):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            n += 1
            if n == place:
                raise KeyboardInterrupt
        return trace

    before, raised = sys.gettrace(), None
    sys.settrace(trace)
    try:
        call()
    except BaseException as error:
        raised = error
    finally:
        sys.settrace(before)
    return n >= place, raised


@pytest.mark.parametrize("seconds", [0, 0.02], ids=["short", "long"])
def test_ctrl_c_at_any_instruction_is_raised_when_the_call_has_ended_or_never_begins(seconds):
    place, is_inside, n_begun, n_stopped = 0, True, 0, 0
    while is_inside:
        place += 1
        begun, ended = threading.Event(), threading.Event()
        run = Run()

        def compute(run=run, begun=begun, ended=ended):
            begun.set()
            until = time.monotonic() + seconds
            while time.monotonic() < until and not run.stop.value:
                time.sleep(0.001)
            ended.set()

        is_inside, raised = interrupted_at(place, lambda run=run, compute=compute: run.call(compute))
        assert isinstance(raised, KeyboardInterrupt) == is_inside, f"{place}: {raised!r}"
        assert ended.is_set() == begun.is_set(), f"{place}: it computes after the exception"
        n_begun += begun.is_set()
        n_stopped += bool(run.stop.value)
    assert n_begun > 5 and n_stopped > 5


def test_a_thread_that_can_not_be_started_is_the_callers_exception(monkeypatch):
    def refuse(function, arguments):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        Run().call(lambda: None)


class Borrowed:
    """Something that C would read."""


def wait_for(condition):
    until = time.monotonic() + 30
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


def interrupt_twice(run):
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
    wait_for(lambda: run.stop.value == 1)  # two signals at once are one
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)


def test_a_second_ctrl_c_leaves_a_call_that_hangs_and_keeps_what_it_borrows():
    run, may_end, borrowed = Run(), threading.Event(), Borrowed()
    is_gone = weakref.ref(borrowed)
    threading.Thread(target=interrupt_twice, args=(run,)).start()
    with pytest.raises(KeyboardInterrupt):
        run.call(may_end.wait, keep=borrowed)
    del borrowed
    assert run.stop.value == 1 and not run.has_ended and is_gone() is not None
    may_end.set()
    wait_for(lambda: run.has_ended and is_gone() is None)


def test_the_end_of_the_process_waits_for_a_call_that_was_left():
    program = """
import os, signal, threading, time
from millrace._running import Run

run, is_left = Run(), threading.Event()

def interrupt_twice():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
    while run.stop.value == 0:
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

def compute():
    is_left.wait()
    time.sleep(0.5)
    print("ended", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=interrupt_twice).start()
try:
    run.call(compute)
except KeyboardInterrupt:
    print("left", flush=True)
    is_left.set()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["left", "ended"] and done.returncode == 0, done.stderr


def test_a_failure_of_the_call_itself_is_told_beside_the_one_that_stopped_it():
    run, stopped_by, cause = Run(), KeyError("enough"), ValueError("why")
    stopped_by.__cause__ = cause

    def compute():
        run.fail(stopped_by)
        raise OSError("the disk is full")

    with pytest.raises(KeyError) as caught:
        run.call(compute)
    assert caught.value is stopped_by and caught.value.__cause__ is cause
    assert str(cause.__context__) == "the disk is full"


def test_a_failure_of_the_call_alone_is_raised():
    def compute():
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        Run().call(compute)

"""Long calls of the library: Ctrl-C at any instruction of Python while one begins and is waited for."""

import _thread
import sys
import threading
import time

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

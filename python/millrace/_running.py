"""Long calls of the library, which Ctrl-C stops in good order."""

from __future__ import annotations

import _thread
import ctypes
import threading
from typing import Any, Callable


class Run:
    """One long call: its stop flag, and the first exception of its callbacks.

    C computes in a thread of its own while the calling one waits, because Python's handlers of signals
    run in the main thread alone, and only while that isn't in C.
    """

    def __init__(self) -> None:
        self.stop = ctypes.c_int(0)  # const volatile sig_atomic_t *
        self._failure: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """Stops the call, after which `call` raises `error`, or the first of several."""
        if self._failure is None:
            self._failure = error
        self.stop.value = 1

    def guard(self, function: Callable[..., None]) -> Callable[..., None]:
        """`function` as a callback that C can call: an exception stops the call."""

        def guarded(*arguments: Any) -> None:
            try:
                function(*arguments)
            except BaseException as error:
                self.fail(error)

        return guarded

    def call(self, function: Callable[[], Any]) -> None:
        """Calls it to its end. An exception that reaches the waiting thread (KeyboardInterrupt) asks it to
        stop, and is raised when it has."""
        is_begun, is_running = threading.Lock(), threading.Lock()
        guarded, has_ended = self.guard(function), False

        def run() -> None:
            nonlocal has_ended
            if is_begun.acquire(blocking=False):
                guarded()
                has_ended = True
                is_running.release()

        # Without threading's Thread and Event: Ctrl-C may raise its exception at any instruction, and inside
        # of these it can leave a lock taken.
        is_running.acquire()
        is_first = True
        while not has_ended:
            try:
                if is_first:
                    is_first = False
                    _thread.start_new_thread(run, ())
                is_running.acquire()
            except BaseException as error:
                self.fail(error)
                if is_begun.acquire(blocking=False):  # the thread, if there is one, finds nothing to do
                    has_ended = True
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

"""Long calls of the library, which Ctrl-C stops in good order."""

from __future__ import annotations

import _thread
import atexit
import ctypes
import threading
from typing import Any, Callable


class Run:
    """One long call: its stop flag, and how it ended.

    C computes in a thread of its own while the calling one waits, because Python's handlers of signals
    run in the main thread alone, and only while that isn't in C.

    has_ended  whether the call has come back, or never began
    error      what the call itself failed with
    """

    def __init__(self) -> None:
        self.stop = ctypes.c_int(0)  # const volatile sig_atomic_t *
        self.has_ended = False
        self.error: BaseException | None = None
        self._failure: BaseException | None = None  # the first one of callbacks and of the waiting thread

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

    def call(self, function: Callable[[], Any], keep: object = None) -> None:
        """Calls it to its end. An exception that reaches the waiting thread (KeyboardInterrupt) asks it to
        stop, and is raised when it has. A second one is raised at once: the call goes on to its end, which
        the end of the process waits for.

        keep  what C borrows that `function` does not refer to: it lives as long as the call

        A failure of the call itself is the context of an exception that stopped it.
        """
        is_begun, is_running = threading.Lock(), threading.Lock()

        def run(_: object) -> None:
            if is_begun.acquire(blocking=False):
                try:
                    function()
                except BaseException as error:
                    self.error = error
                self.has_ended = True
                is_running.release()

        # Without threading's Thread and Event: Ctrl-C may raise its exception at any instruction, and inside
        # of these it can leave a lock taken.
        is_running.acquire()
        is_first, is_stopping = True, False
        while not self.has_ended:
            try:
                if is_first:
                    is_first = False
                    _thread.start_new_thread(run, (keep,))
                is_running.acquire()
            except BaseException as error:
                self.fail(error)
                if is_begun.acquire(blocking=False):  # the thread, if there is one, finds nothing to do
                    self.has_ended = True
                elif is_stopping and not self.has_ended:
                    atexit.register(is_running.acquire)
                    self._failure = None
                    raise
                is_stopping = True
        self._raise()

    def _raise(self) -> None:
        failure, self._failure = self._failure, None
        if failure is None:
            failure, self.error = self.error, None
        elif self.error is not None:
            _append(failure, self.error)
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # its traceback has this frame


def _append(failure: BaseException, error: BaseException) -> None:
    """Adds `error` to `failure` as the end of its chain of contexts, which it may have already."""
    last = failure
    while last.__cause__ is not None or last.__context__ is not None:
        last = last.__cause__ or last.__context__ or last
    last.__context__ = error

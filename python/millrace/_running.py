"""Long calls of the library, which Ctrl-C stops in good order."""

from __future__ import annotations

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
        has_ended = threading.Event()
        guarded = self.guard(function)

        def run() -> None:
            guarded()
            has_ended.set()

        thread = threading.Thread(target=run, name="millrace")
        thread.start()
        while not has_ended.is_set():
            try:
                has_ended.wait()  # Python before 3.13 takes a thread for ended whose join was interrupted
            except BaseException as error:
                self.fail(error)
        thread.join()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

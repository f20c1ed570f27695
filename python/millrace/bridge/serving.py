"""serve(): a server for as long as the program runs."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from . import wire
from .environment import Environment
from .server import Server

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _environments(
    env: Environment | Sequence[Environment] | Callable[[], Environment], num_envs: int | None
) -> list[Environment]:
    if isinstance(env, (list, tuple)):
        if num_envs not in (None, len(env)):
            raise ValueError(f"num_envs is {num_envs}, but {len(env)} environments were given")
        return list(env)
    if hasattr(env, "step"):
        if num_envs not in (None, 1):
            raise ValueError("for several environments, give a list of them or a function that makes one")
        return [env]  # type: ignore[list-item]
    if not callable(env):
        raise TypeError(f"an environment, a list of them or a function is needed, not {type(env).__name__}")
    return [env() for _ in range(num_envs or 1)]


def serve(
    env: Environment | Sequence[Environment] | Callable[[], Environment],
    bind: str = wire.DEFAULT_ENDPOINT,
    *,
    num_envs: int | None = None,
    quiet: bool = False,
    **options: Any,
) -> None:
    """Serves an environment, a list of them, or `num_envs` made by a function, until SIGINT or
    SIGTERM comes (or, in a thread other than the main one, for ever).

    The options are those of `Server`: name, lease_s, insecure, curve_secret_key, curve_allow,
    space_dtype. Prints a line to standard error at the start and at the end, unless quiet.
    """
    server = Server(_environments(env, num_envs), bind, **options)
    batch = server.batch
    if not quiet:
        count = f"{len(batch.envs)} environment{'s' if len(batch.envs) > 1 else ''}"
        print(
            f"{batch.name} at {server.endpoint}: {count}, "
            f"observations {batch.obs_dim} x {batch.obs_dtype}, actions {batch.act_dim}",
            file=sys.stderr,
            flush=True,
        )
    before: dict[int, Any] = {}

    def stop(number: int, frame: Any) -> None:
        server.stop()
        _restore(before)  # a second signal ends the program at once

    if threading.current_thread() is threading.main_thread():
        before.update({number: signal.signal(number, stop) for number in _SIGNALS})
    try:
        server.run()
    finally:
        _restore(before)
    if not quiet:
        print(f"stopped after {server.responder.n_steps} steps", file=sys.stderr, flush=True)


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)

"""What the clients of every kind of server share."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from ..version import __version__
from . import wire
from .connection import Connection
from .errors import BridgeError
from .process import process_name

T = TypeVar("T")
P = TypeVar("P", bound="Peer")


class Peer:
    """A server, seen from a client: asked, its replies checked, left with a bye.

    The options are those of `Connection`: timeout, retries, pause, curve_server_key,
    curve_secret_key.

    A client that nobody closes says bye when it is garbage, and at the latest when the program ends.
    """

    def __init__(self, endpoint: str, **options: Any) -> None:
        self._connection = Connection(endpoint, **options)
        self._close = weakref.finalize(self, self._connection.close)  # at exit too
        self.endpoint = endpoint

    def close(self) -> None:
        """Says bye, so that nobody need wait, and closes the connection. Raises nothing."""
        self._close()

    def __enter__(self: P) -> P:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, kind: str, read: Callable[[wire.Message], T]) -> T:
        """Says hello; what the server is, read from a reply of that kind."""
        hello = {"type": "hello", "client": f"millrace.bridge {__version__}", "process": process_name()}
        reply = self._connection.begin(hello)
        self._check_type(reply, "hello", kind)
        return self._read("hello", lambda: read(reply))

    def _ask(self, request: wire.Message, kind: str) -> wire.Message:
        reply = self._connection.ask(request)
        self._check_type(reply, request["type"], kind)
        return reply

    def _check_type(self, reply: wire.Message, asked: str, kind: str) -> None:
        if reply.get("type") != kind:
            raise BridgeError(
                f"{self.endpoint}: the server answered '{asked}' with {reply.get('type')!r:.40}, not "
                f"{kind!r}; is it a server of another kind, or not of docs/bridge.md?"
            )

    def _read(self, asked: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except wire.Malformed as error:
            raise BridgeError(
                f"{self.endpoint}: its reply to '{asked}' is against the protocol: {error}"
            ) from None

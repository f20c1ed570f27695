"""What the clients of every kind of server share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from . import wire
from .connection import Connection
from .errors import BridgeError
from .version import __version__

T = TypeVar("T")


class Peer:
    """A server, seen from a client: asked, its replies checked, left with a bye.

    The options are those of `Connection`: timeout, retries, pause, curve_server_key,
    curve_secret_key.
    """

    def __init__(self, endpoint: str, **options: Any) -> None:
        self._connection = Connection(endpoint, **options)
        self._closed = False
        self.endpoint = endpoint

    def close(self) -> None:
        """Says bye, so that nobody need wait, and closes the connection."""
        if self._closed:
            return
        self._closed = True
        self._connection.retries = 0
        self._connection.timeout = min(self._connection.timeout, 1.0)
        try:
            self._ask({"type": "bye"}, "bye")
        except BridgeError:
            pass  # it is gone already
        finally:
            self._connection.close()

    def _begin(self, kind: str, read: Callable[[wire.Message], T]) -> T:
        """Says hello; what the server is, read from a reply of that kind."""
        reply = self._connection.begin({"type": "hello", "client": f"millrace_bridge {__version__}"})
        self._check_type(reply, kind)
        return self._read(lambda: read(reply))

    def _ask(self, request: wire.Message, kind: str) -> wire.Message:
        reply = self._connection.ask(request)
        self._check_type(reply, kind)
        return reply

    def _check_type(self, reply: wire.Message, kind: str) -> None:
        if reply.get("type") != kind:
            raise BridgeError(f"{self.endpoint}: the server answered {reply.get('type')!r:.40}, not {kind!r}")

    def _read(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except wire.Malformed as error:
            raise BridgeError(f"{self.endpoint}: a reply against the protocol: {error}") from None

"""Asks a server, and asks again where no answer comes."""

from __future__ import annotations

import os
import pathlib
import time
from typing import Any

import zmq

from . import curve, wire
from .errors import BridgeError, NoReply, RemoteError

_LONGEST_PAUSE_S = 5.0


class Connection:
    """A session with a server: one request at a time, each answered once.

    timeout           seconds to wait for a reply; then the socket is closed, a new one connected,
                      and the same request sent again,
    retries           at most so often,
    pause             after so many seconds, doubled each time (at most 5)
    curve_server_key  the server's public key file, for CURVE, and...
    curve_secret_key  ...this client's secret key file

    Not for use by several threads at once.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        timeout: float = 10.0,
        retries: int = 5,
        pause: float = 0.1,
        curve_server_key: str | pathlib.Path | None = None,
        curve_secret_key: str | pathlib.Path | None = None,
    ) -> None:
        if (curve_server_key is None) != (curve_secret_key is None):
            raise ValueError("CURVE needs both: the server's public key and this client's secret key")
        self.endpoint = endpoint
        self.timeout, self.retries, self.pause = timeout, retries, pause
        self._keys = (curve_server_key, curve_secret_key)
        self._max_bytes = wire.MAX_MESSAGE_BYTES
        self._session = os.urandom(wire.SESSION_BYTES)
        self._seq = 0
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None

    def begin(self, hello: wire.Message) -> wire.Message:
        """Says hello, also to a server that does not know the session any more."""
        self._seq = 0
        return self.ask(hello)

    def ask(self, request: wire.Message) -> wire.Message:
        """The reply to a request. Raises RemoteError where it is an error, NoReply where none comes."""
        head = {"v": wire.VERSION, "session": self._session, "seq": self._seq}
        data = wire.encode({**request, **head})
        pause = self.pause
        for attempt in range(self.retries + 1):
            if attempt:
                self._disconnect()
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            reply = self._ask_once(data)
            if reply is not None:
                return self._take(reply)
        self._disconnect()
        raise NoReply(
            f"{self.endpoint}: no reply to '{request['type']}' within {self.timeout:g} s, "
            f"{self.retries + 1} times; is the server running, and do the keys fit?"
        )

    def allow(self, n_bytes: int) -> None:
        """Lets replies be as large as this; the first connection can't know the server's sizes."""
        if n_bytes > self._max_bytes:
            self._max_bytes = n_bytes
            self._disconnect()

    def close(self) -> None:
        self._disconnect()
        self._context.term()

    def _connect(self) -> zmq.Socket[bytes]:
        if self._socket is None:
            socket = self._socket = self._context.socket(zmq.DEALER)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.MAXMSGSIZE, self._max_bytes)
            socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
            socket.setsockopt(zmq.IPV6, "[" in self.endpoint)
            server_key, secret_key = self._keys
            if server_key is not None and secret_key is not None:
                curve.secure_client(socket, server_key, secret_key)
            try:
                socket.connect(self.endpoint)
            except zmq.ZMQError as error:
                self._disconnect()
                raise BridgeError(f"{self.endpoint}: {error}; as in tcp://127.0.0.1:5555") from None
        return self._socket

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask_once(self, data: bytes) -> wire.Message | None:
        socket = self._connect()
        end = time.monotonic() + self.timeout
        if not socket.poll(max(0, int(1000 * self.timeout)), zmq.POLLOUT):
            return None
        socket.send_multipart([b"", data])
        while (left := end - time.monotonic()) > 0:
            if socket.poll(int(1000 * left) + 1):
                reply = self._read(socket.recv_multipart())
                if reply is not None:
                    return reply
        return None

    def _read(self, frames: list[bytes]) -> wire.Message | None:
        """The reply waited for; None where it is another, or not of the protocol."""
        if len(frames) != 2 or frames[0]:
            return None
        try:
            message = wire.decode(frames[1])
        except wire.Malformed:
            return None
        seq = message.get("seq")
        if message.get("session") != self._session or type(seq) is not int or seq != self._seq:
            return None
        return message

    def _take(self, reply: wire.Message) -> wire.Message:
        if reply.get("type") != "error":
            self._seq += 1
            return reply
        try:
            code = wire.get_text(reply, "code")
            text = wire.get_text(reply, "message")
        except wire.Malformed as error:
            raise BridgeError(f"{self.endpoint}: an error without its fields: {error}") from None
        # These were not executed, so that the next request has the same number.
        if code not in ("unknown-session", "bad-sequence", "busy", "bad-version"):
            self._seq += 1
        message = f"{self.endpoint}: {wire.one_line(text)}"
        raise RemoteError(code, message, reply.get("fatal") is True)

"""Requests to a server, sent again until they are answered."""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import zmq

from . import client_session, curve, wire
from .client_session import ClientSession, Request
from .errors import BridgeError, NoReply, RemoteError

_LONGEST_PAUSE_S = 5.0
_POLL_S = 0.2  # between two looks at a close() in another thread
_GOODBYE_S = 1.0  # for a server to answer a bye

# One for each process (a fork needs its own) and never terminated: that waits for each socket to be
# closed, which an interrupted client, as garbage in a cycle, may be long in doing.
_contexts: dict[int, zmq.Context[Any]] = {}


def _context() -> zmq.Context[Any]:
    process = os.getpid()
    if process not in _contexts:
        _contexts[process] = zmq.Context()
    return _contexts[process]


class Connection:
    """A session with a server: one request at a time, each answered once.

    timeout           seconds to wait for a reply; then the socket is closed, a new one connected,
                      and the same request sent again,
    retries           at most so often,
    pause             after so many seconds, doubled each time (at most 5)
    curve_server_key  the server's public key file, for CURVE, and...
    curve_secret_key  ...this client's secret key file

    Several threads may ask; they take turns. A process that was forked off makes its own.
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
        if not (0 < timeout < math.inf and 0 <= pause < math.inf and retries >= 0):
            raise ValueError(
                "timeout and pause must be seconds (timeout above 0), retries a number from 0; "
                f"not {timeout!r}, {pause!r}, {retries!r}"
            )
        self.endpoint = endpoint
        self.timeout, self.retries, self.pause = timeout, retries, pause
        self._keys = (curve_server_key, curve_secret_key)
        self._max_bytes = wire.MAX_MESSAGE_BYTES
        self._session = ClientSession(endpoint)
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._is_unanswered = False  # the last request on this socket
        self._is_closed = False
        self._socket: zmq.Socket[bytes] | None = None

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Lets no other thread ask until the reply of this one is dealt with."""
        if os.getpid() != self._process:
            raise BridgeError(
                f"{self.endpoint}: this client belongs to process {self._process}, which forked; "
                "make another in the new process"
            )
        with self._lock:
            yield

    @property
    def is_over(self) -> bool:
        """Whether the session has ended, so that only begin() goes on."""
        return self._session.ended is not None

    def begin(self, hello: wire.Message) -> wire.Message:
        """Begins a session of a new name, and returns the reply to its hello.

        An older session of this very process (of a client that nobody closed, or that this one replaces)
        makes way: servers that know processes end it themselves, for others it is ended here.
        """
        with self.turn():
            self._check_open()
            self._session.end(self._replaced)
            self._disconnect()
            self._session = ClientSession(self.endpoint)
            try:
                reply = self._hello(hello)
            except BaseException:
                self._session.end(self._not_begun)
                raise
            if reply.get("type") == "spec":  # a server of environments, which one session has at a time
                for other in self._take_over():
                    client_session.forget(other)
            return reply

    def ask(self, request: wire.Message) -> wire.Message:
        """The reply to a request. Raises RemoteError if it is an error, NoReply if none comes.

        A request that got no reply before is settled first (see client_session).
        """
        with self.turn():
            session = self._session
            if session.ended is not None:
                raise session.ended()
            settling = session.settling()
            if settling is not None and session.outstanding is not None:
                missed = session.outstanding
                error = session.take(missed, self._exchange(session, missed, settling))
                if error is not None and error.code in ("unknown-session", "bad-sequence"):
                    raise error
            return self._ask(session, session.post(request))

    def abandon(self) -> None:
        """Gives up a request that got no reply: for servers that keep nothing between requests."""
        self._session.abandon()

    def allow(self, n_bytes: int) -> None:
        """Accepts replies as large as this; the first connection does not know the server's sizes."""
        with self.turn():
            if n_bytes > self._max_bytes:
                self._max_bytes = n_bytes
                self._disconnect()

    def close(self) -> None:
        """Says bye, so that nobody need wait for the lease to end, and closes the socket.

        Waits a second at most, and raises nothing: it is also what happens to a client that nobody
        closed, when it is garbage or the program ends.
        """
        if os.getpid() != self._process:
            return  # a fork's copy: the session and the socket are the parent's
        session, self._is_closed = self._session, True
        session.end(self._closed)  # whoever waits for a reply sees it
        if not self._lock.acquire(timeout=_GOODBYE_S):
            return  # at the program's end: a thread is still at it
        try:
            if client_session.is_remembered(session):
                self._say_bye(session, _GOODBYE_S)
        except (BridgeError, zmq.ZMQError, OSError, ValueError):
            pass  # the server is gone already
        finally:
            self._disconnect()
            self._lock.release()

    # ---- Why a session is over

    def _closed(self) -> BridgeError:
        return BridgeError(f"{self.endpoint}: this client is closed; make another")

    def _replaced(self) -> BridgeError:
        return BridgeError(f"{self.endpoint}: the session was replaced by a newer one")

    def _not_begun(self) -> RemoteError:
        text = f"{self.endpoint}: the last hello failed, so that there is no session; say hello again"
        return RemoteError("unknown-session", text)

    def _taken_over(self) -> BridgeError:
        return BridgeError(
            f"{self.endpoint}: a later client of this process has taken the environments over; one client "
            "drives a server at a time: close one of them, serve at two endpoints, or use RemoteVectorEnv "
            "for all of a server's environments. A reset takes them back"
        )

    def _check_open(self) -> None:
        if self._is_closed:
            raise self._closed()

    # ---- Beginning and ending sessions

    def _hello(self, hello: wire.Message) -> wire.Message:
        session = self._session
        try:
            return self._ask_hello(session, hello)
        except RemoteError as error:
            if error.code != "busy":
                raise
        others = self._take_over()
        for other in others:
            self._say_bye(other, self.timeout)
        if not others:
            time.sleep(self.pause)  # the bye of a program that has ended may follow
        return self._ask_hello(session, hello)

    def _take_over(self) -> list[ClientSession]:
        others = client_session.others_of_this_process(self._session)
        for other in others:
            other.end(self._taken_over)
        return others

    def _ask_hello(self, session: ClientSession, hello: wire.Message) -> wire.Message:
        client_session.remember(session)
        try:
            return self._ask(session, session.post(hello))
        except RemoteError:
            client_session.forget(session)  # it was refused
            raise

    def _say_bye(self, session: ClientSession, wait_s: float) -> None:
        """Ends a session, be it this connection's or not, and forgets it once the server has said so.

        What settles the outstanding request and the bye leave together: a server that is busy for
        long finds both when it looks.
        """
        requests = [each for each in (session.settling(), session.bye()) if each is not None]
        if not requests:
            client_session.forget(session)
            return
        for request in requests:
            self._send(request.data)
        end = time.monotonic() + wait_s
        while (left := end - time.monotonic()) > 0:
            reply = self._receive(left)
            if reply is not None and session.is_reply(reply, requests[-1]):
                client_session.forget(session)
                return

    # ---- Requests

    def _ask(self, session: ClientSession, request: Request) -> wire.Message:
        reply = self._exchange(session, request, request)
        error = session.take(request, reply)
        if error is not None:
            raise error
        return reply

    def _exchange(self, session: ClientSession, request: Request, sent: Request) -> wire.Message:
        """The reply to the outstanding `request`, where `sent` is what is sent for it."""
        pause = self.pause
        if self._is_unanswered:
            self._disconnect()
        for attempt in range(self.retries + 1):
            if attempt:
                self._disconnect()
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            session.check(request)
            self._send(sent.data)
            reply = self._wait(session, request)
            if reply is not None:
                return reply
        self._is_unanswered = True
        times = "once" if self.retries == 0 else f"{self.retries + 1} times"
        before = "" if sent is request else "; it must be answered before anything else is asked"
        raise NoReply(
            f"{self.endpoint}: no reply to '{request.kind}' within {self.timeout:g} s, {times}{before}; "
            "is the server running, and do the keys match? A slow environment needs a longer timeout"
        )

    def _wait(self, session: ClientSession, request: Request) -> wire.Message | None:
        end = time.monotonic() + self.timeout
        while (left := end - time.monotonic()) > 0:
            session.check(request)
            reply = self._receive(left)
            if reply is not None and session.is_reply(reply, request):
                session.check(request)
                return reply
        return None

    # ---- The socket

    def _send(self, data: bytes) -> None:
        socket = self._connect()
        try:
            socket.send_multipart([b"", data], zmq.NOBLOCK)
        except zmq.Again:
            pass  # the queue is full: as good as lost
        except BaseException:
            self._disconnect()  # a part of a message would be taken for the beginning of the next
            raise

    def _receive(self, wait_s: float) -> wire.Message | None:
        """The next message; None if there was none soon, or it is not of the protocol."""
        socket = self._connect()
        if not socket.poll(int(1000 * min(wait_s, _POLL_S)) + 1):
            return None
        try:
            frames = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        except BaseException:
            self._disconnect()
            raise
        if len(frames) != 2 or frames[0]:
            return None
        try:
            return wire.decode(frames[1])
        except wire.Malformed:
            return None

    def _connect(self) -> zmq.Socket[bytes]:
        if self._socket is None:
            self._is_unanswered = False
            self._socket = self._open_socket()
        return self._socket

    def _open_socket(self) -> zmq.Socket[bytes]:
        try:
            socket: zmq.Socket[bytes] = _context().socket(zmq.DEALER)
        except zmq.ZMQError as error:
            raise BridgeError(f"{self.endpoint}: cannot open a socket: {error}; are too many open?") from None
        try:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.MAXMSGSIZE, self._max_bytes)
            socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
            socket.setsockopt(zmq.IPV6, "[" in self.endpoint)
            server_key, secret_key = self._keys
            if server_key is not None and secret_key is not None:
                curve.secure_client(socket, server_key, secret_key)
            socket.connect(self.endpoint)
        except BaseException as error:
            socket.close()
            if isinstance(error, zmq.ZMQError):
                text = f"{self.endpoint}: {error}; as in tcp://127.0.0.1:5555"
                raise BridgeError(text) from None
            raise
        return socket

    def _disconnect(self) -> None:
        socket, self._socket = self._socket, None
        self._is_unanswered = False
        if socket is not None:
            socket.close()

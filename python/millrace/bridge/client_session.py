"""A session as its client knows it: what comes next, and what became of the last request.

    new --hello--> asked --reply--> at rest --request--> asked --reply--> at rest ...

A request that is left without its reply (none came in time, Ctrl-C, an exception in a signal
handler) stays outstanding, with its number. The server may have executed it, may be at it, or may
never see it; as it answers a number that it has executed from memory, whatever is asked under that
number next would get the old reply. So nothing else is asked before that number is settled, by a
ping under it: the reply is the one that was missed, which is dropped, or the ping's own, and then
the request can't be executed any more. Either way the next number is free.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from . import wire
from .errors import BridgeError, RemoteError

# The server did not execute the request, so that the next has the same number.
_NOT_EXECUTED = ("unknown-session", "bad-sequence", "busy", "bad-version")
_MAX_REMEMBERED = 256


@dataclass(frozen=True)
class Request:
    """A request under its number, as it is sent."""

    seq: int
    kind: str
    data: bytes


class ClientSession:
    """One client's session with one server, from its hello to its end.

    outstanding  the request that has no reply yet, or None
    ended        None, or makes the exception that says why nothing can be asked any more
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.key = os.urandom(wire.SESSION_BYTES)
        self.process = os.getpid()
        self.outstanding: Request | None = None
        self.ended: Callable[[], BridgeError] | None = None
        self._next_seq = 0

    @property
    def has_begun(self) -> bool:
        """Whether its hello was answered."""
        return self._next_seq > 0

    def post(self, message: wire.Message) -> Request:
        """Makes a message the outstanding request."""
        self.outstanding = self._request(message, self._next_seq)
        return self.outstanding

    def settling(self) -> Request | None:
        """What finds out about the outstanding request without having it executed late.

        A hello is its own: a server that never saw it would not know the session of a ping.
        """
        request = self.outstanding
        if request is None or request.kind == "hello":
            return request
        return self._request({"type": "ping"}, request.seq)

    def bye(self) -> Request | None:
        """The last request, which may be sent right after `settling`; None where none is needed."""
        if self.outstanding is not None:
            return self._request({"type": "bye"}, self.outstanding.seq + 1)
        return self._request({"type": "bye"}, self._next_seq) if self.has_begun else None

    def is_reply(self, message: wire.Message, request: Request) -> bool:
        seq = message.get("seq")
        return message.get("session") == self.key and type(seq) is int and seq == request.seq

    def take(self, request: Request, reply: wire.Message) -> RemoteError | None:
        """Accepts the reply to the outstanding request; the error where it is one.

        The order of the assignments matters: an exception between them leaves the request
        outstanding, and it is settled once more.
        """
        error = self._error_of(reply)
        if error is None or error.code not in _NOT_EXECUTED:
            self._next_seq = request.seq + 1
        elif error.code == "unknown-session":
            self.end(lambda: RemoteError("unknown-session", error.text, error.fatal))
            forget(self)
        self.outstanding = None
        return error

    def abandon(self) -> None:
        """Gives up the outstanding request: for servers that take any number next."""
        if self.outstanding is not None:
            self._next_seq = self.outstanding.seq + 1
            self.outstanding = None

    def check(self, request: Request) -> None:
        """Raises where a request can't get its reply any more, by what others did meanwhile."""
        if self.ended is not None:
            raise self.ended()
        if self.outstanding is not request:
            raise BridgeError(
                f"{self.endpoint}: another request was made while '{request.kind}' waited for its reply "
                "(by a signal handler?), which is dropped; make a client of its own for that"
            )

    def end(self, why: Callable[[], BridgeError]) -> None:
        """Lets nothing be asked any more. The first reason stays."""
        if self.ended is None:
            self.ended = why

    def _request(self, message: wire.Message, seq: int) -> Request:
        head = {"v": wire.VERSION, "session": self.key, "seq": seq}
        return Request(seq, message["type"], wire.encode({**message, **head}))

    def _error_of(self, reply: wire.Message) -> RemoteError | None:
        if reply.get("type") != "error":
            return None
        try:
            code = wire.get_text(reply, "code")
            text = wire.get_text(reply, "message")
        except wire.Malformed as error:
            code, text = "bad-message", f"the server answered with an error without its fields: {error}"
        return RemoteError(code, f"{self.endpoint}: {wire.one_line(text)}", reply.get("fatal") is True)


# Sessions of this process that servers may still hold environments for: of clients that live, and
# of those that went without their bye being answered.
_remembered: dict[bytes, ClientSession] = {}


def remember(session: ClientSession) -> None:
    _remembered[session.key] = session
    if len(_remembered) > _MAX_REMEMBERED:
        for old in [each for each in list(_remembered.values()) if each.ended is not None]:
            if len(_remembered) > _MAX_REMEMBERED:
                forget(old)


def forget(session: ClientSession) -> None:
    _remembered.pop(session.key, None)


def is_remembered(session: ClientSession) -> bool:
    return session.key in _remembered


def others_of_this_process(session: ClientSession) -> list[ClientSession]:
    """The remembered sessions with the same endpoint; those of a parent before a fork are not ours."""
    return [
        other
        for other in list(_remembered.values())
        if other is not session and other.endpoint == session.endpoint and other.process == os.getpid()
    ]

"""What goes wrong between a client and a server."""

from __future__ import annotations


class BridgeError(Exception):
    """The other side could not be reached, or answered something that it must not."""


class NoReply(BridgeError):  # noqa: N818 - it is what happened, and callers catch it by this name
    """No reply came, and the retries are spent."""


class EpisodeBroken(BridgeError):  # noqa: N818 - as above
    """A step can't go on from where the client believes the environment to be: its last step or reset
    was left without a result (NoReply, Ctrl-C). Only a reset goes on."""


class RemoteError(BridgeError):
    """The other side answered with an error.

    `code` is one of the protocol's ("busy", "env-failed", ...); the text is the server's.
    """

    def __init__(self, code: str, message: str, fatal: bool = False) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.text = message
        self.fatal = fatal


class RequestError(Exception):
    """A request that a server answers with an error: `code`, and one line for people."""

    def __init__(self, code: str, message: str, fatal: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.fatal = fatal

"""The server's record of a client's session."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Session:
    """The last request executed and its reply, from which a repeated request is answered.

    A request whose reply is an error counts as executed, too: the client goes on with the next seq.
    """

    key: bytes
    seq: int
    reply: bytes
    process: str = ""  # the client's; "": not given
    said_bye: bool = False
    heard: float = field(default_factory=time.monotonic)

    def touch(self) -> None:
        self.heard = time.monotonic()

    def is_silent_for(self, seconds: float) -> bool:
        return time.monotonic() - self.heard > seconds

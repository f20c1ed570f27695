"""A client as a server knows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Session:
    """The last request executed and its reply, from which a repeated request is answered.

    Where the reply to a request is an error, the request counts as executed all the same: the
    client has its answer and goes on with the next number.
    """

    key: bytes
    seq: int
    reply: bytes
    process: str = ""  # whose it is; "": not said
    said_bye: bool = False
    heard: float = field(default_factory=time.monotonic)

    def touch(self) -> None:
        self.heard = time.monotonic()

    def is_silent_for(self, seconds: float) -> bool:
        return time.monotonic() - self.heard > seconds

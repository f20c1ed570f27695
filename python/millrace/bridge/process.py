"""Processes as the protocol names them ("HOST:PID:START:BOOT:NAMESPACE"), so that a server recognises a
client that starts a new session, and notices if a client on its own machine has died."""

from __future__ import annotations

import os
import pathlib
import socket

_START_FIELD = 22  # of /proc/PID/stat, proc(5), where the state is field 3
_STATE_FIELD = 3


def _place() -> str:
    """This boot of this machine, and its pid namespace. The same pid in another namespace, such as a
    container's, is another process."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"
    except (OSError, ValueError):
        return "0:0"


def _stat(pid: int) -> tuple[str, int]:
    """State and start of a process. Raises OSError if the system does not provide them."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_bytes().decode("ascii", "replace")
    # The second field is a name in parentheses that may hold anything, parentheses included.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[_START_FIELD - _STATE_FIELD])


def process_name() -> str:
    """The name of this process. Parts that the system does not provide are 0."""
    host = socket.gethostname().replace(":", "-") or "0"
    try:
        start = _stat(os.getpid())[1]
    except OSError:
        start = 0
    return f"{host[:255]}:{os.getpid()}:{start}:{_place()}"


def has_ended(name: str) -> bool:
    """Whether a process has certainly ended: it ran on this machine in this process's pid namespace, and
    no longer exists. False if that can't be known; `name` may be any text."""
    place = _place()
    parts = name.split(":", 3)
    if len(parts) < 4 or parts[3] != place or place.startswith("0:"):
        return False
    if not all(part.isascii() and part.isdigit() for part in parts[1:3]):
        return False
    pid, start = int(parts[1]), int(parts[2])
    if not 0 < pid < 2**31 or start == 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # another user's
    try:
        state, found = _stat(pid)
    except OSError:
        return False  # there, but it can't be looked at: taken as alive
    return found != start or state == "Z"

"""Which endpoints only this machine can reach."""

from __future__ import annotations

import ipaddress
import re


def is_local(endpoint: str) -> bool:
    """Whether only processes of this machine reach it: ipc, inproc, and tcp on loopback."""
    scheme, _, address = endpoint.partition("://")
    if scheme in ("ipc", "inproc"):
        return True
    host = re.sub(r":[^:\]]*$", "", address).strip("[]")
    if scheme != "tcp" or host == "localhost":
        return scheme == "tcp"
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

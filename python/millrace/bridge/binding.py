"""Binding a server's address. Host names are looked up, and an ipc path replaces nothing but the socket
of a server that died."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from typing import Any

import zmq

_LONGEST_PATH = 107  # of a Unix socket, in bytes (sun_path, unix(7))
# How long another that starts at the same place is waited for: it is done in less than a millisecond.
_LOCK_TRIES = 100
_LOCK_PAUSE_S = 0.01

_REMEDIES = {
    errno.EADDRINUSE: "another server is there; stop it, or give another address",
    errno.EADDRNOTAVAIL: "the address is not this machine's; give one that is",
    errno.ENODEV: "the address is not this machine's; give one that is",
    errno.EACCES: "give a port above 1023, or a path in a folder of yours",
    errno.ENOENT: "make its folder first",
    errno.ENOTDIR: "give a path in a folder",
}


def _refuse(endpoint: str, cause: int, why: str) -> zmq.ZMQError:
    return zmq.ZMQError(cause, f"cannot bind {endpoint}: {why}")


def _is_bindable(host: str) -> bool:
    """Whether ZeroMQ knows it: any address, a number, an interface."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host.strip("[]"))
        return True
    return host == "*" or ":" in host or host in (name for _, name in socket.if_nameindex())


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


def resolve(endpoint: str) -> str:
    """The endpoint as ZeroMQ binds it, which takes interfaces and numeric addresses only: a host name
    becomes its address, IPv4 if it has one. Raises ValueError if the endpoint is malformed, and
    zmq.ZMQError if the name is unknown."""
    if endpoint.startswith("ipc://") and len(endpoint) > len("ipc://"):
        n_bytes = len(os.fsencode(endpoint[len("ipc://") :]))
        if n_bytes > _LONGEST_PATH:
            raise ValueError(
                f"'{endpoint[:40]}...' has a path of {n_bytes} bytes, and sockets at most {_LONGEST_PATH}; "
                "give a shorter one, from the folder where you are if need be"
            )
        return endpoint
    if endpoint.startswith("inproc://"):
        return endpoint
    found = re.fullmatch(r"tcp://(.+):(\*|[0-9]{1,5})", endpoint)
    if found is None or (found.group(2) != "*" and int(found.group(2)) > 65535):
        raise ValueError(f"'{endpoint:.200}' is no endpoint; it looks like tcp://127.0.0.1:5555 or ipc://PATH")
    host, port = found.groups()
    if _is_bindable(host):
        return endpoint
    try:
        addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a name"
        raise _refuse(
            endpoint,
            errno.ENODEV,
            f"no host or interface '{host:.100}' ({reason}); "
            "give a numeric address, such as tcp://127.0.0.1:5555",
        ) from None
    addresses.sort(key=lambda address: address[0] != socket.AF_INET)  # IPv4 first, as clients try it
    family, *_, (number, *_) = addresses[0]
    return f"tcp://[{number}]:{port}" if family == socket.AF_INET6 else f"tcp://{number}:{port}"


@contextlib.contextmanager
def _folder_locked(path: str) -> Iterator[None]:
    """Locks the folder, so that of two servers that start at once the second sees the first. Does
    nothing if the file system has no locks."""
    try:
        import fcntl  # only here: on Windows there is none, and no need of one

        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (ImportError, OSError):
        yield
        return
    try:
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(_LOCK_PAUSE_S)
        yield
    finally:
        os.close(folder)


def _try_to_reach(path: str) -> int:
    """The system's reason why nobody can be reached at a socket; 0: somebody is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as guest:
        guest.setblocking(False)
        cause = guest.connect_ex(path)
        return 0 if cause == errno.EAGAIN else cause  # it has many guests already


def _clear_place(endpoint: str, path: str) -> None:
    """ZeroMQ would remove whatever is there."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # nothing is there, or it is a cause for which binding fails too
    if not stat.S_ISSOCK(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a symbolic link" if stat.S_ISLNK(mode) else "a file"
        raise _refuse(
            endpoint, errno.EEXIST, f"{what} is there, and no socket; give another path, or remove it first"
        )
    cause = _try_to_reach(path)
    if cause in (0, errno.EPROTOTYPE):
        raise _refuse(
            endpoint, errno.EADDRINUSE, "another server is there; stop it, or give another path"
        )
    if cause != errno.ECONNREFUSED:
        raise _refuse(
            endpoint,
            cause,
            "a socket is there, and cannot be asked whether somebody serves it "
            f"({os.strerror(cause)}); give another path",
        )
    try:
        os.unlink(path)  # its server has died
    except OSError as error:
        raise _refuse(
            endpoint,
            error.errno or 0,
            "the socket of a dead server is there, and cannot be removed "
            f"({error.strerror}); give another path",
        ) from None


def _bind(socket: zmq.Socket[Any], endpoint: str) -> None:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        cause = error.errno or 0
        remedy = _REMEDIES.get(cause, "give another address")
        raise _refuse(endpoint, cause, f"{zmq.strerror(cause)}; {remedy}") from None


def bind(socket: zmq.Socket[Any], endpoint: str) -> None:
    """Binds a socket to a resolved endpoint. Raises zmq.ZMQError if another server uses it, or if its
    path is a file that is not a socket."""
    address = endpoint.partition("://")[2]
    socket.setsockopt(zmq.IPV6, address.count(":") > 1)
    # "@NAME" is a name without a file, "*" one that ZeroMQ makes up.
    if not endpoint.startswith("ipc://") or address == "*" or address.startswith("@"):
        _bind(socket, endpoint)
        return
    with _folder_locked(address):
        _clear_place(endpoint, address)
        _bind(socket, endpoint)

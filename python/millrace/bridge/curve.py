"""CURVE keys: key files, and folders of the public keys of clients that may connect.

A key file holds a key as 40 characters of Z85 on a line of its own, or is a certificate of
ZeroMQ's (czmq, pyzmq: a line `secret-key = "..."` or `public-key = "..."`).
"""

from __future__ import annotations

import functools
import logging
import os
import pathlib
import re
import stat
from typing import Any

import zmq
import zmq.auth.thread

_Z85 = r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}"
_CERTIFICATE_KEY = r'^\s*{kind}-key\s*=\s*"({z85})"\s*$'
_BARE_KEY = rf"^\s*({_Z85})\s*$"


_logger = logging.getLogger(__name__)


@functools.cache  # said once, though a client reads its key at each connection
def _warn_if_open(path: str) -> None:
    try:
        is_open = os.name == "posix" and os.stat(path).st_mode & (stat.S_IRWXG | stat.S_IRWXO) != 0
    except OSError:
        return  # reading it says why
    if is_open:
        _logger.warning(
            "warning: %s is a secret key that others than its owner can read or change; "
            "chmod 600 %s, and make another (`millrace keygen`) if they have",
            path,
            path,
        )


def read_key(path: str | pathlib.Path, kind: str) -> bytes:
    """The key in a file; `kind` is "secret" or "public"."""
    if kind == "secret":
        _warn_if_open(str(path))
    file = pathlib.Path(path)
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for
            raise OSError("not a file")
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot read a {kind} key ({error})") from None
    certificate = _CERTIFICATE_KEY.format(kind=kind, z85=_Z85)
    found = re.search(certificate, text, re.M) or re.search(_BARE_KEY, text, re.M)
    if found is None:
        raise ValueError(f"{path}: no {kind} key in it; `millrace keygen` makes a pair")
    return found.group(1).encode()


def read_allowed(folder: str | pathlib.Path) -> set[bytes]:
    """The public keys in the files of a folder; other files are ignored."""
    path = pathlib.Path(folder)
    if not path.is_dir():
        raise ValueError(f"{folder}: not a folder of public keys")
    try:
        files = list(path.iterdir())
    except OSError as error:
        raise ValueError(f"{folder}: cannot list the keys in it ({error.strerror})") from None
    keys = set()
    for file in files:
        try:
            keys.add(read_key(file, "public"))
        except ValueError:
            continue
    return keys


def secure_server(socket: zmq.Socket[bytes], secret_key: str | pathlib.Path) -> None:
    socket.curve_secretkey = read_key(secret_key, "secret")
    socket.curve_server = True


def secure_client(
    socket: zmq.Socket[bytes], server_key: str | pathlib.Path, secret_key: str | pathlib.Path
) -> None:
    secret = read_key(secret_key, "secret")
    socket.curve_secretkey = secret
    socket.curve_publickey = zmq.curve_public(secret)
    socket.curve_serverkey = read_key(server_key, "public")


class AllowList:
    """The clients that may connect, looked up in the folder at every handshake: who is added or
    removed counts from the next connection on. For pyzmq's authenticator."""

    def __init__(self, folder: str | pathlib.Path) -> None:
        self._folder = folder
        if not read_allowed(folder):
            raise ValueError(f"{folder}: holds no public key, so that nobody could connect")

    # key: in Z85
    def callback(self, domain: str, key: bytes) -> bool:
        try:
            return key in read_allowed(self._folder)
        except ValueError:
            return False


def start_authenticator(context: zmq.Context[Any], folder: str | pathlib.Path) -> Any:
    """A thread that lets the clients in `folder` connect; call its stop() when done."""
    allowed = AllowList(folder)
    authenticator = zmq.auth.thread.ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_curve_callback(domain="*", credentials_provider=allowed)
    return authenticator

"""Messages: MessagePack maps, and their fields with the checks that every use of them needs."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

VERSION = 1
SESSION_BYTES = 16
MAX_SEQ = 2**64 - 1
MAX_SEED = 2**64 - 1
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MESSAGE_OVERHEAD_BYTES = 64 * 1024  # for what a message holds beside its arrays
DEFAULT_ENDPOINT = "tcp://127.0.0.1:5555"

Message = dict[str, Any]


class Malformed(ValueError):  # noqa: N818 - says what the message is
    """A message, or a field of one, is not what the protocol says."""


def encode(message: Message) -> bytes:
    packed: bytes = msgpack.packb(message, use_bin_type=True)
    return packed


def decode(data: bytes) -> Message:
    try:
        message = msgpack.unpackb(data, raw=False, strict_map_key=False)
    except Exception as error:  # msgpack has some ten kinds, and RecursionError in pure Python
        raise Malformed(f"the message is not MessagePack ({type(error).__name__})") from None
    if not isinstance(message, dict):
        raise Malformed("the message is not a map")
    return message


def get_unsigned(message: Message, name: str, low: int = 0, high: int = MAX_SEQ) -> int:
    value = message.get(name)
    if type(value) is not int or not low <= value <= high:
        raise Malformed(f"'{name}' must be an integer from {low} to {high}")
    return value


def get_text(message: Message, name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise Malformed(f"'{name}' must be a text")
    return value


def get_bytes(message: Message, name: str, n_bytes: int) -> bytes:
    value = message.get(name)
    if not isinstance(value, bytes) or len(value) != n_bytes:
        raise Malformed(f"'{name}' must be a bin of {n_bytes} bytes")
    return value


def get_list(message: Message, name: str) -> list[Any]:
    value = message.get(name)
    if not isinstance(value, list):
        raise Malformed(f"'{name}' must be an array")
    return value


def get_bools(message: Message, name: str, n: int) -> list[bool]:
    values = get_list(message, name)
    if len(values) != n or not all(type(value) is bool for value in values):
        raise Malformed(f"'{name}' must be an array of {n} booleans")
    return values


def get_array(
    message: Message, name: str, dtype: str, shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """The array as a copy, in the machine's own byte order."""
    element = np.dtype(dtype).newbyteorder("<")
    data = get_bytes(message, name, int(np.prod(shape, dtype=np.int64)) * element.itemsize)
    return np.frombuffer(data, element).reshape(shape).astype(np.dtype(dtype))


def array_bytes(array: npt.ArrayLike, dtype: str) -> bytes:
    return np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<")).tobytes()


def session_of(message: Message) -> bytes:
    """The session that a reply repeats: zeros if the message has none."""
    session = message.get("session")
    return session if isinstance(session, bytes) and len(session) == SESSION_BYTES else bytes(16)


def seq_of(message: Message) -> int:
    seq = message.get("seq")
    return seq if type(seq) is int and 0 <= seq <= MAX_SEQ else 0


def version_of(message: Message) -> int:
    version = message.get("v")
    return version if type(version) is int and 0 <= version <= MAX_SEQ else VERSION


def one_line(text: str, limit: int = 500) -> str:
    """The text for an error's message: one printable line of limited length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = line.encode("utf-8", "replace").decode("utf-8")
    return line if len(line) <= limit else line[: limit - 3] + "..."

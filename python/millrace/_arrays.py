"""Arrays as C takes them: contiguous, of one type, of the right shape.

Those that are so already are not copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import UsageError

Doubles = npt.NDArray[np.float64]


def address(array: npt.NDArray[Any]) -> int:
    """Of its first number. The array must outlive the call that takes it."""
    return int(array.ctypes.data)


def numbers(pointer: Any, n: int) -> Doubles:
    """A copy of C's array of `n` doubles."""
    return np.ctypeslib.as_array(pointer, (n,)).copy()


def info_numbers(value: object) -> npt.NDArray[Any] | None:
    """The components of a number or an array of numbers among an environment's infos; None: it is something
    else."""
    if not isinstance(value, (bool, int, float, np.generic, np.ndarray)):
        return None
    array = np.asarray(value)
    return array.ravel() if array.dtype.kind in "biuf" else None


def check_type(what: str, array: npt.NDArray[Any]) -> None:
    """Raises UsageError unless it holds real numbers. `what` names them in messages."""
    if array.dtype.kind not in "fiub":
        raise UsageError(f"{what} must be real numbers, not of the type {array.dtype}")


def check_row(what: str, array: npt.NDArray[Any], width: int) -> None:
    """Raises UsageError unless it is [width] real numbers."""
    check_type(what, array)
    if array.shape != (width,):
        raise _wrong_shape(what, array, width)


def _wrong_shape(what: str, array: npt.NDArray[Any], width: int) -> UsageError:
    return UsageError(f"{what} must have the shape ({width},) or (n, {width}), not {array.shape}")


def doubles(what: str, values: npt.ArrayLike) -> Doubles:
    """`values` as float64 in C's order."""
    array = np.asarray(values)
    check_type(what, array)
    return np.ascontiguousarray(array, np.float64)


def rows(what: str, values: npt.ArrayLike, width: int) -> tuple[Doubles, bool]:
    """`values` [width] or [n x width] as [n x width], and whether they were one row."""
    array = doubles(what, values)
    if array.ndim not in (1, 2) or array.shape[-1] != width:
        raise _wrong_shape(what, array, width)
    return array.reshape(-1, width), array.ndim == 1

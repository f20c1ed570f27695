"""The numbers in the infos of environments, as many as messages have room for."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from .._arrays import info_numbers
from . import wire

MAX_NAMES = 4096  # in a message; millrace reads some 4,500 beside its 4,096 environments
MAX_BYTES = 4 * 1024 * 1024
_MAX_NAME = 200  # characters
_NAME_OVERHEAD = 24  # bytes, of a name's index and the headers of name and numbers
_MAX_SAID = 10

_logger = logging.getLogger(__name__)


class InfoNumbers:
    """Collects the infos of steps: scalars by their name, the components of arrays as "name[0]".

    An entry for which messages have no room beside those before it is left out whole, which is said
    once.

    where   whose infos they are
    n_envs  how many numbers a name has in the largest message
    """

    def __init__(self, where: str, n_envs: int, max_bytes: int = MAX_BYTES) -> None:
        self._where, self._n_envs, self._max_bytes = where, n_envs, max_bytes
        self._sizes: dict[str, int] = {}  # components of each entry, at most so far
        self._n_names = self._n_bytes = 0
        self._left_out: set[str] = set()

    def collect(self, infos: list[Any]) -> dict[str, npt.NDArray[np.float64]]:
        """One row for each environment stepped; NaN where an environment has no such number."""
        columns: dict[str, npt.NDArray[np.float64]] = {}
        for row, info in enumerate(infos):
            for key, value in info.items() if isinstance(info, dict) else ():
                numbers = info_numbers(value) if isinstance(key, str) else None
                if numbers is None or not self._has_room(key, numbers.size):
                    continue
                name = wire.one_line(key, _MAX_NAME)
                for i, number in enumerate(numbers.tolist()):
                    full = f"{name}[{i}]" if numbers.size > 1 else name
                    if full not in columns:
                        columns[full] = np.full(len(infos), np.nan)
                    columns[full][row] = number
        return columns

    def _has_room(self, key: str, size: int) -> bool:
        known = self._sizes.get(key, 0)
        if size <= known:
            return True
        n_names = self._n_names + size - known
        name_bytes = 4 * len(key) + _NAME_OVERHEAD  # UTF-8 takes 4 bytes for a character at most
        n_bytes = self._n_bytes + (size - known) * (8 * self._n_envs + name_bytes)
        if n_names > MAX_NAMES or n_bytes > self._max_bytes or len(key) > _MAX_NAME:
            self._say_left_out(key, size)
            return False
        self._sizes[key], self._n_names, self._n_bytes = size, n_names, n_bytes
        return True

    def _say_left_out(self, key: str, size: int) -> None:
        if key in self._left_out or len(self._left_out) == _MAX_SAID:
            return
        self._left_out.add(key)
        count = f"{size} numbers" if size > 1 else "1 number"
        _logger.warning(
            "warning: %s: info '%s' (%s) is not sent: messages have no room for it%s",
            wire.one_line(self._where, 100),
            wire.one_line(key, 60),
            count,
            "; nor is what else there is no room for" if len(self._left_out) == _MAX_SAID else "",
        )

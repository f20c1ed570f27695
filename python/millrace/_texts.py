"""Values as config files and the command line have them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np


def text_of(value: Any, separator: str = ",") -> str:
    """A value of a setting: (256, 256) is "256,256", {"frame_skip": 5} is "frame_skip=5"."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return pairs_of(value)
    if isinstance(value, (list, tuple)):
        return separator.join(text_of(part) for part in value)
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def pairs_of(options: Mapping[str, Any]) -> str:
    """Options of a task: "key=value,key=value", whose ranges are "low:high"."""
    return ",".join(f"{name}={text_of(value, ':')}" for name, value in options.items())

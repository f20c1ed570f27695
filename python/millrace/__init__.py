"""Reinforcement learning and density estimation with normalizing flows, in process.

load(path)                a trained policy; policy.predict(observation) is Stable-Baselines3's call
Flow                      a density of rows of numbers, a scikit-learn estimator
bridge                    environments and policies of other processes, over ZeroMQ

`import millrace.bridge` needs neither the library libmillrace nor, as long as no environment is used,
Gymnasium.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import (
    BusyError,
    ClosedError,
    Error,
    FileError,
    InputError,
    LibraryError,
    NumericError,
    OutOfMemoryError,
    UsageError,
)
from .version import __version__

if TYPE_CHECKING:
    from . import bridge
    from .flow import Flow
    from .policy import Policy, load

__all__ = [
    "BusyError",
    "ClosedError",
    "Error",
    "FileError",
    "Flow",
    "InputError",
    "LibraryError",
    "NumericError",
    "OutOfMemoryError",
    "Policy",
    "UsageError",
    "__version__",
    "bridge",
    "load",
]

# What is imported when it is first used: the bridge does without the library, and the rest without
# the bridge's messages.
_LAZY = {"Flow": "flow", "Policy": "policy", "load": "policy"}


def __getattr__(name: str) -> Any:
    if name == "bridge":
        return importlib.import_module(".bridge", __name__)
    if name in _LAZY:
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

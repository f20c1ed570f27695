"""Reinforcement learning and density estimation with normalizing flows, in process.

load(path)                a trained policy; policy.predict(observation) is Stable-Baselines3's call
Flow                      a density of rows of numbers, a scikit-learn estimator
train(env, ...)           trains an agent; resume(directory) goes on
make(name)                one of millrace's environments, a gymnasium.Env
make_vec(name, n)         several of a kind, a gymnasium.vector.VectorEnv
bridge                    environments and policies of other processes, over ZeroMQ

With this package imported, gymnasium.make("millrace/Ant-v5") and gymnasium.make_vec make them too. What
needs Gymnasium, scikit-learn, pyzmq or the library libmillrace itself is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._registration import register_all
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
    from .environments import Env, VectorEnv, make, make_vec
    from .flow import Flow
    from .policy import Policy, load
    from .training import Progress, Run, resume, train

__all__ = [
    "BusyError",
    "ClosedError",
    "Env",
    "Error",
    "FileError",
    "Flow",
    "InputError",
    "LibraryError",
    "NumericError",
    "OutOfMemoryError",
    "Policy",
    "Progress",
    "Run",
    "UsageError",
    "VectorEnv",
    "__version__",
    "bridge",
    "load",
    "make",
    "make_vec",
    "resume",
    "train",
]

# The module of each name that is imported when it is first used.
_LAZY = {
    **dict.fromkeys(["Env", "VectorEnv", "make", "make_vec"], "environments"),
    "Flow": "flow",
    **dict.fromkeys(["Policy", "load"], "policy"),
    **dict.fromkeys(["Progress", "Run", "resume", "train"], "training"),
}


def __getattr__(name: str) -> Any:
    if name == "bridge":
        return importlib.import_module(".bridge", __name__)
    if name in _LAZY:
        return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_all()

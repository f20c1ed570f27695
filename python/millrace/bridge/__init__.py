"""Gymnasium environments for millrace, and millrace's environments for Gymnasium, over ZeroMQ.

serve(env)             makes a Gymnasium environment a server
RemoteEnv(endpoint)    is a gymnasium.Env over a server (needs the package gymnasium)
RemoteVectorEnv(...)   is all of a server's environments as a gymnasium.vector.VectorEnv
RemotePolicy(endpoint) is a policy served by `millrace serve-policy`
Server, Client         are what those are made of

With millrace imported, gymnasium.make("Remote-v0", endpoint=...) makes a RemoteEnv and
gymnasium.make_vec("Remote-v0", num_envs=..., endpoint=...) a RemoteVectorEnv.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..version import __version__
from .client import Client, Transition
from .errors import BridgeError, EpisodeBroken, NoReply, RemoteError
from .remote_policy import RemotePolicy
from .server import Server
from .serving import serve
from .spec import PolicySpec, Spec

if TYPE_CHECKING:
    from .remote_env import RemoteEnv
    from .remote_vector_env import RemoteVectorEnv

__all__ = [
    "BridgeError",
    "Client",
    "EpisodeBroken",
    "NoReply",
    "PolicySpec",
    "RemoteEnv",
    "RemoteError",
    "RemotePolicy",
    "RemoteVectorEnv",
    "Server",
    "Spec",
    "Transition",
    "__version__",
    "serve",
]


_NEED_GYMNASIUM = {"RemoteEnv": ".remote_env", "RemoteVectorEnv": ".remote_vector_env"}


def __getattr__(name: str) -> Any:
    if name in _NEED_GYMNASIUM:  # only here, so that a server or client alone does without Gymnasium
        return getattr(importlib.import_module(_NEED_GYMNASIUM[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Gymnasium environments for millrace, and millrace's environments for Gymnasium, over ZeroMQ.

serve(env)             makes a Gymnasium environment a server
RemoteEnv(endpoint)    is a gymnasium.Env over a server (needs the package gymnasium)
RemotePolicy(endpoint) is a policy served by `millrace serve-policy`
Server, Client         are what those are made of
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .client import Client
from .errors import BridgeError, NoReply, RemoteError
from .policy_spec import PolicySpec
from .remote_policy import RemotePolicy
from .server import Server
from .serving import serve
from .spec import Spec
from .transition import Transition
from .version import __version__

if TYPE_CHECKING:
    from .remote_env import RemoteEnv

__all__ = [
    "BridgeError",
    "Client",
    "NoReply",
    "PolicySpec",
    "RemoteEnv",
    "RemoteError",
    "RemotePolicy",
    "Server",
    "Spec",
    "Transition",
    "__version__",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name == "RemoteEnv":  # only here, so that a server or client alone does without Gymnasium
        from .remote_env import RemoteEnv

        return RemoteEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

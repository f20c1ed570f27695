"""The environments of a server, as a client steps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import wire
from .errors import BridgeError, RemoteError
from .peer import Peer
from .spec import Spec
from .transition import Transition


class Client(Peer):
    """All environments of one server; `RemoteEnv` is one of them for Gymnasium.

    The options are those of `Connection`: timeout, retries, pause, curve_server_key,
    curve_secret_key.

    Where the server does not know the session any more (it was started afresh, or the lease went
    to another), a call raises RemoteError with code "unknown-session"; renew() begins again.
    """

    def __init__(self, endpoint: str, **options: Any) -> None:
        super().__init__(endpoint, **options)
        try:
            self.spec = self._begin("spec", Spec.read)
        except BaseException:
            self._connection.close()
            raise
        self._connection.allow(self.spec.message_bytes)

    def renew(self) -> None:
        """Says hello again. All environments must be reset; they are checked to be the same kind."""
        spec = self._begin("spec", Spec.read)
        if spec != self.spec:
            raise BridgeError(f"{self.endpoint}: another environment is served there now: {spec.name}")

    def reset(self, envs: Sequence[int], seeds: Sequence[int | None]) -> npt.NDArray[Any]:
        """The first observations [n x obs_dim] of new episodes; a seed of None goes on at random."""
        request = {"type": "reset", "envs": list(envs), "seeds": list(seeds)}
        reply = self._ask(request, "state")
        return self._read(lambda: self._obs(reply, len(envs)))

    def step(self, envs: Sequence[int], actions: npt.ArrayLike) -> Transition:
        """Steps those environments by actions [n x act_dim], float32 or else float64."""
        array = np.asarray(actions)
        n, dtype = len(envs), "f4" if array.dtype == np.float32 else "f8"
        if array.shape != (n, self.spec.act_dim):
            raise ValueError(f"actions have shape {array.shape}, not ({n}, {self.spec.act_dim})")
        data = wire.array_bytes(array, dtype)
        reply = self._ask({"type": "step", "envs": list(envs), "actions": data}, "transition")
        return self._read(lambda: self._transition(reply, n))

    def render(self, env: int, width: int, height: int) -> npt.NDArray[np.uint8]:
        """A picture [height x width x 3]."""
        self._connection.allow(3 * width * height + wire.MESSAGE_OVERHEAD_BYTES)
        request = {"type": "render", "env": env, "width": width, "height": height}
        reply = self._ask(request, "frame")
        return self._read(lambda: wire.get_array(reply, "rgb", "u1", (height, width, 3)))

    def ping(self) -> None:
        """Keeps the lease; for whoever computes for longer than it lasts."""
        self._ask({"type": "ping"}, "pong")

    def _obs(self, reply: wire.Message, n: int) -> npt.NDArray[Any]:
        return wire.get_array(reply, "obs", self.spec.obs_dtype, (n, self.spec.obs_dim))

    def _transition(self, reply: wire.Message, n: int) -> Transition:
        info = reply.get("info") or {}
        if not isinstance(info, dict):
            raise wire.Malformed("'info' must be a map")
        return Transition(
            obs=self._obs(reply, n),
            reward=wire.get_array(reply, "reward", "f8", (n,)),
            terminated=np.array(wire.get_bools(reply, "terminated", n), bool),
            truncated=np.array(wire.get_bools(reply, "truncated", n), bool),
            info={str(name): wire.get_array(info, name, "f8", (n,)) for name in info},
        )


def is_unknown_session(error: BridgeError) -> bool:
    return isinstance(error, RemoteError) and error.code == "unknown-session"

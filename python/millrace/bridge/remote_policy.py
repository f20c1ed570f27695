"""A remote policy, called like a local one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import wire
from .peer import Peer
from .spec import PolicySpec


class RemotePolicy(Peer):
    """The policy of a `millrace serve-policy`, called as Stable-Baselines3's are.

    endpoint  as in "tcp://127.0.0.1:5555"
    options   those of `Connection`: timeout, retries, pause, curve_server_key, curve_secret_key

    A request that gets no answer is sent again, and gets the same actions. One that was given up
    (NoReply, Ctrl-C, an exception of a signal handler) is never answered later: each call returns the
    actions of its own observations, or raises. RemoteError has the code
    "bad-obs" if an observation is not finite.
    """

    def __init__(self, endpoint: str = wire.DEFAULT_ENDPOINT, **options: Any) -> None:
        super().__init__(endpoint, **options)
        try:
            self.spec = self._begin("policy", PolicySpec.read)
        except BaseException:
            self.close()
            raise
        self._connection.allow(self.spec.message_bytes)

    @property
    def obs_dim(self) -> int:
        return self.spec.obs_dim

    @property
    def act_dim(self) -> int:
        return self.spec.act_dim

    @property
    def action_low(self) -> npt.NDArray[np.float64]:
        return np.array(self.spec.act_low)

    @property
    def action_high(self) -> npt.NDArray[np.float64]:
        return np.array(self.spec.act_high)

    def predict(
        self,
        observation: npt.ArrayLike,
        state: None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[np.float32], None]:
        """Actions in the environment's own units, and no state.

        observation  [obs_dim] or [n x obs_dim]; float32 travels as it is, all else as float64

        The actions are [act_dim] or [n x act_dim], float32 as millrace's are. `state` and
        `episode_start` are there for the calling convention alone.
        """
        obs = np.asarray(observation)
        if obs.ndim not in (1, 2) or obs.shape[-1] != self.obs_dim:
            shapes = f"({self.obs_dim},) or (n, {self.obs_dim})"
            raise ValueError(f"{self.endpoint}: predict: observations have shape {obs.shape}, not {shapes}")
        n = 1 if obs.ndim == 1 else len(obs)
        if not 1 <= n <= self.spec.max_rows:
            raise ValueError(
                f"{self.endpoint}: predict: {n} observations; one call takes from 1 to {self.spec.max_rows}"
            )
        data = wire.array_bytes(obs, "f4" if obs.dtype == np.float32 else "f8")
        request = {"type": "act", "n": n, "obs": data, "stochastic": not deterministic}
        reply = self._ask(request, "action")
        actions = self._read("act", lambda: wire.get_array(reply, "actions", "f8", (n, self.act_dim)))
        return actions.reshape(*obs.shape[:-1], self.act_dim).astype(np.float32), None

    def ping(self) -> None:
        """Raises NoReply if the server does not answer."""
        self._ask({"type": "ping"}, "pong")

    def _ask(self, request: wire.Message, kind: str) -> wire.Message:
        with self._connection.turn():
            self._connection.abandon()  # an unanswered request: the server takes any seq next
            return super()._ask(request, kind)

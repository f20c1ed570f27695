"""A client of a server of environments."""

from __future__ import annotations

import logging
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import wire
from .errors import BridgeError, EpisodeBroken, RemoteError
from .peer import Peer
from .spec import Spec

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Transition:
    """The result of a step of several environments: one row, or element, for each."""

    obs: npt.NDArray[Any]
    reward: npt.NDArray[np.float64]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    info: dict[str, npt.NDArray[np.float64]]
    warned: npt.NDArray[np.bool_]  # the physics of the step was not the model's


class Client(Peer):
    """All environments of one server; `RemoteEnv` is one of them for Gymnasium, `RemoteVectorEnv` all.

    The options are those of `Connection`: timeout, retries, pause, curve_server_key,
    curve_secret_key.

    If the server no longer knows the session (it was restarted, or another client has the lease), a call
    raises RemoteError with code "unknown-session"; renew() starts a new session.

    A step that ends without a result (NoReply, Ctrl-C, an exception of a signal handler) leaves open
    whether it was executed: the next step of those environments raises EpisodeBroken, and only a reset
    goes on. It is safe at once: nothing of the old step is taken for what comes after it.

    If the server warns that the physics of a step was not the model's, `Transition.warned` says of which
    environments, and each warning goes once to the log `millrace.bridge.client`.
    """

    def __init__(self, endpoint: str = wire.DEFAULT_ENDPOINT, **options: Any) -> None:
        super().__init__(endpoint, **options)
        self.n_sessions = 0  # that were begun
        self._broken: set[int] = set()  # environments whose last step or reset has no result
        self._warnings: set[str] = set()  # of the server, that were logged
        try:
            self.spec = self._begin("spec", Spec.read)
        except BaseException:
            self.close()
            raise
        self.n_sessions = 1
        self._connection.allow(self.spec.message_bytes)

    def renew(self) -> None:
        """Says hello again. All environments must be reset; they are checked to be the same kind."""
        with self._connection.turn():
            spec = self._begin("spec", Spec.read)
            if spec != self.spec:
                raise BridgeError(
                    f"{self.endpoint}: the server was restarted with another environment, {spec.name} instead "
                    f"of {self.spec.name}; make another client for it"
                )
            self.n_sessions += 1

    def reset(
        self, envs: Sequence[int], seeds: Sequence[int | None], *, renew: bool = False
    ) -> npt.NDArray[Any]:
        """The first observations [n x obs_dim] of new episodes; a seed of None goes on at random.

        renew  if the session is over, starts another first, which ends the episodes of all other
               environments
        """
        indices = self._indices(envs)
        request = {"type": "reset", "envs": indices, "seeds": self._seeds(seeds, len(indices))}
        with self._connection.turn():
            self._broken.update(indices)
            reply = self._ask_or_renew(request, "state") if renew else self._ask(request, "state")
            obs = self._read("reset", lambda: self._obs(reply, len(indices)))
            self._broken.difference_update(indices)
        return obs

    def step(self, envs: Sequence[int], actions: npt.ArrayLike) -> Transition:
        """Steps those environments by actions [n x act_dim], float32 or else float64."""
        indices, array = self._indices(envs), np.asarray(actions)
        n, dtype = len(indices), "f4" if array.dtype == np.float32 else "f8"
        if array.shape != (n, self.spec.act_dim):
            raise ValueError(
                f"{self.endpoint}: step: actions have shape {array.shape}, not ({n}, {self.spec.act_dim})"
            )
        request = {"type": "step", "envs": indices, "actions": wire.array_bytes(array, dtype)}
        with self._connection.turn():
            self._check_unbroken(indices)
            self._broken.update(indices)
            try:
                reply = self._ask(request, "transition")
            except RemoteError as error:
                if error.code != "bad-sequence":  # all others are a result, and the server's to go on from
                    self._broken.difference_update(indices)
                raise
            result = self._read("step", lambda: self._transition(reply, n))
            self._broken.difference_update(indices)
        return result

    def render(self, env: int, width: int, height: int) -> npt.NDArray[np.uint8]:
        """A picture [height x width x 3]."""
        self._connection.allow(3 * width * height + wire.MESSAGE_OVERHEAD_BYTES)
        request = {"type": "render", "env": env, "width": width, "height": height}
        reply = self._ask(request, "frame")
        return self._read("render", lambda: wire.get_array(reply, "rgb", "u1", (height, width, 3)))

    def ping(self) -> None:
        """Keeps the lease of a program that computes for longer. Any thread may call it."""
        self._ask({"type": "ping"}, "pong")

    def _ask_or_renew(self, request: wire.Message, kind: str) -> wire.Message:
        if not self._connection.is_over:
            try:
                return self._ask(request, kind)
            except RemoteError as error:
                if not is_unknown_session(error):
                    raise
        self.renew()
        return self._ask(request, kind)

    def _check_unbroken(self, indices: list[int]) -> None:
        broken = [str(i) for i in indices if i in self._broken]
        if broken:
            raise EpisodeBroken(
                f"{self.endpoint}: step: the last step or reset of environment {', '.join(broken)} ended "
                "without a result (no reply, or the call was interrupted), so that its state is not known; "
                "reset it"
            )

    def _indices(self, envs: Sequence[int]) -> list[int]:
        indices, n = [operator.index(i) for i in envs], self.spec.num_envs
        if not all(0 <= i < n for i in indices) or len(set(indices)) != len(indices):
            raise ValueError(
                f"{self.endpoint}: environments {indices}: name some from 0 to {n - 1}, each once"
            )
        return indices

    def _seeds(self, seeds: Sequence[int | None], n: int) -> list[int | None]:
        numbers = [None if seed is None else operator.index(seed) for seed in seeds]
        if len(numbers) != n or not all(s is None or 0 <= s <= wire.MAX_SEED for s in numbers):
            raise ValueError(
                f"{self.endpoint}: reset: seeds {numbers}: give {n}, each None or from 0 to 2^64 - 1"
            )
        return numbers

    def _obs(self, reply: wire.Message, n: int) -> npt.NDArray[Any]:
        return wire.get_array(reply, "obs", self.spec.obs_dtype, (n, self.spec.obs_dim))

    def _log_warning(self, reply: wire.Message) -> None:
        text = reply.get("warning")
        if isinstance(text, str) and text not in self._warnings:
            self._warnings.add(text)
            _logger.warning("warning: %s: %s", self.endpoint, text)

    def _transition(self, reply: wire.Message, n: int) -> Transition:
        info = reply.get("info") or {}
        if not isinstance(info, dict):
            raise wire.Malformed("'info' must be a map")
        self._log_warning(reply)
        return Transition(
            obs=self._obs(reply, n),
            reward=wire.get_array(reply, "reward", "f8", (n,)),
            terminated=np.array(wire.get_bools(reply, "terminated", n), bool),
            truncated=np.array(wire.get_bools(reply, "truncated", n), bool),
            info={str(name): wire.get_array(info, name, "f8", (n,)) for name in info},
            warned=np.array(wire.get_bools(reply, "warned", n) if "warned" in reply else [False] * n, bool),
        )


def is_unknown_session(error: BridgeError) -> bool:
    return isinstance(error, RemoteError) and error.code == "unknown-session"

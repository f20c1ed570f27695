"""Gymnasium environments as the library's own: C calls their reset and step."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from . import _library as c
from ._arrays import address, info_numbers
from ._running import Run as Call
from .errors import UsageError

_FAILED = c.INPUT  # what a callback returns that raised; the exception itself is raised at the end
_MAX_INFOS = 128  # as many as a run records

_logger = logging.getLogger("millrace")


class CallbackEnvs:
    """Environments of one kind behind mr_vec_env_new. They are stepped one after another, by the thread in
    which the library computes `call`; their exceptions stop it.

    name  of the environment
    """

    def __init__(self, envs: Sequence[gymnasium.Env[Any, Any]], call: Call) -> None:
        if not envs or not all(isinstance(env, gymnasium.Env) for env in envs):
            raise UsageError(f"env must be a name, a gymnasium.Env or a list of these, not {envs!r}")
        self._envs, self._call = list(envs), call
        spec = envs[0].spec
        name = (spec.id if spec is not None else type(envs[0].unwrapped).__name__).replace(":", "-")
        self.name = f"gymnasium/{name}"  # so that nobody takes it for the library's own of the same name
        self._observations, self._actions = envs[0].observation_space, envs[0].action_space
        for env in envs[1:]:
            if (env.observation_space, env.action_space) != (self._observations, self._actions):
                raise UsageError(f"{self.name}: the environments of one run must have the same spaces")
        self._obs_dim = self._flat_dim()
        self._low, self._high = (np.asarray(bound, np.float64).ravel() for bound in self._bounds())
        self._act_dim = self._low.size
        self._limit = spec.max_episode_steps if spec is not None else None
        self._infos = np.full(_MAX_INFOS, np.nan)  # of the last step, for C to read
        self._info_at: dict[str, slice] = {}  # where in it an info's components are

    def open(self) -> c.Handle:
        """mr_vec_env *, which keeps the environments as long as it lives, and is not kept by them."""
        described = c.EnvSpec(
            name=self.name.encode(),
            obs_dim=self._obs_dim,
            act_dim=self._act_dim,
            act_low=self._low.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
            act_high=self._high.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
            max_episode_steps=self._limit or 0,
            info=self._infos.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
        )
        callbacks = c.EnvCallbacks(c.ResetCallback(self._reset), c.StepCallback(self._step), None)
        handle = c.Handle(
            c.library.mr_vec_env_new,
            ctypes.byref(callbacks),
            None,
            ctypes.byref(described),
            len(self._envs),
            1,
            free=c.library.mr_vec_env_close,
            keep=callbacks,
        )
        self._vec = handle._as_parameter_  # which callbacks use while it lives
        return handle

    def _flat_dim(self) -> int:
        flat = spaces.flatten_space(self._observations)
        if not isinstance(flat, spaces.Box):
            raise UsageError(
                f"{self.name}: observations of the space {self._observations} have no fixed number of "
                "components; wrap the environment so that they have"
            )
        return int(np.prod(flat.shape))

    def _bounds(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        if not isinstance(self._actions, spaces.Box) or self._actions.dtype.kind != "f":
            raise UsageError(
                f"{self.name}: actions must be a Box of real numbers, not {self._actions}; wrap the "
                "environment"
            )
        return self._actions.low, self._actions.high

    def _store(self, obs: Any, at: int) -> None:
        """An observation, flattened, into C's array."""
        flat = np.asarray(spaces.flatten(self._observations, obs), np.float64).ravel()
        if flat.size != self._obs_dim:
            raise UsageError(
                f"{self.name}: an observation has {flat.size} components, but its space {self._obs_dim}"
            )
        ctypes.memmove(at, address(flat), flat.nbytes)

    def _store_infos(self, infos: Any) -> None:
        """The numbers of a step's infos: C has an info's name from the first step on that gives it."""
        self._infos.fill(np.nan)
        found = [(name, info_numbers(value)) for name, value in infos.items()] if isinstance(infos, dict) else []
        named = [(name, numbers) for name, numbers in found if numbers is not None and isinstance(name, str)]
        # Single numbers first: an array that comes early doesn't take their room.
        for name, numbers in sorted(named, key=lambda pair: pair[1].size):
            if name not in self._info_at:
                self._info_at[name] = self._add_info(name, numbers.size)
            where = self._infos[self._info_at[name]]
            where[: numbers.size] = numbers[: where.size]

    def _add_info(self, name: str, size: int) -> slice:
        first = max((where.stop for where in self._info_at.values()), default=0)
        if first + size > _MAX_INFOS:
            _logger.warning(
                "%s: info %r (%d numbers) is not recorded: a run has room for %d",
                self.name,
                name,
                size,
                _MAX_INFOS,
            )
            return slice(first, first)
        for i in range(size):
            full = f"{name}[{i}]" if size > 1 else name
            c.library.mr_vec_env_add_info(self._vec, full.encode("utf-8", "replace"))
        return slice(first, first + size)

    def _reset(self, _: object, i: int, seed: Any, obs_at: int) -> int:
        try:
            given = int(seed[0]) if seed else None
            obs, _ = self._envs[i].reset(seed=given)
            self._store(obs, obs_at)
            self._infos.fill(np.nan)
        except BaseException as error:
            return self._fail(error)
        return c.OK

    def _step(self, _: object, i: int, action_at: int, obs_at: int, result: Any) -> int:
        try:
            flat = np.ctypeslib.as_array((ctypes.c_double * self._act_dim).from_address(action_at))
            action = flat.astype(self._actions.dtype).reshape(self._actions.shape)
            obs, reward, terminated, truncated, infos = self._envs[i].step(action)
            self._store(obs, obs_at)
            self._store_infos(infos)
            step = result[0]
            step.reward, step.terminated, step.truncated = float(reward), bool(terminated), bool(truncated)
        except BaseException as error:
            return self._fail(error)
        return c.OK

    def _fail(self, error: BaseException) -> int:
        self._call.fail(error)
        text = f"{type(error).__name__}: {error}".encode()
        return int(c.library.mr_fail(_FAILED, b"%s", text))

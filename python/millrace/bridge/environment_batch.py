"""The environments behind a server, as the protocol sees them: flat vectors, and one line for what fails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import wire
from .environment import Box, Environment, members
from .errors import RequestError
from .info_numbers import MAX_BYTES as MAX_INFO_BYTES
from .info_numbers import InfoNumbers

# What millrace takes of one server.
MAX_ENVS = 4096
MAX_DIM = 2**20
MAX_NUMBERS = 2**24  # num_envs x (obs_dim + act_dim)
_MAX_REASON = 300  # characters, so that a hint goes after it


def _box_of(space: Any, what: str) -> Box:
    kind = type(space).__name__
    if not all(hasattr(space, name) for name in ("shape", "dtype", "low", "high")):
        flatten = "--flatten, or gymnasium.wrappers.FlattenObservation"
        remedy = flatten if what == "observation" else "a wrapper of the environment"
        raise TypeError(f"the {what} space is {kind}; only Box can be served ({remedy} may make it one)")
    if np.dtype(space.dtype).kind not in "fiu":
        raise TypeError(f"the {what} space holds {space.dtype}; only numbers can be served")
    box: Box = space
    return box


def _size(box: Box) -> int:
    return int(np.prod(box.shape, dtype=np.int64))


def _reason(error: Exception) -> str:
    return wire.one_line(f"{type(error).__name__}: {error}", _MAX_REASON)


def _may_be_of_types(error: Exception) -> bool:
    """Whether an environment may have failed because it was given an action of another type."""
    kinds = (AssertionError, TypeError, ValueError)
    return isinstance(error, kinds) or type(error).__name__ == "InvalidAction"  # Gymnasium's own


class EnvironmentBatch:
    """One or more environments of the same kind, reset, stepped and rendered by their indices.

    Before anything is stepped, every index and number of a request has been checked. Where an
    environment raises, all that the request named need a reset: what the others did is not
    answered.

    space_dtype: actions are handed on in the type of the action space; otherwise in the precision
    in which the client sent them, so that the environment computes with what was meant.
    """

    def __init__(
        self, envs: Sequence[Environment], name: str | None = None, space_dtype: bool = False
    ) -> None:
        if not envs:
            raise ValueError("there is no environment to serve")
        self._given = list(envs)
        self.envs = [member for env in envs for member in members(env)]
        first = self.envs[0]
        observations = _box_of(first.observation_space, "observation")
        actions = _box_of(first.action_space, "action")
        self.obs_dim = _size(observations)
        self.act_dim = _size(actions)
        if self.obs_dim == 0 or self.act_dim == 0:
            raise ValueError("an environment must have observations and actions")
        self._check_sizes()
        # What float32 holds exactly travels as such.
        self.obs_dtype = "f4" if np.can_cast(observations.dtype, np.float32) else "f8"
        self.action_shape = actions.shape
        self.act_low = np.asarray(actions.low, np.float64).ravel()
        self.act_high = np.asarray(actions.high, np.float64).ravel()
        own = np.dtype(actions.dtype)
        self.action_dtype = own if space_dtype or own.kind != "f" else None
        for i, env in enumerate(self.envs):
            self._check_same_spaces(i, env)
        spec = getattr(first, "spec", None)
        self.name = wire.one_line(name or getattr(spec, "id", None) or type(first).__name__)
        self.max_episode_steps = int(getattr(spec, "max_episode_steps", None) or 0)
        self.needs_reset = [True] * len(self.envs)
        self._infos = InfoNumbers(self.name, len(self.envs), self._info_bytes())

    def _check_sizes(self) -> None:
        n, numbers = len(self.envs), self.obs_dim + self.act_dim
        if n > MAX_ENVS or max(self.obs_dim, self.act_dim) > MAX_DIM or n * numbers > MAX_NUMBERS:
            raise ValueError(
                f"{n} environments of {self.obs_dim} observations and {self.act_dim} actions are too much "
                f"for one server (at most {MAX_ENVS}, {MAX_DIM} each, {MAX_NUMBERS} together)"
            )

    def _info_bytes(self) -> int:
        """What clients leave for infos: they take messages of 16 MiB, or what a spec's sizes need and
        some more (the C client as much again as the observations, the Python client 1 KiB)."""
        n, obs_bytes = len(self.envs), 8 * self.obs_dim
        usual = wire.MAX_MESSAGE_BYTES - wire.MESSAGE_OVERHEAD_BYTES - n * (obs_bytes + 10)
        return min(MAX_INFO_BYTES, max(usual, n * min(1024 - 10, obs_bytes + 54)))

    def _check_same_spaces(self, i: int, env: Environment) -> None:
        box = _box_of(env.action_space, "action")
        if (
            _size(_box_of(env.observation_space, "observation")) != self.obs_dim
            or box.shape != self.action_shape
            or not np.array_equal(np.asarray(box.low, np.float64).ravel(), self.act_low)
            or not np.array_equal(np.asarray(box.high, np.float64).ravel(), self.act_high)
        ):
            raise ValueError(f"environment {i} has other spaces than environment 0")

    @property
    def reply_bytes(self) -> int:
        """The largest arrays that a request or a reply over all environments may hold."""
        n = len(self.envs)
        return n * (self.obs_dim * 8 + self.act_dim * 8 + 64) + wire.MESSAGE_OVERHEAD_BYTES

    def end_episodes(self) -> None:
        """What was under way belongs to nobody any more."""
        self.needs_reset = [True] * len(self.envs)

    def check_index(self, index: Any) -> int:
        if type(index) is not int or not 0 <= index < len(self.envs):
            raise RequestError(
                "bad-env", f"there is no environment {index!r:.40}; they go from 0 to {len(self.envs) - 1}"
            )
        return index

    def check_indices(self, indices: list[Any]) -> list[int]:
        checked = [self.check_index(index) for index in indices]
        if len(set(checked)) != len(checked):
            raise RequestError("bad-env", "'envs' names an environment twice; name each once")
        return checked

    def reset(self, indices: list[int], seeds: list[int | None]) -> npt.NDArray[Any]:
        obs = np.empty((len(indices), self.obs_dim), self.obs_dtype)
        for i in indices:
            self.needs_reset[i] = True
        for row, (i, seed) in enumerate(zip(indices, seeds)):
            try:
                observation, _ = self.envs[i].reset(seed=seed)
                obs[row] = self._flat(observation)
            except Exception as error:
                raise RequestError("env-failed", f"environment {i}, reset: {_reason(error)}") from error
        for i in indices:
            self.needs_reset[i] = False
        return obs

    def check_actions(self, indices: list[int], actions: npt.NDArray[Any]) -> None:
        for i in indices:
            if self.needs_reset[i]:
                raise RequestError("needs-reset", f"environment {i} has no episode under way; reset it")
        bad = np.argwhere(~np.isfinite(actions))
        if bad.size:
            row, column = bad[0]
            raise RequestError(
                "bad-action",
                f"environment {indices[row]}: component {column} of the action is not finite; "
                "nothing was stepped",
            )

    def step(
        self, indices: list[int], actions: npt.NDArray[Any]
    ) -> tuple[
        npt.NDArray[Any], list[float], list[bool], list[bool], dict[str, npt.NDArray[np.float64]]
    ]:
        """Steps those environments, whose indices and actions have been checked."""
        n = len(indices)
        obs = np.empty((n, self.obs_dim), self.obs_dtype)
        rewards, terminated, truncated = [0.0] * n, [False] * n, [False] * n
        infos: list[Any] = [None] * n
        for row, i in enumerate(indices):
            try:
                observation, reward, ends, cuts, infos[row] = self.envs[i].step(self._action(actions[row]))
                obs[row] = self._flat(observation)
                rewards[row], terminated[row], truncated[row] = float(reward), bool(ends), bool(cuts)
                if not math.isfinite(rewards[row]):
                    raise ValueError("the reward is not finite")
            except Exception as error:
                for j in indices:
                    self.needs_reset[j] = True
                hint = self._hint(i, actions[row]) if _may_be_of_types(error) else ""
                raise RequestError("env-failed", f"environment {i}, step: {_reason(error)}{hint}") from error
        for row, i in enumerate(indices):
            self.needs_reset[i] = terminated[row] or truncated[row]
        return obs, rewards, terminated, truncated, self._infos.collect(infos)

    def render(self, index: int, width: int, height: int) -> npt.NDArray[np.uint8]:
        """A picture [height x width x 3], scaled to the size asked for."""
        if getattr(self.envs[index], "render_mode", None) != "rgb_array":
            raise RequestError(
                "env-failed", f"environment {index} gives no pictures; make it with render_mode 'rgb_array'"
            )
        try:
            picture = np.asarray(self.envs[index].render(), np.uint8)
            if picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
                raise ValueError(f"a picture of shape {picture.shape}, not height x width x 3")
        except Exception as error:
            raise RequestError("env-failed", f"environment {index}, render: {_reason(error)}") from error
        rows = np.arange(height) * picture.shape[0] // height
        columns = np.arange(width) * picture.shape[1] // width
        scaled: npt.NDArray[np.uint8] = picture[rows[:, None], columns]
        return scaled

    def close(self) -> None:
        for env in self._given:
            env.close()

    def _flat(self, observation: Any) -> npt.NDArray[Any]:
        flat = np.asarray(observation, self.obs_dtype).ravel()
        if flat.size != self.obs_dim:
            raise ValueError(f"the observation has {flat.size} components, its space {self.obs_dim}")
        if not np.isfinite(flat).all():
            raise ValueError("the observation is not finite")
        return flat

    def _action(self, action: npt.NDArray[Any]) -> npt.NDArray[Any]:
        clipped = np.clip(action, self.act_low, self.act_high)
        dtype = self.action_dtype or action.dtype
        if dtype.kind in "iu":
            clipped = np.rint(clipped)
        typed: npt.NDArray[Any] = clipped.astype(dtype).reshape(self.action_shape)
        return typed

    def _hint(self, i: int, action: npt.NDArray[Any]) -> str:
        """What may help an environment that failed at an action: many hold it against their space,
        and a space of float32 contains no float64."""
        given, space = self._action(action), self.envs[i].action_space
        try:
            fits = bool(space.contains(given.astype(space.dtype))) and not space.contains(given)
        except Exception:  # a space of the environment's own, which has no such question
            return ""
        if not fits:
            return ""
        return (
            f"; its action space holds {space.dtype}, the action came as {given.dtype}: if that is why, "
            "serve it with --space-dtype (space_dtype=True)"
        )

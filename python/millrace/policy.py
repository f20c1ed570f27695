"""Trained policies: from an observation to an action."""

from __future__ import annotations

import os
import pathlib
import tempfile
import threading
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from . import _library as c
from ._arrays import Doubles, address, check_row, numbers, rows
from .errors import ClosedError, UsageError

_act = c.library.mr_policy_act
_MAX_ROWS = 256  # of a batch that C computes at once; larger ones take several turns


def bytes_of(save: Callable[[bytes], object]) -> bytes:
    """What `save` writes into the file that it is given."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "model.safetensors")
        save(os.fsencode(file))
        return file.read_bytes()


class _Workspace(threading.local):
    """Where one thread's single observations and actions are: finding the address of an array takes 2 us,
    copying it here 0.3 us."""

    def __init__(self, obs_dim: int, act_dim: int) -> None:
        self.obs, self.action = np.empty(obs_dim), np.empty(act_dim)
        self.noise = np.empty(act_dim, np.float32)
        self.addresses = address(self.obs), address(self.noise), address(self.action)


class Policy:
    """A trained policy, called as Stable-Baselines3's are. `millrace.load` makes them.

    Any number of threads may act on one policy. Observations are [obs_dim] or [n x obs_dim], in the
    task's own units and not normalised; float64 arrays in C's order are taken without a copy.

    env                     name of the task that it was trained on
    obs_dim, act_dim        numbers in an observation and in an action
    action_low, action_high [act_dim] the bounds of actions
    flow                    text of its flow, as in "real_nvp:layers=4"
    deterministic_action    what it does if deterministic=True: "base", "mean:samples=8", ...
    is_stochastic           whether its actions depend on noise at all
    """

    env: str
    obs_dim: int
    act_dim: int
    action_low: Doubles
    action_high: Doubles
    flow: str
    deterministic_action: str
    is_stochastic: bool

    def __init__(self, handle: c.Handle, deterministic: str | None = None, seed: int | None = None) -> None:
        if deterministic is not None:
            c.library.mr_policy_set_deterministic(handle, deterministic.encode())
        c.library.mr_policy_prepare(handle, _MAX_ROWS)
        spec = c.library.mr_policy_get_spec(handle)[0]
        self.env, self.flow = spec.env.decode(), spec.flow.decode()
        self.obs_dim, self.act_dim = spec.obs_dim, spec.act_dim
        self.action_low, self.action_high = (
            numbers(bound, spec.act_dim) for bound in (spec.act_low, spec.act_high)
        )
        self.deterministic_action = spec.deterministic.decode()
        self.is_stochastic = c.library.mr_policy_is_stochastic(handle)
        self._handle: c.Handle | None = handle
        self._workspace = _Workspace(spec.obs_dim, spec.act_dim)
        self.seed(seed)

    def seed(self, seed: int | None) -> None:
        """Begins the random numbers of sampled actions anew; None: with a seed of the system's."""
        self._random = np.random.default_rng(seed)

    def predict(
        self,
        observation: npt.ArrayLike,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[np.float32], Any]:
        """Actions [act_dim] or [n x act_dim] in the task's own units, and `state` as it was given.

        deterministic  without noise, by `deterministic_action`; else sampled

        `state` and `episode_start` are there for the calling convention alone. Raises NumericError if
        an observation is not finite.
        """
        handle = self._open()
        values = np.asarray(observation)
        if values.ndim != 1:
            obs, _ = rows("observations", values, self.obs_dim)
            return self._sample(handle, obs, deterministic, None), state
        own = self._workspace
        check_row("observations", values, self.obs_dim)
        own.obs[:] = values
        obs_at, noise_at, action_at = own.addresses
        if deterministic:
            _act(handle, obs_at, None, action_at)
        else:
            self._random.standard_normal(dtype=np.float32, out=own.noise)
            _act(handle, obs_at, noise_at, action_at)
        return own.action.astype(np.float32), state

    def sample(
        self, observation: npt.ArrayLike, deterministic: bool = False
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Actions as of `predict`, and their log-densities [] or [n] (`log_prob`). That of a
        deterministic action is known if `deterministic_action` is "base"."""
        handle = self._open()
        obs, is_one = rows("observations", observation, self.obs_dim)
        log_prob = np.empty(len(obs), np.float32)
        action = self._sample(handle, obs, deterministic, log_prob)
        return (action[0], log_prob[0]) if is_one else (action, log_prob)

    def log_prob(self, observation: npt.ArrayLike, action: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """The log-densities [] or [n], in nats, of actions [act_dim] or [n x act_dim].

        With respect to the action scaled to (-1, 1), as SAC's log-densities are. Raises InputError if
        an action is outside of its bounds.
        """
        handle = self._open()
        obs, is_one = rows("observations", observation, self.obs_dim)
        given, _ = rows("actions", action, self.act_dim)
        if len(obs) != len(given):
            raise UsageError(f"{len(obs)} observations, but {len(given)} actions")
        log_prob = np.empty(len(obs), np.float32)
        for i in range(0, len(obs), _MAX_ROWS):
            o, a, out = obs[i : i + _MAX_ROWS], given[i : i + _MAX_ROWS], log_prob[i : i + _MAX_ROWS]
            c.library.mr_policy_log_prob(handle, len(o), address(o), address(a), address(out))
        return log_prob[0] if is_one else log_prob

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a policy file (safetensors), replaced atomically."""
        c.library.mr_policy_save(self._open(), os.fsencode(path), 0, None)

    def close(self) -> None:
        """Releases it as soon as no thread is using it any more; it can't be used afterwards."""
        self._handle = None

    def __enter__(self) -> Policy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<millrace.Policy of {self.env}: {self.flow}, {self.obs_dim} -> {self.act_dim}>"

    def __reduce__(self) -> tuple[Any, ...]:
        handle = self._open()
        data = bytes_of(lambda file: c.library.mr_policy_save(handle, file, 0, None))
        return _load_memory, (data, self.deterministic_action)

    def _open(self) -> c.Handle:
        if self._handle is None:
            raise ClosedError(f"the policy of {self.env} is closed")
        return self._handle

    def _sample(
        self,
        handle: c.Handle,
        obs: Doubles,
        deterministic: bool,
        log_prob: npt.NDArray[np.float32] | None,
    ) -> npt.NDArray[np.float32]:
        action = np.empty((len(obs), self.act_dim))
        noise = None if deterministic else self._random.standard_normal(action.shape, np.float32)
        for i in range(0, len(obs), _MAX_ROWS):
            some = slice(i, i + _MAX_ROWS)
            c.library.mr_policy_sample(
                handle,
                len(obs[some]),
                address(obs[some]),
                None if noise is None else address(noise[some]),
                address(action[some]),
                None if log_prob is None else address(log_prob[some]),
            )
        return action.astype(np.float32)


def _load_memory(data: bytes, deterministic: str | None = None) -> Policy:
    handle = c.Handle(c.library.mr_policy_load_memory, data, len(data), free=c.library.mr_policy_free)
    return Policy(handle, deterministic)


def load(
    path: str | os.PathLike[str], *, deterministic: str | None = None, seed: int | None = None
) -> Policy:
    """Loads a policy: the latest of a run's directory, or a file (`runs/a/best_policy.safetensors`).

    deterministic  what it does without noise: "base" (the mean of the Gaussian, mapped through the
                   flow), "mean", "mode" or "best"; None: what the file says
    seed           of the random numbers of sampled actions; None: a seed of the system's

    Raises InputError on a file that is not a whole policy, FileError on one that can't be read.
    """
    file = pathlib.Path(path)
    if file.is_dir():
        file = file / "policy.safetensors"
    handle = c.Handle(c.library.mr_policy_load, os.fsencode(file), free=c.library.mr_policy_free)
    return Policy(handle, deterministic, seed)

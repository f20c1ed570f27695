"""The C engine's environments for Gymnasium: one, and many of a kind stepped together."""

from __future__ import annotations

import ctypes
import logging
import math
import os
import threading
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

try:
    from gymnasium.vector import AutoresetMode
    from gymnasium.vector.utils import batch_space
except ImportError:
    raise ImportError(
        f"millrace's environments need Gymnasium 1.1 or later, not {gymnasium.__version__}; "
        "pip install -U gymnasium"
    ) from None

from . import _library as c
from ._arrays import Doubles, address, check_type, doubles, numbers
from ._texts import pairs_of
from .errors import BusyError, ClosedError, RenderModeError, UsageError

_logger = logging.getLogger("millrace")

Array = npt.NDArray[Any]

# mr_step as NumPy reads it: `warning` is its pointer.
_FIELDS = {"reward": "f8", "terminated": "?", "truncated": "?", "diverged": "?", "warning": "u8"}
_STEP = np.dtype(
    {
        "names": list(_FIELDS),
        "formats": list(_FIELDS.values()),
        "offsets": [getattr(c.Step, name).offset for name in _FIELDS],
        "itemsize": ctypes.sizeof(c.Step),
    }
)


class _Infos:
    """The values beside observation and reward, by Gymnasium's names: one of several components is
    "name[1]" in C, and a part of the array "name" here."""

    def __init__(self, spec: c.EnvSpec) -> None:
        self.n = int(spec.n_info)
        columns: dict[str, list[int]] = {}
        self._is_array = set()
        for j in range(self.n):
            name, bracket, _ = spec.info_names[j].decode().partition("[")
            columns.setdefault(name, []).append(j)
            if bracket:
                self._is_array.add(name)
        self._columns = {
            name: slice(j[0], j[-1] + 1) if name in self._is_array else j[0] for name, j in columns.items()
        }

    def of_one(self, values: Doubles) -> dict[str, Any]:
        """Values [n] as a dict of numbers and arrays."""
        return {
            name: values[where].copy() if name in self._is_array else float(values[where])
            for name, where in self._columns.items()
        }

    def of_all(self, values: Doubles, has: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """Values [n_envs x n] as a VectorEnv has them: for each name an array, and under "_name" which
        environments have it."""
        infos: dict[str, Any] = {}
        for name, where in self._columns.items():
            infos[name], infos[f"_{name}"] = values[:, where].copy(), has.copy()
        return infos


class _Session:
    """What one environment and several have in common: the handle, which one thread uses at a time."""

    def __init__(self, name: str, handle: c.Handle, spec: c.EnvSpec) -> None:
        self.name = name
        self.obs_dim, self.act_dim = int(spec.obs_dim), int(spec.act_dim)  # the spec lies in the handle
        self.infos = _Infos(spec)
        self.observations = gymnasium.spaces.Box(-math.inf, math.inf, (spec.obs_dim,), np.float64)
        low, high = (
            numbers(bound, spec.act_dim).astype(np.float32) for bound in (spec.act_low, spec.act_high)
        )
        self.actions = gymnasium.spaces.Box(low, high, dtype=np.float32)
        self._handle: c.Handle | None = handle
        self._lock = threading.Lock()
        self._has_warned = False

    def __enter__(self) -> c.Handle:
        if self._handle is None:
            raise ClosedError(f"{self.name} is closed")
        if not self._lock.acquire(blocking=False):
            raise BusyError(f"{self.name} is used by another thread; make an environment for each")
        return self._handle

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def close(self) -> None:
        self._handle = None

    def warn(self, text: bytes | None) -> None:
        """Logs the first warning of the physics."""
        if not self._has_warned and text is not None:
            self._has_warned = True
            _logger.warning("%s: %s", self.name, text.decode())


def _options(task: str | os.PathLike[str] | None, options: dict[str, Any]) -> c.EnvOptions:
    """mr_env_options of Gymnasium's names of options."""
    return c.EnvOptions(set=pairs_of(options).encode(), task=None if task is None else os.fsencode(task))


def _cannot_draw(name: str, render_mode: object) -> RenderModeError:
    return RenderModeError(
        f"{name}: render_mode is {render_mode!r}, but from Python nothing is drawn; `millrace eval --video` "
        "makes videos"
    )


def _autoreset_mode(name: str, mode: str | AutoresetMode) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError:
        choices = ", ".join(repr(choice.value) for choice in AutoresetMode)
        raise UsageError(f"{name}: autoreset_mode is {mode!r}; give one of {choices}") from None


def _fresh_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])


def _check_seed(seed: int) -> ctypes.c_uint64:
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise UsageError(f"seed is {seed!r}; give a whole number from 0 to 2^64 - 1")
    return ctypes.c_uint64(int(seed))


class Env(gymnasium.Env[Array, Array]):
    """One of millrace's environments, in process.

    name     as `millrace envs` lists them ("Ant-v5"), or a scheme and an address ("mjcf:robot.xml")
    task     file that describes the task of an "mjcf:" model
    options  Gymnasium's options of the task: Env("Ant-v5", ctrl_cost_weight=0.1, healthy_z_range=(0.2, 1))

    Also gymnasium.make("millrace/Ant-v5"), once millrace is imported. Observations are float64, actions
    float32 (others are taken too). The episode limit is the engine's own. info has what Gymnasium's
    environment of this name has; info["warned"] marks a step whose physics was not the model's, and
    info["diverged"] one with which the simulation broke down. Used by one thread at a time.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - as Gymnasium's

    def __init__(
        self,
        name: str,
        *,
        task: str | os.PathLike[str] | None = None,
        render_mode: None = None,
        **options: Any,
    ) -> None:
        if render_mode is not None:
            raise _cannot_draw(name, render_mode)
        how = _options(task, options)
        handle = c.Handle(
            c.library.mr_env_open, name.encode(), ctypes.byref(how), free=c.library.mr_env_close
        )
        self._session = s = _Session(name, handle, c.library.mr_env_get_spec(handle)[0])
        self.observation_space, self.action_space = s.observations, s.actions
        self._obs, self._action = np.empty(s.obs_dim), np.empty(s.act_dim)
        self._obs_at, self._action_at = address(self._obs), address(self._action)
        self._is_seeded = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begins an episode. Without a seed the random numbers go on, at first from one of the system's."""
        super().reset(seed=seed)
        if options:
            raise UsageError(f"{self._session.name}: reset takes no options; give them when it is made")
        if seed is None and not self._is_seeded:
            seed = _fresh_seed()
        with self._session as handle:
            begin = None if seed is None else ctypes.byref(_check_seed(seed))
            c.library.mr_env_reset(handle, begin, self._obs_at)
            self._is_seeded = True
            return self._obs.copy(), self._info(handle)

    def step(self, action: npt.ArrayLike) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Takes a step with `action` [act_dim], in the task's own units: observation [obs_dim] as float64,
        reward, terminated, truncated, info.

        info  the task's own numbers, by Gymnasium's names (floats, and arrays where a name has several
              components); in some steps also "warned" and "diverged"
        """
        s, values, result = self._session, np.asarray(action), c.Step()
        check_type(f"{s.name}: an action", values)
        if values.shape != self._action.shape:
            raise UsageError(f"{s.name}: an action has the shape {self._action.shape}, not {values.shape}")
        with s as handle:
            self._action[:] = values
            c.library.mr_env_step(handle, self._action_at, self._obs_at, ctypes.byref(result))
            info = self._info(handle)
            obs = self._obs.copy()
        if result.warning is not None:
            s.warn(result.warning)
            info["warned"] = True
        if result.diverged:
            info["diverged"] = True
        return obs, result.reward, result.terminated, result.truncated, info

    def close(self) -> None:
        if hasattr(self, "_session"):
            self._session.close()

    def _info(self, handle: c.Handle) -> dict[str, Any]:
        infos = self._session.infos
        if infos.n == 0:
            return {}
        return infos.of_one(numbers(c.library.mr_env_info(handle), infos.n))


class VectorEnv(gymnasium.vector.VectorEnv[Array, Array, Array]):
    """Environments of one kind, stepped together by the C engine.

    name            as for Env
    num_envs        how many
    threads         that step them; they change no number
    autoreset_mode  what happens after an episode has ended, as Gymnasium has it: "NextStep" (the next
                    step is its reset), "SameStep" (it is reset at once, and the last observation is in
                    info["final_obs"]), "Disabled" (you reset, by options={"reset_mask": ...})
    task, options   as for Env

    `millrace.make_vec` is the same, and so is gymnasium.make_vec("millrace/Ant-v5", num_envs=64) once
    millrace is imported. After a step that raised, a reset of all goes on. Used by one thread at a time.
    """

    def __init__(
        self,
        name: str,
        num_envs: int = 1,
        *,
        threads: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        task: str | os.PathLike[str] | None = None,
        render_mode: None = None,
        **options: Any,
    ) -> None:
        if render_mode is not None:
            raise _cannot_draw(name, render_mode)
        if not isinstance(num_envs, (int, np.integer)) or not 1 <= num_envs <= 2**20:
            raise UsageError(f"{name}: num_envs is {num_envs!r}; give a whole number from 1 to 2^20")
        self.autoreset_mode = _autoreset_mode(name, autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.render_mode = None
        how, n = _options(task, options), int(num_envs)
        handle = c.Handle(
            c.library.mr_vec_env_open,
            name.encode(),
            ctypes.byref(how),
            n,
            threads,
            free=c.library.mr_vec_env_close,
        )
        self._session = s = _Session(name, handle, c.library.mr_vec_env_get_spec(handle)[0])
        self.num_envs = n
        self.single_observation_space, self.single_action_space = s.observations, s.actions
        self.observation_space = batch_space(s.observations, n)
        self.action_space = batch_space(s.actions, n)
        self._obs, self._results = np.zeros((n, s.obs_dim)), np.zeros(n, _STEP)
        self._info_values, self._active = np.zeros((n, s.infos.n)), np.ones(n, bool)
        self._has_ended = np.zeros(n, bool)
        self._obs_at, self._results_at, self._info_at, self._active_at = (
            address(array) for array in (self._obs, self._results, self._info_values, self._active)
        )
        self._is_seeded = self._has_begun = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begins episodes: with seeds `seed`, `seed` + 1, ..., or those of a list. Without a seed random
        numbers go on, at first from seeds of the system's.

        options  {"reset_mask": [num_envs] of bool} begins those alone
        """
        name, n = self._session.name, self.num_envs
        seeds: list[int | None]
        if seed is None or isinstance(seed, (int, np.integer)):
            first = _fresh_seed() // 2 if seed is None and not self._is_seeded else seed
            seeds = [None if first is None else int(first) + i for i in range(n)]
        else:
            seeds = list(seed)
        if len(seeds) != n:
            raise UsageError(f"{name}: reset: {len(seeds)} seeds for {n} environments")
        mask = self._reset_mask(options)
        with self._session as handle:
            if not self._has_begun and not mask.all():
                raise self._nothing_under_way("reset")
            self._begin(handle, np.flatnonzero(mask), seeds)
            self._is_seeded = self._has_begun = True
            return self._obs.copy(), self._infos(handle, mask)

    def step(
        self, actions: npt.ArrayLike
    ) -> tuple[Array, Doubles, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Takes a step in each environment, with its row of `actions` [num_envs x act_dim], in the task's
        own units: observations [num_envs x obs_dim] as float64, and rewards, terminated and truncated
        [num_envs]; infos.

        infos  for each of the task's own numbers, by Gymnasium's names, an array [num_envs], or [num_envs x
               components], and under "_name" which environments have it. In some steps also "warned" and
               "diverged"; in the mode "SameStep" "final_obs" and "final_info" of episodes that have ended

        `autoreset_mode` says what happens after an episode has ended.
        """
        s, n = self._session, self.num_envs
        values = doubles(f"{s.name}: actions", actions)
        if values.shape != (n, s.act_dim):
            raise UsageError(f"{s.name}: step: actions have the shape {(n, s.act_dim)}, not {values.shape}")
        with s as handle:
            if not self._has_begun:
                raise self._nothing_under_way("step")
            if self.autoreset_mode == AutoresetMode.DISABLED and self._has_ended.any():
                ended = np.flatnonzero(self._has_ended).tolist()
                raise UsageError(
                    f"{s.name}: step: the episodes of environments {ended} have ended; reset them by "
                    'options={"reset_mask": ...}'
                )
            return self._step(handle, values)

    def close_extras(self, **_: Any) -> None:
        if hasattr(self, "_session"):
            self._session.close()

    def _nothing_under_way(self, what: str) -> UsageError:
        return UsageError(
            f"{self._session.name}: {what}: no episodes are under way, or a step failed; reset all "
            "environments"
        )

    def _begin(self, handle: c.Handle, which: Array, seeds: list[int | None] | None = None) -> None:
        for i in which:
            seed = seeds[i] if seeds is not None else None
            at = self._obs_at + int(i) * self._obs.strides[0]
            begin = None if seed is None else ctypes.byref(_check_seed(seed))
            c.library.mr_vec_env_reset(handle, int(i), begin, at)
        self._has_ended[which] = False

    def _step(
        self, handle: c.Handle, actions: Doubles
    ) -> tuple[Array, Doubles, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        due, results = np.flatnonzero(self._has_ended), self._results
        self._has_begun = False  # until all of this step has its result
        self._active[:] = ~self._has_ended
        if due.size > 0:  # in the mode NEXT_STEP
            results[due] = np.zeros((), _STEP)
            self._begin(handle, due)
        c.library.mr_vec_env_step(handle, self._active_at, address(actions), self._obs_at, self._results_at)
        reward, terminated, truncated = (
            results[field].copy() for field in ("reward", "terminated", "truncated")
        )
        np.logical_or(terminated, truncated, out=self._has_ended)
        infos = self._infos(handle, np.ones(self.num_envs, bool))
        for name, marked in (("warned", results["warning"] != 0), ("diverged", results["diverged"])):
            if marked.any():
                infos[name], infos[f"_{name}"] = marked.copy(), marked.copy()
        if "warned" in infos:
            self._session.warn(c.library.mr_vec_env_warning(handle))
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._has_ended.any():
            infos = self._reset_ended(handle, infos)
        self._has_begun = True
        return self._obs.copy(), reward, terminated, truncated, infos

    def _reset_ended(self, handle: c.Handle, last: dict[str, Any]) -> dict[str, Any]:
        """Begins the episodes anew that have ended: the infos of all, with the last ones of those."""
        ended = self._has_ended.copy()
        final = np.full(self.num_envs, None, object)
        for i in np.flatnonzero(ended):
            final[i] = self._obs[i].copy()
        self._begin(handle, np.flatnonzero(ended))
        infos = {**last, **self._infos(handle, np.ones(self.num_envs, bool))}
        # As Gymnasium has them: those of the others are 0.
        last = {name: (values.T * ended).T.astype(values.dtype) for name, values in last.items()}
        infos["final_obs"], infos["_final_obs"] = final, ended.copy()
        infos["final_info"], infos["_final_info"] = last, ended.copy()
        return infos

    def _infos(self, handle: c.Handle, has: npt.NDArray[np.bool_]) -> dict[str, Any]:
        infos = self._session.infos
        if infos.n == 0:
            return {}
        c.library.mr_vec_env_infos(handle, infos.n, self._info_at)
        return infos.of_all(self._info_values, has)

    def _reset_mask(self, options: dict[str, Any] | None) -> npt.NDArray[np.bool_]:
        mask: npt.NDArray[np.bool_] = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        if set(options or {}) - {"reset_mask"}:
            raise UsageError(f"{self._session.name}: reset takes no options but 'reset_mask'")
        is_mask = isinstance(mask, np.ndarray) and mask.dtype == bool and mask.shape == (self.num_envs,)
        if not is_mask or not mask.any():
            raise UsageError(
                f"{self._session.name}: reset: 'reset_mask' must be an array of {self.num_envs} booleans, "
                "one of them true"
            )
        return mask


def make(name: str, **options: Any) -> Env:
    """One environment: Env."""
    return Env(name, **options)


def make_vec(name: str, num_envs: int = 1, *, threads: int = 1, **options: Any) -> VectorEnv:
    """Several environments stepped together: VectorEnv."""
    return VectorEnv(name, num_envs, threads=threads, **options)

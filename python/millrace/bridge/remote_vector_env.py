"""All environments of a server as a gymnasium.vector.VectorEnv."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

try:
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError:
    raise ImportError(
        f"RemoteVectorEnv needs Gymnasium 1.1 or later, not {gymnasium.__version__}; "
        "pip install -U gymnasium"
    ) from None

from . import wire
from .client import Client, Transition, is_unknown_session
from .errors import EpisodeBroken, RemoteError
from .remote_env import metadata_of, spaces_of

_BOOLEANS = ("connection_lost", "warned")  # all other infos are numbers


class RemoteVectorEnv(VectorEnv[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]):
    """The environments of a millrace server as a gymnasium.vector.VectorEnv, stepped by one message.

    endpoint        as in "tcp://127.0.0.1:5555"
    num_envs        the first so many of the server's environments; None: all
    autoreset_mode  what happens after an episode has ended, as Gymnasium has it: "NextStep" (the next
                    step is its reset), "SameStep" (it is reset at once, and the last observation is
                    in info["final_obs"]), "Disabled" (you reset, by options={"reset_mask": ...})
    render_mode     None or "rgb_array"; pictures are `width` x `height`
    options         those of `Connection`: timeout, retries, pause, curve_server_key, curve_secret_key

    Also gymnasium.make_vec("Remote-v0", num_envs=..., endpoint=...), once millrace is imported.

    If the server is restarted, all unfinished episodes end as in `RemoteEnv`: the last observation,
    reward 0, truncated, info["connection_lost"]. info["warned"] is as in `RemoteEnv`, too. After a step
    that ended without a result (NoReply, Ctrl-C) a step raises EpisodeBroken; a reset of all goes on.
    """

    def __init__(
        self,
        endpoint: str = wire.DEFAULT_ENDPOINT,
        *,
        num_envs: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
        **options: Any,
    ) -> None:
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.render_mode = render_mode
        self.metadata = {**metadata_of(render_mode), "autoreset_mode": self.autoreset_mode}
        self._client = Client(endpoint, **options)
        spec = self._client.spec
        self.num_envs = spec.num_envs if num_envs is None else num_envs
        if not 1 <= self.num_envs <= spec.num_envs:
            self._client.close()
            raise ValueError(f"{endpoint} has {spec.num_envs} environments, not {num_envs}")
        self._size = (width, height)
        self.single_observation_space, self.single_action_space = spaces_of(spec)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._last = np.zeros((self.num_envs, spec.obs_dim), self.single_observation_space.dtype)
        self._has_ended = np.zeros(self.num_envs, bool)
        self._is_broken = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Begins episodes: with seeds `seed`, `seed` + 1, ..., or those of a list.

        options  {"reset_mask": [num_envs] of bool} begins those alone
        """
        if seed is None or isinstance(seed, (int, np.integer)):
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(
                f"{self._client.endpoint}: reset: {len(seeds)} seeds for {self.num_envs} environments"
            )
        mask = self._reset_mask(options)
        if self._is_broken and not mask.all():
            raise self._broken("reset")
        which = np.flatnonzero(mask)
        self._is_broken = True
        n_sessions = self._client.n_sessions
        self._last[which] = self._client.reset(which.tolist(), [seeds[i] for i in which], renew=True)
        if self._client.n_sessions != n_sessions and not mask.all():
            raise self._broken("reset")
        self._has_ended[which] = False
        self._is_broken = False
        return self._last.copy(), {}

    def step(
        self, actions: npt.NDArray[Any]
    ) -> tuple[
        npt.NDArray[Any],
        npt.NDArray[np.float64],
        npt.NDArray[np.bool_],
        npt.NDArray[np.bool_],
        dict[str, Any],
    ]:
        rows = np.asarray(actions)
        shape = (self.num_envs, self._client.spec.act_dim)
        if rows.shape != shape:
            raise ValueError(f"{self._client.endpoint}: step: actions have shape {rows.shape}, not {shape}")
        if self._is_broken:
            raise self._broken("step")
        self._is_broken = True  # until all of this step has its result
        due = self._has_ended & (self.autoreset_mode == AutoresetMode.NEXT_STEP)
        going = np.flatnonzero(~due)
        is_lost = self._begin_episodes(np.flatnonzero(due))
        result = self._lost(going) if is_lost else self._step(going, rows)
        rewards, terminated, truncated = np.zeros(self.num_envs), *np.zeros((2, self.num_envs), bool)
        rewards[going] = result.reward
        terminated[going], truncated[going] = result.terminated, result.truncated
        self._last[going] = result.obs
        self._has_ended = terminated | truncated
        infos = self._finish(going, result)
        self._is_broken = False
        return self._last.copy(), rewards, terminated, truncated, infos

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        if self.render_mode is None:
            return None
        return tuple(self._client.render(i, *self._size) for i in range(self.num_envs))

    def ping(self) -> None:
        """Keeps the lease while the program does something else."""
        self._client.ping()

    def close_extras(self, **_: Any) -> None:
        if hasattr(self, "_client"):  # some versions of Gymnasium close what could not be made, too
            self._client.close()

    def _begin_episodes(self, which: npt.NDArray[np.intp]) -> bool:
        """Resets those. Returns whether the server was restarted, which ends the other episodes."""
        if which.size == 0:
            return False
        n_sessions = self._client.n_sessions
        self._last[which] = self._client.reset(which.tolist(), [None] * which.size, renew=True)
        return self._client.n_sessions != n_sessions

    def _step(self, which: npt.NDArray[np.intp], actions: npt.NDArray[Any]) -> Transition:
        if which.size == 0:
            return self._lost(which)
        try:
            return self._client.step(which.tolist(), actions[which])
        except RemoteError as error:
            if not is_unknown_session(error):
                raise
        self._client.renew()
        return self._lost(which)

    def _lost(self, which: npt.NDArray[np.intp]) -> Transition:
        """The result of a step for episodes that a restart of the server ended."""
        n = which.size
        return Transition(
            obs=self._last[which],
            reward=np.zeros(n),
            terminated=np.zeros(n, bool),
            truncated=np.ones(n, bool),
            info={"connection_lost": np.ones(n)},
            warned=np.zeros(n, bool),
        )

    def _finish(self, which: npt.NDArray[np.intp], result: Transition) -> dict[str, Any]:
        """The infos of a step; in the mode SAME_STEP also the resets of what has ended."""
        ended = np.flatnonzero(self._has_ended)
        if self.autoreset_mode != AutoresetMode.SAME_STEP or ended.size == 0:
            return self._infos(which, result)
        infos = self._infos(which, result, ~self._has_ended)
        infos["final_info"] = self._infos(which, result, self._has_ended)
        infos["final_obs"] = np.full(self.num_envs, None, object)
        for i in ended:
            infos["final_obs"][i] = self._last[i].copy()
        infos["_final_obs"], infos["_final_info"] = self._has_ended.copy(), self._has_ended.copy()
        self._begin_episodes(ended)
        return infos

    def _infos(
        self, which: npt.NDArray[np.intp], result: Transition, only: npt.NDArray[np.bool_] | None = None
    ) -> dict[str, Any]:
        """As Gymnasium's: for each name the values, and under "_name" which environments have it."""
        infos: dict[str, Any] = {}
        warned = {"warned": np.where(result.warned, 1.0, np.nan)} if result.warned.any() else {}
        for name, numbers in {**result.info, **warned}.items():
            has = np.zeros(self.num_envs, bool)
            has[which] = ~np.isnan(numbers)  # the protocol's sign for a name that is not there
            if only is not None:
                has &= only
            if has.any():
                values = np.zeros(self.num_envs, bool if name in _BOOLEANS else np.float64)
                values[which] = numbers
                infos[name], infos[f"_{name}"] = np.where(has, values, 0).astype(values.dtype), has
        return infos

    def _reset_mask(self, options: dict[str, Any] | None) -> npt.NDArray[np.bool_]:
        mask: npt.NDArray[np.bool_] = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        if set(options or {}) - {"reset_mask"}:
            raise ValueError(
                f"{self._client.endpoint}: reset: a remote environment takes no options but 'reset_mask'"
            )
        is_mask = isinstance(mask, np.ndarray) and mask.dtype == bool and mask.shape == (self.num_envs,)
        if not is_mask or not mask.any():
            raise ValueError(
                f"{self._client.endpoint}: reset: 'reset_mask' must be an array of {self.num_envs} booleans, "
                "one of them true"
            )
        return mask

    def _broken(self, what: str) -> EpisodeBroken:
        return EpisodeBroken(
            f"{self._client.endpoint}: {what}: the last step or reset ended without a result (no reply, or "
            "the call was interrupted), so that the state is not known; reset all environments"
        )

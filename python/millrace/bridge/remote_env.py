"""A remote environment as a gymnasium.Env."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from . import wire
from .client import Client, is_unknown_session
from .errors import RemoteError
from .spec import Spec


def spaces_of(spec: Spec) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Box]:
    """The spaces of one environment: observations and actions."""
    dtype = np.float32 if spec.obs_dtype == "f4" else np.float64
    low, high = np.array(spec.act_low, np.float32), np.array(spec.act_high, np.float32)
    observations = gymnasium.spaces.Box(-math.inf, math.inf, (spec.obs_dim,), dtype)
    return observations, gymnasium.spaces.Box(low, high, dtype=np.float32)


def metadata_of(render_mode: str | None) -> dict[str, Any]:
    """Whether a server can draw is known only from its reply: without render_mode there is no mode."""
    if render_mode not in (None, "rgb_array"):
        raise ValueError(f"render_mode is None or 'rgb_array', not {render_mode!r}")
    return {"render_modes": [render_mode] if render_mode else [], "render_fps": 30}


class RemoteEnv(gymnasium.Env[npt.NDArray[Any], npt.NDArray[Any]]):
    """A gymnasium.Env over a millrace server, in whatever language that is.

    endpoint     as in "tcp://127.0.0.1:5555"
    env          which of the server's environments
    render_mode  None or "rgb_array"; pictures are `width` x `height`
    options      those of `Connection`: timeout, retries, pause, curve_server_key, curve_secret_key

    Also gymnasium.make("Remote-v0", endpoint=...), once millrace is imported.

    If the server is restarted in the middle of an episode, the next step returns the last observation,
    reward 0 and truncated, with info["connection_lost"] true; do not learn from that step. The next reset
    starts an episode on the new server.

    info["warned"] is true for a step whose physics was not the model's (too many contacts, NaN); the
    server's warning goes to the log once.

    After a step or reset that raised NoReply, or was interrupted (Ctrl-C), a step raises EpisodeBroken;
    a reset goes on.

    Observations are float32 or float64 as the server says, actions float32; actions given in float64
    travel in float64.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 - as Gymnasium's

    def __init__(
        self,
        endpoint: str = wire.DEFAULT_ENDPOINT,
        *,
        env: int = 0,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
        **options: Any,
    ) -> None:
        self.metadata = metadata_of(render_mode)
        self._client = Client(endpoint, **options)
        spec = self._client.spec
        if not 0 <= env < spec.num_envs:
            self._client.close()
            raise ValueError(f"{endpoint} has {spec.num_envs} environments; there is no number {env}")
        self.render_mode = render_mode
        self._env, self._size = env, (width, height)
        self.observation_space, self.action_space = spaces_of(spec)
        self._last = np.zeros(spec.obs_dim, self.observation_space.dtype)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        super().reset(seed=seed)
        if options:
            raise ValueError(
                f"{self._client.endpoint}: reset: a remote environment takes no options; its server "
                "configures it"
            )
        self._last = self._client.reset([self._env], [seed], renew=True)[0]
        return self._last.copy(), {}

    def step(
        self, action: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[Any], float, bool, bool, dict[str, Any]]:
        row = np.asarray(action).reshape(1, -1)
        try:
            result = self._client.step([self._env], row)
        except RemoteError as error:
            if not is_unknown_session(error):
                raise
            self._client.renew()
            return self._last.copy(), 0.0, False, True, {"connection_lost": True}
        self._last = result.obs[0]
        info: dict[str, Any] = {name: float(values[0]) for name, values in result.info.items()}
        if result.warned[0]:
            info["warned"] = True
        return (
            self._last.copy(),
            float(result.reward[0]),
            bool(result.terminated[0]),
            bool(result.truncated[0]),
            info,
        )

    def render(self) -> npt.NDArray[np.uint8] | None:
        if self.render_mode is None:
            return None
        return self._client.render(self._env, *self._size)

    def ping(self) -> None:
        """Keeps the lease while the program does something else."""
        self._client.ping()

    def close(self) -> None:
        self._client.close()

"""The part of gymnasium.Env that a served environment must have, so that Gymnasium is not needed."""

from __future__ import annotations

import sys
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Box(Protocol):
    """As gymnasium.spaces.Box."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    low: npt.NDArray[Any]
    high: npt.NDArray[Any]


class Environment(Protocol):
    """As gymnasium.Env, with Box spaces."""

    @property
    def observation_space(self) -> Any: ...

    @property
    def action_space(self) -> Any: ...

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]: ...

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]: ...

    def render(self) -> Any: ...

    def close(self) -> None: ...


def _is_vector(env: Any) -> bool:
    """Of Gymnasium's, or of Stable-Baselines3's kind."""
    vector = sys.modules.get("gymnasium.vector")
    if vector is not None and isinstance(env, vector.VectorEnv):
        return True
    return hasattr(env, "num_envs") and (hasattr(env, "single_action_space") or hasattr(env, "step_async"))


def members(env: Any) -> list[Environment]:
    """The environments that a given one stands for: itself, or those of a SyncVectorEnv. These are
    reset one by one, with the seeds that the client gives, so that the vector environment's own way of
    resetting (its autoreset mode) plays no part. Raises TypeError for other vector environments, which
    step all they have at once."""
    if not _is_vector(env):
        return [env]
    vector = sys.modules.get("gymnasium.vector")
    if vector is not None and type(env) is vector.SyncVectorEnv:  # a subclass or a wrapper does more
        return list(env.envs)
    raise TypeError(
        f"{type(env).__name__} is a vector environment, whose environments cannot be reset and stepped "
        "each by itself; give a list of environments, or a function that makes one, and num_envs"
    )

"""Vector environments: which environments they are made of."""

from __future__ import annotations

import sys
from typing import Any

from .environment import Environment


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

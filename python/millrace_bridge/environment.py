"""The part of gymnasium.Env that a served environment must have, so that Gymnasium is not needed."""

from __future__ import annotations

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

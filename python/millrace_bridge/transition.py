"""The result of a step of several environments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Transition:
    """One row, or element, for each environment stepped."""

    obs: npt.NDArray[Any]
    reward: npt.NDArray[np.float64]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]
    info: dict[str, npt.NDArray[np.float64]]
    warned: npt.NDArray[np.bool_]  # the physics of the step was not the model's

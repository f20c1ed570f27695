"""The spec of a served policy."""

from __future__ import annotations

from dataclasses import dataclass

from . import wire
from .spec import read_bounds, read_dims


@dataclass(frozen=True)
class PolicySpec:
    """The reply to hello."""

    name: str
    obs_dim: int
    act_dim: int
    act_low: tuple[float, ...]
    act_high: tuple[float, ...]

    @classmethod
    def read(cls, message: wire.Message) -> PolicySpec:
        obs_dim, act_dim = read_dims(message)
        low, high = read_bounds(message, act_dim)
        return cls(wire.get_text(message, "name"), obs_dim, act_dim, low, high)

    @property
    def max_rows(self) -> int:
        """How many observations one message may hold."""
        room = wire.MAX_MESSAGE_BYTES - wire.MESSAGE_OVERHEAD_BYTES
        return max(1, room // (8 * max(self.obs_dim, self.act_dim)))

    @property
    def message_bytes(self) -> int:
        return 8 * max(self.obs_dim, self.act_dim) * self.max_rows + wire.MESSAGE_OVERHEAD_BYTES

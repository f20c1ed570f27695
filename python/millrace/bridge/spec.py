"""What servers announce: the spec of environments, or of a policy."""

from __future__ import annotations

from dataclasses import dataclass

from . import wire

_MAX_DIM = 2**24
_MAX_ENVS = 2**16


def read_dims(message: wire.Message) -> tuple[int, int]:
    """Sizes of an observation and of an action."""
    obs_dim = wire.get_unsigned(message, "obs_dim", 1, _MAX_DIM)
    return obs_dim, wire.get_unsigned(message, "act_dim", 1, _MAX_DIM)


def read_bounds(message: wire.Message, act_dim: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The lowest and the highest action."""
    low = wire.get_array(message, "act_low", "f8", (act_dim,))
    high = wire.get_array(message, "act_high", "f8", (act_dim,))
    if not (low <= high).all():
        raise wire.Malformed("'act_low' must not be above 'act_high'")
    return tuple(low.tolist()), tuple(high.tolist())


@dataclass(frozen=True)
class Spec:
    """The reply to hello. Equal specs describe the same environments."""

    name: str
    num_envs: int
    obs_dim: int
    act_dim: int
    obs_dtype: str
    act_low: tuple[float, ...]
    act_high: tuple[float, ...]
    max_episode_steps: int

    @classmethod
    def read(cls, message: wire.Message) -> Spec:
        obs_dim, act_dim = read_dims(message)
        low, high = read_bounds(message, act_dim)
        dtype = wire.get_text(message, "obs_dtype")
        if dtype not in ("f4", "f8"):
            raise wire.Malformed("'obs_dtype' must be f4 or f8")
        return cls(
            name=wire.get_text(message, "name"),
            num_envs=wire.get_unsigned(message, "num_envs", 1, _MAX_ENVS),
            obs_dim=obs_dim,
            act_dim=act_dim,
            obs_dtype=dtype,
            act_low=low,
            act_high=high,
            max_episode_steps=wire.get_unsigned(message, "max_episode_steps"),
        )

    @property
    def message_bytes(self) -> int:
        """Room for the largest message about all environments."""
        per_env = 8 * (self.obs_dim + self.act_dim) + 1024
        return self.num_envs * per_env + wire.MESSAGE_OVERHEAD_BYTES


@dataclass(frozen=True)
class PolicySpec:
    """The reply of a policy's server to hello."""

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

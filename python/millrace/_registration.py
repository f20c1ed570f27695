"""The ids that gymnasium.make and gymnasium.make_vec know once millrace is imported."""

from __future__ import annotations

# The environments of `millrace envs`. They are listed here too because the ids are registered without the
# library: if it can't be loaded, gymnasium.make says why, and not that the id is unknown.
# tests/test_environments.py holds the list against the library's.
_NAMES = (
    "Ant-v5",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Humanoid-v5",
    "HumanoidStandup-v5",
    "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5",
    "Pusher-v5",
    "Reacher-v5",
    "Swimmer-v5",
    "Walker2d-v5",
    "MultiGoal-v0",
    "PointMazeU-v0",
    "SparseAnt-v0",
    "SparseHalfCheetah-v0",
    "SparseHopper-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
    "TwoDoors-v0",
)


def register_all() -> None:
    """Registers "millrace/NAME" for each of the library's environments, and "Remote-v0"; nothing if
    Gymnasium is not installed."""
    try:
        from gymnasium.envs.registration import register, registry
    except ImportError:
        return
    if "Remote-v0" not in registry:
        register(
            "Remote-v0",
            entry_point="millrace.bridge.remote_env:RemoteEnv",
            vector_entry_point="millrace.bridge.remote_vector_env:RemoteVectorEnv",
        )
    for name in _NAMES:
        if f"millrace/{name}" not in registry:
            register(
                f"millrace/{name}",
                entry_point="millrace.environments:Env",
                vector_entry_point="millrace.environments:VectorEnv",
                kwargs={"name": name},
            )

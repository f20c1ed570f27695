"""The ids that gymnasium.make and gymnasium.make_vec know once millrace is imported."""

from __future__ import annotations

from .errors import LibraryError


def register_all() -> None:
    """Registers "Remote-v0", and "millrace/NAME" for each of the library's environments; nothing where
    Gymnasium is not installed, and the first alone where the library is not."""
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
    try:
        from . import _library as c
    except LibraryError:
        return
    for i in range(c.library.mr_env_count()):
        name = c.library.mr_env_at(i).name.decode()
        if f"millrace/{name}" not in registry:
            register(
                f"millrace/{name}",
                entry_point="millrace.environments:Env",
                vector_entry_point="millrace.environments:VectorEnv",
                kwargs={"name": name},
            )

"""The former name of `millrace.bridge`: the same modules, classes and functions.

`millrace_bridge.X` is `millrace.bridge.X`, and `python -m millrace_bridge` is
`python -m millrace.bridge`.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from typing import TYPE_CHECKING, Any

from millrace import bridge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millrace.bridge import *  # noqa: F403

__all__ = bridge.__all__

_PREFIX = __name__ + "."


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports `millrace_bridge.NAME` as the module `millrace.bridge.NAME` itself, not as a copy."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(_PREFIX):
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        name = f"{bridge.__name__}.{spec.name[len(_PREFIX) :]}"
        module = importlib.import_module(name)
        spec.loader_state = module.__spec__  # the import system is about to replace it
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        module.__spec__ = getattr(module.__spec__, "loader_state", None)


sys.meta_path.append(_Finder())


def __getattr__(name: str) -> Any:
    return getattr(bridge, name)

"""A wheel with the library in it (scripts/wheel puts it there) is for this platform and every Python 3."""

from __future__ import annotations

import pathlib
from typing import Any

from setuptools import Distribution, setup

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

HAS_LIBRARY = pathlib.Path(__file__).parent.joinpath("millrace", "lib").exists()


class LibraryDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return HAS_LIBRARY


class LibraryWheel(bdist_wheel):  # type: ignore[misc]
    def get_tag(self) -> Any:
        tag = super().get_tag()
        return ("py3", "none", tag[2]) if HAS_LIBRARY else tag


setup(distclass=LibraryDistribution, cmdclass={"bdist_wheel": LibraryWheel})

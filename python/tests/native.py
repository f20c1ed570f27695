"""What the tests of the native half (all but the bridge) need: the library, and files that it reads."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "data" / "golden" / "0.1"

# `scripts/test dev` builds build/dev, and says so by MILLRACE, its command.
command = pathlib.Path(os.environ.get("MILLRACE", ROOT / "build/release/bin/millrace"))
built = command.parents[1] / "libmillrace.so"
if "MILLRACE" in os.environ and built.exists():
    os.environ.setdefault("MILLRACE_LIBRARY", str(built))

millrace = pytest.importorskip("millrace", reason="millrace can't be imported")
try:
    from millrace import _library  # noqa: F401
except millrace.LibraryError:
    pytest.skip("libmillrace is not built", allow_module_level=True)

"""millrace_bridge, the former name of millrace.bridge."""

import importlib
import subprocess
import sys

import pytest

pytest.importorskip("zmq", reason="pyzmq is not installed")

import millrace_bridge  # noqa: E402
import millrace_bridge.server  # noqa: E402
from millrace_bridge import Client, curve  # noqa: E402
from millrace_bridge.errors import NoReply  # noqa: E402

import millrace  # noqa: E402
from millrace import bridge  # noqa: E402


def test_has_the_same_classes_and_modules():
    assert Client is bridge.Client and NoReply is bridge.NoReply
    assert millrace_bridge.server is bridge.server and curve is bridge.curve
    assert millrace_bridge.__all__ == bridge.__all__
    assert millrace_bridge.__version__ == bridge.__version__ == millrace.__version__
    assert bridge.server.__name__ == bridge.server.__spec__.name == "millrace.bridge.server"
    with pytest.raises(ImportError):
        from millrace_bridge import nothing  # noqa: F401
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("millrace_bridge.nothing")


@pytest.mark.parametrize("name", ["millrace_bridge", "millrace.bridge"])
def test_both_are_programs(name):
    done = subprocess.run([sys.executable, "-m", name, "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("millrace.bridge ")

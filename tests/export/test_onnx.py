"""Exported ONNX files: ONNX's own checker takes them, and onnxruntime acts as the library does."""

import os
import pathlib
import subprocess

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

ROOT = pathlib.Path(__file__).parents[2]
MILLRACE = os.environ.get("MILLRACE", ROOT / "build" / "release" / "bin" / "millrace")
POLICIES = ROOT / "tests" / "data" / "golden" / "0.1" / "policies"
NAMES = sorted(path.stem for path in POLICIES.glob("*.safetensors"))
N_ROWS = 8


def golden_inputs(n, dim):
    """As tests/golden_inputs.h."""
    return 2 * np.sin(np.arange(n * dim) + 1).reshape(n, dim), (1.5 * np.sin(3 * np.arange(n * dim) + 2)).reshape(n, dim)


def exported(source, path):
    subprocess.run([MILLRACE, "export", source, "--onnx", path], check=True)
    onnx.checker.check_model(str(path), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", NAMES)
def test_acts_as_recorded(name, tmp_path):
    """The recorded actions are those of version 0.1; the task's bounds are -1 and 1."""
    session = exported(POLICIES / f"{name}.safetensors", tmp_path / "policy.onnx")
    (observation, noise), (action,) = session.get_inputs() + session.get_overridable_initializers(), session.get_outputs()
    assert (observation.name, noise.name, action.name) == ("observation", "noise", "action")
    recorded = np.loadtxt(POLICIES / f"{name}.csv", delimiter=",")[:, :-1]
    obs, z = golden_inputs(N_ROWS, observation.shape[1])[0], golden_inputs(N_ROWS, action.shape[1])[1]
    given = {"observation": obs.astype(np.float32)}
    np.testing.assert_allclose(session.run(None, given)[0], recorded[:N_ROWS], atol=2e-5)
    given["noise"] = z.astype(np.float32)
    np.testing.assert_allclose(session.run(None, given)[0], recorded[N_ROWS:], atol=2e-5)
    one = session.run(["action"], {name: rows[:1] for name, rows in given.items()})[0]
    np.testing.assert_allclose(one, recorded[N_ROWS : N_ROWS + 1], atol=2e-5)

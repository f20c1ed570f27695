"""Exported ONNX models (docs/export.md): onnxruntime acts as the library does."""

import json
import subprocess

import numpy as np
import pytest

from native import GOLDEN, ROOT, command, millrace
from test_documentation import blocks_of

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

N_ROWS = 1000
TOLERANCE = 1e-5  # of an action in (-1, 1)


def millrace_command(*arguments):
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True)


def export(source, path, *options):
    """The session of an exported model that ONNX's checker has taken."""
    done = millrace_command("export", source, "--onnx", path, *options)
    assert (done.returncode, done.stderr) == (0, "")
    onnx.checker.check_model(str(path), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def names_of(session):
    return [i.name for i in session.get_inputs()], [o.name for o in session.get_outputs()]


def run_in_batches(session, names, inputs, size):
    """The outputs `names` for all rows, `size` rows at a time."""
    parts = []
    for first in range(0, len(inputs["obs"]), size):
        parts.append(session.run(names, {key: rows[first : first + size] for key, rows in inputs.items()}))
    return [np.concatenate(part) for part in zip(*parts)]


def sample(policy, obs, noise):
    """The library's actions and log-densities for given noise."""
    from millrace import _library as c
    from millrace._arrays import address

    actions, log_prob = np.empty((len(obs), policy.act_dim)), np.empty(len(obs), np.float32)
    for i in range(0, len(obs), 200):
        rows = slice(i, i + 200)
        o, n, a, p = np.ascontiguousarray(obs[rows], float), noise[rows], actions[rows], log_prob[rows]
        c.library.mr_policy_sample(policy._handle, len(o), address(o), address(n), address(a), address(p))
    return actions, log_prob


def check_actions(actions, expected, policy):
    """Within 1e-5 of their range, which is 2 before they are scaled to the task's bounds."""
    half_range = (policy.action_high - policy.action_low) / 2
    assert actions.dtype == np.float32 and actions.shape == expected.shape
    np.testing.assert_allclose(actions / half_range, expected / half_range, rtol=0, atol=TOLERANCE)
    assert (actions >= np.float32(policy.action_low)).all() and (
        actions <= np.float32(policy.action_high)
    ).all()


def check(source, tmp_path):
    """On random observations, without noise and with it, one at a time and in batches."""
    policy = millrace.load(source)
    random = np.random.default_rng(1)
    obs = (2 * random.standard_normal((N_ROWS, policy.obs_dim))).astype(np.float32)
    noise = random.standard_normal((N_ROWS, policy.act_dim), np.float32)

    model = export(source, tmp_path / "deterministic.onnx")
    assert names_of(model) == (["obs"], ["actions"])
    expected, _ = policy.predict(obs, deterministic=True)
    assert np.std(expected) > 0.01
    for size in 1, 64:
        check_actions(*run_in_batches(model, None, {"obs": obs}, size), expected, policy)
    if not policy.is_stochastic:
        return

    model = export(source, tmp_path / "samples.onnx", "--stochastic")
    assert names_of(model) == (["obs", "noise"], ["actions", "log_prob"])
    expected, expected_log_prob = sample(policy, obs, noise)
    for size in 1, 64:
        actions, log_prob = run_in_batches(model, None, {"obs": obs, "noise": noise}, size)
        check_actions(actions, expected, policy)
        # A sum over the actions, each with its own rounding; float32 has itself 1.2e-7 of a large sum.
        np.testing.assert_allclose(log_prob, expected_log_prob, rtol=1e-6, atol=TOLERANCE * policy.act_dim)


@pytest.fixture
def train(tmp_path):
    """Trains for a moment, on a task with several actions, whose bounds are -2 and 2."""

    def run(*options):
        few = "--steps 260 --learning-starts 200 --eval-episodes 1 --threads 1 --hidden 32x32"
        done = millrace_command("train", "Pusher-v5", "--out", tmp_path / "run", *few.split(), *options)
        assert done.returncode == 0, done.stderr
        return tmp_path / "run"

    return run


LISTED = json.loads(subprocess.run([command, "flow", "list", "--json"], capture_output=True).stdout)
FLOWS = [row["name"] for row in LISTED if row["type"] == "preset" and not row["name"].startswith("image_")]
BENT = ["--actor-lr", "0.01"]  # so that no part of the flow is still the identity


@pytest.mark.parametrize("flow", FLOWS)
def test_every_flow_acts_as_in_the_library(flow, train, tmp_path):
    check(train("--policy", flow, *BENT), tmp_path)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("policies/*.safetensors")), ids=lambda path: path.stem)
def test_golden_policies_act_as_in_the_library(path, tmp_path):
    check(path, tmp_path)


COMPOSITION = (
    "[actnorm, lu, coupling(spline(bins=1), net=residual), reverse, inverse(radial), inverse(lu), tanh]"
)
OPTIONS = {
    "a composition": ["--policy", COMPOSITION, *BENT],
    "inverse splines": ["--policy", "[coupling(inverse(spline)), autoregressive(inverse(spline))]", *BENT],
    "td3": ["--agent", "td3"],
    "meow": ["--preset", "meow"],
    "best: batch renorm": [],
    "sac": ["--agent", "sac"],
    "xqc: batch norm": ["--preset", "xqc"],
    "layer norm": ["--actor-norm", "layer"],
    "rms norm": ["--actor-norm", "rms", "--norm-position", "after"],
    "normalised observations": ["--policy", "real_nvp", "--normalize-observation"],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_trained_policies_act_as_in_the_library(options, train, tmp_path):
    check(train(*options), tmp_path)


# ---- What is in the file


def test_the_metadata_are_the_policy_s(tmp_path):
    session = export(GOLDEN / "policies/gaussian.safetensors", tmp_path / "policy.onnx")
    policy = millrace.load(GOLDEN / "policies/gaussian.safetensors")
    meta = session.get_modelmeta()
    assert meta.producer_name == "millrace"
    assert meta.custom_metadata_map == {
        "millrace_version": millrace.__version__,
        "env": policy.env,
        "policy": policy.flow,
        "act_low": " ".join(f"{x:g}" for x in policy.action_low),
        "act_high": " ".join(f"{x:g}" for x in policy.action_high),
    }
    model = onnx.load(tmp_path / "policy.onnx")
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 14)] and model.ir_version == 7
    (obs,) = model.graph.input
    batch, size = obs.type.tensor_type.shape.dim
    assert (batch.dim_param, size.dim_value) == ("batch", policy.obs_dim)


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    export(GOLDEN / "policies/nsf.safetensors", "policy.onnx")
    export(GOLDEN / "policies/nsf.safetensors", "sampler.onnx", "--stochastic")
    (block,) = blocks_of(ROOT / "docs/export.md")
    names = {"observation": np.zeros(millrace.load(GOLDEN / "policies/nsf.safetensors").obs_dim)}
    exec(compile(block[1], "docs/export.md", "exec"), names)

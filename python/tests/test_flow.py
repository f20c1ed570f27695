"""millrace.Flow: against what version 0.1 recorded, against the command, and as scikit-learn wants it."""

import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from native import GOLDEN, command, millrace

FLOWS = GOLDEN / "flows"
KINDS = sorted(path.stem for path in FLOWS.glob("*.safetensors"))
QUICK = {"epochs": 3, "batch_size": 64}
STILL = {"epochs": 1, "lr": 1e-12}  # shift and scale alone are fitted


def banana(n=400, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, 3))
    x[:, 1] += x[:, 0] ** 2
    return x


@pytest.fixture(scope="module")
def fitted():
    return millrace.Flow("nsf:layers=2", **QUICK).fit(banana())


# ---- What it computes


@pytest.mark.parametrize("kind", KINDS)
def test_scores_as_recorded(kind):
    data = np.loadtxt(FLOWS / "data.csv", delimiter=",", skiprows=1)
    recorded = np.loadtxt(FLOWS / f"{kind}.csv")
    flow = millrace.Flow.load(FLOWS / f"{kind}.safetensors")
    found = flow.score_samples(data[: len(recorded)])
    assert (np.abs(found - recorded) <= 1e-4 * np.maximum(1, np.abs(recorded))).all()  # as test_golden.c
    assert flow.n_features_in_ == data.shape[1] and flow.n_given_ == 0 and flow.flow.startswith(kind)


@pytest.mark.skipif(not command.exists(), reason="build/release/bin/millrace is not built")
@pytest.mark.parametrize("given", [False, True])
def test_fits_the_same_bits_as_the_command(given, tmp_path):
    data = banana()
    np.save(tmp_path / "data.npy", data)
    options = ["--flow", "maf:layers=2", "--epochs", "3", "--batch-size", "64", "--seed", "7"]
    more = ["--given", "3", "--target", "1-2"] if given else []
    arguments = [command, "flow", "fit", tmp_path / "data.npy", *options, *more]
    subprocess.run([*arguments, "--out", tmp_path / "model.safetensors"], check=True, capture_output=True)
    theirs = millrace.Flow.load(tmp_path / "model.safetensors")
    flow = millrace.Flow("maf:layers=2", seed=7, **QUICK)
    if given:
        flow.fit(data[:, :2], given=data[:, 2:])
        found, expected = (f.log_prob(data[:, :2], given=data[:, 2:]) for f in (flow, theirs))
    else:
        found, expected = flow.fit(data).log_prob(data), theirs.log_prob(data)
    np.testing.assert_array_equal(found, expected)
    assert theirs.n_given_ == flow.n_given_ == int(given)


def test_a_gaussian_fit_has_the_closed_forms_likelihood():
    x = np.random.default_rng(1).normal([3, -2], [0.5, 4], (4000, 2))
    flow = millrace.Flow("gaussian", **STILL).fit(x)
    mean, std = x.mean(axis=0), x.std(axis=0)
    expected = -0.5 * ((x - mean) ** 2 / std**2).sum(axis=1) - np.log(std).sum() - np.log(2 * np.pi)
    # The tenth that is held out moves mean and deviation by some 1e-2 deviations, the mean by its square.
    assert flow.score(x) == pytest.approx(expected.mean(), abs=1e-3)
    samples = flow.sample(4000, seed=1)
    np.testing.assert_allclose(samples.mean(axis=0), mean, atol=4 * (std / np.sqrt(4000)).max())


def test_a_conditional_density_follows_what_is_given():
    rng = np.random.default_rng(1)
    given = rng.uniform(-2, 2, (3000, 1))
    x = np.sin(given) + 0.1 * rng.normal(size=(3000, 1))
    flow = millrace.Flow("nsf:layers=2", epochs=20).fit(x, given=given)
    entropy = 0.5 * np.log(2 * np.pi * np.e * 0.1**2)
    assert flow.score(x, given=given) == pytest.approx(-entropy, abs=0.1)
    where = np.full((500, 1), 1.5)
    assert flow.sample(given=where, seed=1).mean() == pytest.approx(np.sin(1.5), abs=0.05)


def test_bounded_and_circular_columns_keep_their_bounds():
    rng = np.random.default_rng(1)
    x = np.column_stack((rng.uniform(0, 1, 500), rng.vonmises(3, 1, 500), rng.normal(size=500)))
    flow = millrace.Flow("nsf", bounded={0: (0, 1)}, circular={1: (-np.pi, np.pi)}, **QUICK).fit(x)
    samples = flow.sample(1000, seed=1)
    assert (
        (samples[:, 0] >= 0).all() and (samples[:, 0] <= 1).all() and (np.abs(samples[:, 1]) <= np.pi).all()
    )


def test_samples_follow_their_seed(fitted):
    np.testing.assert_array_equal(fitted.sample(5, seed=3), fitted.sample(9, seed=3)[:5])
    assert not (fitted.sample(5) == fitted.sample(5)).any()
    assert fitted.sample().shape == (1, 3)


def test_rows_of_weight_0_do_not_count():
    data = banana()
    far = np.concatenate((data, np.full((100, 3), 1e3)))
    flow, weights = millrace.Flow("gaussian", **STILL), np.r_[np.ones(len(data)), np.zeros(100)]
    alone = flow.fit(data).score(data)
    assert flow.fit(far, sample_weight=weights).score(data) == pytest.approx(alone, abs=0.02)
    assert flow.fit(far).score(data) < alone - 5


def test_tells_of_each_pass():
    passes = []
    flow = millrace.Flow("maf", **QUICK).fit(banana(), callback=lambda *now: passes.append(now))
    assert [number for number, *_ in passes] == [1, 2, 3] and flow.n_iter_ == 3
    held_out = [held_out for _, _, held_out in passes]
    assert flow.held_out_log_prob_ == max(held_out) and flow.best_epoch_ == 1 + int(np.argmax(held_out))


def test_comes_back_from_its_file_and_from_a_pickle(fitted, tmp_path):
    data = banana()
    fitted.save(tmp_path / "flow.safetensors")
    for same in (millrace.Flow.load(tmp_path / "flow.safetensors"), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(same.score_samples(data), fitted.score_samples(data))
        np.testing.assert_array_equal(same.sample(3, seed=1), fitted.sample(3, seed=1))
        assert same.composition_ == fitted.composition_
    unfitted = pickle.loads(pickle.dumps(millrace.Flow("maf", lr=0.1)))
    assert (unfitted.flow, unfitted.lr) == ("maf", 0.1)


def test_defaults_are_the_librarys():
    from millrace import _library

    flow, defaults = millrace.Flow(), _library.library.mr_fit_defaults()
    names = {"epochs": "max_epochs", "threads": "n_threads"}
    for name in (
        "epochs",
        "patience",
        "held_out",
        "batch_size",
        "lr",
        "warm_up",
        "clip_norm",
        "seed",
        "threads",
    ):
        assert getattr(flow, name) == getattr(defaults, names.get(name, name)), name


# ---- scikit-learn


def presets():
    """Those of `millrace flow list` that are densities of any rows, and not of images alone."""
    listed = subprocess.run([command, "flow", "list"], check=True, capture_output=True, text=True).stdout
    names = re.findall(r"^  (\w+)", listed.split("\nParts, ")[0], re.MULTILINE)
    return [name for name in names if not name.startswith("image_")]


@pytest.mark.skipif(not command.exists(), reason="build/release/bin/millrace is not built")
def test_every_preset_passes_the_checks_of_scikit_learn():
    checks = pytest.importorskip("sklearn.utils.estimator_checks", reason="scikit-learn is not installed")
    from millrace.flow import EXPECTED_FAILED_CHECKS

    assert set(KINDS) < set(presets())
    for flow in presets():
        may_fail = {} if flow == "gaussian" else EXPECTED_FAILED_CHECKS  # which has no products
        estimator = millrace.Flow(flow, epochs=2)
        done = checks.check_estimator(
            estimator, on_skip=None, on_fail="raise", expected_failed_checks=may_fail
        )
        passed = sum(check["status"] == "passed" for check in done)
        expected = sum(check["status"] == "xfail" for check in done)
        assert passed > 40 and expected <= len(EXPECTED_FAILED_CHECKS), flow


def test_a_rows_density_depends_on_the_other_rows_by_rounding_alone(fitted):
    data = banana()
    together, order = fitted.score_samples(data), np.random.default_rng(1).permutation(len(data))
    np.testing.assert_allclose(fitted.score_samples(data[order]), together[order], rtol=2e-6)
    alone = [fitted.score_samples(row[None])[0] for row in data[:20]]
    np.testing.assert_allclose(alone, together[:20], rtol=2e-6)


def test_works_in_a_pipeline_and_a_grid_search():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), millrace.Flow("gaussian", **QUICK))
    search = GridSearchCV(pipeline, {"flow__flow": ["gaussian", "maf:layers=1", "nsf:layers=2"]}, cv=2)
    search.fit(banana())
    # A gaussian without correlations can't follow the curve.
    assert search.best_params_["flow__flow"] != "gaussian"
    assert np.isfinite(search.best_estimator_.score_samples(banana())).all()
    again = clone(search.best_estimator_[-1])
    assert again.get_params() == search.best_estimator_[-1].get_params() and not hasattr(again, "density_")


def test_does_without_scikit_learn(tmp_path):
    program = f"""
import sys
sys.modules["sklearn"] = None
import millrace, numpy as np, pickle
flow = millrace.Flow("maf", epochs=2)
assert flow.set_params(epochs=3).get_params()["epochs"] == 3
x = np.random.default_rng(1).normal(size=(200, 2))
flow.fit(x)
assert np.isfinite(flow.score(x)) and flow.n_features_in_ == 2
assert (pickle.loads(pickle.dumps(flow)).score_samples(x) == flow.score_samples(x)).all()
for wrong in (lambda: millrace.Flow().score_samples(x), lambda: flow.score_samples(x[:, :1]),
              lambda: flow.fit(x * np.nan), lambda: flow.set_params(depth=3),
              lambda: flow.fit(x, sample_weight=[1.0])):
    try:
        wrong()
    except ValueError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5 and "call fit first" in lines[0] and "(n, 2)" in lines[1] and "depth" in lines[3]


@pytest.mark.parametrize(
    ("sklearn", "error"),
    [
        ("__version__ = '1.5.2'", None),
        ("import a_package_that_sklearn_needs", "No module named 'a_package_that_sklearn_needs'"),
        ("raise ImportError('libgomp is missing')", "libgomp is missing"),
    ],
)
def test_says_what_is_wrong_with_scikit_learn(sklearn, error, tmp_path):
    (tmp_path / "sklearn.py").write_text(sklearn)
    program = "import millrace, numpy; millrace.Flow('maf', epochs=1).fit(numpy.random.normal(size=(99, 2)))"
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment
    )
    assert (done.returncode == 0) == (error is None), done.stderr
    assert (error or "needs scikit-learn 1.6 or later, not 1.5.2") in done.stderr.splitlines()[-1]


# ---- Misuse


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"flow": "nsff"}, "nsf"),
        ({"base": "norml"}, "norm"),
        ({"lr": -1.0}, "lr"),
        ({"epochs": -1}, "epochs"),
        ({"batch_size": 0.5}, "batch_size"),
        ({"threads": 0}, "thread"),
        ({"threads": "2"}, "threads is '2'"),
        ({"lr": "1e-3"}, "lr is '1e-3'; give a number"),
        ({"bounded": [(0, 1)]}, "column: .low, high"),
        ({"held_out": 2.0}, "held_out"),
        ({"bounded": {7: (0, 1)}}, "column 7"),
        ({"bounded": {0: (0, 1)}, "circular": {0: (0, 1)}}, "column 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(params, words):
    flow = millrace.Flow(**params)
    with pytest.raises(millrace.Error, match=words):
        flow.fit(banana(50))
    assert not hasattr(flow, "density_")


def test_data_that_make_no_sense_are_refused(fitted):
    x = banana(50)
    for wrong in (x[:, :2], x[0], np.full((4, 3), np.nan), x.astype(complex), [["a", "b", "c"]]):
        with pytest.raises(ValueError):
            fitted.score_samples(wrong)
    with pytest.raises(millrace.InputError):
        millrace.Flow(**QUICK).fit(np.ones((50, 3)))  # constant columns
    with pytest.raises(millrace.UsageError, match="isn't conditional"):
        fitted.score_samples(x, given=x)
    with pytest.raises(millrace.UsageError, match="isn't conditional"):
        fitted.sample(given=x)
    with pytest.raises(millrace.UsageError, match="n_samples"):
        fitted.sample(-1)
    with pytest.raises(millrace.UsageError, match="seed is 'one'"):
        fitted.sample(1, seed="one")
    conditional = millrace.Flow("maf", **QUICK).fit(x[:, :2], given=x[:, 2:])
    for call in (conditional.sample, lambda: conditional.score_samples(x[:, :2])):
        with pytest.raises(millrace.UsageError, match="needs given"):
            call()
    with pytest.raises(millrace.UsageError, match="given has 3 rows"):
        conditional.score_samples(x[:, :2], given=x[:3, 2:])
    with pytest.raises(millrace.FileError):
        millrace.Flow.load("no/such/file")


def stop_in_the_first_pass(epoch, *_):
    raise RuntimeError(f"pass {epoch}")


@pytest.mark.parametrize(
    ("refit", "error"),
    [
        (lambda flow, x: flow.fit(x, callback=stop_in_the_first_pass), RuntimeError),
        (lambda flow, x: flow.set_params(flow="typo").fit(x), millrace.UsageError),
        (lambda flow, x: flow.set_params(epochs=-1).fit(x), millrace.UsageError),
        (lambda flow, x: flow.fit(x, sample_weight=[1.0]), ValueError),
        (lambda flow, x: flow.fit(x, given=x[:3]), millrace.UsageError),
    ],
)
def test_a_fit_that_fails_leaves_the_one_before(fitted, refit, error):
    data = banana()
    for narrower_or_wider in (data[:, :2], np.concatenate((data, data + 1), axis=1)):
        flow = pickle.loads(pickle.dumps(fitted))
        with pytest.raises(error):
            refit(flow, narrower_or_wider)
        # C writes as many columns as the density has: into an array of fewer it would write beyond the end.
        assert flow.sample(1000, seed=1).shape == (1000, 3) and flow.n_features_in_ == 3 and flow.n_iter_ == 3
        np.testing.assert_array_equal(flow.score_samples(data), fitted.score_samples(data))
        with pytest.raises(ValueError):
            flow.score_samples(narrower_or_wider)


def test_names_of_columns_are_those_of_the_last_fit_that_ended():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame(banana(), columns=["x", "y", "z"])
    flow = millrace.Flow("gaussian", **STILL).fit(table)
    with pytest.raises(RuntimeError):
        flow.fit(table[["z", "x"]], callback=stop_in_the_first_pass)
    assert flow.feature_names_in_.tolist() == ["x", "y", "z"] and flow.n_features_in_ == 3
    assert flow.fit(table[["z", "x"]]).feature_names_in_.tolist() == ["z", "x"]
    assert not hasattr(flow.fit(banana()), "feature_names_in_")


def test_sizes_are_the_densitys_whatever_the_attributes_say(fitted):
    flow, x = pickle.loads(pickle.dumps(fitted)), banana(100)
    flow.n_features_in_ = 2
    assert flow.sample(1000).shape == (1000, 3)
    with pytest.raises(millrace.UsageError, match="3 columns"):
        flow.score_samples(x[:, :2])
    conditional = millrace.Flow("maf", **QUICK).fit(x[:, :2], given=x[:, 2:])
    conditional.n_given_ = 2
    with pytest.raises(millrace.UsageError, match="1 columns"):
        conditional.sample(given=x[:, :2])


def test_ctrl_c_stops_a_fit():
    flow = millrace.Flow("nsf", epochs=10**6, patience=10**6)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        flow.fit(banana(5000))
    assert time.monotonic() - start < 30 and not hasattr(flow, "density_")


def test_8_threads_score_and_sample_with_one_flow(fitted):
    data, wrong = banana(), []
    expected, sampled = fitted.score_samples(data), fitted.sample(50, seed=1)

    def use():
        for _ in range(20):
            if (fitted.score_samples(data) != expected).any() or (fitted.sample(50, seed=1) != sampled).any():
                wrong.append(1)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong

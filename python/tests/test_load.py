"""millrace.load, and what a policy does, against what version 0.1 recorded of the same files."""

import multiprocessing
import pickle
import threading

import numpy as np
import pytest

from native import GOLDEN, millrace

POLICIES = GOLDEN / "policies"
KINDS = sorted(path.stem for path in POLICIES.glob("*.safetensors"))
N_ROWS = 8


def load(kind="real_nvp", **options):
    return millrace.load(POLICIES / f"{kind}.safetensors", **options)


@pytest.fixture
def policy():
    with load(seed=1) as policy:
        yield policy


def golden_obs(policy):
    return 2 * np.sin(np.arange(N_ROWS * policy.obs_dim) + 1.0).reshape(N_ROWS, -1)


def units(policy, action):
    return (action - policy.action_low) / (policy.action_high - policy.action_low) * 2 - 1


@pytest.mark.parametrize("kind", KINDS)
def test_acts_as_recorded(kind):
    policy = load(kind, deterministic="base")
    obs = golden_obs(policy)
    recorded = np.loadtxt(POLICIES / f"{kind}.csv", delimiter=",")[:N_ROWS]  # without noise come first
    action, log_prob = policy.sample(obs, deterministic=True)
    assert action.dtype == log_prob.dtype == np.float32
    np.testing.assert_allclose(units(policy, action), recorded[:, :-1], atol=1e-5)  # as test_golden.c
    np.testing.assert_allclose(log_prob, recorded[:, -1], atol=1e-4)
    for row, expected in zip(obs, recorded):
        one, state = policy.predict(row, state="kept", deterministic=True)
        np.testing.assert_allclose(units(policy, one), expected[:-1], atol=1e-5)
        assert state == "kept" and one.shape == (policy.act_dim,)


@pytest.mark.parametrize("kind", KINDS)
def test_log_prob_of_sampled_actions_is_what_sampling_said(kind):
    policy = load(kind, seed=3)
    obs = np.random.default_rng(1).normal(0, 0.5, (1000, policy.obs_dim))  # more than are computed at once
    action, log_prob = policy.sample(obs)
    unit = units(policy, action.astype(float))
    inside = (np.abs(unit) < 0.99).all(axis=1)  # further out, rounding the action to float32 counts
    assert inside.sum() > 100
    np.testing.assert_allclose(policy.log_prob(obs, action)[inside], log_prob[inside], atol=2e-3)
    one = policy.log_prob(obs[0], action[0])
    assert one.shape == () and one == pytest.approx(log_prob[0], abs=2e-3)


def test_sampled_actions_follow_the_seed(policy):
    obs = golden_obs(policy)
    policy.seed(5)
    first = [policy.predict(obs[0])[0] for _ in range(3)]
    policy.seed(5)
    assert all((policy.predict(obs[0])[0] == a).all() for a in first)
    assert not (first[0] == first[1]).all()
    other = load(seed=5)
    assert (other.predict(obs[0])[0] == first[0]).all()


def test_takes_any_real_type_and_layout(policy):
    obs = np.round(golden_obs(policy) * 4)
    expected, _ = policy.predict(obs, deterministic=True)
    types = obs.astype(np.float32), obs.astype(np.int64), obs.tolist()
    for same in (*types, np.asfortranarray(obs), np.repeat(obs, 2, axis=0)[::2]):
        np.testing.assert_array_equal(policy.predict(same, deterministic=True)[0], expected)
        one, _ = policy.predict(same[0], deterministic=True)
        np.testing.assert_allclose(one, expected[0], atol=1e-5)
    assert policy.predict(obs[:0])[0].shape == (0, policy.act_dim)


def test_describes_itself(policy):
    assert policy.is_stochastic and policy.flow.startswith("real_nvp")
    assert policy.action_low.shape == policy.action_high.shape == (policy.act_dim,)
    assert policy.deterministic_action == "base"
    assert load(deterministic="mean:samples=4").deterministic_action == "mean:samples=4"
    assert policy.env in repr(policy)


def test_a_run_directory_is_its_latest_policy():
    run = millrace.load(GOLDEN / "plain_run")
    file = millrace.load(GOLDEN / "plain_run" / "policy.safetensors")
    obs = np.ones(run.obs_dim)
    assert (run.predict(obs, deterministic=True)[0] == file.predict(obs, deterministic=True)[0]).all()


def test_comes_back_from_its_file_and_from_a_pickle(policy, tmp_path):
    obs = golden_obs(policy)
    expected = policy.predict(obs, deterministic=True)[0]
    policy.save(tmp_path / "p.safetensors")
    for same in (millrace.load(tmp_path / "p.safetensors"), pickle.loads(pickle.dumps(policy))):
        np.testing.assert_array_equal(same.predict(obs, deterministic=True)[0], expected)


# ---- Misuse


def test_files_that_are_no_policy_are_refused(tmp_path):
    with pytest.raises(millrace.FileError, match="none.safetensors"):
        millrace.load(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(millrace.InputError, match="text.safetensors"):
        millrace.load(tmp_path / "text.safetensors")
    with pytest.raises(millrace.InputError):
        millrace.load(GOLDEN / "flows" / "maf.safetensors")
    with pytest.raises(millrace.UsageError):
        load(deterministic="best")


@pytest.mark.parametrize(
    "wrong",
    [
        *(np.zeros(shape) for shape in (2, (3, 2), (1, 1, 3), (), 0)),
        *(np.zeros(3, complex), ["a", "b", "c"], [object()] * 3, {"a": 1}, None, [[1], [1, 2]]),
    ],
)
def test_wrong_shapes_and_types_are_refused(policy, wrong):
    for call in (policy.predict, policy.sample, lambda obs: policy.log_prob(obs, np.zeros(policy.act_dim))):
        with pytest.raises((millrace.UsageError, ValueError)):
            call(wrong)


def test_numbers_that_are_not_finite_are_refused(policy):
    obs = golden_obs(policy)
    obs[3, 1] = np.nan
    with pytest.raises(millrace.NumericError, match="row 3"):
        policy.predict(obs)
    with pytest.raises(millrace.NumericError):
        policy.predict(obs[3])
    with pytest.raises(millrace.InputError, match="outside of its bounds"):
        policy.log_prob(obs[0], policy.action_high + 1)
    with pytest.raises(millrace.UsageError, match="8 observations, but 2 actions"):
        policy.log_prob(obs, np.zeros((2, policy.act_dim)))


def test_a_closed_policy_raises(policy):
    obs = golden_obs(policy)
    policy.close()
    policy.close()
    for call in (policy.predict, policy.sample):
        with pytest.raises(millrace.ClosedError, match="closed"):
            call(obs)
    with pytest.raises(millrace.ClosedError):
        pickle.dumps(policy)


def test_8_threads_act_on_one_policy_while_it_is_closed(policy):
    obs = golden_obs(policy)
    expected = [policy.predict(row, deterministic=True)[0] for row in obs]
    wrong, ended, n = [], [], [0]

    def act():
        try:
            while True:
                for row, action in zip(obs, expected):
                    if (policy.predict(row, deterministic=True)[0] != action).any():
                        wrong.append(row)
                    policy.predict(obs)
                n[0] += 1
        except millrace.ClosedError as error:
            ended.append(error)

    threads = [threading.Thread(target=act) for _ in range(8)]
    for thread in threads:
        thread.start()
    while n[0] < 20:
        assert any(thread.is_alive() for thread in threads)
    policy.close()
    for thread in threads:
        thread.join(20)
    assert len(ended) == 8 and not wrong


def _act_in_child(policy, obs, queue):
    queue.put(policy.predict(obs, deterministic=True)[0])


def test_acts_in_a_forked_child(policy):
    obs = golden_obs(policy)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_act_in_child, args=(policy, obs, queue))
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=20), policy.predict(obs, deterministic=True)[0])
    child.join(20)
    assert child.exitcode == 0

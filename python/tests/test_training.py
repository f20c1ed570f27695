"""millrace.train: the bits of the command, callbacks, Ctrl-C, and Gymnasium environments in process."""

import _thread
import gc
import logging
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from native import command, millrace

SMALL = {
    "steps": 300,
    "learning_starts": 100,
    "batch_size": 16,
    "hidden": (16, 16),
    "policy": "real_nvp:layers=2,hidden=8",
    "eval_every": 150,
    "eval_episodes": 2,
    "threads": 1,
}
NAME = "InvertedPendulum-v5"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def same_files(
    a, b, names=("policy.safetensors", "best_policy.safetensors", "evaluations.csv", "config.yaml")
):
    return all(
        (pathlib.Path(a) / name).read_bytes() == (pathlib.Path(b) / name).read_bytes() for name in names
    )


# ---- By name


@pytest.mark.skipif(not command.exists(), reason="build/release/bin/millrace is not built")
def test_gives_the_bits_of_the_command():
    from millrace._texts import text_of

    options = [f"--{name.replace('_', '-')}={text_of(value)}" for name, value in SMALL.items()]
    arguments = [command, "train", NAME, *options, "--seed", "3", "--env-set", "reset_noise_scale=0.02"]
    subprocess.run([*arguments, "--out", "theirs"], check=True, capture_output=True)
    run = millrace.train(
        NAME, out="ours", seed=3, env_set={"reset_noise_scale": 0.02}, on_step=lambda now: None, **SMALL
    )
    assert same_files("ours", "theirs")
    assert run.progress.total_timesteps == 300 and not run.stopped and run.progress.n_updates == 200


def test_leaves_a_run_that_acts_and_can_be_looked_at():
    run = millrace.train(NAME, **SMALL)
    assert run.directory.parent.name == "runs" and run.directory.name.startswith(
        f"{NAME}-real_nvp-layers-2-hidden-8-s1-"
    )
    policy = run.load_policy(best=True, seed=1)
    action, _ = policy.predict(np.zeros(policy.obs_dim), deterministic=True)
    assert np.isfinite(action).all() and policy.env == NAME
    evaluations = run.table("evaluations")
    assert evaluations["time/total_timesteps"].tolist() == [150, 300]
    assert run.progress.eval_mean_reward == pytest.approx(evaluations["eval/mean_reward"][-1])
    assert run.best_mean_reward == pytest.approx(evaluations["eval/mean_reward"].max())
    assert run.table()["time/total_timesteps"][-1] == 300
    again = millrace.train(NAME, **SMALL)
    assert again.directory != run.directory and same_files(
        again.directory, run.directory, ("policy.safetensors",)
    )


def test_tells_of_steps_evaluations_and_updates():
    steps, evaluations, updates = [], [], []
    millrace.train(
        NAME,
        on_step=lambda now: steps.append(now.total_timesteps),
        on_evaluation=lambda now, is_best: evaluations.append((now.total_timesteps, is_best)),
        on_update=lambda now, metrics: updates.append((now.n_updates, metrics)),
        **SMALL,
    )
    assert steps == list(range(1, 301))
    assert [step for step, _ in evaluations] == [150, 300] and evaluations[0][1]
    assert [n for n, _ in updates] == list(range(1, 201))
    assert all(np.isfinite(metrics["train/critic_loss"]) for _, metrics in updates)


def test_shows_its_progress(capfd):
    millrace.train(NAME, progress=True, **SMALL)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("step 150: mean return ") and "best" in lines[0]


def test_prints_nothing_by_itself_and_logs_notes(capfd, caplog):
    with caplog.at_level(logging.INFO, "millrace"):
        millrace.train("TwoDoors-v0" if "TwoDoors-v0" in names() else "SparseHalfCheetah-v0", **SMALL)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def names():
    from millrace import _library

    return [_library.library.mr_env_at(i).name.decode() for i in range(_library.library.mr_env_count())]


def test_a_callback_that_returns_false_stops_and_the_run_goes_on():
    whole = millrace.train(NAME, out="whole", **SMALL)
    run = millrace.train(NAME, out="part", on_step=lambda now: now.total_timesteps < 170, **SMALL)
    assert run.stopped and run.progress.total_timesteps == 170
    run = millrace.resume(run)
    assert not run.stopped and run.progress.total_timesteps == 300
    assert same_files("whole", "part") and run.best_mean_reward == whole.best_mean_reward
    longer = millrace.resume("part", steps=320)
    assert longer.progress.total_timesteps == 320


@pytest.mark.parametrize("which", ["on_step", "on_evaluation", "on_update"])
def test_an_exception_of_a_callback_is_raised_and_the_run_goes_on(which):
    millrace.train(NAME, out="whole", **SMALL)

    def refuse(now, *_):
        if now.total_timesteps >= 150:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        millrace.train(NAME, out="part", **{which: refuse}, **SMALL)
    millrace.resume("part")
    assert same_files("whole", "part")


def test_ctrl_c_stops_it_and_the_run_goes_on():
    settings = {**SMALL, "steps": 10**7, "eval_every": 10**7}
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt, match=r"millrace\.resume\('stopped'\) goes on"):
        millrace.train(NAME, out="stopped", **settings)
    assert time.monotonic() - begun < 30
    steps = int(np.loadtxt("stopped/progress.csv", delimiter=",", skiprows=1, usecols=0, ndmin=1)[-1])
    run = millrace.resume("stopped", steps=steps + 10)
    assert run.progress.total_timesteps == steps + 10


def test_ctrl_c_before_it_begins_leaves_nothing_and_says_nothing_of_a_run(monkeypatch):
    def interrupt(function, arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_thread, "start_new_thread", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        millrace.train(NAME, out="none", **SMALL)
    assert not str(caught.value) and not os.path.exists("none")


@pytest.mark.parametrize("error", [KeyboardInterrupt, KeyError])
def test_says_that_a_stopped_run_could_not_be_saved(error):
    def remove_all(now):
        if now.total_timesteps == 150:
            shutil.rmtree("gone")
            raise error("enough")

    with pytest.raises(error) as caught:
        millrace.train(NAME, out="gone", on_step=remove_all, **SMALL)
    found = caught.value.__cause__ or caught.value.__context__
    assert isinstance(found, millrace.FileError) and "could not be saved" in str(found)
    assert "goes on" not in str(caught.value)
    assert error is not KeyboardInterrupt or "could not be saved" in str(caught.value)


def test_other_threads_run_meanwhile():
    n, has_ended = [0], threading.Event()

    def count():
        while not has_ended.is_set():
            n[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    millrace.train(NAME, **SMALL)
    has_ended.set()
    thread.join()
    assert n[0] > 10


def test_settings_that_make_no_sense_are_refused():
    for settings, words in [
        ({"stepps": 3}, "steps"),
        ({"steps": -1}, "steps"),
        ({"policy": "real_nvpp"}, "real_nvp"),
        ({"batch_size": "many"}, "batch_size"),
    ]:
        with pytest.raises(millrace.UsageError, match=words):
            millrace.train(NAME, out="none", **settings)
    with pytest.raises(millrace.UsageError, match=NAME):
        millrace.train("InvertedPendulum-v6", out="none", **SMALL)
    assert not os.path.exists("none")
    os.mkdir("there")
    with pytest.raises(millrace.Error, match="there"):
        millrace.train(NAME, out="there", **SMALL)
    with pytest.raises(millrace.Error):
        millrace.resume("no/such/run")
    with pytest.raises(millrace.UsageError, match="env must be"):
        millrace.train(3, out="none", **SMALL)
    assert not os.path.exists("none")


def test_callbacks_that_are_no_functions_are_refused_before_a_run_begins():
    for name in ("on_step", "on_evaluation", "on_update"):
        with pytest.raises(millrace.UsageError, match=f"{name} must be a function, not 3"):
            millrace.train(NAME, out="none", **{name: 3}, **SMALL)
    assert not pathlib.Path("none").exists()


def test_a_table_that_no_run_has_is_refused():
    run = millrace.train(NAME, **{**SMALL, "steps": 110})
    with pytest.raises(millrace.UsageError, match="no table 'progres'; it has 'progress' and 'evaluations'"):
        run.table("progres")


def test_settings_that_are_none_have_their_defaults():
    without = {name: value for name, value in SMALL.items() if name != "policy"}
    millrace.train(NAME, out="left_out", **without)
    millrace.train(NAME, out="none", preset=None, policy=None, seed=None, **without)
    assert same_files("left_out", "none")


# ---- On Gymnasium environments


class Reach:
    """A point on a line is to be pushed to 0; an episode follows from its seed and actions."""

    def __new__(cls, *args, **kwargs):
        gymnasium = pytest.importorskip("gymnasium", reason="Gymnasium is not installed")

        class Reach(gymnasium.Env):
            metadata = {"render_modes": []}
            observation_space = gymnasium.spaces.Dict(
                {
                    "at": gymnasium.spaces.Box(-9, 9, (1, 2), np.float32),
                    "sign": gymnasium.spaces.Discrete(2),
                }
            )
            action_space = gymnasium.spaces.Box(-2, 1, (2, 1), np.float32)
            fails_at = None

            def __init__(self, limit=20):
                self.limit, self.actions, self.resets, self.n_steps = limit, [], [], 0

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                self.at, self.n = self.np_random.uniform(-1, 1, (1, 2)), 0
                self.resets.append(seed)
                return self._obs(), {}

            def step(self, action):
                assert action.shape == (2, 1) and action.dtype == np.float32
                self.n_steps += 1
                if self.n_steps == self.fails_at:
                    raise RuntimeError("the robot fell over")
                self.actions.append(action.copy())
                self.at, self.n = self.at + 0.1 * action.T, self.n + 1
                return self._obs(), -float(np.abs(self.at).sum()), False, self.n >= self.limit, {}

            def _obs(self):
                return {"at": self.at.astype(np.float32), "sign": int(self.at[0, 0] > 0)}

        return Reach(*args, **kwargs)


def test_trains_on_a_gymnasium_environment_with_dict_observations():
    env, eval_env = Reach(), Reach()
    run = millrace.train(env, eval_env=eval_env, out="own", **SMALL)
    assert env.n_steps == 300 and eval_env.n_steps == 2 * 2 * 20
    assert run.progress.episodes == 300 // 20 and run.progress.ep_len_mean == 20
    assert run.load_policy().obs_dim == 4 and run.load_policy().env == "gymnasium/Reach"
    actions = np.array(env.actions).reshape(-1, 2)
    assert (actions >= -2).all() and (actions <= 1).all() and actions.std() > 0.1
    # The observation space's one-hot part is flattened as Gymnasium does it.
    assert millrace.train(Reach(), eval_env=Reach(), out="again", **SMALL) and same_files("own", "again")


def test_evaluations_may_take_the_environments_of_training():
    millrace.train(Reach(), eval_env=Reach(), out="apart", **SMALL)
    millrace.train(Reach(), out="shared", **SMALL)
    assert same_files("apart", "shared")


def test_trains_on_several_environments():
    envs = [Reach() for _ in range(3)]
    run = millrace.train(envs, eval_env=Reach(), **SMALL)
    assert [env.n_steps for env in envs] == [100] * 3 and run.progress.total_timesteps == 300
    assert len({env.resets[0] for env in envs}) == 3


class Telling:
    """A Reach whose steps have infos: numbers, an array, one at the end of the episode alone, a text."""

    def __new__(cls, *args, **kwargs):
        env = Reach(*args, **kwargs)
        step = env.step

        def telling(action):
            obs, reward, terminated, truncated, _ = step(action)
            x, y = env.at[0]
            infos = {"reward_x": -abs(x), "reward_y": np.float32(-abs(y)), "at": env.at, "near": abs(x) < 0.5}
            more = {"is_success": True, "episode": {"r": 1.0}} if truncated else {}
            return obs, reward, terminated, truncated, {**infos, "what": "a text", 7: 8.0, **more}

        env.step = telling
        return env


def test_records_the_infos_of_gymnasium_environments():
    run = millrace.train(
        [Telling(), Telling()], eval_env=Telling(), out="whole", on_step=lambda now: None, **SMALL
    )
    table = run.table()
    infos = {name.removeprefix("rollout/") for name in table if name.startswith("rollout/")}
    assert infos >= {"reward_x", "reward_y", "at[0]", "at[1]", "near", "is_success"}
    assert not infos & {"what", "episode", "7"}
    # Terms of the reward are added up over an episode, and make its return; what a step gives alone is not
    # averaged over the others.
    terms = table["rollout/reward_x"] + table["rollout/reward_y"]
    first = np.flatnonzero(np.isfinite(terms))[0]
    assert terms[first] == pytest.approx(table["rollout/ep_rew_mean"][first], rel=1e-6)
    assert (table["rollout/is_success"][np.isfinite(terms)] == 1).all()
    assert 0 <= table["rollout/near"][first] <= 1
    assert same_files(
        "whole", millrace.train([Reach(), Reach()], eval_env=Reach(), out="none", **SMALL).directory
    )


def test_infos_go_on_when_a_run_does():
    whole = millrace.train(Telling(), eval_env=Telling(), out="whole", **SMALL).table()
    millrace.train(
        Telling(), eval_env=Telling(), on_step=lambda now: now.total_timesteps < 170, out="part", **SMALL
    )
    part = millrace.resume("part", Telling(), eval_env=Telling()).table()
    for name in ("rollout/reward_x", "rollout/at[1]", "rollout/is_success"):
        np.testing.assert_array_equal(part[name][-1], whole[name][-1])


def test_infos_that_a_run_has_no_room_for_are_left_out(caplog):
    env = Reach()
    step = env.step
    env.step = lambda action: (*step(action)[:4], {"lidar": np.zeros(128), "speed": 1.0})
    table = millrace.train(env, eval_env=Reach(), **SMALL).table()
    assert "rollout/speed" in table and "rollout/lidar[0]" not in table
    assert [record.getMessage() for record in caplog.records if "lidar" in record.getMessage()] == [
        "gymnasium/Reach: info 'lidar' (128 numbers) is not recorded: a run has room for 128"
    ]


def test_is_the_run_by_name_where_the_environment_is_the_same():
    pytest.importorskip("gymnasium", minversion="1.1", reason="Gymnasium is not installed")
    millrace.train("Pendulum-v1", out="named", **SMALL)
    millrace.train(millrace.make("Pendulum-v1"), eval_env=millrace.make("Pendulum-v1"), out="own", **SMALL)
    # The names differ, and with them the metadata; the numbers do not.
    assert same_files("named", "own", ("evaluations.csv",))


def test_an_environment_that_raises_stops_the_run_which_goes_on():
    millrace.train(Reach(), eval_env=Reach(), out="whole", **SMALL)
    env = Reach()
    env.fails_at = 223
    with pytest.raises(RuntimeError, match="the robot fell over"):
        millrace.train(env, eval_env=Reach(), out="part", **SMALL)
    run = millrace.resume("part", Reach(), eval_env=Reach())
    assert run.progress.total_timesteps == 300 and same_files("whole", "part")


def test_ctrl_c_stops_a_run_on_a_gymnasium_environment():
    env, eval_env = Reach(), Reach()  # may skip the test, so before the timer
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        millrace.train(
            env, eval_env=eval_env, out="stopped", **{**SMALL, "steps": 10**7, "eval_every": 10**7}
        )
    assert os.path.exists("stopped/checkpoint.safetensors")


def test_a_second_ctrl_c_leaves_a_step_that_hangs(monkeypatch):
    calls, has_begun, may_go_on = [], threading.Event(), threading.Event()

    from millrace import training

    class Call(training.Call):
        def __init__(self):
            super().__init__()
            calls.append(self)

    def hang(now):
        if now.total_timesteps == 150:
            has_begun.set()
            may_go_on.wait()

    def interrupt_twice():
        has_begun.wait()
        os.kill(os.getpid(), signal.SIGINT)
        while calls[-1].stop.value == 0:  # two signals at once are one
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(training, "Call", Call)
    millrace.train(Reach(), eval_env=Reach(), out="whole", **SMALL)
    threading.Thread(target=interrupt_twice).start()
    with pytest.raises(KeyboardInterrupt, match="training has not stopped yet"):
        millrace.train(Reach(), eval_env=Reach(), out="part", on_step=hang, **SMALL)
    gc.collect()  # C still has the environments
    may_go_on.set()
    until = time.monotonic() + 30
    while not calls[-1].has_ended and time.monotonic() < until:
        time.sleep(0.01)
    run = millrace.resume("part", Reach(), eval_env=Reach())
    assert run.progress.total_timesteps == 300 and same_files("whole", "part")


def test_environments_are_let_go_of_at_the_end_of_the_run():
    env, eval_env = Reach(), Reach()
    are_gone = weakref.ref(env), weakref.ref(eval_env)
    gc.collect()
    gc.disable()
    try:
        millrace.train(env, eval_env=eval_env, **SMALL)
        del env, eval_env
        assert [gone() for gone in are_gone] == [None, None]
    finally:
        gc.enable()


@pytest.mark.skipif(not command.exists(), reason="build/release/bin/millrace is not built")
def test_a_run_on_a_gymnasium_environment_is_not_taken_for_one_on_ours():
    pytest.importorskip("gymnasium", reason="Gymnasium is not installed")
    import gymnasium

    class Pendulum(gymnasium.Env):
        """Has the name and the spaces of millrace's."""

        spec = gymnasium.spec("Pendulum-v1")
        observation_space = gymnasium.spaces.Box(-9, 9, (3,))
        action_space = gymnasium.spaces.Box(-2, 2, (1,))

        def reset(self, *, seed=None, options=None):
            return np.zeros(3), {}

        def step(self, action):
            return np.zeros(3), 0.0, False, False, {}

    settings = {**SMALL, "on_step": lambda now: now.total_timesteps < 150}
    run = millrace.train(Pendulum(), eval_env=Pendulum(), out="own", **settings)
    assert run.load_policy().env == "gymnasium/Pendulum-v1"
    with pytest.raises(millrace.UsageError, match="gymnasium/Pendulum-v1 is an environment of"):
        millrace.resume(run)
    for arguments in (["eval", "own"], ["train", "--resume", "own"]):
        done = subprocess.run([command, *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and "gymnasium/Pendulum-v1 is an environment of a Python" in done.stderr


def test_truncation_is_not_termination():
    gymnasium = pytest.importorskip("gymnasium", reason="Gymnasium is not installed")
    limited = gymnasium.wrappers.TimeLimit(Reach(limit=10**9), 25)
    run = millrace.train(limited, eval_env=gymnasium.wrappers.TimeLimit(Reach(limit=10**9), 25), **SMALL)
    assert run.progress.ep_len_mean == 25 and run.progress.episodes == 12


def test_environments_that_do_not_fit_are_refused():
    gymnasium = pytest.importorskip("gymnasium", reason="Gymnasium is not installed")
    discrete = Reach()
    discrete.action_space = gymnasium.spaces.Discrete(3)
    with pytest.raises(millrace.UsageError, match="actions must be a Box"):
        millrace.train(discrete, out="none", **SMALL)
    unbounded = Reach()
    unbounded.action_space = gymnasium.spaces.Box(-np.inf, np.inf, (2, 1), np.float32)
    with pytest.raises(millrace.UsageError, match="bounds must be finite"):
        millrace.train(unbounded, out="none", **SMALL)
    endless = Reach()
    endless.observation_space = gymnasium.spaces.Sequence(gymnasium.spaces.Discrete(2))
    with pytest.raises(millrace.UsageError, match="no fixed number"):
        millrace.train(endless, out="none", **SMALL)
    other = Reach()
    other.action_space = gymnasium.spaces.Box(-1, 1, (2, 1), np.float32)
    with pytest.raises(millrace.UsageError, match="same spaces"):
        millrace.train([Reach(), other], out="none", **SMALL)
    liar = Reach()
    liar.reset = lambda **_: ({"at": np.zeros((1, 3)), "sign": 0}, {})
    with pytest.raises(millrace.UsageError, match="5 components, but its space 4"):
        millrace.train(liar, out="liar", **SMALL)
    with pytest.raises(millrace.UsageError, match="eval_env"):
        millrace.train(NAME, eval_env=Reach(), out="none", **SMALL)
    with pytest.raises(millrace.UsageError, match="eval_env must be one"):
        millrace.train(Reach(), eval_env=[Reach()], out="none", **SMALL)
    assert not os.path.exists("none")


def test_trains_in_a_forked_child_after_training_in_its_parent():
    millrace.train(NAME, out="parent", **SMALL)
    child = os.fork()
    if child == 0:
        try:
            millrace.train(NAME, out="child", **SMALL)
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert same_files("parent", "child", ("policy.safetensors",))

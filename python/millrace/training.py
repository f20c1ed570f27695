"""Training in process: `millrace train`, with callbacks, and on any Gymnasium environment."""

from __future__ import annotations

import contextlib
import csv
import ctypes
import os
import pathlib
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from . import _library as c
from ._arrays import Doubles
from ._running import Run as Call
from ._texts import text_of
from .errors import UsageError
from .policy import Policy, load

if TYPE_CHECKING:
    import gymnasium


@dataclass(frozen=True)
class Progress:
    """How far a run is. What is not known yet is NaN."""

    total_timesteps: int  # environment steps, all copies counted
    time_elapsed: float  # s
    episodes: int  # that have ended
    ep_rew_mean: float  # return, over the last 100 of these
    ep_len_mean: float  # steps
    n_updates: int
    eval_mean_reward: float  # return in the latest evaluation
    eval_std_reward: float
    eval_mean_ep_length: float

    @classmethod
    def of(cls, struct: c.TrainProgress) -> Progress:
        return cls(*(getattr(struct, name) for name, *_ in struct._fields_))


_TABLES = ("progress", "evaluations")

OnStep = Callable[[Progress], object]
OnEvaluation = Callable[[Progress, bool], object]
OnUpdate = Callable[[Progress, "dict[str, float]"], object]


@dataclass(frozen=True)
class Run:
    """A run that `train` or `resume` has come back from.

    directory         where it is kept: config.yaml, progress.csv, policies, a checkpoint
    stopped           whether a callback stopped it before all its steps were done
    progress          how far it is
    best_mean_reward  of its evaluations; -inf: there was none
    n_diverged        episodes that ended because the simulation broke down
    """

    directory: pathlib.Path
    stopped: bool
    progress: Progress
    best_mean_reward: float
    n_diverged: int

    def load_policy(self, *, best: bool = False, **options: Any) -> Policy:
        """The latest policy, or that of the best evaluation; `options` as of `millrace.load`."""
        name = "best_policy.safetensors" if best else "policy.safetensors"
        return load(self.directory / name, **options)

    def table(self, name: str = "progress") -> dict[str, Doubles]:
        """A table of the run, "progress" or "evaluations", by columns; lists of numbers in cells ("1 2") and
        empty cells are NaN."""
        if name not in _TABLES:
            raise UsageError(f"a run has no table {name!r}; it has {' and '.join(map(repr, _TABLES))}")
        with open(self.directory / f"{name}.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {
            column: np.array([_number(row[column]) for row in rows]) for column in (rows[0] if rows else {})
        }


def train(
    env: str | gymnasium.Env[Any, Any] | list[gymnasium.Env[Any, Any]],
    *,
    out: str | os.PathLike[str] | None = None,
    eval_env: gymnasium.Env[Any, Any] | None = None,
    progress: bool = False,
    on_step: OnStep | None = None,
    on_evaluation: OnEvaluation | None = None,
    on_update: OnUpdate | None = None,
    **settings: Any,
) -> Run:
    """Trains an agent, with the results of `millrace train`: the same settings give the same bits.

    env            a name ("HalfCheetah-v5", "mjcf:robot.xml", "zmq:tcp://..."), a Gymnasium environment, or
                   several of one kind. Actions must be a bounded Box; observations may be of any kind
                   that Gymnasium can flatten
    out            directory of the run, which must not exist; None: one in runs/, named by task,
                   policy, seed and time
    eval_env       for evaluations on Gymnasium environments; None: `env` is taken, whose episodes are
                   then played again up to where they were
    progress       show a line of progress on stderr
    on_step        called after every step of the environments; returning False stops the run
    on_evaluation  called after an evaluation, also with whether it is the best so far; likewise
    on_update      called after every update, also with the agent's metrics ("train/critic_loss"); likewise
    settings       as `millrace help train` has them, with `_` for `-`: policy="real_nvp", steps=100_000,
                   seed=1, hidden=(256, 256), env_set={"frame_skip": 5}, from_="runs/a"; None is the default

    Releases the GIL. Ctrl-C and exceptions of callbacks and environments stop it, with everything saved,
    and are raised; `millrace.resume` goes on.
    """
    told = _Callbacks(on_step, on_evaluation, on_update, progress, settings.get("steps"))
    pairs = _pairs(settings)
    if isinstance(env, str):
        pairs["env"] = env
    with _environments(env, eval_env, told.call) as (envs, eval_envs, name):
        directory = pathlib.Path(out) if out is not None else _choose_directory(name, pairs)
        pairs["out"] = os.fspath(directory)
        return told.run(c.library.mr_train, directory, pairs, envs, eval_envs)


def resume(
    run: str | os.PathLike[str] | Run,
    env: gymnasium.Env[Any, Any] | list[gymnasium.Env[Any, Any]] | None = None,
    *,
    eval_env: gymnasium.Env[Any, Any] | None = None,
    progress: bool = False,
    on_step: OnStep | None = None,
    on_evaluation: OnEvaluation | None = None,
    on_update: OnUpdate | None = None,
    **settings: Any,
) -> Run:
    """Goes on with a run from its last checkpoint, with the same bits as without the interruption.

    run       its directory, or what `train` returned
    env       a run on Gymnasium environments needs them again
    settings  `steps`, `checkpoint_every` and the like may be other ones than before. So may learning rates,
              `batch_size`, `gamma`, `threads`: but then it is no longer the run that it would have been, as
              a note and config.yaml say

    Else as `train`.
    """
    directory = run.directory if isinstance(run, Run) else pathlib.Path(run)
    told = _Callbacks(on_step, on_evaluation, on_update, progress, settings.get("steps"))
    pairs = _pairs(settings)
    with _environments(env, eval_env, told.call) as (envs, eval_envs, _):

        def go_on(options: Any, result: Any) -> Any:
            return c.library.mr_train_resume(os.fsencode(directory), options, result)

        return told.run(go_on, directory, pairs, envs, eval_envs)


class _Callbacks:
    """The callbacks of one call of `train`, as C calls them."""

    def __init__(
        self,
        on_step: OnStep | None,
        on_evaluation: OnEvaluation | None,
        on_update: OnUpdate | None,
        progress: bool,
        steps: Any,
    ) -> None:
        for name, function in (
            ("on_step", on_step),
            ("on_evaluation", on_evaluation),
            ("on_update", on_update),
        ):
            if function is not None and not callable(function):
                raise UsageError(f"{name} must be a function, not {function!r}")
        self.call = Call()
        self._line = _Line(steps) if progress else None
        self._on_step, self._on_evaluation, self._on_update = on_step, on_evaluation, on_update

    def run(
        self,
        function: Callable[[Any, Any], Any],
        directory: pathlib.Path,
        pairs: Mapping[str, str],
        envs: c.Handle | None,
        eval_envs: c.Handle | None,
    ) -> Run:
        settings = (c.TrainSetting * len(pairs))(
            *(c.TrainSetting(name.encode(), value.encode()) for name, value in pairs.items())
        )
        guard, result = self.call.guard, c.TrainResult()
        options = c.TrainOptions(
            settings=settings,
            n_settings=len(pairs),
            envs=envs._as_parameter_ if envs else None,
            eval_envs=eval_envs._as_parameter_ if eval_envs else None,
            stop=ctypes.pointer(self.call.stop),
        )
        if self._on_step or self._line:
            options.stepped = c.Stepped(guard(self._stepped))
        if self._on_evaluation or self._line:
            options.evaluated = c.Evaluated(guard(self._evaluated))
        if self._on_update:
            options.updated = c.Updated(guard(self._updated))
        try:
            self.call.call(
                lambda: function(ctypes.byref(options), ctypes.byref(result)), keep=(envs, eval_envs)
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(*self._what_is_left(directory)) from self.call.error
        finally:
            if self._line:
                self._line.end()
        return Run(
            directory,
            bool(result.stopped),
            Progress.of(result.last),
            float(result.best_mean_reward),
            int(result.n_diverged),
        )

    def _what_is_left(self, directory: pathlib.Path) -> list[str]:
        """What Ctrl-C left in the run's directory."""
        if not self.call.has_ended:
            return [f"training has not stopped yet; the last checkpoint is in {directory}"]
        if self.call.error is not None:
            return [str(self.call.error)]
        if not (directory / "checkpoint.safetensors").exists():
            return []
        return [f"the run is saved: millrace.resume({str(directory)!r}) goes on"]

    def _take(self, answer: object) -> None:
        if answer is False:
            self.call.stop.value = 1

    def _stepped(self, _: object, now: Any) -> None:
        if self._line:
            self._line.step(now[0])
        if self._on_step:
            self._take(self._on_step(Progress.of(now[0])))

    def _evaluated(self, _: object, now: Any, is_best: bool) -> None:
        if self._line:
            self._line.evaluation(now[0], is_best)
        if self._on_evaluation:
            self._take(self._on_evaluation(Progress.of(now[0]), is_best))

    def _updated(self, _: object, now: Any, n: int, metrics: Any) -> None:
        if self._on_update:
            values = {metrics[i].name.decode(): metrics[i].value for i in range(n)}
            self._take(self._on_update(Progress.of(now[0]), values))


class _Line:
    """A line of progress on stderr; on a terminal in place, elsewhere a line for each evaluation."""

    EVERY_S = 0.2

    def __init__(self, steps: Any) -> None:
        self._of = f" of {steps:,}" if isinstance(steps, int) else ""
        self._drawn_s, self._is_open = 0.0, False
        self._in_place = sys.stderr.isatty()

    def step(self, now: c.TrainProgress) -> None:
        if not self._in_place or time.monotonic() < self._drawn_s + self.EVERY_S:
            return
        self._drawn_s, self._is_open = time.monotonic(), True
        fps = now.total_timesteps / now.time_elapsed if now.time_elapsed > 0 else 0.0
        text = f"step {now.total_timesteps:,}{self._of}, {fps:,.0f}/s, return {now.ep_rew_mean:.1f}"
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)

    def evaluation(self, now: c.TrainProgress, is_best: bool) -> None:
        best = ", the best so far" if is_best else ""
        begin = "\r\033[K" if self._is_open else ""
        self._is_open = False
        print(
            f"{begin}step {now.total_timesteps:,}: mean return {now.eval_mean_reward:.2f} ± "
            f"{now.eval_std_reward:.2f}{best}",
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        if self._is_open:
            print(file=sys.stderr)


@contextlib.contextmanager
def _environments(
    env: Any, eval_env: Any, call: Call
) -> Iterator[tuple[c.Handle | None, c.Handle | None, str]]:
    """Those of a run as C takes them, and their name; none for an environment by its name."""
    if env is None or isinstance(env, str):
        if eval_env is not None:
            raise UsageError("eval_env is given, but env is no Gymnasium environment; leave it out")
        yield None, None, env or ""
        return
    try:
        from .callback_envs import CallbackEnvs
    except ModuleNotFoundError as error:  # then env can't be a Gymnasium environment
        raise UsageError(f"env must be a name, as Gymnasium is not installed, not {env!r}") from error
    from gymnasium import Env

    if eval_env is not None and not isinstance(eval_env, Env):
        raise UsageError(f"eval_env must be one gymnasium.Env, not {eval_env!r}")
    training = CallbackEnvs(env if isinstance(env, (list, tuple)) else [env], call)
    evaluating = CallbackEnvs([eval_env], call) if eval_env is not None else None
    yield training.open(), evaluating.open() if evaluating else None, training.name


def _pairs(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as C takes them, but those that are None; `from_` is the setting `from`, a word that Python
    has."""
    return {name.rstrip("_"): text_of(value) for name, value in settings.items() if value is not None}


def _choose_directory(env: str, settings: Mapping[str, str]) -> pathlib.Path:
    """A directory in runs/ that does not exist, as `millrace train` names them."""
    given = (settings[name] for name in ("policy", "preset", "agent") if name in settings)
    parts = [re.sub(r"[^\w.-]", "-", text) for text in (env, next(given, "best"))]
    name = f"{'-'.join(parts)}-s{settings.get('seed', '1')}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = [name, *(f"{name}-{i}" for i in range(2, 1000))]
    return next(path for path in (pathlib.Path("runs", name) for name in names) if not path.exists())


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")

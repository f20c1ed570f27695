"""Normalizing flows as densities: a scikit-learn estimator."""

from __future__ import annotations

import copy
import ctypes
import os
from collections.abc import Mapping
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from . import _library as c
from ._arrays import Doubles, address, doubles
from ._estimator import BaseEstimator, DensityMixin, check_fitted, check_rows, check_weights
from ._running import Run
from .errors import UsageError
from .policy import bytes_of

_LINE, _BOUNDED, _CIRCLE, _CATEGORY = range(4)  # mr_support_type
_TO_SCORE = 1  # mr_flow_use

Columns = Mapping[int, "tuple[float, float]"]

_FLOAT32 = (
    "compares log-densities at 1e-7; they are computed in float32, whose last bit, 1.2e-7, depends on a row's "
    "place in its batch, because BLAS has other kernels for the last rows"
)
# What scikit-learn's check_estimator takes under this name: checks that no float32 passes, with the reason.
EXPECTED_FAILED_CHECKS = {
    "check_methods_sample_order_invariance": _FLOAT32,
    "check_methods_subset_invariance": _FLOAT32,
}


class Density:
    """What a fit makes, and `Flow.density_` is: a density of the library's, which can be pickled.

    dim        columns that it is a density of
    given_dim  columns that it is given
    """

    def __init__(self, handle: c.Handle) -> None:
        self.handle = handle
        self.dim = int(c.library.mr_density_dim(handle))
        self.given_dim = int(c.library.mr_density_given_dim(handle))

    @classmethod
    def load_memory(cls, data: bytes) -> Density:
        return cls(
            c.Handle(c.library.mr_density_load_memory, data, len(data), free=c.library.mr_density_free)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Density.load_memory, (bytes_of(lambda file: c.library.mr_density_save(self.handle, file)),)

    # What C reads and writes has the sizes of this density, whatever an estimator says of itself meanwhile.

    def score(self, threads: int, rows: Doubles) -> Doubles:
        """Log-densities [n] of rows [n x (dim + given_dim)]."""
        self._check(rows, self.dim + self.given_dim)
        log_prob, n_impossible = np.empty(len(rows)), ctypes.c_size_t()
        c.library.mr_density_score(
            self.handle, threads, len(rows), address(rows), address(log_prob), ctypes.byref(n_impossible)
        )
        return log_prob

    def sample(self, threads: int, seed: int, n: int) -> Doubles:
        """Samples [n x dim] of a density that isn't conditional."""
        x = np.empty((n, self.dim))
        c.library.mr_density_sample(self.handle, threads, seed, n, address(x), None)
        return x

    def sample_given(self, threads: int, seed: int, conditions: Doubles) -> Doubles:
        """A sample [n x dim] for each row of conditions [n x given_dim]."""
        self._check(conditions, self.given_dim)
        x = np.empty((len(conditions), self.dim))
        c.library.mr_density_sample_given(
            self.handle, threads, seed, len(x), address(conditions), address(x), None
        )
        return x

    @staticmethod
    def _check(rows: Doubles, width: int) -> None:
        if rows.shape[1] != width:
            raise UsageError(f"the density has {width} columns here, and the rows {rows.shape[1]}")


class Flow(DensityMixin, BaseEstimator):  # type: ignore[misc]
    """A density fitted to rows of numbers by maximum likelihood, p(x) or p(x | given).

    flow         a preset or a composition, as `millrace flow list` shows them: "nsf", "maf:layers=4",
                 "[lu, coupling(spline)]*4"
    base         base distribution: "normal", "student_t", "mixture:components=8", "uniform"
    bounded      {column: (low, high)} of columns within bounds, of which one may be infinite
    circular     {column: (low, high)} of angles: low and high are the same point
    categorical  {column: (low, high)} of columns whose whole numbers are categories
    epochs       maximum of passes through the rows
    patience     early stopping: passes without a better held-out likelihood before the end
    held_out     fraction of the rows that is held out for it
    batch_size   rows in a step
    lr           Adam's learning rate at the start; falls when the held-out likelihood stops rising
    lr_schedule  how it also falls, down to 0 over `epochs`: "constant" (not at all), "linear", "cosine"
    warm_up      steps over which it rises to `lr`
    clip_norm    maximum norm of the gradient
    seed         of the initial parameters, the held-out rows and the order of the others
    threads      to compute with; the same seed and number of threads give the same bits

    Columns are standardised; those of `given` count on from the features'. After `fit`:

    n_features_in_       features
    n_given_             columns of `given`; 0: the density isn't conditional
    n_iter_              passes made
    best_epoch_          the pass after which the held-out rows were most likely: its parameters are kept
    held_out_log_prob_   their mean log-density then, nats
    composition_         the composition that `flow` stands for

    Any number of threads may score and sample at once.
    """

    def __init__(
        self,
        flow: str = "nsf_lu",
        *,
        base: str = "normal",
        bounded: Columns | None = None,
        circular: Columns | None = None,
        categorical: Columns | None = None,
        epochs: int = 1000,
        patience: int = 30,
        held_out: float = 0.1,
        batch_size: int = 256,
        lr: float = 4e-3,
        lr_schedule: str = "constant",
        warm_up: int = 0,
        clip_norm: float = 10.0,
        seed: int = 1,
        threads: int = 1,
    ) -> None:
        self.flow = flow
        self.base = base
        self.bounded = bounded
        self.circular = circular
        self.categorical = categorical
        self.epochs = epochs
        self.patience = patience
        self.held_out = held_out
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.warm_up = warm_up
        self.clip_norm = clip_norm
        self.seed = seed
        self.threads = threads

    def fit(
        self,
        X: npt.ArrayLike,  # noqa: N803 - scikit-learn's name
        y: Any = None,
        *,
        given: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        callback: Callable[[int, float, float], object] | None = None,
    ) -> Flow:
        """Fits it to X [n x features].

        y              ignored, as in all of scikit-learn's densities
        given          [n x given columns] fits p(X | given)
        sample_weight  [n] how often each row counts, from 0
        callback       called after each pass with its number, and the mean log-densities of the
                       trained and of the held-out rows (nats)

        Ctrl-C, or an exception of `callback`, stops it and leaves the estimator as it was.
        """
        checked = copy.copy(self)  # has what X is like: this one stays as it is until the fit has ended
        features = check_rows(checked, X, is_fit=True)
        n_given, rows = self._join(features, given)
        weights = None if sample_weight is None else check_weights(sample_weight, features)
        density = Density(self._create(features.shape[1], n_given))
        options = self._fit_options(weights)
        run, last = Run(), c.FitProgress()

        def watch(_: object, now: Any) -> None:
            if callback is not None:
                callback(now[0].epoch, now[0].train_log_prob, now[0].held_out_log_prob)

        watcher = c.FitWatcher(run.guard(watch))
        run.call(
            lambda: c.library.mr_fit(
                density.handle,
                len(rows),
                address(rows),
                ctypes.byref(options),
                watcher,
                None,
                ctypes.byref(run.stop),
                ctypes.byref(last),
            ),
            keep=weights,
        )
        self._keep(density, getattr(checked, "feature_names_in_", None))
        self.n_iter_, self.best_epoch_ = int(last.epoch), int(last.best_epoch)
        self.held_out_log_prob_ = float(last.best_log_prob)
        return self

    def score_samples(
        self,
        X: npt.ArrayLike,  # noqa: N803
        given: npt.ArrayLike | None = None,
    ) -> Doubles:
        """Log-densities [n] of the rows X [n x features], nats; -inf so far out that float32 can't hold
        it. The nets compute in float32, so that the seventh digit depends on the other rows."""
        check_fitted(self)
        _, rows = self._join(check_rows(self, X, is_fit=False), given, self.n_given_)
        scores: Doubles = self.density_.score(_threads(self.threads), rows)
        return scores

    def log_prob(
        self,
        X: npt.ArrayLike,  # noqa: N803
        given: npt.ArrayLike | None = None,
    ) -> Doubles:
        """The same as `score_samples`."""
        return self.score_samples(X, given)

    def score(
        self,
        X: npt.ArrayLike,  # noqa: N803
        y: Any = None,
        given: npt.ArrayLike | None = None,
    ) -> float:
        """The mean log-density of the rows, nats."""
        return float(np.mean(self.score_samples(X, given)))

    def sample(
        self, n_samples: int = 1, *, given: npt.ArrayLike | None = None, seed: int | None = None
    ) -> Doubles:
        """Samples [n_samples x features]; of a conditional density one for each row of `given`.

        seed  the same seed gives the same samples, and fewer are the first of more; None: others each time
        """
        check_fitted(self)
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        seed = _count("seed", seed)
        if self.n_given_ == 0 and given is None:
            samples: Doubles = self.density_.sample(
                _threads(self.threads), seed, _count("n_samples", n_samples)
            )
        else:
            conditions = self._check_given(given, self.n_given_)
            samples = self.density_.sample_given(_threads(self.threads), seed, conditions)
        return samples

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a model file (safetensors), which `millrace flow` reads too; replaced atomically."""
        check_fitted(self)
        c.library.mr_density_save(self.density_.handle, os.fsencode(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, threads: int = 1) -> Flow:
        """Reads a model file, of `save` or of `millrace flow fit`, as a flow that is fitted.

        Its parameters but flow, base and threads are the defaults, whatever it was fitted with (bounds of
        columns are in the density itself), so that another fit may need them again; n_iter_ and the like are
        missing. X has the features alone, in the model's order.
        """
        handle = c.Handle(c.library.mr_density_load, os.fsencode(path), free=c.library.mr_density_free)
        flow = cls(
            c.library.mr_density_flow(handle).decode(),
            base=c.library.mr_density_base(handle).decode(),
            threads=threads,
        )
        flow._keep(Density(handle))
        return flow

    def _keep(self, density: Density, feature_names: Any = None) -> None:
        self.density_ = density
        self.n_features_in_, self.n_given_ = density.dim, density.given_dim
        self.__dict__.pop("feature_names_in_", None)
        if feature_names is not None:
            self.feature_names_in_ = feature_names
        self.composition_ = c.library.mr_density_composition(density.handle).decode()

    def _create(self, dim: int, n_given: int) -> c.Handle:
        support = (c.Support * (dim + n_given))()
        for kind, columns in (
            (_BOUNDED, self.bounded),
            (_CIRCLE, self.circular),
            (_CATEGORY, self.categorical),
        ):
            if not isinstance(columns, (Mapping, type(None))):
                raise UsageError(f"columns are given as {{column: (low, high)}}, not as {columns!r}")
            for column, (low, high) in (columns or {}).items():
                if not 0 <= column < dim + n_given or support[column].type != _LINE:
                    raise UsageError(f"column {column}: there are {dim + n_given}, each of one kind")
                support[column] = c.Support(kind, low, high)
        spec = c.DensitySpec(
            flow=str(self.flow).encode(),
            use=_TO_SCORE,
            base=str(self.base).encode(),
            dim=dim,
            given_dim=n_given,
            support=support,
        )
        seed = _count("seed", self.seed)
        return c.Handle(c.library.mr_density_create, ctypes.byref(spec), seed, free=c.library.mr_density_free)

    def _fit_options(self, weights: Doubles | None) -> c.FitOptions:
        options: c.FitOptions = c.library.mr_fit_defaults()
        options.lr, options.clip_norm = _number("lr", self.lr), _number("clip_norm", self.clip_norm)
        options.held_out = _number("held_out", self.held_out)
        options.batch_size = _count("batch_size", self.batch_size)
        options.max_epochs = _count("epochs", self.epochs)
        options.patience = _count("patience", self.patience)
        options.warm_up = _count("warm_up", self.warm_up)
        options.seed, options.n_threads = _count("seed", self.seed), _threads(self.threads)
        options.lr_schedule = str(self.lr_schedule).encode()
        options.weights = None if weights is None else address(weights)
        return options

    def _join(
        self, features: Doubles, given: npt.ArrayLike | None, n_given: int | None = None
    ) -> tuple[int, Doubles]:
        """The number of given columns, and rows with features and given columns."""
        if given is None and not n_given:
            return 0, features
        conditions = self._check_given(given, n_given)
        if len(conditions) != len(features):
            raise UsageError(f"given has {len(conditions)} rows, but there are {len(features)}")
        return conditions.shape[1], np.concatenate((features, conditions), axis=1)

    def _check_given(self, given: npt.ArrayLike | None, n_given: int | None) -> Doubles:
        """`given` as [n x n_given]; None: as many columns as it has."""
        if given is None:
            raise UsageError(f"the density is conditional: it needs given, (n, {n_given})")
        conditions = doubles("given", given)
        if conditions.ndim != 2 or (n_given is not None and conditions.shape[1] != n_given):
            if n_given == 0:
                raise UsageError("the density isn't conditional: it was fitted without given")
            width = "n_columns" if n_given is None else n_given
            raise UsageError(f"given must have the shape (n, {width}), not {conditions.shape}")
        return conditions


def _count(name: str, value: int) -> int:
    """A setting that C takes as an unsigned number, which ctypes would take modulo 2^64."""
    if not isinstance(value, (int, np.integer)) or not 0 <= value < 2**64:
        raise UsageError(f"{name} is {value!r}; give a whole number from 0 on")
    return int(value)


def _threads(value: int) -> int:
    """What C takes as an int, and refuses if it is 0."""
    return min(_count("threads", value), 2**31 - 1)


def _number(name: str, value: float) -> float:
    if not isinstance(value, (int, float, np.integer, np.floating)):
        raise UsageError(f"{name} is {value!r}; give a number")
    return float(value)

"""scikit-learn's base class and checks of data; without scikit-learn, what of them a flow needs."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from ._arrays import Doubles, doubles
from .errors import UsageError

_logger = logging.getLogger("millrace")


def _has_scikit_learn() -> bool:
    """Whether there is one that is new enough; an older one is told of."""
    try:
        import sklearn
    except ModuleNotFoundError as error:
        if error.name != "sklearn":  # scikit-learn is there, and lacks something
            raise
        return False
    if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 6):
        return True
    _logger.warning(
        "millrace.Flow needs scikit-learn 1.6 or later, not %s, to be one of its estimators, and does "
        "without it; pip install -U scikit-learn",
        sklearn.__version__,
    )
    return False


if TYPE_CHECKING or _has_scikit_learn():
    from sklearn.base import BaseEstimator, DensityMixin
    from sklearn.utils.validation import check_is_fitted, validate_data

    def check_rows(estimator: Any, values: Any, *, is_fit: bool) -> Doubles:
        """`values` [n x features] as float64 in C's order; in a fit their number of features, and the
        names of a table's, are kept, and else held against those of the fit."""
        rows: Doubles = validate_data(
            estimator,
            values,
            dtype=np.float64,
            order="C",
            reset=is_fit,
            ensure_min_samples=2 if is_fit else 1,
        )
        return rows

    def check_fitted(estimator: Any) -> None:
        """Raises NotFittedError unless it was fitted."""
        check_is_fitted(estimator, "density_")

    def check_weights(weights: Any, rows: Doubles) -> Doubles:
        """`weights` [n] as float64."""
        from sklearn.utils.validation import _check_sample_weight

        checked: Doubles = _check_sample_weight(weights, rows, dtype=np.float64)
        return checked

else:

    class DensityMixin:
        """Stands for scikit-learn's."""

    class BaseEstimator:
        """The parameters of `__init__` by name, as scikit-learn's class of this name has them."""

        @classmethod
        def _names(cls) -> list[str]:
            return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            return {name: getattr(self, name) for name in self._names()}

        def set_params(self, **params: Any) -> Any:
            for name, value in params.items():
                if name not in self._names():
                    raise ValueError(f"{type(self).__name__} has no parameter {name!r}")
                setattr(self, name, value)
            return self

        def __repr__(self) -> str:
            return f"{type(self).__name__}(flow={self.flow!r})"

    def check_rows(estimator: Any, values: Any, *, is_fit: bool) -> Doubles:
        rows = doubles("the rows", values)
        if rows.ndim != 2 or (not is_fit and rows.shape[1] != estimator.n_features_in_):
            width = "n_features" if is_fit else estimator.n_features_in_
            raise UsageError(f"the rows must have the shape (n, {width}), not {rows.shape}")
        if not np.isfinite(rows).all():
            raise UsageError("the rows have numbers that are NaN or infinite")
        if is_fit:
            estimator.n_features_in_ = rows.shape[1]
        return rows

    def check_fitted(estimator: Any) -> None:
        if not hasattr(estimator, "density_"):
            raise UsageError(f"this {type(estimator).__name__} is not fitted yet; call fit first")

    def check_weights(weights: Any, rows: Doubles) -> Doubles:
        checked = doubles("sample_weight", weights)
        if checked.shape != (len(rows),):
            raise UsageError(f"sample_weight must have the shape ({len(rows)},), not {checked.shape}")
        return checked


__all__ = ["BaseEstimator", "DensityMixin", "check_fitted", "check_rows", "check_weights"]

"""What the array detectors share: the door for arrays, and the order in which things are checked."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

from reprq.errors import InputError
from reprq.validation import as_matrix

Matrix = NDArray[np.floating]
Scores = NDArray[np.float64]


class NotFittedError(InputError, SklearnNotFittedError):  # type: ignore[misc]
    """A detector that is asked for scores before it has seen benign rows."""


class ArrayDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """A detector of rows: `fit` on an (n, d) array of benign rows, `anomaly_score` on any rows of the same width.

    It follows scikit-learn's conventions: the constructor only stores, `fit` forgets the past and returns the
    detector, what it learned ends in an underscore. A subclass writes `_fit`, `_score`, `check_parameters`, `describe`.
    """

    min_rows = 1
    n_features_in_: int

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the benign rows.

        Args:
            X: (n, d) benign rows, any real dtype; it is not changed.
            y: Ignored; present because scikit-learn's pipelines pass it.

        Raises:
            InputError: `X` is not a finite (n, d) array, has too few rows, or a parameter cannot be used.
        """
        self.check_parameters()
        rows = as_matrix(X, "X", min_rows=self.min_rows)
        self._fit(rows)
        self.n_features_in_ = rows.shape[1]
        return self

    def anomaly_score(self, X: Any) -> Scores:
        """Score rows: (m,) float64, higher is more anomalous. A row's score does not depend on the rows beside it.

        Args:
            X: (m, d) rows, as wide as the rows of `fit`.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: `X` is not a finite (m, d) array of the right width, or its scores overflow.
        """
        if not hasattr(self, "n_features_in_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit with benign rows first")
        rows = as_matrix(X, "X")
        if rows.shape[1] != self.n_features_in_:
            raise InputError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} features"
                " as input; give rows as wide as those it was fitted on"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self._score(rows)
        if not np.isfinite(scores).all():
            raise InputError(f"X has values too large to score (row {int(np.argmin(np.isfinite(scores)))}); rescale it")
        return scores

    def score_samples(self, X: Any) -> Scores:
        """Minus `anomaly_score`: scikit-learn's direction, where lower is more anomalous."""
        return -self.anomaly_score(X)

    @abstractmethod
    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""

    @abstractmethod
    def describe(self) -> str:
        """A stable identifier of the method and its settings."""

    @abstractmethod
    def _fit(self, rows: Matrix) -> None: ...

    @abstractmethod
    def _score(self, rows: Matrix) -> Scores: ...


def check_choice(name: str, value: Any, valid: tuple[str, ...]) -> None:
    """Raise an InputError unless the parameter `name` is one of the `valid` words."""
    if value not in valid:
        raise InputError(f"{name} must be one of {', '.join(valid)}, got {value!r}")

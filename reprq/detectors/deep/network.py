"""What the network detectors share: they fit on benign samples, and hold a tenth of them out for an early stop."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from reprq.data import Dataset, as_dataset
from reprq.detectors.calibration import FALSE_ALARM_RATE
from reprq.detectors.conformal import threshold as conformal_threshold
from reprq.detectors.rows.base import NotFittedError
from reprq.errors import DataError
from reprq.numerics.rows import Scores

LEAST_SAMPLES = 4


class NetworkDetector(BaseEstimator):  # type: ignore[misc]
    """A detector that trains a network on benign samples and scores samples.

    As in the array detectors the constructor only stores, `fit` forgets the past, and what was learned ends in an
    underscore. A subclass writes `_fit`, `_score`, `check_parameters` and `describe`.

    Attributes:
        held_out_scores_: Scores of the benign samples that were held out of the training.
    """

    held_out_scores_: Scores

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the benign samples.

        Args:
            X: Benign samples, 4 or more: a `Dataset`, or what else `reprq.data.as_dataset` takes.
            y: Ignored.

        Raises:
            InputError: `X` is no data set of samples, or a parameter cannot be used.
            DataError: Too few samples.
        """
        self.check_parameters()
        X = as_dataset(X)
        if len(X) < LEAST_SAMPLES:
            raise DataError(
                f"{type(self).__name__} needs at least {LEAST_SAMPLES} benign {X.noun}s, got {len(X)}; give more"
            )
        self.held_out_scores_ = self._fit(X)
        return self

    def anomaly_score(self, X: Any) -> Scores:
        """Score samples: (m,) float64, higher is more anomalous.

        Args:
            X: Samples, as for `fit`.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: `X` is no data set of samples.
        """
        self.check_fitted()
        return self._score(as_dataset(X))

    def predict(self, X: Any, threshold: float | None = None) -> NDArray[np.int64]:
        """Scikit-learn's labels at a threshold: -1 for anomalous samples (score above it), 1 for benign ones.

        Args:
            X: Samples, as for `fit`.
            threshold: The largest benign score. Default: that of 5 % false alarms on the samples held out, which is a
                little low, because the early stop looked at them.
        """
        scores = self.anomaly_score(X)
        if threshold is None:
            rate = max(FALSE_ALARM_RATE, 1.0 / (len(self.held_out_scores_) + 1))
            threshold = conformal_threshold(self.held_out_scores_, rate).value
        return np.where(scores > threshold, -1, 1)

    def check_fitted(self) -> None:
        """Raise a NotFittedError before the first `fit`."""
        if not hasattr(self, "held_out_scores_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit with benign samples first")

    @abstractmethod
    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""

    @abstractmethod
    def describe(self) -> str:
        """A stable identifier of the method and its settings."""

    @abstractmethod
    def _fit(self, samples: Dataset) -> Scores:
        """Train, and return the scores of the samples held out."""

    @abstractmethod
    def _score(self, samples: Dataset) -> Scores: ...

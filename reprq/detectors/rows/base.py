"""What the array detectors share: scikit-learn's conventions, and an honest threshold."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.utils.validation import validate_data

from reprq.detectors.calibration import Calibration, calibrate, folds
from reprq.detectors.rows.input import as_rows
from reprq.embeddings.origin import check_origin, origin_of
from reprq.errors import InputError
from reprq.numerics.rows import Matrix, Scores
from reprq.numerics.tensors import beside, is_resident, is_tensor


class NotFittedError(InputError, SklearnNotFittedError):  # type: ignore[misc]
    """A detector that is asked for scores before it has seen benign rows."""


class ArrayDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """A detector of rows: `fit` on an (n, d) array of benign rows, `anomaly_score` on any rows of the same width.

    It follows scikit-learn's conventions: the constructor only stores, `fit` forgets the past and returns the
    detector, what it learned ends in an underscore, and it works at the end of a `Pipeline`. A subclass writes `_fit`,
    `_score`, `check_parameters` and `describe`.

    Attributes:
        benign_: (n, d) a copy of the rows it was fitted on; thresholds and saved files need them. Of a detector that
            `stays` and was fitted on a tensor on a GPU, it is a tensor there.
        labels_: (n,) their labels, or None.
        origin_: Of which backbone, weights and layer they were, where they were `Embeddings` that say so; rows that say
            otherwise are refused.
        calibration_: Held-out benign rows and the clones of the detector that have not seen them, by which
            `predict` judges. Computed on first use.
        offset_: Minus the threshold of `calibration_`.
    """

    min_rows = 1
    stays = False  # whether rows that are a tensor on a GPU are learned and scored there
    n_features_in_: int
    benign_: Matrix
    labels_: NDArray[Any] | None
    origin_: dict[str, Any]

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the benign rows.

        Args:
            X: (n, d) benign rows: an array, tensor, table or `Embeddings`, any real dtype; it is not changed.
            y: (n,) class labels of the benign rows, for the detectors that use them; the others ignore it.

        Raises:
            InputError: `X` is not a finite (n, d) array, has too few rows, or a parameter cannot be used.
        """
        self.check_parameters()
        rows = as_rows(X, type(self).__name__, resident=self.stays and is_resident(X))
        if len(rows) < self.min_rows:
            raise InputError(
                f"X must have at least {self.min_rows} rows, got n_samples={len(rows)}; give more benign rows"
            )
        benign = rows.clone() if is_tensor(rows) else np.array(rows, order="C")
        labels = self._check_labels(y, len(rows))
        self._fit(benign, labels)
        validate_data(self, _named(X, rows), skip_check_array=True)
        self.benign_, self.labels_, self.origin_ = benign, labels, origin_of(X)
        self._known: dict[str, Any] = {}
        return self

    def anomaly_score(self, X: Any) -> Scores:
        """Score rows: (m,) float64, higher is more anomalous. A row's score does not depend on the rows beside it.

        Args:
            X: (m, d) rows, as wide as the rows of `fit` and in any form that it takes.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: `X` is not a finite (m, d) array of the right width, says that it is of another network or layer
                than the rows of `fit`, or its scores overflow.
        """
        self.check_fitted()
        check_origin(self.origin_, X, "detector")
        there = is_tensor(self.benign_)
        rows = as_rows(X, type(self).__name__, resident=there and is_resident(X))
        if rows.shape[1] != self.n_features_in_:
            raise InputError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} features"
                " as input; give rows as wide as those it was fitted on"
            )
        validate_data(self, _named(X, rows), reset=False, skip_check_array=True)
        rows = beside(self.benign_, rows) if there else np.ascontiguousarray(rows)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self._score(rows)
        if not np.isfinite(scores).all():
            raise InputError(
                f"X has values too large to score (row {int(np.argmin(np.isfinite(scores)))}, counted from 0);"
                " rescale it"
            )
        return scores

    def training_scores(self) -> Scores:
        """Score the benign rows as if they were new: (n,) float64, each by a detector that has seen no copy of it.

        Five folds in a fixed random order, copies in one fold, each scored by a clone fitted on the other four. They
        stand in for the scores of new benign rows where a fifth of the rows more or less changes scores by little. It
        changes them by much where an inverse covariance has about as many directions as rows: for a false alarm rate
        use `predict` or `calibration_`, or hold rows out yourself.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: too few rows to leave a fold out.
        """
        self.check_fitted()
        scores = np.empty(len(self.benign_))
        for kept, left in folds(self.benign_):
            labels = None if self.labels_ is None else self.labels_[kept]
            part = type(self)(**self.get_params()).fit(self.benign_[kept], labels, **self.besides())
            scores[left] = part.anomaly_score(self.benign_[left])
        return scores

    @property
    def calibration_(self) -> Calibration:
        """Held-out benign rows beside the detectors that scored them."""
        self.check_fitted()
        if "calibration" not in self._known:
            self._known["calibration"] = calibrate(self)
        found: Calibration = self._known["calibration"]
        return found

    @property
    def offset_(self) -> float:
        """Minus the threshold of `predict`."""
        return -self.calibration_.threshold

    def score_samples(self, X: Any) -> Scores:
        """Minus the scores of `calibration_`: scikit-learn's direction, where lower is more anomalous.

        They belong to clones fitted on four fifths of the benign rows, whose threshold is known; `anomaly_score` is of
        all of them.
        """
        calibration = self.calibration_
        check_origin(self.origin_, X, "detector")
        return -calibration.scores(X)

    def decision_function(self, X: Any) -> Scores:
        """`score_samples` minus `offset_`: negative for rows that `predict` calls anomalous."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any, threshold: float | None = None) -> NDArray[np.int64]:
        """Scikit-learn's labels: -1 for anomalous rows (score over the threshold), 1 for benign ones.

        By default a share of about 5 % of new benign rows (1 / (n + 1), where that is more) is called anomalous: rows
        are compared with benign rows that were held out, see `calibration_`.

        Args:
            X: (m, d) rows.
            threshold: The largest `anomaly_score` of a benign row; `reprq.detectors.threshold` finds one for a false
                alarm rate from the scores of benign rows that were not among those of `fit`.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: as `anomaly_score`; or no threshold is given and there are too few benign rows to find one.
        """
        if threshold is None:
            return np.where(self.decision_function(X) < 0, -1, 1)
        return np.where(self.anomaly_score(X) > threshold, -1, 1)

    @abstractmethod
    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""

    @abstractmethod
    def describe(self) -> str:
        """A stable identifier of the method and its settings."""

    @abstractmethod
    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None: ...

    @abstractmethod
    def _score(self, rows: Matrix) -> Scores: ...

    def besides(self) -> dict[str, Any]:
        """Return what `fit` was given besides the benign rows and their labels, by its arguments: nothing for most."""
        return {}

    def _check_labels(self, y: Any, n: int) -> NDArray[Any] | None:
        """Labels are of no use to most detectors."""

    def check_fitted(self) -> None:
        """Raise a NotFittedError before the first `fit`."""
        if not hasattr(self, "benign_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit with benign rows first")


def _named(x: Any, rows: Matrix) -> Any:
    """What scikit-learn looks at for the names of the columns: the table, where one was given, else the rows."""
    return x if hasattr(x, "columns") else rows


def check_choice(name: str, value: Any, valid: tuple[str, ...]) -> None:
    """Raise an InputError unless the parameter `name` is one of the `valid` words."""
    if value not in valid:
        raise InputError(f"{name} must be one of {', '.join(valid)}, got {value!r}")


def check_count(name: str, value: Any) -> None:
    """Raise an InputError unless the parameter `name` is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} must be a positive integer, got {value!r}")

"""Several detectors of different kinds as one, by p-values, which have no units."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.calibration import Calibration
from reprq.detectors.registry import create, describe, is_network
from reprq.detectors.rows.base import ArrayDetector, check_choice
from reprq.errors import InputError
from reprq.numerics.rows import Matrix, Scores
from reprq.numerics.tensors import host


class Ensemble(ArrayDetector):
    """The p-values of several detectors of rows together, one number a row (Ruff 2021, chapter 4).

    With p_k the conformal p-value that detector k gives a row, among benign rows that were held out of clones of it
    (`calibration_`), the score is

    - "mean": 1 - mean_k p_k. It is the mean rank among held-out benign rows too: with n of them, a rank is
      (n + 1) (1 - p).
    - "fisher": -2 sum_k log p_k, where one small p-value counts more (Fisher 1925).
    - "smallest": 1 - min_k p_k, where one is enough (Tippett 1931).

    Scores of different units need no scaling by this, and a row's score does not depend on the rows beside it, as a
    rank among the rows that are scored would. Rows that every detector finds more extreme than those held out tie:
    where benign rows are few, or most of them equal, there are few different scores. `tail` tells them apart: beyond
    the largest held-out score, p_k is divided by 1 + e_k, e_k the excess over it in units of its distance to the
    median. These are p-values no more, but every order that p-values give by the smallest of them is kept.

    Detectors that train a network have p-values of samples, not of rows. Fit them apart, and take the mean of the
    column p_value of `reprq score`.

    Args:
        of: Two or more detectors of rows, no two alike: their names, mappings of a name and parameters, or "knn+pca".
        combine: "mean", "fisher" or "smallest".
        tail: Whether rows beyond all that were held out are told apart.

    Attributes:
        members_: The fitted detectors.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> detector = Ensemble("centroid+knn").fit(rng.normal(size=(60, 2)))
        >>> detector.describe()
        'ensemble[mean,centroid+knn[k=5,kth,euclidean]]'
        >>> detector.anomaly_score([[0.0, 0.0], [9.0, 9.0]]).round(2)
        array([0.11, 0.98])
    """

    min_rows = 4

    def __init__(
        self,
        of: str | Sequence[str | Mapping[str, Any]] = "knn+mahalanobis+pca",
        combine: str = "mean",
        tail: bool = False,
    ) -> None:
        self.of, self.combine, self.tail = of, combine, tail

    def check_parameters(self) -> None:
        """Raise an InputError unless there are several different detectors of rows, and a known way to combine them."""
        check_choice("combine", self.combine, ("mean", "fisher", "smallest"))
        if type(self.tail) is not bool:
            raise InputError(f"tail must be true or false, got {self.tail!r}")
        names = [describe(each) for each in self._made()]
        if twice := [name for i, name in enumerate(names) if name in names[:i]]:
            raise InputError(f"of must name different detectors, got {twice[0]} twice; leave one out")

    def describe(self) -> str:
        """Return for example "ensemble[mean,centroid+knn[k=5,kth,euclidean]]"."""
        beyond = ",tail" if self.tail else ""
        return f"ensemble[{self.combine},{'+'.join(describe(each) for each in self._made())}{beyond}]"

    def _made(self) -> list[Any]:
        """The detectors, unfitted."""
        given = self.of.split("+") if isinstance(self.of, str) else self.of
        if not isinstance(given, Sequence) or len(given) < 2:
            raise InputError(
                f"of must name two or more detectors of rows, joined by + as in knn+pca, got {self.of!r}; name another"
            )
        for each in given:
            name = each.get("name") if isinstance(each, Mapping) else each
            if not isinstance(name, str):
                raise InputError(f"of must name detectors of rows, such as knn+pca, got {each!r}; leave it out")
            if is_network(name):
                raise InputError(
                    f"of must name detectors of rows, such as knn+pca, got {name}, which takes samples; fit it apart,"
                    " and take the mean of the column p_value of reprq score"
                )
        return [create(each) for each in given]

    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None:
        self.members_ = [each.fit(host(rows), labels) for each in self._made()]
        for each in self.members_:
            try:
                _ = each.calibration_  # now, so that what has no p-values is told by fit
            except InputError as error:
                raise InputError(
                    f"X has too few different rows to hold some out for p-values of {describe(each)}; give more"
                ) from error

    def _check_labels(self, y: Any, n: int) -> NDArray[Any] | None:
        found = [each._check_labels(y, n) for each in self._made()]
        labels: NDArray[Any] | None = next((each for each in found if each is not None), None)
        return labels

    def _score(self, rows: Matrix) -> Scores:
        p_values = np.stack([each.calibration_.p_values(host(rows)) for each in self.members_])
        if self.tail:
            p_values /= [1.0 + _excess(each.calibration_, host(rows)) for each in self.members_]
        if self.combine == "fisher":
            return np.asarray(-2.0 * np.log(p_values).sum(0))
        return np.asarray(1.0 - (p_values.mean(0) if self.combine == "mean" else p_values.min(0)))


def _excess(calibration: Calibration, rows: Any) -> Scores:
    """By how much scores are over all held-out ones, in units of the distance from their median to the largest."""
    found = []
    for detector, held in calibration.folds:
        most = held.max()
        over = np.maximum(np.asarray(detector.anomaly_score(rows)) - most, 0.0)
        found.append(over / (most - np.median(held) or 1.0))
    return np.asarray(np.mean(found, axis=0), dtype=np.float64)

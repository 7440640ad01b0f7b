"""Mahalanobis distance to the benign rows, to the nearest of their classes, or relative to all of them."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import MinCovDet

from reprq.detectors.rows.base import ArrayDetector, check_choice
from reprq.errors import InputError
from reprq.numerics.covariance import (
    CentralMoments,
    Whitening,
    central_moments,
    condition_number,
    ledoit_wolf_shrinkage,
    oas_shrinkage,
    shrink,
    whiten,
    whiten_diagonal,
    whiten_pseudo,
)
from reprq.numerics.rows import Matrix, Scores, column_means, distinct_rows, score_in_blocks
from reprq.numerics.tensors import Rows, beside, host, namespace
from reprq.validation import as_classes

_COVARIANCES = ("empirical", "ledoit_wolf", "oas", "diagonal", "mcd")
FORMS = ("pooled", "class", "relative")


class Mahalanobis(ArrayDetector):
    """Squared Mahalanobis distance (z - mean)ᵀ S⁻¹ (z - mean), as |(z - mean) W|^2 with S⁻¹ = W Wᵀ: never negative.

    With n <= d the sample covariance is singular and its small eigenvalues are noise; shrinkage is the safe default.

    Args:
        covariance: How S is estimated (all but "mcd" divide by n):
            "empirical": the sample covariance and its pseudo-inverse; what lies outside the span of the benign rows
                does not count. Eigenvalues up to max(n, d) eps times the largest are taken for zero.
            "ledoit_wolf": (1 - s) S + s tr(S) / d I, with s of Ledoit & Wolf (2004).
            "oas": the same with s of Chen et al. (2010).
            "diagonal": the variances alone; a constant column does not count.
            "mcd": minimum covariance determinant (Rousseeuw & Van Driessen 1999), reweighted and corrected as in
                scikit-learn; robust to anomalies among the benign rows, needs n > 2 d, and replaces the mean too.
        form: What the distance is measured to:
            "pooled": the mean of all benign rows.
            "class": the nearest class mean, with one covariance of the rows around their class means, divided by n
                (Lee et al. 2018, equations 1 and 2). `fit` needs the class labels.
            "relative": that distance minus the pooled one (Ren et al. 2021, equation 3), which may be negative.
        seed: Of the random subsets of "mcd"; the others use no random numbers.

    Attributes:
        mean_: (d,) mean of the benign rows.
        covariance_: (d, d) the estimate S, float64; around the class means for "class" and "relative".
        rank_: Rank of S, the number of directions that count.
        condition_number_: Largest over smallest non-zero eigenvalue of S.
        shrinkage_: s in [0, 1]; 0 where nothing is shrunk.
        classes_: (c,) the class labels, for "class" and "relative".

    Raises:
        InputError: from `fit`, with fewer than two rows, where no row differs or two different rows are all there is,
            where class labels are missing, or where "mcd" has too few rows or more than half of them are equal or lie
            in a subspace.

    Example:
        >>> detector = Mahalanobis("empirical").fit([[-1, 0], [1, 0], [0, -2], [0, 2]])
        >>> detector.anomaly_score([[0, 2], [1, 0], [2, 0]])
        array([2., 2., 8.])
        >>> detector.rank_, round(detector.condition_number_, 6)
        (2, 4.0)
    """

    min_rows = 2
    stays = True
    mean_: NDArray[np.float64]
    covariance_: NDArray[np.float64]
    shrinkage_: float
    classes_: NDArray[Any]

    def __init__(self, covariance: str = "ledoit_wolf", *, form: str = "pooled", seed: int = 0) -> None:
        self.covariance = covariance
        self.form = form
        self.seed = seed

    def check_parameters(self) -> None:
        """Raise an InputError unless the covariance and the form are among those above."""
        check_choice("covariance", self.covariance, _COVARIANCES)
        check_choice("form", self.form, FORMS)
        if self.covariance == "mcd" and self.form != "pooled":
            raise InputError(f"covariance mcd has only the pooled form, got {self.form!r}; choose another covariance")

    def describe(self) -> str:
        """Return for example "mahalanobis[ledoit_wolf]" or "mahalanobis[oas,class]"."""
        return f"mahalanobis[{self.covariance}{'' if self.form == 'pooled' else ',' + self.form}]"

    @property
    def rank_(self) -> int:
        """Rank of the covariance estimate."""
        return self.whitening_.rank

    @property
    def condition_number_(self) -> float:
        """Condition number of the covariance estimate, computed when it is asked for (Lanczos, O(d^2) a step)."""
        return condition_number(self.covariance_, self.whitening_)

    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None:
        if labels is None:
            self._fit_pooled(rows)
        else:
            self._fit_classes(rows, labels)

    def _fit_pooled(self, rows: Matrix) -> None:
        if self.covariance == "mcd":
            self.mean_, self.covariance_ = _minimum_covariance_determinant(host(rows), self.seed)
            self.shrinkage_, self.whitening_ = 0.0, whiten_pseudo(self.covariance_, len(rows))
        else:
            found = _spread(rows)
            self.mean_ = found.mean
            self.shrinkage_, self.covariance_, self.whitening_ = _estimate(self.covariance, found, len(rows))
        check_more_than_a_line(rows, self.rank_)

    def _fit_classes(self, rows: Matrix, labels: NDArray[Any]) -> None:
        self.classes_, codes = np.unique(labels, return_inverse=True)
        means = np.stack([column_means(rows[codes == c]) for c in range(len(self.classes_))])
        within = _spread(rows - beside(rows, means)[codes])
        self.mean_ = column_means(rows)
        self.shrinkage_, self.covariance_, self.whitening_ = _estimate(self.covariance, within, len(rows))
        self.white_means_ = self.whitening_(means - self.mean_)
        self.background_ = _estimate(self.covariance, _spread(rows), len(rows))[2] if self.form == "relative" else None

    def _score(self, rows: Matrix) -> Scores:
        return score_in_blocks(rows, self._block_scores, self.mean_)

    def _block_scores(self, centred: Rows) -> Rows:
        white = self.whitening_(centred)
        if self.form == "pooled":
            return _squared_lengths(white)
        xp, means = namespace(white), beside(white, self.white_means_)
        nearest = xp.amin(xp.stack([_squared_lengths(white - mean) for mean in means]), 0)
        return nearest if self.background_ is None else nearest - _squared_lengths(self.background_(centred))

    def _check_labels(self, y: Any, n: int) -> NDArray[Any] | None:
        if self.form == "pooled":
            return None
        if y is None:
            raise InputError(f"y must hold the class labels of the benign rows for form {self.form!r}, got None")
        return as_classes(y, n, "y")


def _squared_lengths(rows: Rows) -> Rows:
    return namespace(rows).einsum("ij,ij->i", rows, rows)


def _spread(rows: Rows) -> CentralMoments:
    found = central_moments(rows)
    if not found.covariance.any():
        raise InputError("X must have at least two different rows, got all rows equal; a covariance needs a spread")
    return found


def check_more_than_a_line(rows: Rows, rank: int) -> None:
    """Raise an InputError where two different rows are all there is: nothing beside their line would count."""
    if rank == 1 < rows.shape[1] and len(distinct_rows(rows)) < 3:
        raise InputError("X must have at least three different rows, got two: they span a line and no more")


def _estimate(kind: str, found: CentralMoments, n: int) -> tuple[float, NDArray[np.float64], Whitening]:
    if kind == "diagonal":
        covariance = np.diag(np.diag(found.covariance))
        return 0.0, covariance, whiten_diagonal(found, n)
    shrinkage = 0.0
    if kind == "ledoit_wolf":
        shrinkage = ledoit_wolf_shrinkage(found.covariance, found.fourth, n)
    elif kind == "oas":
        shrinkage = oas_shrinkage(found.covariance, n)
    covariance = shrink(found.covariance, shrinkage)
    return shrinkage, covariance, whiten(covariance, n)


def _minimum_covariance_determinant(rows: Matrix, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n, d = rows.shape
    if n <= 2 * d:
        raise InputError(
            f"covariance mcd needs more than 2 d rows, got n_samples={n} and d={d}; reduce d by PCA or use ledoit_wolf"
        )
    spread = _spread(rows)
    scale = float(np.sqrt(np.trace(spread.covariance) / d))  # scikit-learn takes a small covariance for none
    white = whiten(spread.covariance / scale**2, n)
    basis = np.eye(d) if white.rank == d else np.linalg.qr(white.matrix)[0]  # of the span of the rows
    inside = ((rows - spread.mean) / scale) @ basis
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that half of the rows have no full rank, which is said below
        try:
            found = MinCovDet(random_state=seed).fit(inside)
            rank = _rank_of_half(white((rows - spread.mean) / scale), found.raw_support_)
        except ValueError:  # the half has no spread at all
            rank = 0
    if rank < white.rank:
        what = "are equal" if rank == 0 else f"lie in {rank} of the {white.rank} dimensions"
        raise InputError(
            f"covariance mcd needs a half of the rows that fills the space, got more than half that {what};"
            " drop repeated rows or use ledoit_wolf"
        )
    mean = spread.mean + scale * (basis @ found.location_)
    return mean, scale**2 * (basis @ found.covariance_ @ basis.T)


def _rank_of_half(white: NDArray[np.float64], chosen: NDArray[np.bool_]) -> int:
    half = white[chosen]
    return int(np.linalg.matrix_rank(half - half.mean(axis=0)))

"""Densities and ellipsoids: Gaussian, kernel density estimate, minimum volume ellipsoid."""

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg.blas import dger
from scipy.special import logsumexp

from reprq.detectors.calibration import copies
from reprq.detectors.rows.mahalanobis import Mahalanobis, check_more_than_a_line
from reprq.detectors.rows.shallow import ShallowDetector
from reprq.errors import InputError
from reprq.numerics.covariance import central_moments, whiten_pseudo
from reprq.numerics.pairs import squared_distances
from reprq.numerics.rows import Matrix, Scores, score_in_blocks

Array = NDArray[np.float64]

_GRID = 2.0 ** np.arange(-5.0, 3.5, 0.5)
_ROWS = 2000


class Gaussian(Mahalanobis):
    """Minus the log-density, in nats, of a Gaussian with the mean and covariance of the benign rows.

    It ranks rows as the Mahalanobis distance D does: (D + log det S + r log 2 pi) / 2. Where S has rank r < d, the
    density is that inside the span of the benign rows (pseudo-determinant).

    Args:
        covariance: As for `Mahalanobis`; "empirical" is maximum likelihood.

    Example:
        >>> Gaussian().fit([[-1.0], [1.0]]).anomaly_score([[0.0]]).round(4)
        array([0.9189])
    """

    log_determinant_: float

    def __init__(self, covariance: str = "empirical") -> None:
        super().__init__(covariance)

    def describe(self) -> str:
        """Return for example "gaussian[empirical]"."""
        return f"gaussian[{self.covariance}]"

    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None:
        super()._fit(rows, labels)
        w = self.whitening_.matrix
        squares = w[w > 0] ** 2 if w.ndim == 1 else np.linalg.eigvalsh(w.T @ w)
        self.log_determinant_ = -float(np.log(squares).sum())

    def training_scores(self) -> Scores:
        """As of every detector, with the determinant of all rows: a fold's would move with the unit where n <= d."""
        self.check_fitted()
        distances = Mahalanobis(self.covariance).fit(self.benign_).training_scores()
        return 0.5 * (distances + self._constant)

    def _score(self, rows: Matrix) -> Scores:
        return 0.5 * (super()._score(rows) + self._constant)

    @property
    def _constant(self) -> float:
        return self.log_determinant_ + self.rank_ * float(np.log(2.0 * np.pi))


class KDE(ShallowDetector):
    """Minus the log-density, in nats, of a Gaussian kernel density estimate (Parzen 1962).

    Args:
        bandwidth: Standard deviation h of the kernel in units of the scaled rows; None takes the h among 2^-5, 2^-4.5,
            ..., 2^3 with the highest leave-one-out likelihood (Duin 1976), copies left out together, on
            up to 2,000 rows. Ruff (2021) takes five folds in Table 2.1, and a hold-out in chapter 4.
        seed: Which rows choose the bandwidth.

    Attributes:
        bandwidth_: The bandwidth used, in units of the scaled rows.

    Example:
        >>> KDE(bandwidth=1.0).fit([[-1.0], [1.0]]).anomaly_score([[1.0], [9.0]]).round(3)
        array([ 1.485, 33.612])
    """

    bandwidth_: float

    def __init__(self, bandwidth: float | None = None, *, seed: int = 0) -> None:
        self.bandwidth = bandwidth
        self.seed = seed

    def check_parameters(self) -> None:
        """Raise an InputError unless the bandwidth is positive or None."""
        if self.bandwidth is not None and not self.bandwidth > 0.0:
            raise InputError(f"bandwidth must be positive, got {self.bandwidth!r}")

    def describe(self) -> str:
        """Return for example "kde[cv]" or "kde[h=0.5]"."""
        return f"kde[{'cv' if self.bandwidth is None else f'h={self.bandwidth:g}'}]"

    def _learn(self, rows: Array) -> None:
        self.rows_ = rows
        self.bandwidth_ = self._likeliest(rows) if self.bandwidth is None else float(self.bandwidth)

    def _likeliest(self, rows: Array) -> float:
        some = rows[np.random.default_rng(self.seed).permutation(len(rows))[:_ROWS]]
        squares, same = squared_distances(some, some), copies(some)
        squares[same[:, None] == same] = np.inf  # a row that its own copy explains says nothing about a bandwidth
        likelihood = [np.mean(_log_kernel_sum(squares, h, rows.shape[1])) for h in _GRID]
        return float(_GRID[int(np.argmax(likelihood))])

    def _anomaly(self, rows: Array) -> Scores:
        d = rows.shape[1]

        def log_kernel_sum(block: Array) -> Array:
            return _log_kernel_sum(squared_distances(block, self.rows_), self.bandwidth_, d)

        scores: Scores = np.log(len(self.rows_)) - score_in_blocks(rows, log_kernel_sum)
        scores += d * float(np.log(self.scale_))
        return scores


class MVE(ShallowDetector):
    """Squared distance in the smallest ellipsoid that holds all benign rows: 1 on its surface, 0 in its center.

    Found to a relative tolerance of 1 % in the dual by Khachiyan's algorithm (Khachiyan 1996; Kumar & Yildirim 2005),
    inside the span of the benign rows. One anomaly among them stretches it: clean data only. What Ruff (2021, appendix
    B.3) calls MVE is another estimate, a fast MCD with a support of 0.9; `Mahalanobis(covariance="mcd")` is nearer.

    Example:
        >>> MVE().fit([[-1, 0], [1, 0], [0, -2], [0, 2], [0, 0]]).anomaly_score([[0, 2], [2, 0], [0, 0]]).round(1)
        array([1., 4., 0.])
    """

    def check_parameters(self) -> None:
        """Nothing to check: the ellipsoid has no parameters."""

    def describe(self) -> str:
        """Return "mve"."""
        return "mve"

    def _learn(self, rows: Array) -> None:
        found = central_moments(rows)
        if not found.covariance.any():
            raise InputError("X must have at least two different rows, got all rows equal; an ellipsoid needs a spread")
        span = whiten_pseudo(found.covariance, len(rows))
        check_more_than_a_line(rows, span.rank)
        lifted = _lift(span(rows))
        inverse = _khachiyan(lifted)
        self.root_ = scipy.linalg.cholesky(inverse, lower=True)
        self.span_ = span

    def _anomaly(self, rows: Array) -> Scores:
        def squared_lengths(block: Array) -> Array:
            mapped = _lift(self.span_(block)) @ self.root_
            return np.asarray(np.einsum("ij,ij->i", mapped, mapped))

        return np.maximum(score_in_blocks(rows, squared_lengths) - 1.0, 0.0) / (len(self.root_) - 1)


def _log_kernel_sum(squares: Array, h: float, d: int) -> Array:
    """Log sum_i N(z; x_i, h^2 I) for every row of squared distances."""
    sums: Array = logsumexp(-0.5 * squares / h**2, axis=1)
    return sums - 0.5 * d * float(np.log(2.0 * np.pi * h**2))


def _lift(rows: Array) -> Array:
    return np.hstack([rows, np.ones((len(rows), 1))])


def _khachiyan(lifted: Array, tolerance: float = 1e-2, steps: int = 20_000) -> Array:
    """Inverse of M = sum_i u_i q_i q_iᵀ at the dual optimum, q_iᵀ M⁻¹ q_i <= (1 + tolerance) D, by rank-one updates.

    Weight goes to the highest row, or is taken from the lowest that has some (Todd & Yildirim 2007).
    """
    n, size = lifted.shape
    weights = np.full(n, 1.0 / n)
    inverse = np.asfortranarray(np.linalg.inv(lifted.T @ lifted / n))  # the order that dger updates in place
    heights = np.einsum("ij,ij->i", lifted @ inverse, lifted)
    for _ in range(steps):
        high, low = int(np.argmax(heights)), int(np.argmin(np.where(weights > 0.0, heights, np.inf)))
        if heights[high] <= (1.0 + tolerance) * size:
            break
        chosen = high if heights[high] - size >= size - heights[low] else low
        height, weight = float(heights[chosen]), float(weights[chosen])
        empty = -weight / (1.0 - weight)
        step = max((height - size) / (size * (height - 1.0)), empty) if height > 1.0 else empty
        weights *= 1.0 - step
        weights[chosen] = weights[chosen] + step if step > empty else 0.0
        direction = inverse @ lifted[chosen]
        share = step / (1.0 - step + step * height)
        inverse /= 1.0 - step
        inverse = dger(-share / (1.0 - step), direction, direction, a=inverse, overwrite_a=True)
        heights = (heights - share * (lifted @ direction) ** 2) / (1.0 - step)
    return np.asarray((inverse + inverse.T) / 2.0, dtype=np.float64)

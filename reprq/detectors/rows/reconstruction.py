"""Reconstruction errors: what principal components, linear or kernel, leave of a row."""

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from reprq.detectors.rows.shallow import ShallowDetector
from reprq.errors import InputError
from reprq.numerics.pairs import squared_distances
from reprq.numerics.rows import Scores, score_in_blocks

Array = NDArray[np.float64]

_ROWS = 2000


class _Reconstruction(ShallowDetector):
    def __init__(self, variance: float = 0.95) -> None:
        self.variance = variance

    def check_parameters(self) -> None:
        """Raise an InputError unless the variance is in (0, 1)."""
        if not 0.0 < self.variance < 1.0:
            raise InputError(f"variance must be between 0 and 1, got {self.variance!r}; 0.95 is usual")

    def _kept(self, ascending: Array) -> int:
        """How many of the largest eigenvalues hold the wanted share of the variance."""
        share = np.cumsum(np.maximum(ascending[::-1], 0.0))
        return int(np.searchsorted(share, self.variance * share[-1], side="left")) + 1 if share[-1] > 0 else 0

    def _kept_below_rank(self, ascending: Array) -> int:
        """The same, but one fewer than the rank: what is left by all of them is rounding, which ranks nothing."""
        rank = int((ascending > len(ascending) * np.finfo(np.float64).eps * ascending[-1]).sum())
        return min(self._kept(ascending), max(rank - 1, 0))

    def _anomaly(self, rows: Array) -> Scores:
        return score_in_blocks(rows, self._residuals)

    def _residuals(self, rows: Array) -> Scores:
        raise NotImplementedError


class PCA(_Reconstruction):
    """Squared distance to the span of the leading principal components, in units of the scaled rows.

    One component at least is left out, so that a score is more than rounding: with few columns, or directions of even
    variance, `variance` may ask for all. What remains of one direction is the squared distance to the mean.

    Args:
        variance: Share of the variance that the components keep. Ruff (2021) keeps 0.90 where PCA is the detector
            (appendix B.3); his 0.95 is the reduction before OC-SVM, KDE and isolation forest (Table 2.1).

    Attributes:
        components_: (r, d) orthonormal rows.

    Example:
        >>> benign = [[-9.0, 1.0], [9.0, 1.0], [-9.0, -1.0], [9.0, -1.0]]
        >>> PCA().fit(benign).anomaly_score([[9.0, 0.0], [0.0, 8.2]]).round(6)
        array([0.  , 1.64])
    """

    components_: Array

    def describe(self) -> str:
        """Return for example "pca[0.95]"."""
        return f"pca[{self.variance:g}]"

    def _learn(self, rows: Array) -> None:
        values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
        kept = self._kept_below_rank(values)
        self.components_ = np.ascontiguousarray(vectors[:, len(values) - kept :].T)

    def _residuals(self, rows: Array) -> Scores:
        left = rows - (rows @ self.components_.T) @ self.components_
        residuals: Scores = np.einsum("ij,ij->i", left, left)
        return residuals


class KPCA(_Reconstruction):
    """Reconstruction error of kernel PCA in feature space, Gaussian kernel (Hoffmann 2007, equation 8).

    The squared distance of the centered feature vector to the span of the leading components, in [0, 2].

    Args:
        variance: Share of the feature variance that the components keep; Ruff (2021, appendix B.3) keeps 0.90, and
            chooses the width so that half of the neighbors hold half of the similarity.
        gamma: Kernel exp(-gamma |x - y|^2), in units of the scaled rows; None is 1 / d.
        seed: Which 2,000 rows are used where there are more; the eigendecomposition is cubic in them.

    Example:
        >>> scores = KPCA().fit([[0.0], [1.0], [2.0]]).anomaly_score([[1.0], [9.0]])
        >>> bool(scores[0] < scores[1])
        True
    """

    def __init__(self, variance: float = 0.95, *, gamma: float | None = None, seed: int = 0) -> None:
        super().__init__(variance)
        self.gamma = gamma
        self.seed = seed

    def check_parameters(self) -> None:
        """Raise an InputError unless the variance is in (0, 1) and gamma is positive or None."""
        super().check_parameters()
        if self.gamma is not None and not self.gamma > 0.0:
            raise InputError(f"gamma must be positive, got {self.gamma!r}")

    def describe(self) -> str:
        """Return for example "kpca[0.95]"."""
        return f"kpca[{self.variance:g}{'' if self.gamma is None else f',gamma={self.gamma:g}'}]"

    def _learn(self, rows: Array) -> None:
        if len(rows) > _ROWS:
            rows = rows[np.sort(np.random.default_rng(self.seed).choice(len(rows), _ROWS, replace=False))]
        self.rows_ = rows
        kernel = self._kernel(rows)
        self.row_means_ = kernel.mean(axis=0)
        self.total_mean_ = float(self.row_means_.mean())
        centred = kernel - self.row_means_ - self.row_means_[:, None] + self.total_mean_
        values, vectors = scipy.linalg.eigh(centred, driver="evd")
        positive = values > len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)
        kept = min(self._kept(values), int(positive.sum()))
        leading = slice(len(values) - kept, None)
        self.projection_ = np.ascontiguousarray(vectors[:, leading] / np.sqrt(values[leading]))

    def _residuals(self, rows: Array) -> Scores:
        kernel = self._kernel(rows)
        means = kernel.mean(axis=1)
        centred = kernel - self.row_means_ - means[:, None] + self.total_mean_
        projected = centred @ self.projection_
        length: Scores = 1.0 - 2.0 * means + self.total_mean_
        return np.asarray(np.maximum(length - np.einsum("ij,ij->i", projected, projected), 0.0), dtype=np.float64)

    def _kernel(self, rows: Array) -> Array:
        gamma = 1.0 / rows.shape[1] if self.gamma is None else self.gamma
        kernel: Array = np.exp(-gamma * squared_distances(rows, self.rows_))
        return kernel

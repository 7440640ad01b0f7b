"""Mahalanobis distance of rows whose lengths are drawn together or apart, and whose directions stay."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.rows.base import ArrayDetector
from reprq.detectors.rows.mahalanobis import Mahalanobis
from reprq.errors import InputError
from reprq.numerics.rows import Matrix, Scores
from reprq.numerics.tensors import host


class RadialMahalanobis(ArrayDetector):
    """Squared Mahalanobis distance of z / |z|^beta: radially scaled l2 normalization.

    beta = 0 leaves rows as they are, 1 puts all of them on the unit sphere, and what lies between draws their lengths,
    which become |z|^(1 - beta), together; below 0 lengths are drawn apart. A row of zeros has no direction and stays.

    It fails where the length of a row is what anomalies differ by, and is moot where rows have one length already.

    Args:
        beta: The exponent, finite.
        covariance: As for `Mahalanobis`.

    Attributes:
        inner_: The fitted `Mahalanobis`.

    References:
        Janiak, Binkowski & Kajdanowicz, "A Geometry-Based View of Mahalanobis OOD Detection", arXiv 2510.15202; at
        beta = 1 Mueller & Hein, "Mahalanobis++", ICML 2025. Deviation: beta is given, not chosen by the geometry of
        benign rows.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(50, 3)) + 5
        >>> detector = RadialMahalanobis(beta=1.0).fit(rows)
        >>> detector.describe(), bool(np.allclose(detector.anomaly_score(rows), detector.anomaly_score(9 * rows)))
        ('radial_mahalanobis[beta=1,ledoit_wolf]', True)
    """

    min_rows = 2

    def __init__(self, beta: float = 0.5, covariance: str = "ledoit_wolf") -> None:
        self.beta, self.covariance = beta, covariance

    def check_parameters(self) -> None:
        """Raise an InputError unless beta is a finite number and the covariance is known."""
        number = isinstance(self.beta, int | float | np.number) and not isinstance(self.beta, bool)
        if not number or not np.isfinite(self.beta):
            raise InputError(f"beta must be a finite number, such as 0.5, got {self.beta!r}")
        Mahalanobis(self.covariance).check_parameters()

    def describe(self) -> str:
        """Return for example "radial_mahalanobis[beta=0.5,ledoit_wolf]"."""
        return f"radial_mahalanobis[beta={self.beta:g},{self.covariance}]"

    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None:
        self.inner_ = Mahalanobis(self.covariance).fit(radially_scaled(host(rows), self.beta))

    def _score(self, rows: Matrix) -> Scores:
        return self.inner_.anomaly_score(radially_scaled(host(rows), self.beta))


def radially_scaled(rows: Matrix, beta: float) -> Matrix:
    """Return z / |z|^beta of every row, in float64; a row of zeros stays.

    Raises:
        InputError: lengths that overflow.

    Example:
        >>> radially_scaled(np.array([[3.0, 4.0], [0.0, 0.0]]), 1.0).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    values = np.asarray(rows, dtype=np.float64)
    largest = np.abs(values).max(axis=1, keepdims=True)
    largest[largest == 0] = 1.0
    unit = values / largest  # so that no square overflows
    length = np.linalg.norm(unit, axis=1, keepdims=True)
    length[length == 0] = 1.0
    with np.errstate(over="ignore", under="ignore"):
        scaled: Matrix = unit / length * (largest * length) ** (1.0 - beta)
    if not np.isfinite(scaled).all():
        raise InputError(
            f"X has rows whose length to the power {1 - beta:g} overflows; rescale it, or take another beta"
        )
    return scaled

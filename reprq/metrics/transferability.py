"""How well labels follow from rows, without training a head: what few labels would say of a representation."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError
from reprq.validation import as_classes, as_matrix

_STEPS, _CLOSE = 100, 1e-6  # of the fixed point, and when it stands
Floats = NDArray[np.float64]


def logme(x: Any, labels: ArrayLike) -> float:
    """Return LogME: the log evidence of a linear model of the labels, by row and class, at its best hyper-parameters.

    For each class, y is 1 for its rows and 0 for others, and y ~ N(X w, 1 / beta), w ~ N(0, 1 / alpha); the mean over
    classes of max over alpha and beta of log p(y | X) / n, by the fixed point of MacKay.

    It needs labels of anomalies: an upper rival for metrics of benign rows. With few rows of a class the evidence
    speaks of the class sizes, and two layers compare only on the same rows. Neither scale nor rotation of X matters;
    a shift does, since there is no intercept.

    Args:
        x: (n, d) rows.
        labels: (n,) classes, at least two.

    Returns:
        A log density by row, any sign; higher is easier to tell.

    Raises:
        InputError: x is not a finite matrix that is not zero, labels of another length, or a single class.

    References:
        You et al., "LogME: practical assessment of pre-trained models for transfer learning", ICML 2021, algorithm 1.

    Example:
        >>> rows = np.array([[0.0, 1.0], [0.1, 1.0], [0.9, 1.0], [1.0, 1.0]])
        >>> logme(rows, [0, 0, 1, 1]) > logme(rows, [0, 1, 0, 1])
        True
    """
    rows, classes = _checked(x, labels)
    left, singular, _ = np.linalg.svd(rows, full_matrices=False)
    kept = singular > singular[0] * max(rows.shape) * np.finfo(np.float64).eps
    targets = [(classes == name).astype(np.float64) for name in np.unique(classes)]
    return float(np.mean([_evidence(left[:, kept], singular[kept], y) for y in targets]))


def h_score(x: Any, labels: ArrayLike) -> float:
    """Return the H-score: how much of the variance, seen against all of it, the means of classes carry.

    tr(S^+ B), S the covariance of the rows, B that of the mean of each row's class, both divided by n, and S^+ the
    pseudo-inverse.

    It needs labels of anomalies. With d at or above n it is C - 1 whatever the labels, as any labels then follow from
    the rows; with few rows it leans that way. It does not change under invertible linear maps.

    Args:
        x: (n, d) rows.
        labels: (n,) classes, at least two.

    Returns:
        From 0 (class means alike) to C - 1 (rows that differ in their class alone).

    Raises:
        InputError: x is not a finite matrix whose rows differ, labels of another length, or a single class.

    References:
        Bao et al., "An information-theoretic approach to transferability in task transfer learning", ICIP 2019,
        definition 2. Deviation: a pseudo-inverse.

    Example:
        >>> round(h_score([[0.0], [0.0], [1.0], [1.0]], [0, 0, 1, 1]), 6)
        1.0
    """
    rows, classes = _checked(x, labels)
    rounding = max(rows.shape) * np.finfo(np.float64).eps
    left, singular, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    if singular[0] <= rounding * float(np.abs(rows).max()):
        raise InputError("x must have rows that differ, got all rows equal")
    left = left[:, singular > singular[0] * rounding]
    codes = np.unique(classes, return_inverse=True)[1]
    means = np.stack([left[codes == c].sum(axis=0) / np.sqrt((codes == c).sum()) for c in range(codes.max() + 1)])
    return float(np.square(means).sum())


def _checked(x: Any, labels: ArrayLike) -> tuple[Floats, Any]:
    rows = as_matrix(x, min_rows=2).astype(np.float64)
    classes = as_classes(labels, len(rows), "labels")
    if len(np.unique(classes)) < 2:
        raise InputError("labels must hold at least 2 classes, got 1; give rows of another class")
    if not rows.any():
        raise InputError("x must have rows that are not zero, got all rows zero")
    return rows, classes


def _evidence(left: Floats, singular: Floats, y: Floats) -> float:
    """The largest log evidence by row, from X = left diag(singular) V'."""
    n, spread = len(y), singular**2
    along = left.T @ y
    outside = max(float(y @ y - along @ along), 0.0)
    alpha = beta = 1.0
    for _ in range(_STEPS):
        known = float((beta * spread / (alpha + beta * spread)).sum())
        weights = beta * singular * along / (alpha + beta * spread)
        size = max(float(weights @ weights), 1e-300)
        missed = max(outside + float(np.square(along - singular * weights).sum()), 1e-12 * n)
        before, alpha, beta = alpha / beta, known / size, (n - known) / missed if n > known else n / missed
        if abs(alpha / beta - before) <= _CLOSE * before:
            break
    weights = beta * singular * along / (alpha + beta * spread)
    missed = outside + float(np.square(along - singular * weights).sum())
    determinant = float(np.log1p(beta * spread / alpha).sum())
    total = n * np.log(beta / (2 * np.pi)) - determinant - beta * missed - alpha * float(weights @ weights)
    return float(total / (2 * n))

"""How well labels follow from rows, without training a head: what few labels would say of a representation."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from reprq.errors import InputError
from reprq.validation import as_classes, as_matrix

_STEPS, _CLOSE = 100, 1e-6  # of the fixed point, and when it stands
_TIE = 1e-12  # scores, which are of the size of 1, that differ by less tie
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
    left, singular = _decomposed(rows)
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
    left, singular = _decomposed(rows - rows.mean(axis=0))
    if singular[0] <= rounding * float(np.abs(rows).max()):
        raise InputError("x must have rows that differ, got all rows equal")
    left = left[:, singular > singular[0] * rounding]
    codes = np.unique(classes, return_inverse=True)[1]
    means = np.stack([left[codes == c].sum(axis=0) / np.sqrt((codes == c).sum()) for c in range(codes.max() + 1)])
    return float(np.square(means).sum())


def probe_auroc(x: Any, labels: ArrayLike, ridge: float = 0.1) -> float:
    """Return the leave-one-out AUROC of a linear probe of two classes: what few labelled anomalies say, held out.

    The probe is the least-squares fit of +-1, each class weighing half, to the rows less their mean, with the penalty
    ridge times the mean eigenvalue of their kernel, X X' / n. Each row is scored by the fit without it, in closed form
    (y_i - (y_i - f_i) / (1 - h_i), h the diagonal of the hat matrix, the mean and the penalty those of all rows), and
    the value is the share of pairs of an anomaly and a benign row in the right order.

    It needs labels of anomalies. With a single anomaly the fit that scores it has seen none, and the value says
    nothing: the least is two. Neither scale, shift nor rotation of X matters.

    Args:
        x: (n, d) rows.
        labels: (n,) 1 is anomalous, 0 benign; at least two of each.
        ridge: The penalty, above 0.

    Returns:
        From 0 to 1; 1 is every anomaly above every benign row, .5 chance.

    Raises:
        InputError: x is not a finite matrix of rows that differ, labels of another length or other than 0 and 1, fewer
            than two of either, or a ridge that is not positive.

    References:
        Alain & Bengio, "Understanding intermediate layers using linear classifier probes", 2016. Deviations: a ridge
        in place of logistic regression, and rows left out in place of a test set.

    Example:
        >>> rows = np.random.default_rng(0).standard_normal((40, 3)) + 4 * (np.arange(40) >= 35)[:, None]
        >>> round(probe_auroc(rows, (np.arange(40) >= 35) * 1), 2)
        1.0
    """
    if not 0 < ridge < np.inf:
        raise InputError(f"ridge must be positive, got {ridge}")
    rows, classes = _checked(x, labels)
    anomalous = classes == 1
    if not np.isin(classes, (0, 1)).all():
        raise InputError(f"labels must be 0 (benign) or 1 (anomalous), got {np.unique(classes)[:4].tolist()}")
    if min(anomalous.sum(), (~anomalous).sum()) < 2:
        raise InputError(f"labels must have at least 2 anomalies and 2 benign rows, got {anomalous.sum()} anomalies")
    rows = rows - rows.mean(axis=0)
    kernel = rows @ rows.T
    size = float(np.trace(kernel)) / len(rows)
    if size <= 0:
        raise InputError("x must have rows that differ, got all rows equal")
    weights = np.where(anomalous, 0.5 / anomalous.sum(), 0.5 / (~anomalous).sum())
    target = np.where(anomalous, 1.0, -1.0)
    root = np.sqrt(weights)
    hat = kernel * root @ np.linalg.inv(root[:, None] * kernel * root + ridge * size * np.eye(len(rows)))
    fitted, own = hat @ (root * target), np.diagonal(hat) * root
    scores = target - (target - fitted) / (1 - own)
    order = scores[anomalous][:, None] - scores[~anomalous]
    return float(np.mean((order > _TIE) + 0.5 * (np.abs(order) <= _TIE)))


def _checked(x: Any, labels: ArrayLike) -> tuple[Floats, Any]:
    rows = as_matrix(x, min_rows=2).astype(np.float64)
    classes = as_classes(labels, len(rows), "labels")
    if len(np.unique(classes)) < 2:
        raise InputError("labels must hold at least 2 classes, got 1; give rows of another class")
    if not rows.any():
        raise InputError("x must have rows that are not zero, got all rows zero")
    return rows, classes


def _decomposed(rows: Floats) -> tuple[Floats, Floats]:
    """The left singular vectors and the singular values, by the slower of LAPACK's ways where the quick one fails."""
    try:
        left, singular, _ = np.linalg.svd(rows, full_matrices=False)
    except np.linalg.LinAlgError:  # "did not converge", of finite rows of a low rank
        left, singular, _ = linalg.svd(rows, full_matrices=False, lapack_driver="gesvd")
    return left, singular


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

"""Measures of directions alone: every row is first scaled to unit length."""

from typing import Any

import numpy as np

from reprq.errors import InputError
from reprq.numerics.rows import unit_rows
from reprq.numerics.tensors import Rows, as_resident, namespace, together

BLOCK = 1024  # rows of the pairwise matrix held at once


def uniformity(x: Any, t: float = 2.0) -> float:
    """Return the uniformity loss: the log of the mean Gaussian potential of pairs of rows on the unit sphere.

    log mean_{i < j} exp(-t |u_i - u_j|^2) with u = x / |x|, in nats, in O(n^2 d).

    Args:
        x: (n, d) array or tensor, or an object whose `array` is one; no row all zero.
        t: The sharpness of the potential, positive.

    Returns:
        Between -4 t and 0; lower is more uniform, 0 is one point.

    Raises:
        InputError: x is not a finite matrix of at least two rows, a row is all zero, or t is not positive.

    References:
        Wang & Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
        Hypersphere", ICML 2020, equation 4 (over distinct pairs, as in their code).

    Example:
        >>> uniformity([[1.0, 0.0], [-3.0, 0.0]])
        -8.0
    """
    if not 0 < t < np.inf:
        raise InputError(f"t must be positive, got {t}; the paper uses 2")
    rows = _unit_rows(x, "x", 2)
    n = len(rows)
    # exp(-2 t (1 - cos)) is at least exp(-4 t): summed around its largest value, 1, nothing overflows.
    xp = namespace(rows)
    total = sum(float(xp.exp(2 * t * (rows[start : start + BLOCK] @ rows.T - 1)).sum()) for start in range(0, n, BLOCK))
    own = float(xp.exp(2 * t * (xp.linalg.vecdot(rows, rows) - 1)).sum())
    return float(np.clip(np.log(max(total - own, np.finfo(np.float64).tiny) / (n * (n - 1))), -4 * t, 0.0))


def alignment(x: Any, y: Any, alpha: float = 2.0) -> float:
    """Return the alignment loss of two views of the same samples: mean_i |u_i - v_i|^alpha on the unit sphere.

    Args:
        x: (n, d) embeddings of one view, no row all zero.
        y: (n, d) of the other view, in the same order.
        alpha: The power of the distance, positive.

    Returns:
        Between 0 (the views coincide) and 2^alpha; lower is better aligned.

    Raises:
        InputError: x or y is not a finite matrix, they differ in shape, a row is all zero, or alpha is not positive.

    References:
        Wang & Isola, ICML 2020, equation 3.

    Example:
        >>> alignment([[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [0.0, -1.0]])
        2.0
    """
    if not 0 < alpha < np.inf:
        raise InputError(f"alpha must be positive, got {alpha}; the paper uses 2")
    x, y = together(x, y)
    a, b = _unit_rows(x, "x"), _unit_rows(y, "y")
    if a.shape != b.shape:
        raise InputError(f"y must have shape {tuple(a.shape)} as x, one row for each sample, got {tuple(b.shape)}")
    return float((namespace(a).linalg.norm(a - b, axis=1) ** alpha).mean())


def self_cluster(x: Any) -> float:
    """Return the SelfCluster score: how far squared cosines of pairs exceed those of directions at random.

    (Q - E) / (n^2 - E) with Q = sum_ij (u_i . u_j)^2 over unit rows and E = n + n (n - 1) / d, its expectation for
    directions uniform on the sphere. Q = |U^T U|_F^2 is computed in feature space where d < n.

    Args:
        x: (n, d) array or tensor, or an object whose `array` is one; no row all zero, d at least 2.

    Returns:
        At most 1 (one line), about 0 for directions at random, and as low as -1 / (d - 1); higher is more clustered.

    Raises:
        InputError: x is not a finite matrix of at least two rows and columns, or a row is all zero.

    References:
        Tsitsulin, Munkhoeva & Perozzi, "Unsupervised Embedding Quality Evaluation", TAG-ML 2023, definition 3.5 (whose
        expectation is that of the square of the norm it writes, as in their code).

    Example:
        >>> self_cluster([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]])
        1.0
    """
    rows = _unit_rows(x, "x", 2)
    n, d = rows.shape
    if d < 2:
        raise InputError("x must have at least 2 columns, got 1: on a line all directions are one")
    product = rows.T @ rows if d < n else rows @ rows.T
    expected = n + n * (n - 1) / d
    return float(min((float(namespace(product).square(product).sum()) - expected) / (n * n - expected), 1.0))


def _unit_rows(x: Any, name: str, min_rows: int = 1) -> Rows:
    return unit_rows(as_resident(x, name, min_rows=min_rows), name, "remove it")

"""Measures that weigh directions by what varies there: LiDAR over views of the same objects, coherence over rows."""

from typing import Any

import numpy as np
from scipy import linalg

from reprq.conversion import to_numpy
from reprq.errors import InputError
from reprq.metrics.spectral import rankme_of
from reprq.numerics.tensors import as_resident, double, namespace
from reprq.validation import as_matrix


def lidar(x: Any, *, delta: float = 1e-4, eps: float = 1e-7) -> float:
    """Return LiDAR: the rank that the differences between objects have, seen against those between views of one.

    exp(-sum_k p_k log p_k) with p_k = lambda_k / sum_j lambda_j + eps, over the eigenvalues of
    S_w^(-1/2) S_b S_w^(-1/2): S_b the covariance of the objects' mean embeddings, S_w the mean over objects of the
    covariance of their views, plus delta on the diagonal. Covariances divide by n - 1 and q - 1.

    Args:
        x: (n, q, d) array or tensor: n objects in q augmented views each; n and q at least 2. The paper takes n = 1,000
            and q = 50, and needs n above d for the number to be free of n.
        delta: Added to the diagonal of S_w, in squared units of x.
        eps: Added to each share.

    Returns:
        Between 1 and min(n - 1, d); higher means that more directions tell objects apart.

    Raises:
        InputError: x is not a finite (n, q, d) array with n and q at least 2, its objects all have the same mean, or
            delta is not positive or vanishes in float64 beside the spread of the views.

    References:
        Thilak et al., "LiDAR: Sensing Linear Probing Performance in Joint Embedding SSL Architectures", ICLR 2024,
        equations 1 to 3. Deviation: only the min(n - 1, d) eigenvalues that can differ from 0 count, and the rank is
        cut off there.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> objects = rng.standard_normal((400, 1, 8)) * (np.arange(8) < 3)
        >>> round(lidar(objects + 0.05 * rng.standard_normal((400, 6, 8))), 1)
        3.0
    """
    if not 0 < delta < np.inf:
        raise InputError(f"delta must be positive, got {delta}; the paper uses 1e-4")
    views = _as_views(x)
    n, q, d = views.shape
    means = views.mean(axis=1)
    between = means - means.mean(axis=0)
    within = (views - means[:, None]).reshape(n * q, d)
    noise = within.T @ within / (n * (q - 1))
    noise[np.diag_indices(d)] += delta
    spread = linalg.eigvalsh(noise)
    if spread[0] <= max(n * q, d) * np.finfo(np.float64).eps * spread[-1]:
        raise InputError(
            f"delta must not vanish beside the spread of the views, got {delta:g} and a largest variance of"
            f" {spread[-1]:.1g}; give a larger delta, or rescale x"
        )
    values = linalg.eigh(between.T @ between / (n - 1), noise, eigvals_only=True)[::-1][: min(n - 1, d)]
    values = np.where(values > values[0] * d * np.finfo(np.float64).eps, values, 0.0)
    if not between.any() or values[0] <= 0:
        raise InputError("x must have objects that differ, got the same mean embedding for all of them")
    return rankme_of(values, eps)


def coherence(x: Any) -> float:
    """Return the coherence of the rows: the largest leverage of one row over the mean leverage.

    (n / r) max_i |U_i|^2 with U the left singular vectors of x that belong to its rank r.

    Args:
        x: (n, d) array or tensor, or an object whose `array` is one.

    Returns:
        Between 1 (every row counts alike) and n / r (one row alone makes up a direction); lower is more even.

    Raises:
        InputError: x is not a finite matrix, or all zero.

    References:
        Tsitsulin, Munkhoeva & Perozzi, "Unsupervised Embedding Quality Evaluation", TAG-ML 2023, after Candes & Recht,
        "Exact matrix completion via convex optimization", 2009, definition 1.2 (with the rank r where Tsitsulin's code
        has the number of columns; the same at full rank).

    Example:
        >>> round(coherence([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]), 6)
        1.0
    """
    rows = double(as_resident(x))
    if not rows.any():
        raise InputError("x must have rows that are not zero, got all rows zero: none has a leverage")
    rows = rows / abs(rows).max()
    xp = namespace(rows)
    left, singular, _ = xp.linalg.svd(rows, full_matrices=False)
    rank = int((singular > singular[0] * max(rows.shape) * np.finfo(np.float64).eps).sum())
    leverages = xp.square(left[:, :rank]).sum(axis=1)
    return float(np.clip(len(rows) / rank * float(leverages.max()), 1.0, len(rows) / rank))


def _as_views(x: Any) -> Any:
    views = to_numpy(x)
    if views.ndim != 3 or views.shape[0] < 2 or views.shape[1] < 2:
        raise InputError(
            f"x must be an (n, q, d) array of n objects in q views, both at least 2, got shape {views.shape};"
            " stack the views"
        )
    return as_matrix(views.reshape(-1, views.shape[2])).astype(np.float64).reshape(views.shape)

"""Are two representations alike: their shapes after rotation, their canonical correlations, their neighbors?"""

from typing import Any

import numpy as np
from scipy import linalg

from reprq.errors import InputError
from reprq.metrics.neighbours import nearest
from reprq.numerics.pairs import centred_rows, check_paired
from reprq.numerics.tensors import Rows, host, is_tensor, namespace, together


def procrustes_distance(x: Any, y: Any) -> float:
    """Return the orthogonal Procrustes distance of two representations after centering and scaling to unit norm.

    min over orthogonal Q of |X - Y Q|_F^2 = 2 - 2 |X^T Y|_* with |X|_F = |Y|_F = 1 and |.|_* the sum of the singular
    values.

    Args:
        x: (n, d1) array or tensor, or an object whose `array` is one.
        y: (n, d2), the same samples in the same order.

    Returns:
        Between 0 (the same up to rotation, scale and shift) and 2 (nothing in common); a squared distance.

    Raises:
        InputError: x or y is not a finite matrix of at least 2 rows, they differ in rows, or the rows of one are equal.

    References:
        Ding, Denain & Steinhardt, "Grounding Representation Similarity with Statistical Testing", NeurIPS 2021,
        section 2.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).standard_normal((50, 3))
        >>> abs(round(procrustes_distance(x, 2 * x[:, ::-1] + 1), 6))
        0.0
    """
    a, b = _paired(x, y)
    xp = namespace(a)
    a, b = (_few_columns(z) / xp.linalg.norm(z) for z in (a, b))
    nuclear = float(xp.linalg.svdvals(a.T @ b).sum())
    return float(np.clip(2.0 - 2.0 * nuclear, 0.0, 2.0))


def svcca(x: Any, y: Any, *, variance: float = 0.99) -> float:
    """Return the SVCCA similarity: the mean canonical correlation of the leading directions of two representations.

    Each is reduced to the fewest principal components that hold `variance` of its variance; the correlations are the
    singular values of U_x^T U_y, with U the orthonormal component scores.

    Args:
        x: (n, d1) array or tensor, or an object whose `array` is one; n well above d1 and d2.
        y: (n, d2), the same samples in the same order.
        variance: The share of the variance to keep, in (0, 1].

    Returns:
        Between 0 and 1, the mean over the smaller number of components; higher is more alike. By chance, of k
        components of n rows each, about 0.85 sqrt(k / n): `reprq.metrics.chance_similarity` gives it for the rows.

    Raises:
        InputError: x or y is not a finite matrix of at least 2 rows, they differ in rows, the rows of one are all
            equal, or the components kept of both are n or more, so that correlations of 1 come from n alone.

    References:
        Raghu et al., "SVCCA", NeurIPS 2017, section 2.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).standard_normal((50, 3))
        >>> round(svcca(x, x @ [[1, 2, 0], [0, 1, 0], [0, 0, 9]]), 6)
        1.0
    """
    scores_x, scores_y = _scores(x, y, variance)
    correlations = host(namespace(scores_x).linalg.svdvals(scores_x.T @ scores_y))
    return float(np.clip(correlations, 0.0, 1.0).mean())


def pwcca(x: Any, y: Any, *, variance: float = 0.99) -> float:
    """Return the projection-weighted canonical correlation of x with y.

    sum_i a_i rho_i / sum_i a_i with a_i = sum_j |h_i . x_j|, where h_i are the canonical variables of x and x_j the
    columns of x: correlations count as much as the direction they are in explains of x. It is not symmetric.

    Args:
        x: (n, d1) array or tensor, or an object whose `array` is one; n well above d1 and d2.
        y: (n, d2), the same samples in the same order.
        variance: The share of the variance of each to keep before, in (0, 1].

    Returns:
        Between 0 and 1; higher is more alike. By chance as much as `svcca`: see `reprq.metrics.chance_similarity`.

    Raises:
        InputError: as `svcca`.

    References:
        Morcos, Raghu & Bengio, "Insights on representational similarity in neural networks with canonical
        correlation", NeurIPS 2018, equation 3.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).standard_normal((50, 3))
        >>> round(pwcca(x, x @ [[1, 2, 0], [0, 1, 0], [0, 0, 9]]), 6)
        1.0
    """
    x, y = together(x, y)
    scores_x, scores_y = _scores(x, y, variance)
    left, found, _ = namespace(scores_x).linalg.svd(scores_x.T @ scores_y, full_matrices=False)
    weights, correlations = host(abs((scores_x @ left).T @ centred_rows(x, "x")).sum(axis=1)), host(found)
    return float(np.clip(weights @ correlations / weights.sum(), 0.0, 1.0))


def mutual_knn(x: Any, y: Any, k: int = 10) -> float:
    """Return the share of the k nearest neighbors that a sample has in both representations, averaged over samples.

    Args:
        x: (n, d1) array or tensor, or an object whose `array` is one.
        y: (n, d2), the same samples in the same order.
        k: Neighbors, by Euclidean distance (for the cosine, give rows of unit length); below n.

    Returns:
        Between 0 (k / (n - 1) by chance) and 1 (the same neighbors); higher is more alike.

    Raises:
        InputError: x or y is not a finite matrix, they differ in rows, or k is not in 1 to n - 1.

    References:
        Huh et al., "The Platonic Representation Hypothesis", ICML 2024, equation 11.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).standard_normal((50, 3))
        >>> mutual_knn(x, 2 * x + 1, k=5)
        1.0
    """
    a, b = _paired(x, y)
    both = np.concatenate([nearest(a, k)[1], nearest(b, k)[1]], axis=1)
    both.sort(axis=1)
    return float((both[:, 1:] == both[:, :-1]).sum() / (len(a) * k))


def _paired(x: Any, y: Any) -> tuple[Rows, Rows]:
    x, y = together(x, y)
    a, b = centred_rows(x, "x"), centred_rows(y, "y")
    check_paired(a, b)
    return a, b


def _few_columns(rows: Rows) -> Rows:
    """Return the rows rotated into at most n columns, which no rotation-invariant measure can tell from them."""
    n, d = rows.shape
    if d <= n:
        return rows
    if is_tensor(rows):
        return namespace(rows).linalg.qr(rows.T, mode="r")[1].T
    triangle = linalg.qr(rows.T, mode="r")[0][:n]
    return np.asarray(triangle.T, dtype=np.float64)


def _scores(x: Any, y: Any, variance: float) -> tuple[Rows, Rows]:
    """Return the orthonormal scores of the leading principal components of both."""
    if not 0 < variance <= 1:
        raise InputError(f"variance must be a share in (0, 1], got {variance}; the paper uses 0.99")
    left, right = (_leading_scores(z, variance) for z in _paired(x, y))
    if left.shape[1] + right.shape[1] >= len(left):
        raise InputError(
            f"x and y must have more rows than components, got n = {len(left)} for {left.shape[1]} and"
            f" {right.shape[1]} components: correlations of 1 would come from n alone; give more samples, or a lower"
            " variance"
        )
    return left, right


def _leading_scores(rows: Rows, variance: float) -> Rows:
    left, found, _ = namespace(rows).linalg.svd(rows, full_matrices=False)
    singular = host(found)
    rank = int((singular > singular[0] * max(rows.shape) * np.finfo(np.float64).eps).sum())
    shares = np.cumsum(singular[:rank] ** 2)
    kept = min(int(np.searchsorted(shares, variance * shares[-1] * (1 - 1e-12))) + 1, rank)
    return left[:, :kept]

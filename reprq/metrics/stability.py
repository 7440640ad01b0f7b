"""How much of a detector's score stays when benign samples are drawn or augmented anew."""

from typing import Any

import numpy as np
from scipy.stats import hypergeom

from reprq.conversion import to_numpy
from reprq.errors import InputError
from reprq.metrics.neighbours import nearest
from reprq.numerics.pairs import Matrix
from reprq.numerics.tensors import as_resident, double
from reprq.validation import as_matrix

_ROUNDING = 1e-10  # of a distance
_TAIL = 1e-12  # of the chance that the neighbor lies beyond the ranks that are looked at


def score_stability(x: Any, k: int = 5) -> float:
    """Return how reliable the score of kNN is when half of the benign rows are drawn: an intraclass correlation.

    The score of row i under a random half S of the other rows is its distance to the k-th nearest row of S. Over all
    halves it has the mean E_i and the variance V_i; the metric is Var_i(E_i) / (Var_i(E_i) + mean_i V_i), the share of
    the variance of scores that belongs to the row and not to the draw. Nothing is drawn: with d_(1) <= d_(2) <= ... the
    sorted distances, the k-th nearest of m out of N rows is d_(r) with probability
    C(r - 1, k - 1) C(N - r, m - k) / C(N, m).

    It sees scores of benign rows alone: a layer that ranks benign rows firmly by what is no anomaly (brightness, length
    of a text) is stable and useless. One far row makes it high by itself. It says nothing of another draw of so few
    rows that they miss a mode.

    Args:
        x: (n, d) array or tensor, or an object whose `array` is one; n at least 2 k + 1.
        k: Neighbors, from 1.

    Returns:
        Between 0 and 1; higher is more stable. No unit.

    Raises:
        InputError: x is not a finite matrix of at least 2 k + 1 rows, k is below 1, or all rows are equal.

    References:
        The intraclass correlation is ICC(1) of Shrout & Fleiss, "Intraclass correlations: uses in assessing rater
        reliability", Psychological Bulletin 1979, with every half as a rater; that scores should agree over subsamples
        is the criterion of Goix, "How to evaluate the quality of unsupervised anomaly detection algorithms?", 2016, in
        spirit, not in form.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).standard_normal((200, 8))
        >>> rows[:100] *= 5
        >>> round(score_stability(rows), 2) > round(score_stability(rows[100:]), 2)
        True
    """
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}; 5 is usual")
    rows = double(as_resident(x, min_rows=2))
    n = len(rows)
    if n < 2 * k + 1:
        raise InputError(f"x must have at least 2 k + 1 = {2 * k + 1} rows, got {n}; give more embeddings")
    chances = rank_chances(n - 1, (n - 1) // 2, k)
    distances = nearest(rows, len(chances))[0]
    mean = distances @ chances
    within = float((np.square(distances - mean[:, None]) @ chances).mean())
    between = float(mean.var())
    _check_spread(between + within, float(mean.mean()))
    return between / (between + within)


def view_stability(x: Any, k: int = 5) -> float:
    """Return how reliable the score of kNN is when benign samples are augmented: an intraclass correlation.

    View v of sample i is scored by its distance to the k-th nearest of view v of the other samples. Of these scores,
    s_iv, less the mean of each view, the metric is ICC(3, 1) = (B - W) / (B + (q - 1) W), B and W the mean squares
    between samples and of what is left.

    An augmentation that a layer ignores leaves every score as it was, and the value 1: a constant layer would be
    stable, were its scores not all equal. Augmentations that are anomalies in the task (a rotation, where defects are
    rotated parts) should lower it.

    Args:
        x: (n, q, d) array or tensor: n benign samples in q views each, the first not more special than the others; q at
            least 2, n at least k + 2.
        k: Neighbors, from 1 to n - 2.

    Returns:
        At most 1, where all views score alike; about 0 where a view says nothing of another. No unit.

    Raises:
        InputError: x is not a finite (n, q, d) array of such sizes, or all scores are equal.

    References:
        Shrout & Fleiss, Psychological Bulletin 1979, ICC(3, 1).

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> samples = rng.standard_normal((60, 1, 4)) * rng.uniform(0.2, 3, (60, 1, 1))
        >>> near, far = (samples + s * rng.standard_normal((60, 3, 4)) for s in (0.01, 3.0))
        >>> bool(view_stability(near) > 0.95 > 0.5 > view_stability(far))
        True
    """
    views = to_numpy(x)
    if views.ndim != 3 or views.shape[1] < 2:
        raise InputError(f"x must be an (n, q, d) array of n samples in q >= 2 views, got shape {views.shape}; stack")
    n, q, d = views.shape
    if not 1 <= k <= n - 2:
        raise InputError(f"k must be from 1 to n - 2 = {n - 2}, got {k}")
    views = as_matrix(views.reshape(-1, d)).astype(np.float64).reshape(n, q, d)
    scores = np.stack([nearest(views[:, view], k)[0][:, -1] for view in range(q)], axis=1)
    size = float(scores.mean())
    scores -= scores.mean(axis=0)
    means = scores.mean(axis=1)
    between = q * float(means @ means) / (n - 1)
    within = float(np.square(scores - means[:, None]).sum()) / ((n - 1) * (q - 1))
    _check_spread(between + within, size)
    return float((between - within) / (between + (q - 1) * within))


def rank_chances(n: int, drawn: int, k: int) -> Matrix:
    """Return how likely the k-th nearest of `drawn` rows out of n is the r-th nearest of all, for r = 1, 2, ...

    The ranks end where what is beyond them has a chance below 1e-12; the rest is scaled to sum to 1.

    Example:
        >>> rank_chances(3, 2, 1).round(4).tolist()
        [0.6667, 0.3333]
    """
    ranks = np.arange(1, n - drawn + k + 1)
    before = hypergeom.pmf(k - 1, n, ranks - 1, drawn)  # k - 1 of the r - 1 nearer ones are drawn
    chances = before * (drawn - k + 1) / (n - ranks + 1)
    kept = int(np.searchsorted(np.cumsum(chances), 1 - _TAIL)) + 1
    found: Matrix = chances[:kept] / chances[:kept].sum()
    return found


def _check_spread(variance: float, mean: float) -> None:
    if variance <= (_ROUNDING * mean) ** 2:
        raise InputError("x must have rows at different distances from their neighbors, got all scores equal")

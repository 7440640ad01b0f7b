"""Rank coefficients of many pairs of columns of the same points, under the same resamples or sign flips, at once.

With c_g the number of times that group g occurs, the sums of Kendall's tau-b are forms of the second degree in c, and
those of Spearman's rho of the third: a rank is half the sum of c_h sgn(x_i - x_j) over the rows j of groups h. So what
all resamples need is one matrix of products of counts, and a pair of columns only its coefficients. All of these sums
are whole numbers, or quarters of them, which float64 adds without rounding: in whichever order, they are those of
`reprq.statistics.coefficients` and `reprq.statistics.flips` to the bit.
"""

import itertools
from functools import lru_cache

import numpy as np

from reprq.statistics.coefficients import ROUNDING, Floats, Ints, group_sums, pearson, ratio
from reprq.statistics.ranks import midranks

METHODS = ("spearman", "kendall")  # whose sums are whole numbers
PEARSON = "pearson"  # whose sums, of any numbers, are rounded
_GROUPS = 16  # of more, the products of three counts are more than a rank of every point
_BLOCK = 2**20  # entries of the largest temporary array


def suited(codes: Ints, method: str) -> bool:
    """Whether points, sorted by group, are few enough for what follows."""
    return method == PEARSON or (method in METHODS and codes[-1] < _GROUPS and len(codes) ** 2 <= _BLOCK)


def resampled(x: Floats, y: Floats, codes: Ints, counts: Floats, method: str) -> Floats:
    """Return the coefficient of each column of x with that of y in every resample: (n, K), (B, G) -> (B, K).

    Args:
        x: (n, K), sorted by group.
        y: (n, K).
        codes: (n,) the group of each row, from 0.
        counts: (B, G) how often each group occurs.
        method: "spearman", "kendall" or "pearson".

    Example:
        >>> x, y = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [4.0], [2.0]])
        >>> resampled(x, y, np.arange(3), np.ones((1, 3)), "spearman")
        array([[0.5]])
    """
    if method == PEARSON:
        return pearson(x, y, codes, counts)
    degree, groups = METHODS.index(method), counts.shape[1]
    products = _products(np.ascontiguousarray(counts).tobytes(), groups, 3 - degree)
    number = _numbers(groups, 3 - degree).ravel()
    forms = _ranks_form if method == "spearman" else _pairs_form
    of_columns = [
        np.bincount(number, form.ravel(), products.shape[1])
        for own, other in zip(x.T, y.T, strict=True)
        for form in forms(own, other, codes)
    ]
    top, spread_x, spread_y = (products @ np.array(of_columns).T).reshape(len(counts), -1, 3).transpose(2, 0, 1)
    return ratio(top, spread_x, spread_y)


def flipped(x: Floats, y: Floats, codes: Ints, flips: Floats, method: str) -> Floats:
    """Return the statistic of `reprq.statistics.flips` for each pair of columns: (n, K), (B, G) -> (B, K).

    Args:
        x: (n, K), sorted by group, whose groups change sign.
        y: (n, K).
        codes: (n,) the group of each row, from 0.
        flips: (B, G).
        method: "spearman", "kendall" or "pearson".
    """
    if method != PEARSON:
        x, y = midranks(x), midranks(y)
    x, y = x - x.mean(0), y - y.mean(0)
    if method == "kendall":
        shares = [_shares(own, other) for own, other in zip(x.T, y.T, strict=True)]
        return np.asarray(flips @ group_sums(np.column_stack(shares), codes))
    covariance, squares = flips @ group_sums(x * y, codes), (x * x).sum(0)
    variance = squares - (flips @ group_sums(x, codes)) ** 2 / len(x)
    return ratio(covariance, variance, np.broadcast_to((y * y).sum(0), variance.shape), ROUNDING * squares)


@lru_cache(maxsize=2)
def _products(counts: bytes, groups: int, degree: int) -> Floats:
    """The products of so many counts in every resample, (B, M)."""
    columns = np.frombuffer(counts).reshape(-1, groups).T
    chosen = np.array(list(itertools.combinations_with_replacement(range(groups), degree)))
    found: Floats = columns[chosen[:, 0]]
    for factor in chosen.T[1:]:
        found *= columns[factor]
    return np.ascontiguousarray(found.T)


@lru_cache(maxsize=32)
def _numbers(groups: int, degree: int) -> Ints:
    """Which of these products that of some groups is, (G, ..., G)."""
    found = np.empty((groups,) * degree, dtype=np.int64)
    for number, chosen in enumerate(itertools.combinations_with_replacement(range(groups), degree)):
        for order in itertools.permutations(chosen):
            found[order] = number
    return found


def _starts(codes: Ints) -> Ints:
    return np.flatnonzero(np.diff(codes, prepend=-1))


def _ranks_form(x: Floats, y: Floats, codes: Ints) -> list[Floats]:
    """What the products of three counts are multiplied by in the sums of ranks xy, xx, yy: (G, G, G) each."""
    starts = _starts(codes)
    ranks_x, ranks_y = (np.add.reduceat(np.sign(each[:, None] - each), starts, axis=1) / 2 for each in (x, y))
    pairs = ((ranks_x, ranks_y), (ranks_x, ranks_x), (ranks_y, ranks_y))
    return [np.add.reduceat(one[:, :, None] * other[:, None], starts, axis=0) for one, other in pairs]


def _pairs_form(x: Floats, y: Floats, codes: Ints) -> list[Floats]:
    """What the products of two counts are multiplied by in the sums of signs xy, xx, yy: (G, G) each."""
    starts = _starts(codes)
    signs_x, signs_y = (np.sign(each[:, None] - each) for each in (x, y))
    pairs = ((signs_x, signs_y), (signs_x, signs_x), (signs_y, signs_y))
    return [np.add.reduceat(np.add.reduceat(one * other, starts, axis=0), starts, axis=1) for one, other in pairs]


def _shares(x: Floats, y: Floats) -> Floats:
    """What each row gives to Kendall's S with either sign, (n,)."""
    signs = np.sign(x[:, None] - x) + np.sign(x[:, None] + x)
    shares: Floats = (signs * np.sign(y[:, None] - y)).sum(1)
    return shares

"""Coefficients of resamples of whole groups, from sums over groups, or over pairs of groups, computed once.

Every function here takes two columns whose rows are sorted by group, the group of each row (`codes`, 0 to G - 1), and
how often each group occurs in each resample (`counts`, (B, G)), and returns (B,) coefficients in [-1, 1], nan where
one is undefined.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.statistics.ranks import midranks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Coefficient = Callable[[Floats, Floats, Ints, Floats], Floats]

ROUNDING = 1e-12  # a spread below this share of the magnitude is rounding, not variation
_BLOCK = 2**21  # entries of the largest temporary array


def pearson(x: Floats, y: Floats, codes: Ints, counts: Floats) -> Floats:
    """Pearson's r of resamples in which group g occurs counts[b, g] times: (B, G) -> (B,), nan where undefined.

    Several columns, (n, K), give (B, K).
    """
    moments = group_sums(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1), codes)
    sums = (counts @ moments.reshape(len(moments), -1)).reshape(len(counts), *moments.shape[1:])
    total, sum_x, sum_y, sum_xx, sum_yy, sum_xy = np.moveaxis(sums, 1, 0)
    spread_x, spread_y = sum_xx - sum_x**2 / total, sum_yy - sum_y**2 / total
    return ratio(sum_xy - sum_x * sum_y / total, spread_x, spread_y, ROUNDING * sum_xx, ROUNDING * sum_yy)


def spearman(x: Floats, y: Floats, codes: Ints, counts: Floats) -> Floats:
    """Spearman's rho of the same resamples: midranks are taken anew in each, so ties that repeats make are counted."""
    found = []
    for block in blocks(counts, len(x)):
        ranks_x, ranks_y = resampled_ranks(x, codes, block), resampled_ranks(y, codes, block)
        repeats = block[:, codes]
        spread_x, spread_y = (repeats * ranks_x**2).sum(1), (repeats * ranks_y**2).sum(1)
        found.append(ratio((repeats * ranks_x * ranks_y).sum(1), spread_x, spread_y))
    return np.concatenate(found)


def blocks(counts: Floats, n: int) -> list[Floats]:
    """Split (B, G) so that an array of the rows of a block times n is not large."""
    size = max(1, _BLOCK // n)
    return [counts[start : start + size] for start in range(0, len(counts), size)]


def resampled_ranks(values: Floats, codes: Ints, counts: Floats) -> Floats:
    """Return the centered midranks of every row in every resample, (B, n), also of rows that were not drawn."""
    distinct, where = np.unique(values, return_inverse=True)
    members = np.zeros((counts.shape[1], len(distinct)))
    np.add.at(members, (codes, where), 1)
    tied = counts @ members  # how often each distinct value occurs in each resample
    below = np.cumsum(tied, axis=1) - tied
    midranks = below + (tied - tied.sum(1, keepdims=True)) / 2
    ranks: Floats = midranks[:, where]
    return ranks


def kendall(x: Floats, y: Floats, codes: Ints, counts: Floats) -> Floats:
    """Kendall's tau-b of the same resamples: concordance summed over pairs of groups makes each a quadratic form."""
    concordance, untied_x, untied_y = (((counts @ sums) * counts).sum(1) for sums in _pair_sums(x, y, codes))
    return ratio(concordance, untied_x, untied_y)


def _pair_sums(x: Floats, y: Floats, codes: Ints) -> Floats:
    """Sum s_x s_y, s_x^2 and s_y^2, signs of x_i - x_j and y_i - y_j, over rows i of group g, j of h: (3, G, G)."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    ends = np.append(starts[1:], len(x))
    found = np.empty((3, len(starts), len(starts)))
    first = 0
    while first < len(starts):  # some groups against all: never a large (n, n) array
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + _BLOCK // len(x), side="right")))
        rows, own = slice(starts[first], ends[last - 1]), starts[first:last] - starts[first]
        signs_x, signs_y = np.sign(x[rows, None] - x), np.sign(y[rows, None] - y)
        for sums, product in zip(found, (signs_x * signs_y, signs_x**2, signs_y**2), strict=True):
            sums[first:last] = np.add.reduceat(np.add.reduceat(product, own, axis=0), starts, axis=1)
        first = last
    return found


def within(method: str) -> Coefficient:
    """Return the coefficient over layers inside the groups: sums over groups of centered products, then the ratio.

    "pearson" centers each column in each group, which is the repeated-measures correlation of Bakdash & Marusich 2017;
    "spearman" does so with the midranks inside the group; "kendall" counts the pairs inside groups. The sums of the
    rank methods are divided so that a group counts in proportion to its rows.
    """

    def coefficient(x: Floats, y: Floats, codes: Ints, counts: Floats) -> Floats:
        sums = inner_sums(x, y, codes, method)
        floor = ROUNDING * len(x) * np.max(np.abs([x, y])) ** 2 if method == "pearson" else 0.0
        top, spread_x, spread_y = (counts @ sums).T
        return ratio(top, spread_x, spread_y, floor, floor)

    return coefficient


def inner_sums(x: Floats, y: Floats, codes: Ints, method: str) -> Floats:
    """Return each group's part of the three sums of a coefficient within groups: (G, 3) of xy, xx, yy."""
    parts = np.split(np.column_stack([x, y]), np.flatnonzero(np.diff(codes)) + 1)
    return np.array([_inner(part, method) for part in parts])


def _inner(part: Floats, method: str) -> list[float]:
    if method == "kendall":
        x, y = (np.sign(column[:, None] - column).ravel() / np.sqrt(len(part)) for column in part.T)
    else:
        x, y = (centred_scores(column, method) for column in part.T)
    return [float(x @ y), float(x @ x), float(y @ y)]


def centred_scores(values: Floats, method: str) -> Floats:
    """Return what a coefficient within a group multiplies: centered values, or midranks between -1/2 and 1/2."""
    scores = values if method == "pearson" else midranks(values) / len(values)
    centred: Floats = scores - scores.mean()
    return centred


def of_columns(x: Floats, y: Floats, method: str) -> Floats:
    """Return the coefficient of each column of x with that of y, no row resampled: (n, t) -> (t,), nan for constants.

    Example:
        >>> of_columns(np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [4.0], [2.0]]), "kendall").round(3)
        array([0.333])
    """
    if method == "kendall":
        sums = [_all_pairs(own, other) for own, other in zip(x.T, y.T, strict=True)]
        return ratio(*np.array(sums).reshape(-1, 3).T)
    if method == "pearson":
        sizes = (np.maximum(np.abs(each).max(0), np.finfo(float).tiny) for each in (x, y))
        x, y = (each / size for each, size in zip((x, y), sizes, strict=True))
    else:
        x, y = midranks(x), midranks(y)
    (x, least_x), (y, least_y) = ((each - each.mean(0), ROUNDING**2 * (each**2).sum(0)) for each in (x, y))
    return ratio((x * y).sum(0), (x**2).sum(0), (y**2).sum(0), least_x, least_y)


def _all_pairs(x: Floats, y: Floats) -> Floats:
    """The sums of `_pair_sums` over all pairs of rows, (3,)."""
    found, step = np.zeros(3), max(1, _BLOCK // len(x))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        a, b = np.sign(x[rows, None] - x).ravel(), np.sign(y[rows, None] - y).ravel()
        found += a @ b, a @ a, b @ b
    return found


def ratio(top: Floats, spread_x: Floats, spread_y: Floats, least_x: Any = 0.0, least_y: Any = 0.0) -> Floats:
    """The quotient top / sqrt(spread_x spread_y) in [-1, 1], nan where a spread is no more than the least."""
    defined = (spread_x > least_x) & (spread_y > least_y)
    bottom = np.sqrt(np.where(defined, spread_x, 1.0)) * np.sqrt(np.where(defined, spread_y, 1.0))
    return np.where(defined, np.clip(top / bottom, -1.0, 1.0), np.nan)


def group_sums(values: Floats, codes: Ints) -> Floats:
    """Sum rows of the same group; `codes` is sorted and holds every number from 0 to G - 1."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    sums: Floats = np.add.reduceat(values, starts, axis=0)
    return sums


COEFFICIENTS: dict[str, Coefficient] = {"spearman": spearman, "pearson": pearson, "kendall": kendall}

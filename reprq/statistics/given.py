"""What is held fixed in a correlation: given columns explain as smooth curves, and what they leave is correlated.

A straight line is not enough. Where two columns both rise and fall with depth and are otherwise unrelated, they
correlate after a linear regression on depth has done nothing. Here every given column is a cubic spline, with as many
terms as the points allow.
"""

import numpy as np

from reprq.statistics.coefficients import (
    ROUNDING,
    Coefficient,
    Floats,
    Ints,
    blocks,
    centred_scores,
    group_sums,
    ratio,
    resampled_ranks,
)

_MOST_KNOTS = 7  # of 5, a peak over three layers and a jump between two still passed through
_POINTS_A_TERM = 6
_RELATIVE_RANK = 1e-10


def curves(given: Floats, codes: Ints, method: str, inside: bool) -> tuple[Floats, str]:
    """Return the terms of a cubic spline of each given column, (n, terms), and what they are, in words.

    The knots are quantiles of the distinct values: 7, and fewer where there are not 6 points a term or not so many
    values. With 4 knots the spline is a cubic, with 3 a parabola, with 2 the column itself. The rank methods take the
    midranks of a column, so that its unit does not matter.

    Args:
        given: (n, k), sorted by group, no column constant.
        codes: (n,) the group of each row.
        method: "pearson" takes values, the others midranks.
        inside: Whether to rank and center inside each group.
    """
    points = len(given) - (int(codes[-1]) + 1 if inside else 0)
    most = max(2, min(_MOST_KNOTS, 1 + points // (_POINTS_A_TERM * given.shape[1])))
    scores = scores_of(given, codes, method, inside)
    splines = np.column_stack([_spline(column, most) for column in scores.T])
    terms = scores_of(splines, codes, "pearson", inside)
    if most == 2:
        return terms, "what is given was removed as straight lines: too few points for curves"
    return terms, f"what is given was removed as cubic splines of at most {most} knots"


def scores_of(columns: Floats, codes: Ints, method: str, inside: bool) -> Floats:
    """Return columns (n, k) as a method compares them: values or midranks, centered over all rows or in each group."""
    parts = np.split(columns, np.flatnonzero(np.diff(codes)) + 1 if inside else [])
    return np.vstack([np.column_stack([centred_scores(column, method) for column in part.T]) for part in parts])


def residuals(x: Floats, y: Floats, terms: Floats | None, codes: Ints, method: str, inside: bool) -> Floats:
    """Return what of x and y least squares on the terms leaves over, of midranks for the rank methods: (n, 2).

    Args:
        x: (n,), sorted by group.
        y: (n,).
        terms: (n, k) of `curves`, or None where nothing is given.
        codes: (n,) the group of each row.
        method: "pearson" takes values, the others midranks.
        inside: Whether to rank and center inside each group.
    """
    scores = scores_of(np.column_stack([x, y]), codes, method, inside)
    if terms is None:
        return scores
    left = scores - terms @ np.linalg.lstsq(terms, scores, rcond=_RELATIVE_RANK)[0]
    return np.where(np.abs(left).max(0) > 1e-9 * np.abs(scores).max(0), left, 0.0)


def partial(terms: Floats, method: str, inside: bool) -> Coefficient:
    """Return the correlation of what least squares on the terms leaves over, fitted anew in every resample.

    It is Pearson's r of residuals. For "spearman" x and y are ranked anew in every resample, or inside each group.

    Args:
        terms: (n, k) of `curves`.
        method: "pearson" or "spearman".
        inside: Whether x and y are centered, and ranked, inside each group.
    """

    def of_sums(x: Floats, y: Floats, codes: Ints, counts: Floats) -> Floats:
        scores = scores_of(np.column_stack([x, y]), codes, method, inside)
        columns = np.column_stack([scores, terms, *([] if inside else [np.ones(len(x))])])
        products = group_sums(columns[:, :, None] * columns[:, None, :], codes)
        return _left_over(np.tensordot(counts, products, 1))

    def of_ranks(x: Floats, y: Floats, codes: Ints, counts: Floats) -> Floats:
        known = np.column_stack([terms, np.ones(len(x))])
        products = group_sums(known[:, :, None] * known[:, None, :], codes)
        found = []
        for block in blocks(counts, len(x)):
            repeats = block[:, codes]
            ranks = np.stack([resampled_ranks(values, codes, block) for values in (x, y)], axis=1)
            weighted = ranks * repeats[:, None]
            matrix = np.empty((len(block), 2 + known.shape[1], 2 + known.shape[1]))
            matrix[:, :2, :2] = weighted @ ranks.transpose(0, 2, 1)
            matrix[:, :2, 2:] = weighted @ known
            matrix[:, 2:, :2] = matrix[:, :2, 2:].transpose(0, 2, 1)
            matrix[:, 2:, 2:] = np.tensordot(block, products, 1)
            found.append(_left_over(matrix))
        return np.concatenate(found)

    return of_ranks if method == "spearman" and not inside else of_sums


def _left_over(products: Floats) -> Floats:
    """The correlation of the first two columns after least squares on the rest, from sums of products (B, c, c)."""
    both, cross, known = products[:, :2, :2], products[:, :2, 2:], products[:, 2:, 2:]
    left = both - cross @ np.linalg.pinv(known, rcond=_RELATIVE_RANK, hermitian=True) @ cross.transpose(0, 2, 1)
    least = ROUNDING**0.75 * both[:, [0, 1], [0, 1]]
    return ratio(left[:, 0, 1], left[:, 0, 0], left[:, 1, 1], least[:, 0], least[:, 1])


def _spline(column: Floats, most: int) -> Floats:
    """The terms of a spline of one column that are not constant: (n, knots - 1)."""
    from scipy.interpolate import CubicSpline  # loads slowly, and few correlations hold something fixed

    low = column.min()
    scaled = (column - low) / (column.max() - low)
    distinct = np.unique(scaled)
    knots = np.quantile(distinct, np.linspace(0, 1, min(most, len(distinct))))
    return np.asarray(CubicSpline(knots, np.eye(len(knots)))(scaled)[:, 1:], dtype=np.float64)

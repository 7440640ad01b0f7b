"""Distance correlation (Szekely, Rizzo & Bakirov 2007) of points in groups: dependence of any shape.

A best value in the middle raises it as a trend does. Flipping the signs of x alone would leave such a relation as it
is, so x and y are flipped independently; sums over pairs of groups make each flip a few quadratic forms.
"""

from typing import NamedTuple

import numpy as np

from reprq.statistics.coefficients import Floats, Ints, group_sums


def distance_draws(x: Floats, y: Floats, codes: Ints, signs: Floats, rng: np.random.Generator) -> Floats:
    """Return the distance correlation of each pair of flips of x and y, (B,); the first is that of the data.

    Args:
        x: (n,) centered, sorted by group.
        y: (n,) likewise.
        codes: (n,) the group of each row.
        signs: (B, G), the first row all 1; x takes them in this order, y in a random one.
        rng: Orders them for y.
    """
    order = np.concatenate([[0], 1 + rng.permutation(len(signs) - 1)])
    first, second = _flipped(x, codes, signs), _flipped(y, codes, signs[order])
    spread = _covariance(first, first, codes) * _covariance(second, second, codes)
    covariance = np.maximum(_covariance(first, second, codes), 0.0)
    found: Floats = np.sqrt(np.divide(covariance, np.sqrt(spread), out=np.zeros_like(spread), where=spread > 0))
    return found


class _Distances(NamedTuple):
    """Distances |w_i x_i - w_j x_j| = even + w_i w_j odd for signs w of groups: (n, n) twice, signs (B, G)."""

    even: Floats
    odd: Floats
    signs: Floats


def _flipped(values: Floats, codes: Ints, signs: Floats) -> _Distances:
    same, opposite = np.abs(values[:, None] - values), np.abs(values[:, None] + values)
    return _Distances((same + opposite) / 2, (same - opposite) / 2, signs)


def _covariance(a: _Distances, b: _Distances, codes: Ints) -> Floats:
    """The squared distance covariance of each flip, (B,): of distances centered by rows, columns and in all."""
    n = len(codes)
    products = (
        (a.even * b.even, np.ones_like(a.signs)),
        (a.even * b.odd, b.signs),
        (a.odd * b.even, a.signs),
        (a.odd * b.odd, a.signs * b.signs),
    )
    total = sum(_quadratic(matrix, signs, codes) for matrix, signs in products)
    sums_a, sums_b = (_row_sums(each, codes) for each in (a, b))
    means = sums_a.sum(1) * sums_b.sum(1) / n**4
    return np.asarray(total / n**2 - 2 * (sums_a * sums_b).sum(1) / n**3 + means, dtype=np.float64)


def _quadratic(matrix: Floats, signs: Floats, codes: Ints) -> Floats:
    """Sum signs_i signs_j matrix_ij over all rows, of signs by group: (B,)."""
    blocks = group_sums(group_sums(matrix, codes).T, codes)
    found: Floats = ((signs @ blocks) * signs).sum(1)
    return found


def _row_sums(distances: _Distances, codes: Ints) -> Floats:
    """The sum of each row of distances in each flip: (B, n)."""
    inner: Floats = distances.even.sum(1) + distances.signs[:, codes] * (
        distances.signs @ group_sums(distances.odd, codes)
    )
    return inner

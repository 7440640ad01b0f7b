"""p-values of a correlation over groups: whole groups change sign, at random or in all ways.

It is the wild cluster bootstrap of Cameron, Gelbach & Miller (2008) with the null imposed. A flip statistic takes the
two columns, the groups and signs, (B, G), and returns (B,) numbers of which only the order of the sizes matters.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reprq.statistics.coefficients import ROUNDING, Floats, Ints, group_sums, inner_sums, ratio
from reprq.statistics.ranks import midranks

Flipped = Callable[[Floats, Floats, Ints, Floats], Floats]

_BLOCK = 2**18  # entries of the largest temporary array
SAME = 1e-9  # statistics that differ by less are equal but for rounding


class CommonFlips(NamedTuple):
    """Signs that several tests share, so that their p-values can be adjusted together.

    Attributes:
        clusters: (C,) names, sorted.
        signs: (B, C), the first row all 1.
        counts: (n_resamples, C) how often each is in the resamples that are drawn before the signs.
    """

    clusters: NDArray[np.str_]
    signs: Floats
    counts: Floats


def common_flips(clusters: Any, n_resamples: int, seed: int) -> CommonFlips:
    """Return the flips that `correlation` makes of these clusters with this seed."""
    names = np.unique(np.asarray(clusters).astype(str))
    rng = np.random.default_rng(seed)
    counts = resampled_counts(len(names), n_resamples, rng)
    return CommonFlips(names, sign_flips(len(names), n_resamples, rng), counts)


def resampled_counts(n: int, n_resamples: int, rng: np.random.Generator) -> Floats:
    """Return how often each of n clusters occurs in each bootstrap resample: (n_resamples, n)."""
    counts: Floats = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(np.float64)
    return counts


def sign_flips(n: int, n_resamples: int, rng: np.random.Generator) -> Floats:
    """Return signs of n clusters, (B, n): all 2^(n - 1) that differ where that is no more than n_resamples, or random.

    The first row is the data themselves. A common sign changes nothing, so where all are listed the first cluster keeps
    its own.
    """
    if 2 ** (n - 1) <= n_resamples:
        return np.array([(1, *rest) for rest in itertools.product((1.0, -1.0), repeat=n - 1)])
    return np.vstack([np.ones(n), rng.choice([-1.0, 1.0], size=(n_resamples, n))])


def flipped_ratios(x: Floats, y: Floats, codes: Ints, statistics: Flipped, flips: Floats) -> Floats:
    """Return the size of the statistic of each flip over that of the data, (2 B,); infinite where the data have 0.

    The share of these that are at least 1 is the p-value.

    Args:
        x: (n,), sorted by group.
        y: (n,).
        codes: (n,) the group of each row.
        statistics: What is compared; x is flipped, and then y.
        flips: (B, G), the first row all 1.
    """
    return ratios_of(flip_draws(x, y, codes, statistics, flips))


def flip_draws(x: Floats, y: Floats, codes: Ints, statistics: Flipped, flips: Floats) -> Floats:
    """Return the statistic of each flip of x, and of y: (2, B), 0 where there is none; see `flipped_ratios`."""
    draws: Floats = np.nan_to_num([statistics(x, y, codes, flips), statistics(y, x, codes, flips)])
    return draws


def ratios_of(draws: Floats) -> Floats:
    """Return the sizes of draws (2, B) over those of the first of either row: (2 B,)."""
    sizes: Floats = np.abs(draws)
    observed = sizes[:, :1]
    ratios = np.divide(sizes, observed, out=np.full_like(sizes, np.inf), where=observed > 0)
    return ratios.ravel()


def unit_of(x: Floats, y: Floats, codes: Ints, method: str, inside: bool) -> float:
    """Return what a flip statistic is divided by to be a coefficient, which no flip changes.

    Coefficients of several strata can be added, their statistics cannot.

    Args:
        x: (n,), sorted by group.
        y: (n,).
        codes: (n,) the group of each row.
        method: "pearson", "spearman" or "kendall".
        inside: Whether the statistic is that of `flipped_within`.
    """
    if inside:
        _, spread_x, spread_y = inner_sums(x, y, codes, method).sum(0)
        return float(np.sqrt(spread_x * spread_y))
    return float(np.sqrt(_untied(x) * _untied(y))) if method == "kendall" else 1.0


def _untied(values: Floats) -> float:
    """How many ordered pairs are not tied."""
    return float(len(values) ** 2 - (np.unique(values, return_counts=True)[1].astype(np.float64) ** 2).sum())


def share_as_extreme(ratios: Floats) -> float:
    """Return the p-value of `flipped_ratios`."""
    return float(np.mean(ratios >= 1 - SAME))


def flipped_pearson(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
    """Pearson's r of (flips[b, g] (x - mean), y) for each b; the flipped x is centered anew."""
    x, y = x - x.mean(), y - y.mean()
    covariance = flips @ group_sums(x * y, codes)
    variance = (x @ x) - (flips @ group_sums(x, codes)) ** 2 / len(x)
    return ratio(covariance, variance, np.full(len(flips), y @ y), ROUNDING * (x @ x))


def _flipped_spearman(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
    """Spearman's rho likewise: the centered midranks are flipped."""
    return flipped_pearson(midranks(x), midranks(y), codes, flips)


def _flipped_kendall(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
    """Kendall's S of (flips[b, g] x, y), x as centered ranks.

    sgn(w_g x_i - w_h x_j) is w_g sgn(x_i - x_j) where w_g = w_h and w_g sgn(x_i + x_j) elsewhere, so that summed over
    all pairs it is linear in w.
    """
    x, y = midranks(x), midranks(y)
    x = x - x.mean()
    step = max(1, _BLOCK // len(x))
    shares = [_flip_shares(x, y, slice(start, start + step)) for start in range(0, len(x), step)]
    return flips @ group_sums(np.concatenate(shares), codes)


def _flip_shares(x: Floats, y: Floats, rows: slice) -> Floats:
    """What some rows give to S with either sign, (rows,)."""
    signs = np.sign(x[rows, None] - x) + np.sign(x[rows, None] + x)
    shares: Floats = (signs * np.sign(y[rows, None] - y)).sum(1)
    return shares


def flipped_within(method: str) -> Flipped:
    """Return the statistic of a coefficient within groups: a group whose sign changes changes that of its sum alone."""

    def statistic(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
        return flips @ inner_sums(x, y, codes, method)[:, 0]

    return statistic


FLIPPED: dict[str, Flipped] = {
    "spearman": _flipped_spearman,
    "pearson": flipped_pearson,
    "kendall": _flipped_kendall,
}

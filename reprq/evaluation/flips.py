"""p-values of a correlation over groups: whole groups change sign, at random or in all ways.

It is the wild cluster bootstrap of Cameron, Gelbach & Miller (2008) with the null imposed. A flip statistic takes the
two columns, the groups and signs, (B, G), and returns (B,) numbers of which only the order of the sizes matters.
"""

import itertools
from collections.abc import Callable

import numpy as np
from scipy import stats

from reprq.evaluation.coefficients import ROUNDING, Floats, Ints, group_sums, inner_sums, ratio

Flipped = Callable[[Floats, Floats, Ints, Floats], Floats]


def sign_flip_p_value(
    x: Floats,
    y: Floats,
    codes: Ints,
    statistics: Flipped,
    n_resamples: int,
    rng: np.random.Generator,
    clusters: Ints,
) -> float:
    """Return the share of sign flips whose statistic is at least as extreme as that of the data.

    Args:
        x: (n,), sorted by group.
        y: (n,).
        codes: (n,) the group of each row.
        statistics: What is compared; x is flipped, and then y.
        n_resamples: The most flips; all 2^(G - 1) where that is no more.
        rng: Draws them otherwise.
        clusters: (G,) what changes sign together, numbered from 0, a number a group.
    """
    n_groups = int(clusters.max()) + 1
    exact = 2 ** (n_groups - 1) <= n_resamples
    if exact:  # a common sign changes nothing, so the first group keeps its own
        flips = np.array([(1, *rest) for rest in itertools.product((1.0, -1.0), repeat=n_groups - 1)])
    else:
        flips = np.vstack([np.ones(n_groups), rng.choice([-1.0, 1.0], size=(n_resamples, n_groups))])
    flips = flips[:, clusters]
    draws = np.abs([statistics(x, y, codes, flips), statistics(y, x, codes, flips)])
    return float(np.mean(draws >= draws[:, :1] * (1 - 1e-9)))  # the first draw is the data themselves


def flipped_pearson(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
    """Pearson's r of (flips[b, g] (x - mean), y) for each b; the flipped x is centred anew."""
    x, y = x - x.mean(), y - y.mean()
    covariance = flips @ group_sums(x * y, codes)
    variance = (x @ x) - (flips @ group_sums(x, codes)) ** 2 / len(x)
    return ratio(covariance, variance, np.full(len(flips), y @ y), ROUNDING * (x @ x))


def flipped_spearman(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
    """Spearman's rho likewise: the centred midranks are flipped."""
    return flipped_pearson(stats.rankdata(x), stats.rankdata(y), codes, flips)


def flipped_kendall(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
    """Kendall's S of (flips[b, g] x, y), x as centred ranks.

    sgn(w_g x_i - w_h x_j) is w_g sgn(x_i - x_j) where w_g = w_h and w_g sgn(x_i + x_j) elsewhere, so that summed over
    all pairs it is linear in w.
    """
    x, y = stats.rankdata(x), stats.rankdata(y)
    x = x - x.mean()
    shares = [((np.sign(x[i] - x) + np.sign(x[i] + x)) * np.sign(y[i] - y)).sum() for i in range(len(x))]
    return flips @ group_sums(np.array(shares), codes)


def flipped_within(method: str) -> Flipped:
    """Return the statistic of a coefficient within groups: a group whose sign changes changes that of its sum alone."""

    def statistic(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
        return flips @ inner_sums(x, y, codes, method)[:, 0]

    return statistic


FLIPPED: dict[str, Flipped] = {
    "spearman": flipped_spearman,
    "pearson": flipped_pearson,
    "kendall": flipped_kendall,
}

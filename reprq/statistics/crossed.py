"""A mean coefficient over data sets whose networks are the same: an interval for other networks and other data sets."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from reprq.errors import InputError
from reprq.statistics.coefficients import Floats
from reprq.statistics.estimate import Estimate
from reprq.statistics.ranks import midranks
from reprq.validation import as_scores

_FEWEST = 3  # networks, and data sets


def crossed_correlation(
    x: ArrayLike,
    y: ArrayLike,
    networks: ArrayLike,
    datasets: ArrayLike,
    *,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return the mean over data sets of Spearman's rho within each, for networks and data sets like these.

    Layers of a network share it, on all data sets; points of a data set share that. So both are drawn anew: networks
    with replacement, the same on all data sets, and data sets with replacement (the pigeonhole bootstrap of Owen 2007,
    who shows that it counts what is neither's several times, so that it is wide rather than narrow). The interval is
    the mean -+ t s sqrt(m / (m - 1)), s the standard deviation over the draws, m the fewer of networks and data sets,
    t Student's with m - 1 degrees of freedom: few of either vary less among themselves than those they stand for.
    Ranks are those of the sample in every draw.

    Args:
        x: (n,) a metric, one a point.
        y: (n,) a score.
        networks: (n,) the network of each point, by a name that all data sets share.
        datasets: (n,) its data set.
        n_resamples: Draws.
        confidence: Of the interval, inside (0, 1).
        seed: Seeds the draws.

    Returns:
        The mean, its interval cut to [-1, 1], `n` the number of data sets. A data set whose x or y is constant has no
        coefficient and is left out.

    Raises:
        InputError: columns of another length or not finite, fewer than three networks, or fewer than three data sets
            with a coefficient.

    References:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007. Deviation: Student's t and the factor
        m / (m - 1), by simulation (`benchmarks/simulations/crossed.py`).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> network, dataset = np.tile(np.repeat(np.arange(8), 5), 6), np.repeat(np.arange(6), 40)
        >>> x = rng.standard_normal(240)
        >>> found = crossed_correlation(x, x + rng.standard_normal(240), network, dataset)
        >>> bool(0 < found.low < found.value < found.high < 1)
        True
    """
    a, b = as_scores(x, "x"), as_scores(y, "y")
    groups, strata = (np.unique(np.asarray(names), return_inverse=True) for names in (networks, datasets))
    if not len(a) == len(b) == len(groups[1]) == len(strata[1]):
        sizes = f"{len(a)}, {len(b)}, {len(groups[1])} and {len(strata[1])}"
        raise InputError(f"x, y, networks and datasets must have one length, got {sizes}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be in (0, 1), got {confidence!r}; 0.95 is usual")
    if len(groups[0]) < _FEWEST:
        raise InputError(f"networks must be at least {_FEWEST}, got {len(groups[0])}; an interval needs several")
    rng = np.random.default_rng(seed)
    counts = _drawn(len(groups[0]), n_resamples, rng)
    within = np.stack([_rhos(a, b, groups[1], strata[1] == d, counts) for d in range(len(strata[0]))], axis=1)
    within = within[:, np.isfinite(within[0])]
    n = within.shape[1]
    if n < _FEWEST:
        raise InputError(f"datasets must be at least {_FEWEST} with a coefficient, got {n}; an interval needs several")
    value = float(within[0].mean())
    shares = _drawn(n, n_resamples, rng) * np.isfinite(within)
    draws = (shares * np.nan_to_num(within)).sum(1)[1:] / np.maximum(shares.sum(1)[1:], 1)
    draws = draws[shares.sum(1)[1:] > 0]
    m = min(n, len(groups[0]))
    half = float(stdtrit(m - 1, 0.5 + confidence / 2) * draws.std() * np.sqrt(m / (m - 1)))
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), n, "pigeonhole-t", confidence)


def _drawn(n: int, n_resamples: int, rng: np.random.Generator) -> Floats:
    """How often each of n is drawn, (1 + n_resamples, n): first each once."""
    counts: Floats = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), size=n_resamples)])
    return counts


def _rhos(x: Floats, y: Floats, groups: Any, own: Any, counts: Floats) -> Floats:
    """Pearson's r of the ranks within a data set, (B,), for each count of its networks; nan where one is constant."""
    a, b, codes = midranks(x[own]), midranks(y[own]), groups[own]
    sums = np.stack([np.bincount(codes, w, counts.shape[1]) for w in (np.ones(len(a)), a, b, a * a, b * b, a * b)])
    n, sa, sb, saa, sbb, sab = sums @ counts.T
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (saa - sa * sa / n) * (sbb - sb * sb / n)
        found: Floats = np.where(spread > 1e-9, (sab - sa * sb / n) / np.sqrt(np.maximum(spread, 1e-300)), np.nan)
    return found

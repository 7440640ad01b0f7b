"""Correlation between a quality metric and a detection score, when points come in groups that are not independent.

A point is a (backbone, layer). Layers of one network resemble each other, so a study of ten networks with ten layers
has nearer ten observations than a hundred. Everything random here therefore moves whole groups: the interval resamples
groups, and the p-value flips the sign of groups. Both need nothing but sums over groups, or over pairs of groups, which
are computed once; a thousand draws are then one matrix product.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from reprq.errors import InputError, UnknownNameError
from reprq.validation import as_scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEW_GROUPS = 10
_ROUNDING = 1e-12  # a spread below this share of the magnitude is rounding, not variation
_BLOCK = 2**21  # entries of the largest temporary array


@dataclass(frozen=True)
class Correlation:
    """A correlation coefficient with its uncertainty; None stands for what the data cannot say, and `notes` say why.

    Attributes:
        coefficient: In [-1, 1], or None where one side is constant or there are fewer than 3 points.
        low: Lower end of the confidence interval, or None.
        high: Upper end of the confidence interval, or None.
        p_value: Two-sided, for a coefficient of zero; or None.
        n: The number of points.
        n_groups: The number of independent groups (backbones), on which the interval and the p-value rest.
        method: "spearman", "pearson" or "kendall".
        notes: What a reader must know before trusting the numbers.
    """

    coefficient: float | None
    low: float | None
    high: float | None
    p_value: float | None
    n: int
    n_groups: int
    method: str
    notes: tuple[str, ...] = ()


def correlation(
    x: ArrayLike,
    y: ArrayLike,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    method: str = "spearman",
    n_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Correlation:
    """Correlate two columns whose rows come in groups, with an interval and a p-value that respect the groups.

    The coefficient is Pearson's r, Spearman's rho (r of the midranks) or Kendall's tau-b, as in `scipy.stats`.

    The interval is the expanded percentile interval (Hesterberg 2015) of a bootstrap that draws whole
    groups with replacement: the quantiles are taken at Phi(-+ t sqrt(G / (G - 1))), t being Student's quantile with
    G - 1 degrees of freedom. In simulations of 4 to 16 groups of dependent rows it covered 92 to 99 % at a nominal
    95 %, where the plain percentile interval covered 88 to 96 % and BCa 76 to 94 %.

    The p-value is a randomisation test in which whole groups change sign: x is centred (for the rank methods, its
    ranks), each group is multiplied by -1 or 1, the coefficient is computed anew, and the same is done with y in place
    of x; the p-value is the share of draws at least as extreme as the data, all 2^(G - 1) of them where that is no
    more than `n_resamples`. It is the wild cluster bootstrap of Cameron, Gelbach & Miller (2008) with the null imposed.
    It tests the coefficient that is reported, as the interval does: a trend with depth that all networks share counts
    as association. It cannot be smaller than 2^(1 - G).

    At a nominal 5 % it rejected 2 to 7 % of unrelated data in such simulations; permuting rows rejected 30 to 50 %.
    Permuting whole groups and rotating the result by a random offset is also too liberal (8 to 19 %), because groups
    that no longer lie on top of each other correlate less by chance than groups that do.

    Args:
        x: (n,) finite numbers, for instance a quality metric.
        y: (n,) finite numbers, for instance the AUROC of a detector.
        groups: (n,) names or numbers of the group of each row; None makes each row its own group.
        method: "spearman", "pearson" or "kendall".
        n_resamples: The number of bootstrap resamples, and the most sign flips.
        confidence: The coverage of the interval, in (0, 1).
        seed: The seed of both.

    Returns:
        A `Correlation`.

    Raises:
        InputError: x, y or groups of another length, a nan or inf, or an argument out of its range.
        UnknownNameError: another method.

    Example:
        >>> result = correlation([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5], groups=list("aabbcc"))
        >>> round(result.coefficient, 3), result.n, result.n_groups, result.p_value
        (0.829, 6, 3, 0.5)
    """
    _check_arguments(method, n_resamples, confidence)
    if np.size(x) == 0 and np.size(y) == 0:
        return Correlation(None, None, None, None, 0, 0, method, ("no points",))
    first, second = as_scores(x, "x"), as_scores(y, "y")
    codes = _group_codes(first, second, groups)
    order = np.argsort(codes, kind="stable")
    first, second, codes = first[order], second[order], codes[order]
    n, n_groups = len(codes), int(codes[-1]) + 1

    reason = _undefined(first, second)
    if reason:
        return Correlation(None, None, None, None, n, n_groups, method, (reason,))
    if method == "pearson":
        first, second = _unit_scale(first), _unit_scale(second)
    coefficients, flips = _METHODS[method]
    coefficient = float(coefficients(first, second, codes, np.ones((1, n_groups)))[0])
    notes = []
    if n_groups < FEW_GROUPS:
        floor = f", so no p-value below {2 ** (1 - n_groups):.3g}" if n_groups >= 3 else ""
        notes.append(f"only {n_groups} independent group{'s' * (n_groups > 1)}{floor}")
    if n_groups < 3:
        return Correlation(
            coefficient, None, None, None, n, n_groups, method, (*notes, "no interval or p-value from fewer than 3")
        )

    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_resamples).astype(np.float64)
    draws = coefficients(first, second, codes, counts)
    defined = draws[np.isfinite(draws)]
    if len(defined) < len(draws):
        notes.append(f"{len(draws) - len(defined)} of {len(draws)} resamples were constant and left out")
    low, high = _expanded_percentiles(defined, n_groups, confidence) if len(defined) else (None, None)
    p_value = _sign_flip_p_value(first, second, codes, flips, n_resamples, rng)
    return Correlation(coefficient, low, high, p_value, n, n_groups, method, tuple(notes))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for the number of hypotheses tried, by the step-down procedure of Holm (1979).

    With p_(1) <= ... <= p_(m), the k-th smallest becomes max over j <= k of min(1, (m - j + 1) p_(j)). Rejecting where
    the result is at most alpha keeps the chance of any false rejection at or below alpha, whatever the dependence.

    Args:
        p_values: Numbers in [0, 1]; None stands for a test that could not be made, is not counted and stays None.

    Returns:
        The adjusted p-values, in the given order.

    Raises:
        InputError: a value is outside [0, 1] or nan.

    Example:
        >>> holm([0.01, None, 0.04, 0.03])
        [0.03, None, 0.06, 0.06]
    """
    for p in p_values:
        if p is not None and not 0 <= p <= 1:
            raise InputError(f"p_values must be in [0, 1] or None, got {p}")
    adjusted: list[float | None] = [None] * len(p_values)
    tested = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    highest = 0.0
    for k, (p, i) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - k) * p))
        adjusted[i] = highest
    return adjusted


def _group_codes(x: Floats, y: Floats, groups: Sequence[Any] | NDArray[Any] | None) -> Ints:
    if len(x) != len(y):
        raise InputError(f"x and y must have the same length, got {len(x)} and {len(y)}")
    if groups is None:
        return np.arange(len(x))
    names = np.asarray(groups)
    if names.shape != x.shape:
        raise InputError(f"groups must have shape ({len(x)},), one group a row, got {names.shape}")
    codes: Ints = np.unique(names.astype(str), return_inverse=True)[1]
    return codes


def _check_arguments(method: str, n_resamples: int, confidence: float) -> None:
    if method not in _METHODS:
        raise UnknownNameError("correlation method", method, _METHODS)
    if n_resamples < 100:
        raise InputError(f"n_resamples must be at least 100, got {n_resamples}; 2000 is usual")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, got {confidence}; 0.95 is usual")


def _undefined(x: Floats, y: Floats) -> str:
    """Why no coefficient can be computed, or an empty string."""
    if len(x) < 3:
        return f"no coefficient from fewer than 3 points, got {len(x)}"
    flat = [name for name, values in (("x", x), ("y", y)) if _constant(values)]
    return f"constant {' and '.join(flat)}: no coefficient" if flat else ""


def _constant(values: Floats) -> bool:
    return bool(values.max() / 2 - values.min() / 2 <= _ROUNDING * np.abs(values).max())


def _unit_scale(values: Floats) -> Floats:
    """Centre and scale, so that the sums of squares below neither cancel, overflow nor vanish."""
    values = values / np.abs(values).max()
    values = values - values.mean()
    scaled: Floats = values / np.abs(values).max()
    return scaled


def _pearson(x: Floats, y: Floats, codes: Ints, counts: Floats) -> Floats:
    """Pearson's r of resamples in which group g occurs counts[b, g] times: (B, G) -> (B,), nan where undefined."""
    moments = _group_sums(np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y]), codes)
    total, sum_x, sum_y, sum_xx, sum_yy, sum_xy = (counts @ moments).T
    spread_x, spread_y = sum_xx - sum_x**2 / total, sum_yy - sum_y**2 / total
    return _ratio(sum_xy - sum_x * sum_y / total, spread_x, spread_y, _ROUNDING * sum_xx, _ROUNDING * sum_yy)


def _spearman(x: Floats, y: Floats, codes: Ints, counts: Floats) -> Floats:
    """Spearman's rho of the same resamples: midranks are taken anew in each, so ties that repeats make are counted."""
    block = max(1, _BLOCK // len(x))
    if len(counts) > block:
        parts = range(0, len(counts), block)
        return np.concatenate([_spearman(x, y, codes, counts[start : start + block]) for start in parts])
    ranks_x, ranks_y = _resampled_ranks(x, codes, counts), _resampled_ranks(y, codes, counts)
    repeats = counts[:, codes]
    spread_x, spread_y = (repeats * ranks_x**2).sum(1), (repeats * ranks_y**2).sum(1)
    return _ratio((repeats * ranks_x * ranks_y).sum(1), spread_x, spread_y)


def _resampled_ranks(values: Floats, codes: Ints, counts: Floats) -> Floats:
    """Centred midranks of every row in every resample, (B, n); a row's rank is defined also where it was not drawn."""
    distinct, where = np.unique(values, return_inverse=True)
    members = np.zeros((counts.shape[1], len(distinct)))
    np.add.at(members, (codes, where), 1)
    tied = counts @ members  # how often each distinct value occurs in each resample
    below = np.cumsum(tied, axis=1) - tied
    midranks = below + (tied - tied.sum(1, keepdims=True)) / 2
    ranks: Floats = midranks[:, where]
    return ranks


def _kendall(x: Floats, y: Floats, codes: Ints, counts: Floats) -> Floats:
    """Kendall's tau-b of the same resamples: concordance summed over pairs of groups makes each a quadratic form."""
    signs_of_pairs = (lambda a, b: a * b, lambda a, b: a * a, lambda a, b: b * b)
    concordance, untied_x, untied_y = (
        ((counts @ _pair_sums(x, y, codes, product)) * counts).sum(1) for product in signs_of_pairs
    )
    return _ratio(concordance, untied_x, untied_y)


def _pair_sums(x: Floats, y: Floats, codes: Ints, product: Callable[[Floats, Floats], Floats]) -> Floats:
    """Sum product(sgn(x_i - x_j), sgn(y_i - y_j)) over rows i of group g and j of group h: (G, G)."""
    rows = []
    for group in range(int(codes[-1]) + 1):  # one group against all: never an (n, n) array
        i = codes == group
        signs_x, signs_y = np.sign(x[i, None] - x), np.sign(y[i, None] - y)
        rows.append(_group_sums(product(signs_x, signs_y).sum(0), codes))
    return np.array(rows)


def _ratio(top: Floats, spread_x: Floats, spread_y: Floats, least_x: Any = 0.0, least_y: Any = 0.0) -> Floats:
    """The quotient top / sqrt(spread_x spread_y) in [-1, 1], nan where a spread is no more than the least."""
    defined = (spread_x > least_x) & (spread_y > least_y)
    bottom = np.sqrt(np.where(defined, spread_x, 1.0)) * np.sqrt(np.where(defined, spread_y, 1.0))
    return np.where(defined, np.clip(top / bottom, -1.0, 1.0), np.nan)


def _group_sums(values: Floats, codes: Ints) -> Floats:
    """Sum rows of the same group; `codes` is sorted and holds every number from 0 to G - 1."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    sums: Floats = np.add.reduceat(values, starts, axis=0)
    return sums


def _expanded_percentiles(draws: Floats, n_groups: int, confidence: float) -> tuple[float, float]:
    """The percentile interval of Hesterberg (2015), widened for few groups."""
    t = stats.t.ppf((1 + confidence) / 2, n_groups - 1)
    tail = stats.norm.cdf(-t * np.sqrt(n_groups / (n_groups - 1)))
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def _sign_flip_p_value(
    x: Floats,
    y: Floats,
    codes: Ints,
    statistics: Callable[[Floats, Floats, Ints, Floats], Floats],
    n_resamples: int,
    rng: np.random.Generator,
) -> float:
    n_groups = int(codes[-1]) + 1
    exact = 2 ** (n_groups - 1) <= n_resamples
    if exact:  # a common sign changes nothing, so the first group keeps its own
        flips = np.array([(1, *rest) for rest in itertools.product((1.0, -1.0), repeat=n_groups - 1)])
    else:
        flips = np.vstack([np.ones(n_groups), rng.choice([-1.0, 1.0], size=(n_resamples, n_groups))])
    draws = np.abs([statistics(x, y, codes, flips), statistics(y, x, codes, flips)])
    return float(np.mean(draws >= draws[:, :1] * (1 - 1e-9)))  # the first draw is the data themselves


def _flipped_pearson(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
    """Pearson's r of (flips[b, g] (x - mean), y) for each b; the flipped x is centred anew."""
    x, y = x - x.mean(), y - y.mean()
    covariance = flips @ _group_sums(x * y, codes)
    variance = (x @ x) - (flips @ _group_sums(x, codes)) ** 2 / len(x)
    return _ratio(covariance, variance, np.full(len(flips), y @ y), _ROUNDING * (x @ x))


def _flipped_spearman(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
    return _flipped_pearson(stats.rankdata(x), stats.rankdata(y), codes, flips)


def _flipped_kendall(x: Floats, y: Floats, codes: Ints, flips: Floats) -> Floats:
    """Kendall's S of (flips[b, g] x, y), x as centred ranks.

    sgn(w_g x_i - w_h x_j) is w_g sgn(x_i - x_j) where w_g = w_h and w_g sgn(x_i + x_j) elsewhere, so that summed over
    all pairs it is linear in w.
    """
    x, y = stats.rankdata(x), stats.rankdata(y)
    x = x - x.mean()
    shares = [((np.sign(x[i] - x) + np.sign(x[i] + x)) * np.sign(y[i] - y)).sum() for i in range(len(x))]
    return flips @ _group_sums(np.array(shares), codes)


_METHODS = {
    "spearman": (_spearman, _flipped_spearman),
    "pearson": (_pearson, _flipped_pearson),
    "kendall": (_kendall, _flipped_kendall),
}

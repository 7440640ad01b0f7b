"""Does one metric predict better than another, or no better; and what is left of the strongest of many."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError
from reprq.statistics.coefficients import Floats
from reprq.statistics.correlation import UndefinedError, over_clusters
from reprq.statistics.flips import resampled_counts
from reprq.statistics.points import Sample
from reprq.statistics.resampling import group_interval

_EQUIVALENCE = 0.9  # two one-sided tests at 5 %


@dataclass(frozen=True)
class Difference:
    """How much stronger one coefficient is than another, of the same points.

    Attributes:
        difference: Of the sizes of the coefficients, in [-1, 1].
        low: Lower end of the 95 % interval, None where there is none.
        high: Upper end.
        verdict: "better", "worse", "equivalent" (within the margin), "no better" (by as much as the margin) or
            "undecided".
        n_groups: The number of independent groups.
        notes: What a reader must know.
    """

    difference: float
    low: float | None
    high: float | None
    verdict: str
    n_groups: int
    notes: tuple[str, ...] = ()


def coefficient_difference(
    x: ArrayLike,
    other: ArrayLike,
    y: ArrayLike,
    groups: Sequence[Any] | NDArray[Any],
    method: str = "spearman",
    n_resamples: int = 2000,
    seed: int = 0,
    *,
    level: str = "pooled",
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    strata: Sequence[Any] | NDArray[Any] | None = None,
    margin: float = 0.1,
) -> Difference:
    """Compare how strongly x and another column go with y, by a bootstrap that draws the same groups for both.

    The difference is |r(x, y)| - |r(other, y)|, the signs being those of the data. "better" and "worse" are said where
    the 95 % interval is on one side of 0; "equivalent" where the 90 % interval lies inside the margin, which is the
    equivalence test of Schuirmann (1987) at 5 %; "no better" where only its upper end does.

    Args:
        x: (n,) a metric.
        other: (n,) what it is compared with, for instance the depth of the layer.
        y: (n,) a score.
        groups: (n,) the group of each row.
        method: "spearman", "pearson" or "kendall".
        n_resamples: Bootstrap resamples, at least 100.
        seed: Seeds them.
        level: As for `correlation`.
        clusters: As for `correlation`.
        strata: As for `correlation`.
        margin: The largest difference that does not matter, in (0, 1).

    Raises:
        InputError: as for `correlation`, or a margin out of range.
        UndefinedError: a column is constant, over all points or inside every group.

    Example:
        >>> y, groups = np.arange(30.0), np.repeat(np.arange(10), 3)
        >>> coefficient_difference(-y, np.cos(y), y, groups).verdict
        'better'
        >>> coefficient_difference(y, -y, y, groups).verdict
        'equivalent'
    """
    if not 0 < margin < 1:
        raise InputError(f"margin must be between 0 and 1, got {margin}")
    if n_resamples < 100:
        raise InputError(f"n_resamples must be at least 100, got {n_resamples}; 2000 is usual")
    made = [
        over_clusters(Sample.of(column, y, groups, clusters=clusters, strata=strata), method, level)
        for column in (x, other)
    ]
    if set(made[0].parts) != set(made[1].parts):
        raise UndefinedError("the columns have coefficients in different strata: no difference")
    first, second, n_groups = made[0].of_counts, made[1].of_counts, len(made[0].clusters)
    once = np.ones((1, n_groups))
    signs = np.sign([first(once)[0], second(once)[0]])

    def gained(counts: Floats) -> Floats:
        found: Floats = signs[0] * first(counts) - signs[1] * second(counts)
        return found

    counts = resampled_counts(n_groups, n_resamples, np.random.default_rng(seed))
    draws = gained(counts)
    ends, inner = (group_interval(draws, n_groups, confidence) for confidence in (0.95, _EQUIVALENCE))
    value = float(gained(once)[0])
    if not np.isfinite(value):
        raise UndefinedError("constant inside every group: no coefficient")
    same = bool(np.nanmax(np.abs(draws)) < 1e-9)
    verdict = "equivalent" if same else _verdict((ends.low, ends.high), (inner.low, inner.high), margin)
    return Difference(value, ends.low, ends.high, verdict, n_groups, ends.notes)


def _verdict(outer: tuple[float | None, float | None], inner: tuple[float | None, float | None], margin: float) -> str:
    (low, high), (least, most) = outer, inner
    if low is not None and low > 0:
        return "better"
    if high is not None and high < 0:
        return "worse"
    if most is None or least is None or most >= margin:
        return "undecided"
    return "equivalent" if least > -margin else "no better"


def cross_fitted(
    columns: Sequence[ArrayLike],
    y: ArrayLike,
    groups: Sequence[Any] | NDArray[Any],
    method: str = "spearman",
    n_splits: int = 200,
    seed: int = 0,
    *,
    level: str = "pooled",
    clusters: Sequence[Any] | NDArray[Any] | None = None,
    strata: Sequence[Any] | NDArray[Any] | None = None,
) -> float | None:
    """Return the coefficient of the strongest of several columns, chosen on one half of the groups, of the other half.

    The strongest coefficient of many is strong in part by chance. Here the groups are split in halves at random: the
    column of the largest size on the one half, with its sign there, is measured on the other; the mean over splits. It
    speaks of a choice from half of the groups, so it errs, if at all, to the low side.

    Args:
        columns: Metrics, each (n,).
        y: (n,) a score.
        groups: (n,) the group of each row.
        method: "spearman", "pearson" or "kendall".
        n_splits: How many splits.
        seed: Seeds them.
        level: As for `correlation`.
        clusters: As for `correlation`; halves are of these.
        strata: As for `correlation`.

    Returns:
        A coefficient, positive where the choice holds; None from fewer than 6 groups, of which halves say nothing.

    Raises:
        InputError: as for `correlation`.
        UndefinedError: a column is constant.

    Example:
        >>> y, groups = np.arange(30.0), np.repeat(np.arange(10), 3)
        >>> round(cross_fitted([-y, np.cos(y)], y, groups), 6)
        1.0
    """
    samples = [Sample.of(column, y, groups, clusters=clusters, strata=strata) for column in columns]
    made = [over_clusters(each, method, level) for each in samples]
    n_groups = len(made[0].clusters)
    if any(not np.array_equal(each.names, made[0].names) for each in made):
        raise UndefinedError("the columns have coefficients of different groups: none is the strongest")
    if n_groups < 6:
        return None
    rng = np.random.default_rng(seed)
    chosen = np.argsort(rng.random((n_splits, n_groups)), axis=1) < n_groups // 2
    fitted, held_out = (
        np.array([each.of_counts(half.astype(np.float64)) for each in made]) for half in (chosen, ~chosen)
    )
    best = np.abs(np.nan_to_num(fitted)).argmax(0)
    every = np.arange(n_splits)
    found = held_out[best, every] * np.sign(fitted[best, every])
    return float(np.nanmean(found)) if np.isfinite(found).any() else None

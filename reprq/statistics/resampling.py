"""Intervals of a coefficient over groups, by drawing whole groups; none where that cannot say anything."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, stdtrit

from reprq.statistics.coefficients import Floats

LEAST_GROUPS = 6  # resamples of fewer are too few to reach 95 %, however their quantiles are taken
_SAME = 1e-9  # an interval narrower than this comes from resamples that all agree


class Ends(NamedTuple):
    """The ends of an interval, None where there is none, and what to say of it."""

    low: float | None = None
    high: float | None = None
    notes: tuple[str, ...] = ()


def group_interval(draws: Floats, n_groups: int, confidence: float, left_out: Floats | None = None) -> Ends:
    """Return the interval of a coefficient in [-1, 1] by resampling groups.

    A resample without a coefficient could have had any: it counts as -1 for the low end and as 1 for the high one.

    Args:
        draws: (B,) the coefficients of resamples; nan for none.
        n_groups: How many groups there are.
        confidence: The coverage, in (0, 1).
        left_out: The coefficients of `left_out_counts`, to widen the interval to the jackknife's, for coefficients that
            few groups can decide.

    Returns:
        The interval; none from fewer than 6 groups, where more resamples have no coefficient than may lie outside of
        the interval, or where all have the same one.
    """
    if n_groups < LEAST_GROUPS:
        return Ends(notes=(f"no interval from fewer than {LEAST_GROUPS} groups",))
    undefined = ~np.isfinite(draws)
    notes = (f"{undefined.sum()} of {len(draws)} resamples have no coefficient",) if undefined.any() else ()
    low, high = (_expanded_percentiles(np.where(undefined, end, draws), n_groups, confidence) for end in (-1.0, 1.0))
    ends = [low[0], high[1]]
    if left_out is not None:
        wider = jackknife_interval(left_out, confidence)
        ends = [min(ends[0], wider[0]), max(ends[1], wider[1])]
    if undefined.mean() > tail(n_groups, confidence) or not np.isfinite(ends).all():
        return Ends(notes=(*notes, "too many for an interval"))
    if ends[1] - ends[0] < _SAME:
        return Ends(notes=(*notes, "no interval: all resamples have the same coefficient"))
    return Ends(ends[0], ends[1], notes)


def tail(n_groups: int, confidence: float) -> float:
    """Return the share of resamples on either side of the interval of Hesterberg (2015)."""
    t = stdtrit(n_groups - 1, (1 + confidence) / 2)
    return float(ndtr(-t * np.sqrt(n_groups / (n_groups - 1))))


def _expanded_percentiles(draws: Floats, n_groups: int, confidence: float) -> tuple[float, float]:
    """Return the percentile interval of Hesterberg (2015), which is widened for few groups.

    Args:
        draws: (B,) a statistic of B resamples of the groups.
        n_groups: How many groups there are, at least 2.
        confidence: The coverage of the interval, in (0, 1).
    """
    outside = tail(n_groups, confidence)
    low, high = np.quantile(draws, [outside, 1 - outside])
    return float(low), float(high)


def left_out_counts(n_groups: int) -> Floats:
    """Return how often each group occurs in all of them, and without each: (1 + n_groups, n_groups)."""
    return np.vstack([np.ones(n_groups), 1.0 - np.eye(n_groups)])


def jackknife_interval(coefficients: Floats, confidence: float) -> tuple[float, float]:
    """Return the interval of the jackknife over groups, on Fisher's z scale; nan where a group cannot be left out.

    Student's quantile has as many degrees of freedom as there are groups that decide: 3 (sum u)^2 / sum u^2 - 1, u
    being the squared deviations of the coefficients that leave one group out. It is about G - 1 where these are normal,
    and is cut to 2 to G - 1.

    Args:
        coefficients: Those of `left_out_counts`.
        confidence: The coverage, in (0, 1).
    """
    n_groups = len(coefficients) - 1
    whole, *left = np.arctanh(np.clip(coefficients, -1 + 1e-12, 1 - 1e-12))
    squares = (np.array(left) - np.mean(left)) ** 2
    total, fourth = squares.sum(), (squares**2).sum()
    freedom = np.clip(3 * total**2 / fourth - 1 if fourth > 0 else n_groups - 1, 2, n_groups - 1)
    half = stdtrit(freedom, (1 + confidence) / 2) * np.sqrt((n_groups - 1) / n_groups * total)
    return float(np.tanh(whole - half)), float(np.tanh(whole + half))

"""The interval of a metric of samples that `measure` does not know: views, labels, pairs, references."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reprq.conversion import to_numpy
from reprq.errors import InputError
from reprq.metrics.jackknife import GROUPS, group_of_rows, jackknife_interval
from reprq.statistics.estimate import Estimate


def interval(
    metric: Callable[..., float],
    *samples: Any,
    strata: ArrayLike | None = None,
    groups: int = GROUPS,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """Return a metric of samples with its 95 % interval by the delete-a-group jackknife.

    The first axis of every array counts the same samples; those of one group are left out of all arrays at once. The
    groups are those of `reprq.measure`, whose intervals of metrics of one matrix are made alike. What a small n gives
    the value itself is not in the interval, and no maximum over rows has one that can be trusted.

    Args:
        metric: A function of the arrays: `lidar`, `view_stability`, `deconfounded_cka`, `logme`, ... Other arguments
            are bound with `functools.partial`.
        samples: Arrays of n samples each: (n, d) rows, (n, q, d) views, (n,) labels.
        strata: (n,) classes within which the groups are drawn, as labels of which a group must not take the only few.
        groups: How many, at least 3, each of at least one sample.
        bounds: The least and the greatest value possible.

    Raises:
        InputError: no array, arrays of different length, or fewer samples than groups; and what the metric raises.

    Example:
        >>> from reprq.metrics import lidar
        >>> views = np.random.default_rng(0).standard_normal((100, 4, 5))
        >>> found = interval(lidar, views, bounds=(1.0, 5.0))
        >>> bool(found.low <= found.value <= found.high), found.n, found.method
        (True, 100, 'jackknife')
    """
    arrays = [to_numpy(each) for each in samples]
    sizes = {len(each) for each in arrays}
    if len(sizes) != 1:
        raise InputError(f"samples must be arrays of one length, got {sorted(sizes) or 'none'}")
    (n,) = sizes
    if groups < 3 or n < groups:
        raise InputError(f"groups must be from 3 to the {n} samples, got {groups}")
    group = _groups(n, groups, strata)
    value = float(metric(*arrays))
    replicates = [float(metric(*(each[group != left_out] for each in arrays))) for left_out in range(groups)]
    low, high = jackknife_interval(value, replicates, bounds)
    return Estimate(float(value), float(low), float(high), n=n, method="jackknife")


def _groups(n: int, groups: int, strata: ArrayLike | None) -> Any:
    if strata is None:
        return group_of_rows(n, groups)
    known = np.asarray(strata)
    if known.shape != (n,):
        raise InputError(f"strata must name the class of each of the {n} samples, got shape {known.shape}")
    found = np.empty(n, dtype=np.int64)
    order = np.argsort(known, kind="stable")
    found[order] = group_of_rows(n, groups)
    return found

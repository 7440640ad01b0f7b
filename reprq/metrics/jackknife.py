"""Intervals from the statistics of groups of rows: leave one group out, measure, repeat."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from reprq.errors import InputError
from reprq.numerics.dask_arrays import is_dask, reduce_blocks
from reprq.numerics.moments import Moments, blocks_of
from reprq.validation import as_matrix

GROUPS = 10
LEVEL = 0.95


def grouped_moments(x: Any, groups: int = GROUPS, *, folded: bool = False) -> list[Moments]:
    """Return the statistics of each of some random groups of the rows, in one pass.

    Every stretch of `groups` rows puts one row in each group, in an order drawn with seed 0: the groups are of one
    size, and no order of the rows (by class, or classes in turn) makes them differ by more than chance. The blocks of a
    dask array draw each for itself, with the block's number as the seed, and groups may differ by a row a block.

    Args:
        x: What `Moments.of` takes.
        groups: How many.
        folded: Whether each group's rows are folded as they come, as `Moments.fold` does later at a second centering.

    Returns:
        The groups, those without rows left out.

    Raises:
        InputError: x is not a finite (n, d) matrix.
    """
    if is_dask(x):
        found = reduce_blocks([x], ["x"], partial(_groups_of_block, groups), _joined)
        return [moments for moments in found if moments.n]
    rng = np.random.default_rng(0)
    found = []
    drawn = np.empty(0, dtype=np.int64)
    for block in blocks_of(x):
        found = found or [Moments(block.shape[1]).fold() if folded else Moments(block.shape[1]) for _ in range(groups)]
        labels = np.concatenate([drawn, _draw(rng, len(block) - len(drawn), groups)])
        drawn = labels[len(block) :]
        for group, moments in enumerate(found):
            chosen = block[labels[: len(block)] == group]
            if len(chosen):
                moments.update(chosen)
    if not found:
        raise InputError("x must have at least 1 row, got none; give embeddings")
    return [moments for moments in found if moments.n]


def _groups_of_block(groups: int, number: int, block: Any) -> list[Moments]:
    """Return the statistics of each group of the rows of one block of a dask array."""
    rows = as_matrix(block, f"block {number} of x", min_rows=0)
    labels = _draw(np.random.default_rng(number), len(rows), groups)[: len(rows)]
    found = [Moments(rows.shape[1]) for _ in range(groups)]
    for group in np.unique(labels):
        found[group].update(rows[labels == group])
    return found


def _joined(one: list[Moments], other: list[Moments]) -> list[Moments]:
    return [merged(pair) for pair in zip(one, other, strict=True)]


def group_of_rows(n: int, groups: int = GROUPS) -> NDArray[np.int64]:
    """Return the number of the group that `grouped_moments` puts each of n rows in."""
    return _draw(np.random.default_rng(0), n, groups)[:n]


def _draw(rng: np.random.Generator, count: int, groups: int) -> NDArray[np.int64]:
    """Return groups for `count` rows, rounded up to whole stretches that hold each group once."""
    stretches = [rng.permutation(groups) for _ in range(-(-max(count, 0) // groups))]
    return np.concatenate([np.empty(0, dtype=np.int64), *stretches])


def merged(groups: Sequence[Moments]) -> Moments:
    """Return the statistics of all the groups together."""
    whole = Moments(groups[0].d)
    for group in groups:
        whole.merge(group)
    return whole


def leave_one_out(groups: Sequence[Moments]) -> Iterator[Moments]:
    """Yield the statistics of all the groups but one, for each of them.

    Nothing is taken away, which would cost digits where one group outweighs the others: each half of the groups joins
    what is outside of the other half, and so on, in g log g additions and the memory of log g statistics.
    """
    n, d = sum(group.n for group in groups), groups[0].d
    if n - max(group.n for group in groups) > d:  # all that is yielded is folded: fold each group once
        groups = [group.fold() for group in groups]
    yield from _less_each(groups, Moments(d))


def _less_each(groups: Sequence[Moments], outside: Moments) -> Iterator[Moments]:
    if len(groups) == 1:
        yield outside
        return
    half = len(groups) // 2
    for these, others in ((groups[:half], groups[half:]), (groups[half:], groups[:half])):
        yield from _less_each(these, merged([outside, *others]))


def jackknife_interval(value: float, replicates: Sequence[float], bounds: tuple[float, float]) -> tuple[float, float]:
    """Return the delete-a-group jackknife interval of a value: value -+ t s, at level 0.95.

    s^2 = (g - 1) / g sum_i (r_i - mean r)^2 over the g replicates r, each with one group left out, and t is Student's
    quantile with g - 1 degrees of freedom. It is the spread of the value over other samples of the same size; the
    bias that a small n gives the value itself is not in it. It needs a finite variance of what is summed: of
    rows whose fourth moment is infinite the trace and the ranks that follow from squares are covered in 60 to 90 %.

    Args:
        value: Of all the rows.
        replicates: The values with one group left out.
        bounds: The least and the greatest value possible; the interval ends there.

    References:
        Shao & Wu, "A general theory for jackknife variance estimation", Annals of Statistics 1989; Kott, "The
        delete-a-group jackknife", Journal of Official Statistics 2001.

    Example:
        >>> low, high = jackknife_interval(2.0, [1.9, 2.0, 2.1], (0.0, 2.3))
        >>> round(low, 3), high
        (1.503, 2.3)
    """
    g, left_out = len(replicates), np.asarray(replicates)
    deviations = left_out - left_out.mean()
    largest = float(np.abs(deviations).max()) or 1.0  # so that squares neither overflow nor vanish
    deviation = largest * np.sqrt((g - 1) / g * np.square(deviations / largest).sum())
    reach = float(stdtrit(g - 1, 0.5 + LEVEL / 2) * deviation)
    return max(value - reach, bounds[0]), min(value + reach, bounds[1])

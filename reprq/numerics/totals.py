"""Sums over the columns alone, where no metric asks how columns vary together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reprq.numerics.moments import Moments


@dataclass(frozen=True, eq=False)
class Totals:
    """What `Moments` holds, less the second moment but for its diagonal.

    Attributes:
        n: Rows.
        mean: (d,) the column means.
        scatter_diagonal: (d,) sums of squared deviations.
        unit_sum: (d,) the sum of x / |x| over the rows that are not zero.
        zero_rows: How many rows are all zero.
    """

    n: int
    mean: NDArray[np.float64]
    scatter_diagonal: NDArray[np.float64]
    unit_sum: NDArray[np.float64]
    zero_rows: int


def totals_less_each(groups: Sequence[Moments]) -> Iterator[Totals]:
    """Yield the totals of all the groups but one, for each of them, without taking anything away."""
    diagonals = [group.scatter_diagonal for group in groups]
    for left_out in range(len(groups)):
        kept = [number for number in range(len(groups)) if number != left_out]
        n = sum(groups[number].n for number in kept)
        mean = sum((groups[number].n / n * groups[number].mean for number in kept), np.zeros(groups[0].d))
        spreads = (diagonals[number] + groups[number].n * np.square(groups[number].mean - mean) for number in kept)
        yield Totals(
            n,
            mean,
            sum(spreads, np.zeros(groups[0].d)),
            sum((groups[number].unit_sum for number in kept), np.zeros(groups[0].d)),
            sum(groups[number].zero_rows for number in kept),
        )

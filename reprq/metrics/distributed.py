"""Linear CKA of representations whose rows lie on many machines (dask arrays)."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from reprq.errors import InputError
from reprq.metrics.hsic import alignment, unbiased_hsic
from reprq.numerics.cross_moments import CrossMoments, Pair, cross_moments


def linear_cka_of_blocks(named: Mapping[str, Any], pairs: Iterable[Pair], debiased: bool) -> dict[Pair, float]:
    """Return the linear CKA of pairs of representations from sums over their blocks, computed in float64.

    Args:
        named: What errors call each, to its array; at least one is dask's.
        pairs: Numbers (i, j), i < j, of representations.
        debiased: Whether to take the unbiased HSIC.

    Raises:
        InputError: as `reprq.numerics.cross_moments.cross_moments`; too few rows; the rows of one are all equal; or
            values whose fourth powers leave float64.
    """
    names, wanted = list(named), sorted(set(pairs))
    sums = cross_moments(named, [*((i, i) for i in range(len(names))), *wanted])
    least = 4 if debiased else 2
    if sums.n < least:
        raise InputError(f"{names[0]} must have at least {least} rows, got {sums.n}; give more embeddings")
    for name, squares in zip(names, sums.squares, strict=True):
        if squares == 0:
            raise InputError(f"{name} must have rows that differ, got all rows equal: it has no similarity to anything")
    found = {pair: _hsic(pair, sums, debiased) for pair in sums.products}
    if not np.isfinite(list(found.values())).all():
        raise InputError(f"{names[0]} must have differences whose fourth powers float64 can hold; rescale it")
    return {(i, j): alignment(found[i, j], (found[i, i], found[j, j]), (names[i], names[j])) for i, j in wanted}


def check_summable(kernel: str, batch_size: int | None = None) -> None:
    """Raise an `InputError` for a CKA that is no sum over blocks of rows."""
    if kernel != "linear":
        raise InputError(
            f"kernel must be 'linear' for dask arrays, got {kernel!r}, which compares every two rows; give a sample of"
            " the rows, such as x[:5000].compute()"
        )
    if batch_size is not None:
        raise InputError(f"batch_size must be None for dask arrays, whose blocks bound memory, got {batch_size}")


def _hsic(pair: Pair, sums: CrossMoments, debiased: bool) -> float:
    with np.errstate(over="ignore", invalid="ignore"):  # seen above
        product = float(np.vdot(sums.products[pair], sums.products[pair]))
        if not debiased:
            return product / (sums.n - 1) ** 2
        i, j = pair
        return unbiased_hsic(product, sums.dots[pair], float(sums.squares[i] * sums.squares[j]), sums.n)

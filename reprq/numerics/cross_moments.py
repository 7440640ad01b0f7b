"""Sums over the same rows of several matrices, from which linear CKA follows: they merge across blocks and machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.numerics.dask_arrays import reduce_blocks
from reprq.validation import as_matrix

Vector = NDArray[np.float64]
Pair = tuple[int, int]  # numbers of two matrices


@dataclass(frozen=True, eq=False)
class CrossMoments:
    """Of matrices less their column means, float64.

    Attributes:
        n: Rows.
        products: (i, j) to the (d_i, d_j) sum over rows of x_i x_j^T.
        dots: (i, j) to the sum over rows of |x_i|^2 |x_j|^2.
        squares: (number of matrices,) the sum over rows of |x_i|^2.
    """

    n: int
    products: Mapping[Pair, NDArray[np.float64]]
    dots: Mapping[Pair, float]
    squares: Vector

    def __sizeof__(self) -> int:
        """Return the bytes that are held, by which dask plans what to move."""
        return sum(product.nbytes for product in self.products.values())

    def merge(self, other: "CrossMoments") -> "CrossMoments":
        """Return the sums over the rows of both, about the same means."""
        with np.errstate(invalid="ignore"):  # inf - inf is seen in the sums
            products = {pair: product + other.products[pair] for pair, product in self.products.items()}
        dots = {pair: dot + other.dots[pair] for pair, dot in self.dots.items()}
        return CrossMoments(self.n + other.n, products, dots, self.squares + other.squares)


def cross_moments(named: Mapping[str, Any], pairs: Sequence[Pair]) -> CrossMoments:
    """Return the sums over the rows of dask arrays of the same samples, each block where it lies.

    The rows are read twice, for the means and for the products of deviations from them. A worker holds the products of
    all the pairs for one block, and these are what travels: 8 bytes times the sum of d_i d_j over pairs.

    Args:
        named: What errors call each matrix, to a dask array, or to any other that fits into memory; one is dask's.
        pairs: Of which matrices the products are wanted.

    Raises:
        InputError: a matrix is not finite or not 2-d, or they differ in rows.
    """
    names, arrays = list(named), list(named.values())
    n, means = reduce_blocks(arrays, names, partial(_means_of, names), _joined_means)
    if n == 0:
        raise InputError(f"{names[0]} must have at least 1 row, got none; give embeddings")
    return reduce_blocks(arrays, names, partial(_products_of, means, pairs), CrossMoments.merge)


def _means_of(names: list[str], number: int, *blocks: Any) -> tuple[int, list[Vector]]:
    rows = [as_matrix(x, f"block {number} of {name}", min_rows=0) for x, name in zip(blocks, names, strict=True)]
    n = len(rows[0])
    if n == 0:
        return 0, [np.zeros(x.shape[1]) for x in rows]
    return n, [x[0] + np.subtract(x, x[0], dtype=np.float64).mean(axis=0) for x in rows]  # exact for a constant column


def _joined_means(one: tuple[int, list[Vector]], other: tuple[int, list[Vector]]) -> tuple[int, list[Vector]]:
    n = one[0] + other[0]
    if one[0] == 0 or other[0] == 0:
        return one if other[0] == 0 else other
    return n, [a + (b - a) * (other[0] / n) for a, b in zip(one[1], other[1], strict=True)]


def _products_of(means: list[Vector], pairs: Sequence[Pair], number: int, *blocks: Any) -> CrossMoments:
    rows = [np.subtract(x, mean, dtype=np.float64) for x, mean in zip(blocks, means, strict=True)]
    with np.errstate(over="ignore", invalid="ignore"):  # an inf is seen in the sums
        squares = [np.vecdot(x, x) for x in rows]
        return CrossMoments(
            len(rows[0]),
            {(i, j): rows[i].T @ rows[j] for i, j in pairs},
            {(i, j): float(squares[i] @ squares[j]) for i, j in pairs},
            np.array([x.sum() for x in squares]),
        )

"""Many small positive definite systems at once: each step of the factor is taken for hundreds of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TOGETHER = 384  # systems: of fewer the steps are too short, of more they leave the caches


def solve_leading(matrices: Array, right: Array, sizes: Sequence[int]) -> list[Array]:
    """Solve many small systems, and those of their leading blocks, by one Cholesky factor each.

    The factor of a leading block is the leading block of the factor. So with A = U^T U and Z = U^-T B, the solution of
    the first s rows and columns is U_ss^-1 Z_s: A is factored once, whatever the sizes. LAPACK is called once a system
    by `np.linalg.solve`; here a step is taken for all, which for up to some 40 rows is faster. Systems come last, so
    that what a step takes lies together in memory; some `TOGETHER` at a time are best.

    Args:
        matrices: (n, n, S) float64, symmetric and positive definite; only the upper triangles are used.
        right: (n, m, S) float64.
        sizes: The leading blocks to solve, each from 1 to n.

    Returns:
        A (s, m, S) float64 array for each size s, to rounding what `np.linalg.solve` gives.

    Raises:
        numpy.linalg.LinAlgError: a matrix is not positive definite.

    Example:
        >>> matrix, right = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[2.0], [6.0]])
        >>> leading, whole = solve_leading(matrix[..., None], right[..., None], [1, 2])
        >>> leading.ravel().round(9), whole.ravel().round(9)
        (array([1.]), array([0., 2.]))
    """
    n = len(matrices)
    factors = _eliminated(np.concatenate([matrices, right], axis=1))
    return [_substituted(factors[:size, :size], factors[:size, n:]) for size in sizes]


def _eliminated(rows: Array) -> Array:
    """Of A and beside it B the upper factors U and U^-T B, in their place; below the diagonal stands what is unused."""
    for j, row in enumerate(rows):
        if j:
            row[j:] -= np.einsum("kb,kib->ib", rows[:j, j], rows[:j, j:])
        if not (row[j] > 0).all():
            raise np.linalg.LinAlgError("a matrix is not positive definite")
        row[j:] /= np.sqrt(row[j])
    return rows


def _substituted(factors: Array, right: Array) -> Array:
    """The solutions x of U x = z, (s, m, S), for U (s, s, S) and z (s, m, S)."""
    found = right.copy()
    for j in reversed(range(len(found))):
        found[j] -= np.einsum("kb,kib->ib", factors[j, j + 1 :], found[j + 1 :])
        found[j] /= factors[j, j]
    return found

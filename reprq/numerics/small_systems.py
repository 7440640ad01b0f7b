"""Many small positive definite systems at once: each step of the factor is taken for hundreds of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TOGETHER = 384  # systems: of fewer the steps are too short, of more they leave the caches


def solve_leading(matrices: Array, right: Array, sizes: Sequence[int]) -> list[Array]:
    """Solve many small systems, and those of their leading blocks, by one Cholesky factor each.

    The factor of a leading block is the leading block of the factor. So with A = U^T U and Z = U^-T B, the solution of
    the first s rows and columns is U_ss^-1 Z_s: A is factored once, whatever the sizes. LAPACK is called once a system
    by `np.linalg.solve`; here a step is taken for all, which for up to some 40 rows is faster.

    Args:
        matrices: (..., n, n) float64, symmetric and positive definite; only the upper triangles are used.
        right: (..., n, m) float64.
        sizes: The leading blocks to solve, each from 1 to n.

    Returns:
        A (..., s, m) float64 array for each size s, to rounding what `np.linalg.solve` gives.

    Raises:
        numpy.linalg.LinAlgError: a matrix is not positive definite.

    Example:
        >>> leading, whole = solve_leading(np.array([[[2.0, 1.0], [1.0, 3.0]]]), np.array([[[2.0], [6.0]]]), [1, 2])
        >>> leading.ravel().round(9), whole.ravel().round(9)
        (array([1.]), array([0., 2.]))
    """
    n, m = right.shape[-2:]
    flat, of = matrices.reshape(-1, n, n), right.reshape(-1, n, m)
    found = [np.empty((len(flat), size, m)) for size in sizes]
    for start in range(0, len(flat), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        factors = _eliminated(flat[some], of[some])
        for size, solutions in zip(sizes, found, strict=True):
            solutions[some] = _substituted(factors[:size, :size], factors[:size, n:])
    return [solutions.reshape(*right.shape[:-2], *solutions.shape[1:]) for solutions in found]


def _eliminated(matrices: Array, right: Array) -> Array:
    """The upper factors U and beside them U^-T B, (n, n + m, systems); below the diagonal stands what is not used."""
    n, m = right.shape[1:]
    rows = np.empty((n, n + m, len(matrices)))
    rows[:, :n], rows[:, n:] = matrices.transpose(1, 2, 0), right.transpose(1, 2, 0)
    for j, row in enumerate(rows):
        row[j:] -= np.einsum("kb,kib->ib", rows[:j, j], rows[:j, j:])
        if not (row[j] > 0).all():
            raise np.linalg.LinAlgError("a matrix is not positive definite")
        row[j:] /= np.sqrt(row[j])
    return rows


def _substituted(factors: Array, right: Array) -> Array:
    """The solutions x of U x = z, (systems, s, m), for U (s, s, systems) and z (s, m, systems)."""
    found = right.copy()
    for j in reversed(range(len(found))):
        found[j] -= np.einsum("kb,kib->ib", factors[j, j + 1 :], found[j + 1 :])
        found[j] /= factors[j, j]
    return found.transpose(2, 0, 1)

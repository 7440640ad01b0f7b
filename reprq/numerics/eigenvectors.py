"""Eigenvectors of a second moment that was reduced to tridiagonal form: all of them, some, or their products."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from reprq.numerics.blas import products, tridiagonal_eigenvectors
from reprq.numerics.threads import in_threads

Floats = NDArray[np.float64]
_SHARE = 4  # a part of all eigenvectors from which all are computed, and kept


class Eigenvectors:
    """The eigenvectors of one second moment, in the order of the descending eigenvalues.

    They are the product of two (d, d) matrices, which is computed in part or in whole, as it is asked for.

    Args:
        basis: What takes the second moment to tridiagonal form.
        turned: The eigenvectors of that form, of the ascending eigenvalues.
    """

    def __init__(self, basis: Floats, turned: Floats) -> None:
        self._basis, self._turned = basis, turned

    @cached_property
    def all(self) -> Floats:
        """(d, d), in column order."""
        return self._product(self._turned[:, ::-1])

    def columns(self, which: NDArray[np.int64]) -> Floats:
        """Return some of them, (d, r) in column order."""
        if _SHARE * len(which) > len(self._basis):
            return np.asfortranarray(self.all[:, which])
        return self._product(self._turned[:, len(self._turned) - 1 - which])

    def along(self, vectors: Floats) -> Floats:
        """Return the products of each with the columns of (d, r) vectors, (d, r)."""
        return products(self._turned.T, products(self._basis.T, vectors))[::-1]

    def _product(self, turned: Floats) -> Floats:
        found: Floats = blas.dgemm(1.0, self._basis, np.asfortranarray(turned))
        return found


def of_tridiagonals(diagonals: Sequence[Floats], off: Floats) -> list[Floats]:
    """Return the eigenvectors of tridiagonal matrices of one off-diagonal, (d, d) each, at once on several threads."""
    found: list[Floats] = [np.ones((1, 1))] * len(diagonals)
    if not len(off):
        return found

    def work(some: slice) -> None:
        for number in range(len(diagonals))[some]:
            found[number] = tridiagonal_eigenvectors(diagonals[number], off)

    in_threads(work, len(diagonals), 1)
    return found

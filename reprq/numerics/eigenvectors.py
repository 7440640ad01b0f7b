"""Eigenvectors of a second moment that was reduced to tridiagonal form: all of them, some, or their products."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from reprq.numerics.blas import products, tridiagonal_eigenvectors
from reprq.numerics.threads import in_threads

Floats = NDArray[np.float64]
_TOGETHER = 1024  # eigenvectors of one product
_SHARE = 4  # a part of all eigenvectors from which all are computed, and kept


class Space:
    """Memory that the eigenvectors of several second moments work in: new memory takes as long as some of the products.

    Args:
        d: Columns of the second moments.

    Attributes:
        total: (d, d) in column order, a sum over eigenvectors.
        vectors: (d, d) in column order, all eigenvectors of one second moment.
        owner: Whose they are.
    """

    def __init__(self, d: int) -> None:
        self.total, self.vectors = (np.empty((d, d), order="F") for _ in range(2))
        self.owner: object = None


class Eigenvectors:
    """The eigenvectors of one second moment, in the order of the descending eigenvalues.

    They are the product of two (d, d) matrices, which is computed in part or in whole, as it is asked for.

    Args:
        basis: What takes the second moment to tridiagonal form.
        turned: The eigenvectors of that form, of the ascending eigenvalues.
        space: Where to work; what stands there is computed anew where others have worked since.
    """

    def __init__(self, basis: Floats, turned: Floats, space: Space) -> None:
        self._basis, self._turned, self._space = basis, turned, space

    def columns(self, which: NDArray[np.int64]) -> Floats:
        """Return some of them, (d, r) in column order."""
        ascending = len(self._basis) - 1 - which
        if self._space.owner is self or _SHARE * len(which) > len(self._basis):
            return np.take(self._all().T, ascending, axis=0).T
        found: Floats = blas.dgemm(1.0, self._basis, np.asfortranarray(self._turned[:, ascending]))
        return found

    def along(self, vectors: Floats) -> Floats:
        """Return the products of each with the columns of (d, r) vectors, (d, r)."""
        return products(self._turned.T, products(self._basis.T, vectors))[::-1]

    def weighted(self, weights: Floats) -> Floats:
        """Return the sum of weight_j v_j v_j', (d, d) of which the lower triangle counts, until the next call.

        Args:
            weights: (d,).
        """
        total = self._space.total
        total[:] = 0.0
        used = np.flatnonzero(weights)
        if _SHARE * len(used) > len(self._basis):
            self._all()
        for sign in (1.0, -1.0):
            some = used[sign * weights[used] > 0]
            for start in range(0, len(some), _TOGETHER):
                which = some[start : start + _TOGETHER]
                part = self.columns(which)
                part *= np.sqrt(np.abs(weights[which]))
                blas.dsyrk(sign, part, beta=1.0, c=total, lower=1, overwrite_c=1)
        return total

    def _all(self) -> Floats:
        """All of them, in ascending order of the eigenvalues."""
        if self._space.owner is not self:
            blas.dgemm(1.0, self._basis, self._turned, c=self._space.vectors, overwrite_c=1)
            self._space.owner = self
        return self._space.vectors


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

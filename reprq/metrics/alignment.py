"""Centred kernel alignment: do two representations place the same samples alike?"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.validation import as_matrix

Kernel = Literal["linear"]
Matrix = NDArray[np.float64]


def cka(x: Any, y: Any, kernel: Kernel = "linear", debiased: bool = False) -> float:
    """Return the centred kernel alignment HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)) of two representations.

    With the linear kernel and centred columns HSIC(X, Y) is |X^T Y|_F^2 up to a factor that cancels; it is computed
    so, or from the n x n Gram matrices where that is less work. Debiased, HSIC is the U-statistic of Song et al.

    Args:
        x: (n, d1) array or tensor, or an object whose `array` is one.
        y: (n, d2), the same samples in the same order.
        kernel: "linear".
        debiased: Whether to take the unbiased HSIC, which independent representations bring to about 0 at any n and d.

    Returns:
        Biased: 0 to 1. Debiased: at most 1, and below 0 where the representations agree less than chance. Higher is
        more alike; 1 is the same up to rotation, scale and shift.

    Raises:
        InputError: x or y is not a finite matrix, they differ in rows, there are fewer than 2 rows (debiased: 4), the
            rows of one are all equal, or (debiased) the HSIC of one with itself is not positive.

    References:
        Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019, equation 4; Song et al.,
        "Feature Selection via Dependence Maximization", JMLR 2012, equation 5.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).standard_normal((50, 3))
        >>> round(cka(x, 2 * x[:, ::-1] + 1), 6)
        1.0
    """
    if kernel != "linear":
        raise InputError(f"kernel must be 'linear', got {kernel!r}")
    a = _centred(x, "x", 4 if debiased else 2)
    b = _centred(y, "y", 4 if debiased else 2)
    if len(a) != len(b):
        raise InputError(f"y must have {len(a)} rows as x, one for each sample, got {len(b)}")
    own = [_hsic(z, z, debiased) for z in (a, b)]
    for value, z, name in zip(own, (a, b), "xy", strict=True):
        if value <= 1e-12 * np.square(z).sum() ** 2:  # nothing is left but rounding
            raise InputError(
                f"{name} must have an HSIC with itself that is positive, got {value:.3g} from {len(a)} rows;"
                " give more samples, or take the biased estimate"
            )
    ratio = _hsic(a, b, debiased) / np.sqrt(own[0] * own[1])
    return float(min(ratio, 1.0))


def _centred(x: Any, name: str, min_rows: int) -> Matrix:
    """Return x as float64 less its column means, scaled so that no square under- or overflows."""
    matrix = as_matrix(getattr(x, "array", x), name, min_rows=min_rows).astype(np.float64)
    matrix -= matrix[0]
    matrix -= matrix.mean(axis=0)
    largest = float(np.abs(matrix).max())
    if largest == 0:
        raise InputError(f"{name} must have rows that differ, got all rows equal: it has no similarity to anything")
    matrix /= largest
    return matrix


def _hsic(a: Matrix, b: Matrix, debiased: bool) -> float:
    """Return the linear HSIC of two centred matrices, times (n - 1)^2 (biased) or n (n - 3) (debiased).

    The unbiased estimate drops the diagonals of both kernels; as the rows of a centred kernel sum to zero, all its
    other sums follow from the diagonals k and l: tr KL = |A^T B|^2 - k.l, 1K1 = -sum k, 1KL1 = k.l.
    """
    n = len(a)
    product = _squared_product(a, b)
    if not debiased:
        return product
    k, l_ = np.vecdot(a, a), np.vecdot(b, b)
    both = float(k @ l_)
    return product - both + float(k.sum() * l_.sum()) / ((n - 1) * (n - 2)) - 2 * both / (n - 2)


def _squared_product(a: Matrix, b: Matrix) -> float:
    """Return |A^T B|_F^2 = tr(A A^T B B^T), the way that costs less."""
    n, features = len(a), a.shape[1] * b.shape[1]
    if features <= n * (a.shape[1] + b.shape[1]):
        return float(np.square(a.T @ b).sum())
    return float(np.vdot(a @ a.T, b @ b.T))

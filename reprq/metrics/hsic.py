"""The formulas of CKA that do not depend on where the rows are."""

import numpy as np

from reprq.errors import InputError


def unbiased_hsic(product: float, both: float, sums: float, n: int) -> float:
    """Return the unbiased HSIC of two centered kernels K and L.

    It drops the diagonals k and l of both; as the rows of a centered kernel sum to zero, all its other sums follow from
    them: 1K1 = -sum k, 1KL1 = k.l.

    Args:
        product: tr K L with the diagonals.
        both: k.l.
        sums: (sum k) (sum l).
        n: Rows, at least 4.

    References:
        Song et al., "Feature Selection via Dependence Maximization", JMLR 2012, equation 5.
    """
    value = product - both + sums / ((n - 1) * (n - 2)) - 2 * both / (n - 2)
    return value / (n * (n - 3)) if abs(value) > 1e-12 * sums else 0.0  # nothing is left but rounding


def alignment(both: float, own: tuple[float, float], names: tuple[str, str]) -> float:
    """Return HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)), at most 1.

    Args:
        both: HSIC(X, Y).
        own: HSIC(X, X) and HSIC(Y, Y).
        names: What errors call x and y.

    Raises:
        InputError: the HSIC of one with itself is not positive.
    """
    for name, value in zip(names, own, strict=True):
        if value <= 0:
            raise InputError(
                f"{name} must have a positive HSIC with itself, got {value:.3g}: its rows hardly differ, or n"
                " is too small for the debiased estimate; give more samples"
            )
    return float(min(both / (np.sqrt(own[0]) * np.sqrt(own[1])), 1.0))

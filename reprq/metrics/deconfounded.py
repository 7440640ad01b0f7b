"""CKA without what two representations share because they see the same input."""

from typing import Any

import numpy as np

from reprq.errors import InputError
from reprq.numerics.pairs import Matrix, centred_rows, check_paired
from reprq.numerics.tensors import host

_ROUNDING = 1e-12  # of a squared norm


def deconfounded_cka(x: Any, y: Any, confounder: Any) -> float:
    """Return the CKA of two representations whose similarities are freed of those of a confounder, such as the input.

    With K, L and K0 the centered linear kernels of x, y and the confounder, K' = K - a K0 with
    a = <K0, K> / |K0|^2, L' likewise, and the value is <K', L'> / (|K'| |L'|), a Frobenius product and norms. K' need
    not be positive.

    It fails where the confounder is no cause: whatever lies along K0 is taken away, also what a network has learned
    about it. Where nearly all of K is that of the input, as in a first layer, what is left is small and noisy. Biased
    as CKA is: with n below d unrelated rows do not reach 0.

    Args:
        x: (n, d1) array or tensor, or an object whose `array` is one.
        y: (n, d2), the same samples in the same order.
        confounder: (n, d0), what both see: pixels, columns, counts of words.

    Returns:
        From -1 to 1; 1 is alike beyond the confounder, 0 unrelated.

    Raises:
        InputError: one is not a finite matrix of at least 2 rows, they differ in rows, the rows of one are all equal,
            or nothing of x or y is left beside the confounder.

    References:
        Cui et al., "Deconfounded Representation Similarity for Comparison of Neural Networks", NeurIPS 2022, equations
        7 to 9. Deviation: kernels are centered before the confounder is taken away, so that what is left of each is
        orthogonal to it.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> shared, own, other = rng.standard_normal((3, 300, 4))
        >>> x, y = np.hstack([shared, own]), np.hstack([shared, other])
        >>> round(deconfounded_cka(x, y, shared), 1), round(deconfounded_cka(x, x + 1, shared), 1)
        (0.0, 1.0)
    """
    rows = {name: host(centred_rows(z, name)) for name, z in (("x", x), ("y", y), ("confounder", confounder))}
    for name, own in rows.items():
        check_paired(rows["x"], own, "x", name)
    common = _kernel(rows["confounder"], "confounder")
    left = {name: _freed(_kernel(rows[name], name), common, name) for name in ("x", "y")}
    return float(np.clip(np.vdot(left["x"], left["y"]), -1.0, 1.0))


def _kernel(rows: Matrix, name: str) -> Matrix:
    """The linear kernel of centered rows, of norm 1."""
    kernel: Matrix = rows @ rows.T
    size = float(np.linalg.norm(kernel))
    if size <= 0:
        raise InputError(f"{name} must have rows that differ, got all rows equal")
    return kernel / size


def _freed(kernel: Matrix, common: Matrix, name: str) -> Matrix:
    """What is left of a kernel of norm 1 beside the confounder's, of norm 1 again."""
    rest: Matrix = kernel - float(np.vdot(common, kernel)) * common
    size = float(np.linalg.norm(rest))
    if size**2 <= _ROUNDING:
        raise InputError(f"{name} must have similarities beyond those of the confounder, got the same up to scale")
    return rest / size

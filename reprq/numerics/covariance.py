"""Covariance estimates and their inverse square roots, as pure functions of arrays."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh

from reprq.errors import InputError
from reprq.numerics.rows import column_means
from reprq.numerics.tensors import Rows, beside, is_tensor, spread

Array = NDArray[np.float64]

_BLOCK = 4096
_SMALLEST = 1e-280  # fourth power of a length whose digits float64 still holds


class CentralMoments(NamedTuple):
    """Mean, covariance and mean fourth power of the length of centered rows.

    Attributes:
        mean: (d,).
        covariance: (d, d), divided by n.
        fourth: mean of |x - mean|^4.
    """

    mean: Array
    covariance: Array
    fourth: float


class Whitening(NamedTuple):
    r"""An inverse square root W of a covariance: \|(x - mean) W\|^2 is the squared Mahalanobis distance.

    Attributes:
        matrix: (d, r) W, where W Wᵀ is the (pseudo-)inverse of the covariance; (d,) where it is diagonal.
        rank: How many directions W keeps.
    """

    matrix: Array
    rank: int

    def __call__(self, centred: Rows) -> Rows:
        """Whiten (m, d) centered rows, where they are."""
        matrix = beside(centred, self.matrix)
        return centred @ matrix if matrix.ndim == 2 else centred * matrix


def central_moments(x: Rows) -> CentralMoments:
    """Mean, covariance (1 / n) and fourth moment, centered first and accumulated in float64 blocks.

    Args:
        x: (n, d), any floating dtype; a tensor on a GPU is summed there.

    Raises:
        InputError: the values are too large to square, or their differences too small.

    Example:
        >>> central_moments(np.array([[0.0], [2.0]])).covariance
        array([[1.]])
    """
    n, d = x.shape
    if is_tensor(x):
        mean, covariance, squares = spread(x)
        fourth = float(np.sum(squares**2))
    else:
        mean = column_means(x)
        covariance, fourth = np.zeros((d, d)), 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, n, _BLOCK):
                block = x[start : start + _BLOCK] - mean
                covariance += block.T @ block
                fourth += float(np.sum(np.einsum("ij,ij->i", block, block) ** 2))
    if not np.isfinite(fourth):
        raise InputError("X has values too large for a covariance in float64; rescale it")
    if covariance.any() and fourth < _SMALLEST:
        raise InputError("X has differences too small for a covariance in float64; rescale it")
    return CentralMoments(mean, covariance / n, fourth / n)


def ledoit_wolf_shrinkage(covariance: Array, fourth: float, n: int) -> float:
    """Weight of the identity in (1 - s) S + s tr(S) / d I that minimizes the expected Frobenius error.

    Ledoit & Wolf (2004), equation 14 and Lemmas 3.2 to 3.4: s = min(b, delta) / delta with delta = |S - mu I|^2 and
    b = sum_k |x_k x_kᵀ - S|^2 / n^2 = (mean |x|^4 - |S|^2) / n, in Frobenius norms; b needs no further product.

    Args:
        covariance: (d, d) S, divided by n.
        fourth: Mean of |x - mean|^4.
        n: Number of rows.

    Returns:
        The shrinkage in [0, 1]; 0 where S is a multiple of the identity already.
    """
    d = len(covariance)
    delta = float(np.sum((covariance - np.trace(covariance) / d * np.eye(d)) ** 2))
    spread = (fourth - float(np.sum(covariance**2))) / n
    return min(max(spread, 0.0), delta) / delta if delta > 0.0 else 0.0


def oas_shrinkage(covariance: Array, n: int) -> float:
    """Oracle approximating shrinkage (Chen et al. 2010, equation 23), as scikit-learn simplifies it.

    With mu = tr(S) / d and a = mean of the squared entries of S: s = min(1, (a + mu^2) / ((n + 1) (a - mu^2 / d))).
    The paper's factor 1 - 2 / d is dropped, as scikit-learn does.

    Args:
        covariance: (d, d) S, divided by n.
        n: Number of rows.
    """
    d = len(covariance)
    mu = float(np.trace(covariance)) / d
    squares = float(np.mean(covariance**2))
    excess = (n + 1.0) * (squares - mu**2 / d)
    return min(1.0, (squares + mu**2) / excess) if excess > 0.0 else 1.0


def shrink(covariance: Array, shrinkage: float) -> Array:
    """Return (1 - s) S + s tr(S) / d I."""
    shrunk = (1.0 - shrinkage) * covariance
    np.einsum("ii->i", shrunk)[:] += shrinkage * np.trace(covariance) / len(covariance)
    return shrunk


def _whiten_definite(covariance: Array) -> Whitening:
    """W = L⁻ᵀ of a well-conditioned covariance L Lᵀ.

    Raises:
        LinAlgError: the covariance is not positive definite to working precision.
    """
    factor = scipy.linalg.cholesky(covariance, lower=True, check_finite=False)
    inverse, _ = scipy.linalg.lapack.dtrtri(factor, lower=1)
    return Whitening(np.ascontiguousarray(inverse.T), len(covariance))


def whiten(covariance: Array, n: int) -> Whitening:
    """W by Cholesky where that is provably of full rank by the rule of `whiten_pseudo`, else by `whiten_pseudo`.

    The condition number is at most tr(S) |W|^2 (Frobenius norm), which costs nothing beside the eigenvalues.
    """
    try:
        found = _whiten_definite(covariance)
    except np.linalg.LinAlgError:
        return whiten_pseudo(covariance, n)
    bound = float(np.trace(covariance)) * float(np.sum(found.matrix**2))
    return found if bound * max(n, len(covariance)) * np.finfo(np.float64).eps < 1.0 else whiten_pseudo(covariance, n)


def whiten_pseudo(covariance: Array, n: int) -> Whitening:
    """W of the pseudo-inverse: eigenvalues up to max(n, d) eps times the largest count as zero and are left out."""
    values, vectors = scipy.linalg.eigh(covariance, driver="evd", check_finite=False)
    kept = values > max(n, len(covariance)) * np.finfo(np.float64).eps * values[-1]
    return Whitening(np.ascontiguousarray(vectors[:, kept] / np.sqrt(values[kept])), int(kept.sum()))


def whiten_diagonal(found: CentralMoments, n: int) -> Whitening:
    """W of the variances alone; a column whose variance is rounding error of its mean counts as constant."""
    variances = np.diag(found.covariance)
    kept = variances > (n * np.finfo(np.float64).eps * found.mean) ** 2
    return Whitening(np.sqrt(np.divide(1.0, variances, out=np.zeros_like(variances), where=kept)), int(kept.sum()))


def condition_number(covariance: Array, whitening: Whitening) -> float:
    r"""Largest over smallest non-zero eigenvalue, as \|S\| \|Wᵀ W\| in the spectral norm, by Lanczos for large S."""
    w = whitening.matrix
    if w.ndim == 1:
        return float((w.max() / w[w > 0.0].min()) ** 2)
    return _norm(covariance.__matmul__, len(covariance)) * _norm(lambda v: w.T @ (w @ v), w.shape[1])


def _norm(multiply: Callable[[Array], Array], size: int) -> float:
    """Largest eigenvalue of a symmetric positive semi-definite operator."""
    if size <= 100:
        return float(np.linalg.eigvalsh(multiply(np.eye(size)))[-1])
    operator = LinearOperator((size, size), matvec=multiply, dtype=np.float64)
    start = np.random.default_rng(0).normal(size=size)
    return float(eigsh(operator, k=1, v0=start, tol=1e-8, return_eigenvectors=False)[0])

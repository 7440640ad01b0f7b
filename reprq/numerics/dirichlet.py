"""Dirichlet distributions of class probabilities, fitted by maximum likelihood."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, polygamma, xlogy

Array = NDArray[np.float64]

_LEAST, _MOST = 1e-6, 1e6
_ROUNDS, _TOLERANCE = 100, 1e-10


def fit_dirichlet(mean: Array, mean_log: Array) -> Array:
    """Return the concentration of a Dirichlet distribution that makes observed probabilities most likely.

    The log-likelihood is concave; it is climbed by Newton's method, whose Hessian is a diagonal and a rank-one matrix
    (Minka 2000), from the approximation of Wicker et al. (2008). Where the probabilities hardly vary it has no maximum,
    and the sum of the concentration ends at about 1e6.

    Args:
        mean: (K,) of the probabilities p_k over observations.
        mean_log: (K,) of log p_k.

    Returns:
        (K,) positive.

    Example:
        >>> p = np.random.default_rng(0).dirichlet([2.0, 5.0, 1.0], size=20_000)
        >>> fit_dirichlet(p.mean(0), np.log(p).mean(0)).round()
        array([2., 5., 1.])
    """
    narrow = float((xlogy(mean, mean) - mean * mean_log).sum())
    total = (len(mean) - 1) * -digamma(1.0) / max(narrow, 1e-12)
    alpha = np.clip(mean * min(total, _MOST), _LEAST, None)
    value = _likelihood(alpha, mean_log)
    for _ in range(_ROUNDS):
        step, share, gained = _newton(alpha, mean_log), 1.0, -1.0
        while gained < 0 and share > _LEAST:
            moved = np.maximum(alpha + share * step, alpha / 10)  # a step may not leave the positive numbers
            gained, share = _likelihood(moved, mean_log) - value, share / 2
        if gained < 0 or moved.sum() > _MOST:
            break
        alpha, value = moved, value + gained
        if gained <= _TOLERANCE * max(1.0, abs(value)):
            break
    return alpha


def _likelihood(alpha: Array, mean_log: Array) -> float:
    """The mean log-density of the observations."""
    return float(gammaln(alpha.sum()) - gammaln(alpha).sum() + ((alpha - 1) * mean_log).sum())


def _newton(alpha: Array, mean_log: Array) -> Array:
    """Minus the inverse Hessian times the gradient."""
    gradient = digamma(alpha.sum()) - digamma(alpha) + mean_log
    q, z = -polygamma(1, alpha), polygamma(1, alpha.sum())
    b = (gradient / q).sum() / (1 / z + (1 / q).sum())
    step: Array = -(gradient - b) / q
    return step

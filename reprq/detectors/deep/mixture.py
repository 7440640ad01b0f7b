"""The Gaussian mixture of DAGMM: from soft memberships to parameters, and from parameters to energy."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from reprq.errors import InputError


class Mixture(NamedTuple):
    """A Gaussian mixture of K components in d dimensions.

    Attributes:
        weights: (K,) phi, which sums to 1.
        means: (K, d) mu.
        covariances: (K, d, d) Sigma.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor


def mixture_of(z: Tensor, memberships: Tensor) -> Mixture:
    """Return the mixture of (n, d) rows with (n, K) soft memberships, in their dtype (Zong et al. 2018, equation 5).

    Example:
        >>> z = torch.tensor([[0.0], [2.0], [5.0]], dtype=torch.float64)
        >>> mixture_of(z, torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)).means.tolist()
        [[1.0], [5.0]]
    """
    total = memberships.sum(0).clamp_min(torch.finfo(z.dtype).tiny)
    means = memberships.T @ z / total[:, None]
    centered = z[:, None] - means
    covariances = torch.einsum("nk,nki,nkj->kij", memberships, centered, centered) / total[:, None, None]
    return Mixture(total / len(z), means, covariances)


def energy(z: Tensor, mixture: Mixture, ridge: float = 0.0) -> Tensor:
    """Return -log sum_k phi_k N(z; mu_k, Sigma_k + ridge I) of (n, d) rows, in nats: (n,) (equation 6).

    Raises:
        InputError: A covariance is singular in spite of the ridge.
    """
    d = z.shape[1]
    regularized = mixture.covariances + ridge * torch.eye(d, dtype=z.dtype, device=z.device)
    factors, failed = torch.linalg.cholesky_ex(regularized)
    if bool(failed.any()):
        _refuse(regularized.detach(), int(failed.ne(0).nonzero()[0]), ridge)
    centered = (z[:, None] - mixture.means).movedim(0, -1)  # (K, d, n)
    squared = torch.linalg.solve_triangular(factors, centered, upper=False).square().sum(1)
    log_det = factors.diagonal(dim1=1, dim2=2).log().sum(1)
    logs = mixture.weights.log() - log_det - d / 2 * math.log(2 * math.pi)
    return -torch.logsumexp(logs[:, None] - squared / 2, dim=0)


def smallest_eigenvalues(mixture: Mixture) -> Tensor:
    """Return the smallest eigenvalue of each covariance: (K,)."""
    values: Tensor = torch.linalg.eigvalsh(mixture.covariances)
    return values[:, 0]


def check_regular(mixture: Mixture, ridge: float = 0.0) -> None:
    """Raise an InputError where Sigma_k + ridge I is singular, or its inverse would be rounding.

    Example:
        >>> check_regular(Mixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None]))
    """
    d = mixture.means.shape[1]
    regularized = mixture.covariances + ridge * torch.eye(d, dtype=mixture.means.dtype, device=mixture.means.device)
    values = torch.linalg.eigvalsh(regularized)
    singular = values[:, 0] <= d * torch.finfo(values.dtype).eps * values[:, -1]
    if bool(singular.any()):
        _refuse(regularized, int(singular.nonzero()[0]), ridge)


def _refuse(covariances: Tensor, k: int, ridge: float) -> None:
    values = torch.linalg.eigvalsh(covariances[k])
    raise InputError(
        f"component {k + 1} of {len(covariances)} of the mixture has a singular covariance, with eigenvalues from"
        f" {values[0]:.3g} to {values[-1]:.3g} (ridge {ridge:g}); give a larger ridge or fewer components"
    )

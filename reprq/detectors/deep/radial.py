"""Radial functions of an embedding, and the loss of hypersphere classification, as float32 can hold them."""

from collections.abc import Callable

import torch
from torch import Tensor

EPS = 1e-12


def l1(z: Tensor) -> Tensor:
    """Return sum |z_k| over the last axis."""
    return z.abs().sum(-1)


def l2(z: Tensor) -> Tensor:
    """Return ||z|| over the last axis; its gradient at 0 is 0."""
    length: Tensor = torch.linalg.vector_norm(z, dim=-1)
    return length


def squared(z: Tensor) -> Tensor:
    """Return ||z||^2 over the last axis."""
    return z.square().sum(-1)


def pseudo_huber(z: Tensor) -> Tensor:
    """Return sqrt(||z||^2 + 1) - 1 over the last axis, in a form that is not 0 near 0.

    Example:
        >>> pseudo_huber(torch.tensor([[3e-4, 4e-4], [3.0, 4.0]]))
        tensor([1.2500e-07, 4.0990e+00])
    """
    return huber_of_square(squared(z))


def huber_of_square(s: Tensor) -> Tensor:
    """Return sqrt(s + 1) - 1 of squares s."""
    return s / ((s + 1.0).sqrt() + 1.0)


RADIAL: dict[str, Callable[[Tensor], Tensor]] = {
    "l1": l1,
    "l2": l2,
    "squared": squared,
    "pseudo-huber": pseudo_huber,
}


def hypersphere_loss(h: Tensor, labels: Tensor) -> Tensor:
    """Return h of benign samples and -log(1 - exp(-h)) of anomalous ones (Ruff 2021, section 2.3.5), one by one.

    1 - exp(-h) is computed as -expm1(-h), to which 1e-12 is added: at h = 0 loss and gradient stay finite.

    Args:
        h: (n,) radial functions, at least 0.
        labels: (n,) 1 is anomalous.
    """
    return torch.where(labels == 1, -(EPS - torch.expm1(-h)).log(), h)

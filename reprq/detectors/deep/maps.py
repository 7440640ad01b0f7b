"""Maps of detectors that have no map of their own: baselines of FCDD, blurred by the same Gaussian (Ruff 2021, 3.1)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from reprq.detectors.deep.fully_convolutional import ReceptiveField, upsampled
from reprq.errors import InputError

_REACH = 4  # standard deviations


def check_blur(sigma: Any) -> None:
    """Raise an InputError unless sigma is a number of pixels of at least 0."""
    if isinstance(sigma, bool) or not isinstance(sigma, int | float) or not 0 <= sigma < math.inf:
        raise InputError(f"sigma must be a number of pixels of at least 0, got {sigma!r}; 0 is no blur")


def blurred(maps: Tensor, sigma: float) -> Tensor:
    """Return (n, H, W) maps blurred by a Gaussian that is cut at 4 sigma; what is beyond the borders is 0.

    Example:
        >>> round(blurred(torch.ones(1, 9, 9), 1.0)[0, 4, 4].item(), 4)
        1.0
    """
    if sigma == 0:
        return maps
    reach = math.ceil(_REACH * sigma)
    field = ReceptiveField(size=2 * reach + 1, stride=1, padding=reach)
    height, width = maps.shape[1:]
    return upsampled(maps[:, None], field, sigma, (height, width))[:, 0]


def gradient_map(scores: Callable[[Any], Tensor], x: Tensor) -> Tensor:
    """Return the sum over channels of |d score / d x| of (n, C, H, W) inputs: (n, H, W)."""
    with torch.enable_grad():
        inputs = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(scores(inputs).sum(), inputs)
    return gradient.abs().sum(1)

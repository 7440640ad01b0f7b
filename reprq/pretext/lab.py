"""Colors as lightness and two opponent axes: CIE L*a*b* of sRGB under D65."""

import torch
from torch import Tensor

_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)  # ITU-R BT.709, as scikit-image has it
_WHITE = (0.95047, 1.0, 1.08883)
_CUT, _SLOPE, _SHIFT = 0.008856, 7.787, 16 / 116


def lab(pixels: Tensor) -> Tensor:
    """Return (n, 3, H, W) L* in [0, 100] and a*, b* of float RGB pixels in [0, 1]; values outside are cut off.

    Each channel is made linear, XYZ is a weighted sum, f its cube root (linear below 0.008856), L* = 116 f(Y) - 16,
    a* = 500 (f(X) - f(Y)), b* = 200 (f(Y) - f(Z)), of X, Y and Z divided by those of white.

    Example:
        >>> [round(value, 1) for value in lab(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).flatten().tolist()]
        [53.2, 80.1, 67.2]
    """
    linear = _linear(pixels.clamp(0, 1)).unbind(1)
    scaled = [
        sum(weight * channel for weight, channel in zip(weights, linear, strict=True)) / white
        for weights, white in zip(_XYZ, _WHITE, strict=True)
    ]
    x, y, z = (
        torch.where(v > _CUT, v.clamp(min=_CUT) ** (1 / 3), _SLOPE * v + _SHIFT) for v in map(torch.as_tensor, scaled)
    )
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def as_light(pixels: Tensor) -> Tensor:
    """Return (n, 1, H, W) the gray in [0, 1] that has the L* of each RGB pixel.

    Example:
        >>> round(float(as_light(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1))), 3)
        0.499
    """
    red, green, blue = _linear(pixels.clamp(0, 1)).unbind(1)
    light = (_XYZ[1][0] * red + _XYZ[1][1] * green + _XYZ[1][2] * blue)[:, None]
    return torch.where(light > 0.0031308, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055, 12.92 * light)


def _linear(pixels: Tensor) -> Tensor:
    return torch.where(pixels > 0.04045, ((pixels + 0.055) / 1.055) ** 2.4, pixels / 12.92)

"""Random changes of training images that leave what they show as it is."""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from reprq.errors import InputError, UnknownNameError

AUGMENTATIONS = ("jitter", "flip", "crop", "noise")
_JITTER, _NOISE = 0.01, 0.001
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def check_augmentations(names: tuple[str, ...] | list[str]) -> None:
    """Raise an InputError for what is no list, and an UnknownNameError for a name that is none of `AUGMENTATIONS`."""
    if not isinstance(names, list | tuple):
        raise InputError(f"augmentations must be a list of names, got {names!r}")
    for name in names:
        if name not in AUGMENTATIONS:
            raise UnknownNameError("augmentation", name, AUGMENTATIONS)


def augmented(x: Tensor, names: tuple[str, ...] | list[str]) -> Tensor:
    """Return images of the same shape, (n, C, H, W) in [0, 1], changed one by one by draws of torch's global generator.

    "jitter" multiplies brightness, contrast and saturation by a number in [0.99, 1.01] each and turns the hue by up to
    a hundredth of the circle, in the plane of I and Q of YIQ; gray images have no color to change. "flip" mirrors half
    of them, left to right; "crop" moves each by up to an eighth of its height and width, with 0 where nothing was;
    "noise" adds Gaussian noise of standard deviation 0.001 to every pixel.
    """
    if "jitter" in names:
        x = _jittered(x)
    if "flip" in names:
        mirrored = torch.rand(len(x), device=x.device) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
    if "crop" in names:
        x = _cropped(x)
    if "noise" in names:
        x = x + _NOISE * torch.randn_like(x)
    return x


def _jittered(x: Tensor) -> Tensor:
    brightness, contrast, saturation, turn = _JITTER * (2 * torch.rand(4, len(x), device=x.device) - 1)
    x = x * (1 + brightness)[:, None, None, None]
    luma = torch.tensordot(x, _YIQ[0].to(x), dims=([1], [0]))[:, None] if x.shape[1] == 3 else x
    mean = luma.mean((1, 2, 3), keepdim=True)
    x = mean + (1 + contrast)[:, None, None, None] * (x - mean)
    if x.shape[1] == 3:
        x = torch.einsum("nij,njhw->nihw", _color_change(1 + saturation, 2 * math.pi * turn).to(x), x)
    return x.clamp(0, 1)


def _color_change(scale: Tensor, angle: Tensor) -> Tensor:
    """(n, 3, 3) matrices of RGB that scale the chrominance and turn it, and leave the luma as it is."""
    change = torch.zeros(len(scale), 3, 3, device=scale.device)
    change[:, 0, 0] = 1
    change[:, 1, 1] = change[:, 2, 2] = scale * angle.cos()
    change[:, 2, 1] = scale * angle.sin()
    change[:, 1, 2] = -change[:, 2, 1]
    yiq = _YIQ.to(change)
    found: Tensor = torch.linalg.inv(yiq) @ change @ yiq
    return found


def _cropped(x: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    down, across = height // 8, width // 8
    padded = pad(x, [across, across, down, down])
    top = torch.randint(0, 2 * down + 1, (n, 1), device=x.device) + torch.arange(height, device=x.device)
    left = torch.randint(0, 2 * across + 1, (n, 1), device=x.device) + torch.arange(width, device=x.device)
    image = torch.arange(n, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    return padded[image, channel, top[:, None, :, None], left[:, None, None, :]]

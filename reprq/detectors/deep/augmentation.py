"""Random changes of training images that leave what they show as it is."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from reprq.errors import UnknownNameError

AUGMENTATIONS = ("flip", "crop", "noise")
_NOISE = 0.001


def check_augmentations(names: tuple[str, ...] | list[str]) -> None:
    """Raise an UnknownNameError for a name that is none of `AUGMENTATIONS`."""
    for name in names:
        if name not in AUGMENTATIONS:
            raise UnknownNameError("augmentation", name, AUGMENTATIONS)


def augmented(x: Tensor, names: tuple[str, ...] | list[str]) -> Tensor:
    """Return images of the same shape, (n, C, H, W), changed one by one by draws of torch's global generator.

    "flip" mirrors half of them, left to right; "crop" moves each by up to an eighth of its height and width, with 0
    where nothing was; "noise" adds Gaussian noise of standard deviation 0.001 to every pixel.
    """
    if "flip" in names:
        mirrored = torch.rand(len(x), device=x.device) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
    if "crop" in names:
        x = _cropped(x)
    if "noise" in names:
        x = x + _NOISE * torch.randn_like(x)
    return x


def _cropped(x: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    down, across = height // 8, width // 8
    padded = pad(x, [across, across, down, down])
    top = torch.randint(0, 2 * down + 1, (n, 1), device=x.device) + torch.arange(height, device=x.device)
    left = torch.randint(0, 2 * across + 1, (n, 1), device=x.device) + torch.arange(width, device=x.device)
    image = torch.arange(n, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    return padded[image, channel, top[:, None, :, None], left[:, None, None, :]]

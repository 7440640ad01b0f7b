"""Fill in what is masked of an image: SimMIM and context encoders, for any network."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from reprq.data import Dataset
from reprq.pretext.autoencoder import decoder
from reprq.pretext.image_task import ImageTask

SHARE = 0.6
_PATCHES = 8


class MaskedPatches(ImageTask):
    """Mean absolute error over the masked values of the normalized input (Xie et al. 2022, section 3.4).

    Of 8 x 8 patches, 0.6 are masked at random in every image (SimMIM: 7 x 7 patches of 32 pixels, 0.6): the same number
    in each. MAE (He et al. 2022) leaves masked tokens out, which a convolution cannot; as in context encoders (Pathak
    et al. 2016) they are given as the mean color, 0 once normalized, not as a learned token. The decoder is that of
    the autoencoder, on the pooled embedding, where SimMIM's is a linear layer on each token.
    """

    def head(self, data: Dataset) -> nn.Module:
        """Return a decoder to the size and channels of the input."""
        return decoder(self.shapes.width, self.preprocessing.size, self.preprocessing.in_channels)

    def views(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the masked images, and as (n, C + 1, H, W) the images and 1 where they are masked."""
        mask = masks(len(images), images.shape[-1], images.device)
        return images * (1 - mask), torch.cat([images, mask], dim=1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of |output - image| over the values that are masked."""
        images, mask = targets[:, :-1], targets[:, -1:]
        return ((outputs.float() - images).abs() * mask).sum() / (mask.sum() * images.shape[1])


def masks(n: int, size: int, device: torch.device | None = None) -> Tensor:
    """Return (n, 1, size, size) masks of 0 and 1, drawn from torch's global generator, of the patches of n images.

    Example:
        >>> found = masks(2, 32)
        >>> found.shape, found.mean(dim=(1, 2, 3)).tolist()
        (torch.Size([2, 1, 32, 32]), [0.609375, 0.609375])
    """
    side = min(_PATCHES, size)
    count = math.ceil(SHARE * side**2)
    order = torch.rand(n, side**2, device=device).argsort(dim=1).argsort(dim=1)
    chosen = (order < count).float().view(n, 1, side, side)
    return functional.interpolate(chosen, size=(size, size), mode="nearest")

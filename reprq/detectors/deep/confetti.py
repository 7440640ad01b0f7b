"""Confetti: blobs of color on benign images, as synthetic anomalies (Liznerski et al. 2021)."""

import torch
from torch import Tensor

REFERENCE = 224  # pixels; the sizes and rates below are of images of this side
COLORED, EXTREME = 1.8e-5, 1.2e-5
SMALLEST, LARGEST = 8.0, 54.0
_BLUR = 2.0
_MOST = 12


def confetti(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return images with blobs added, each image at least one, and where the blobs are.

    Of n pixels of an image of 224 x 224, 1.8e-5 n become blobs whose color is uniform in [-1, 1], and 1.2e-5 n black
    (-1) or white (1) ones; of other sizes as many, and their size is in proportion. A blob is a rectangle with sides
    from 8 to 54 of 224 pixels, turned by up to 45 degrees, with soft edges. Sums are cut to [0, 1].

    Args:
        x: (n, C, H, W) in [0, 1].

    Returns:
        (n, C, H, W) images, and (n, 1, H, W) booleans that are true where a blob covers more than half.
    """
    n, channels, height, width = x.shape
    scale = min(height, width) / REFERENCE
    rate = torch.tensor(REFERENCE**2 * (COLORED + EXTREME))
    counts = torch.poisson(rate.expand(n)).clamp(1, _MOST)
    changed, covered = x, torch.zeros(n, 1, height, width, dtype=torch.bool, device=x.device)
    for number in range(int(counts.max())):
        colors = 2 * torch.rand(n, channels, 1, 1) - 1
        extreme = torch.rand(n, 1, 1, 1) < EXTREME / (COLORED + EXTREME)
        colors = torch.where(extreme, torch.where(torch.rand(n, 1, 1, 1) < 0.5, -1.0, 1.0), colors)
        blob = _blobs(n, height, width, scale) * (counts > number)[:, None, None, None]
        changed = changed + (colors * blob).to(x)
        covered |= (blob > 0.5).to(x.device)
    return changed.clamp(0, 1), covered


def _blobs(n: int, height: int, width: int, scale: float) -> Tensor:
    """(n, 1, H, W): one blob an image, 1 inside and 0 outside."""
    sides = scale * (SMALLEST + (LARGEST - SMALLEST) * torch.rand(2, n, 1, 1))
    angle = (torch.rand(n, 1, 1) - 0.5) * torch.pi / 2
    down = torch.arange(height)[None, :, None] - torch.rand(n, 1, 1) * (height - 1)
    across = torch.arange(width)[None, None, :] - torch.rand(n, 1, 1) * (width - 1)
    turned = (down * angle.cos() - across * angle.sin(), down * angle.sin() + across * angle.cos())
    soft = max(_BLUR * scale, 0.1)
    parts = [torch.sigmoid((side / 2 - along.abs()) / soft) for side, along in zip(sides, turned, strict=True)]
    return (parts[0] * parts[1])[:, None]

"""What a person writes in an evening: two detectors of patches in plain torch, a peer of `magnetic_tiles_draws.py`."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

_BLOCK = 32


def features(network: nn.Module, images: Tensor, taps: Sequence[str]) -> Tensor:
    """The maps of some modules side by side, (n, positions, channels)."""
    found: dict[str, Tensor] = {}
    modules = dict(network.named_modules())
    hooks = [modules[name].register_forward_hook(lambda _m, _x, y, name=name: found.update({name: y})) for name in taps]
    blocks = []
    with torch.no_grad():
        for part in images.split(_BLOCK):
            network(part)
            blocks.append(torch.cat([found[name] for name in taps], dim=1).flatten(2).transpose(1, 2))
    for hook in hooks:
        hook.remove()
    return torch.cat(blocks)


def nearest(benign: Tensor, new: Tensor) -> Tensor:
    """The distance of every patch to the nearest of all benign patches, (n, positions)."""
    bank = benign.flatten(0, 1)
    return torch.stack([torch.cdist(patches, bank).min(dim=1).values for patches in new])


def gaussians(benign: Tensor, new: Tensor, ridge: float = 0.01) -> Tensor:
    """The Mahalanobis distance of every patch to the benign ones in its cell, (n, positions)."""
    mean = benign.mean(dim=0)
    centered = (benign - mean).transpose(0, 1)
    covariance = centered.transpose(1, 2) @ centered / (len(benign) - 1) + ridge * torch.eye(benign.shape[2])
    whitened = torch.linalg.solve_triangular(
        torch.linalg.cholesky(covariance), (new - mean).permute(1, 2, 0), upper=False
    )
    return whitened.norm(dim=1).T


def maps(values: Tensor, side: int) -> Tensor:
    """As large as the images, (n, side, side)."""
    cells = round(values.shape[1] ** 0.5)
    return interpolate(values.view(len(values), 1, cells, cells), (side, side), mode="bilinear")[:, 0]

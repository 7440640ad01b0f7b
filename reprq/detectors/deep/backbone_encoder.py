"""An encoder with the architecture of a backbone that a source such as timm knows by name."""

import functools

import torch
from torch import Tensor, nn

from reprq.backbones import Backbone, Tap, load_backbone
from reprq.backbones.entries import BACKBONES, brings_weights
from reprq.embeddings.pooling import pool_layer
from reprq.errors import InputError

_ANY_CODE = "package.module:"  # a callable of a file


def has_source(name: str) -> bool:
    """Whether a source of backbones builds networks of such a name: "timm:resnet18".

    Example:
        >>> has_source("timm:resnet18"), has_source("resnet18"), has_source("teacher:t.safetensors")
        (True, False, False)
    """
    return ":" in name and name in BACKBONES and not (brings_weights(name) or name.startswith(_ANY_CODE))


@functools.lru_cache(maxsize=8)
def size_of(name: str) -> int:
    """Return the side of the images that the weights of a network were trained on.

    Raises:
        InputError: It takes no images.
    """
    return _loaded(name, None, 0).preprocessing.size  # type: ignore[attr-defined,no-any-return]


class BackboneEncoder(nn.Module):
    """A backbone with random weights, the average of its deepest layer over positions, and a new linear layer.

    Args:
        name: Of the backbone, as `reprq.backbones.load_backbone` takes it.
        size: Side of its images.
        dim: Width of the embedding.
        seed: Of its weights; those of the linear layer are drawn from torch's global generator.
    """

    def __init__(self, name: str, size: int, dim: int, seed: int) -> None:
        super().__init__()
        backbone = _loaded(name, size, seed)
        self.network, self._layer = backbone.network, backbone.layers[-1]
        if self._layer.where == "input":  # the classifier, which nothing learns
            parent, _, child = self._layer.module.rpartition(".")
            setattr(self.network.get_submodule(parent), child, nn.Identity())
        with torch.no_grad():
            width = self._rows(torch.zeros(2, 3, size, size)).shape[1]
        self.last = nn.Linear(width, dim)
        nn.init.xavier_uniform_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings: (n, dim)."""
        embeddings: Tensor = self.last(self._rows(x))
        return embeddings

    def _rows(self, x: Tensor) -> Tensor:
        with Tap(self.network, [self._layer], lambda layer, output: pool_layer(layer, output, "avg")) as tap:
            return tap(x)[self._layer.name]


def _loaded(name: str, size: int | None, seed: int) -> Backbone:
    changed = {} if size is None else {"size": size, "resize": size}
    backbone = load_backbone(name, "random", preprocessing=changed, seed=seed)
    if (modality := backbone.preprocessing.modality) != "image":
        raise InputError(f"network {name} must take images, got one that takes {modality}; name another")
    return backbone

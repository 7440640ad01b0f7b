"""An encoder that is a backbone: its own weights, or the architecture alone by the name that a source knows."""

import copy
import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reprq.backbones import Backbone, Layer, Tap, load_backbone
from reprq.backbones.entries import BACKBONES, brings_weights
from reprq.backbones.layers.probing import probe
from reprq.data import Batch
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
    return random_backbone(name, None, 0).preprocessing.size  # type: ignore[attr-defined,no-any-return]


class BackboneEncoder(nn.Module):
    """A copy of a backbone, the average of its deepest layer over positions, and a new linear layer.

    Args:
        backbone: It is copied and left as it is.
        dim: Width of the embedding; None leaves the linear layer out. Its weights are drawn from torch's global
            generator.
    """

    def __init__(self, backbone: Backbone, dim: int | None) -> None:
        super().__init__()
        self.network, self._layers = copy.deepcopy(backbone.network), backbone.layers
        self._layer = self._layers[-1]
        if self._layer.where == "input":  # the classifier, which nothing learns
            parent, _, child = self._layer.module.rpartition(".")
            setattr(self.network.get_submodule(parent), child, nn.Identity())
        probe(self.network, [self._layer], backbone.preprocessing)  # says in one sentence what cannot run
        with torch.no_grad():
            self.width = self.rows(backbone.preprocessing.blank(2)).shape[1]
        self.last: nn.Module = nn.Identity()
        if dim is None:
            return
        self.last = nn.Linear(self.width, dim)
        nn.init.xavier_uniform_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings: (n, dim), or the rows of the deepest layer where there is no linear one."""
        embeddings: Tensor = self.last(self.rows(x))
        return embeddings

    def rows(self, x: Batch) -> Tensor:
        """Return the rows of the deepest layer: (n, width)."""
        return self._read(x, [self._layer])[self._layer.name]

    def layers(self, x: Batch) -> dict[str, Tensor]:
        """Return the rows of every layer, averages over positions, by name: (n, width) each."""
        return self._read(x, self._layers)

    def _read(self, x: Batch, layers: Sequence[Layer]) -> dict[str, Tensor]:
        with Tap(self.network, layers, lambda layer, output: pool_layer(layer, output, "avg")) as tap:
            return tap(x)


def random_backbone(name: str, size: int | None, seed: int) -> Backbone:
    """Return a backbone of images with random weights, by its name.

    Args:
        name: As `reprq.backbones.load_backbone` takes it.
        size: Side of its images; None is its own.
        seed: Of its weights.

    Raises:
        InputError: It takes no images.
    """
    changed = {} if size is None else {"size": size, "resize": size}
    backbone = load_backbone(name, "random", preprocessing=changed, seed=seed)
    if (modality := backbone.preprocessing.modality) != "image":
        raise InputError(f"network {name} must take images, got one that takes {modality}; name another")
    return backbone

"""From samples to the rows that a detector of rows reads, in a stream that writes nothing to disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.backbones import Backbone
from reprq.data import Dataset
from reprq.embeddings.forward import Forward, batches, pooled_layers
from reprq.embeddings.registry import check_pooling, poolings_named
from reprq.errors import InputError

Rows = NDArray[np.float32]

BLOCK = (
    512  # rows that are scored at once; a multiple of the usual batch sizes, so that batches are the same on resuming
)


@dataclass(frozen=True, eq=False)
class Embedder:
    """Some layers of a backbone as one row per sample.

    Attributes:
        backbone: The network.
        layers: The names of the layers; their rows stand side by side.
        pooling: How a layer becomes one row per sample.
        scales: What the rows of each layer are divided by, see `scales_of`.
        device: A torch device.
        batch_size: Samples a forward pass.
    """

    backbone: Backbone
    layers: tuple[str, ...]
    pooling: str
    scales: tuple[float, ...]
    device: str = "cpu"
    batch_size: int = 32

    def blocks(self, data: Dataset, start: int = 0, workers: int = 1) -> Iterator[Rows]:
        """Yield the rows of `BLOCK` samples after another, (n, d) float32; see `layerwise`."""
        for parts in self.layerwise(data, start, workers):
            yield side_by_side(parts, self.scales)

    def layerwise(self, data: Dataset, start: int = 0, workers: int = 1) -> Iterator[list[Rows]]:
        """Yield the rows of each layer, not scaled, of `BLOCK` samples after another.

        Args:
            data: The samples.
            start: The first one, a multiple of `BLOCK`.
            workers: Threads that read samples while the network runs.

        Raises:
            InputError: A row has a nan or an inf, or the network fails; the sample is named.
        """
        layers = pooled_layers(self.backbone.select_layers(self.layers), [self.pooling])
        spans = [range(first, min(first + BLOCK, len(data))) for first in range(start, len(data), BLOCK)]
        source = batches(self.backbone.preprocessing, data, spans, self.batch_size, workers)
        held: list[list[Rows]] = []
        network, weights = self.backbone.network, self.backbone.term_weights
        with Forward(network, layers, torch.device(self.device), noun=data.noun, term_weights=weights) as forward:
            for rows, block, inputs in source:
                ids = data.ids[rows.start : rows.stop]
                held.append([x.float().cpu().numpy() for x in forward(inputs, ids)])
                if not (finite := np.isfinite(np.hstack(held[-1])).all(axis=1)).all():
                    raise InputError(
                        f"the network must give finite numbers, got a nan or an inf at the {data.noun}"
                        f" {str(ids[int(np.argmin(finite))])!r}; leave it out or mend the network"
                    )
                if rows.stop == block.stop:
                    yield [np.concatenate(parts) for parts in zip(*held, strict=True)]
                    held.clear()


def side_by_side(layers: Sequence[NDArray[np.floating]], scales: Sequence[float]) -> Rows:
    """Return the rows of several layers as one matrix, each divided by its scale.

    Example:
        >>> side_by_side([np.ones((1, 2)), np.ones((1, 1))], [1.0, 2.0])
        array([[1. , 1. , 0.5]], dtype=float32)
    """
    parts = [np.asarray(x, np.float32) / np.float32(scale) for x, scale in zip(layers, scales, strict=True)]
    return np.hstack(parts) if len(parts) > 1 else parts[0]


def scales_of(layers: Sequence[NDArray[np.floating]]) -> tuple[float, ...]:
    """Return what makes layers of any size count alike; 1 where there is one layer.

    It is the root mean squared distance of a layer's rows to their mean, and 1 where they are all equal.

    Example:
        >>> scales_of([np.array([[2.0, 0.0], [-2.0, 0.0]]), np.array([[7.0], [7.0]])])
        (2.0, 1.0)
    """
    if len(layers) == 1:
        return (1.0,)
    spreads = (float(np.sqrt(np.asarray(x, np.float64).var(axis=0).sum())) for x in layers)
    return tuple(spread if spread > 0 else 1.0 for spread in spreads)


def layer_names(network: Backbone, layers: Any, pooling: str) -> list[str]:
    """Return the names of the layers that are asked for, once they are known to suit the pooling.

    Raises:
        InputError: Several poolings, or one that a layer cannot be pooled by.
        UnknownNameError: A layer or a pooling that does not exist.
    """
    chosen = network.select_layers(layers)
    if len(named := poolings_named(pooling)) != 1:
        raise InputError(f"pooling must be one, got {pooling!r}; name one of {', '.join(named)}")
    check_pooling(named[0], chosen)
    return [layer.name for layer in chosen]

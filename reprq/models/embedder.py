"""From samples to the rows that a detector of rows reads, in a stream that writes nothing to disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.backbones import Backbone
from reprq.data import Dataset
from reprq.embeddings.forward import Forward, batches, pooled_layers
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
        scales: What the rows of each layer are divided by, see `spread_of`; 1 where there is one layer.
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
        """Yield the rows of `BLOCK` samples after another, (n, d) float32.

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
        held: list[Rows] = []
        with Forward(self.backbone.network, layers, torch.device(self.device), noun=data.noun) as forward:
            for rows, block, inputs in source:
                ids = data.ids[rows.start : rows.stop]
                held.append(side_by_side([x.float().cpu().numpy() for x in forward(inputs, ids)], self.scales))
                if not (finite := np.isfinite(held[-1]).all(axis=1)).all():
                    raise InputError(
                        f"the network must give finite numbers, got a nan or an inf at the {data.noun}"
                        f" {str(ids[int(np.argmin(finite))])!r}; leave it out or mend the network"
                    )
                if rows.stop == block.stop:
                    yield np.concatenate(held)
                    held.clear()


def side_by_side(layers: Sequence[NDArray[np.floating]], scales: Sequence[float]) -> Rows:
    """Return the rows of several layers as one matrix, each divided by its scale.

    Example:
        >>> side_by_side([np.ones((1, 2)), np.ones((1, 1))], [1.0, 2.0])
        array([[1. , 1. , 0.5]], dtype=float32)
    """
    parts = [np.asarray(x, np.float32) / np.float32(scale) for x, scale in zip(layers, scales, strict=True)]
    return np.hstack(parts) if len(parts) > 1 else parts[0]


def spread_of(x: NDArray[np.floating]) -> float:
    """Return the root mean squared distance of rows to their mean: what makes layers of any size count alike.

    Example:
        >>> spread_of(np.array([[1.0, 0.0], [-1.0, 0.0]]))
        1.0
    """
    rows = np.asarray(x, np.float64)
    spread = float(np.sqrt(rows.var(axis=0).sum()))
    return spread if spread > 0 else 1.0

"""The items of a data set as batches for training."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from reprq.backbones.batch import mapped, part
from reprq.data import Batch, Dataset, Transform

_MEMORY = 2 * 2**30


class Inputs:
    """The items of a data set as a network's input, by row.

    They are read once and kept where all of them fit into the memory allowed, else whenever they are asked for.

    Args:
        data: The items.
        transform: From an item to the network's input.
        memory: The most bytes to keep.

    Example:
        >>> from reprq.backbones import load_backbone
        >>> from reprq.data import load_dataset
        >>> inputs = Inputs(load_dataset("digits"), load_backbone("lenet", "random").preprocessing)
        >>> inputs[[3, 1]].shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, data: Dataset, transform: Transform, *, memory: int = _MEMORY) -> None:
        self._data, self._transform = data, transform
        self._kept: Batch | None = None
        if len(data) and len(data) * _bytes(transform.collate([transform(data.item(0))])) <= memory:
            self._kept = self._read(range(len(data)))

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, rows: Tensor | Sequence[int]) -> Any:
        """Return the batch of the rows, in their order; images channels last in memory."""
        if self._kept is None:
            chosen = self._read([int(row) for row in rows])
        else:
            chosen = part(self._kept, torch.as_tensor(rows))
        return mapped(chosen, _channels_last)

    def _read(self, rows: Sequence[int]) -> Batch:
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="read") as threads:
            return self._transform.collate(list(threads.map(self._sample, rows)))

    def _sample(self, row: int) -> Any:
        return self._transform(self._data.item(row))


def _bytes(inputs: Batch) -> int:
    return sum(tensor.nbytes for tensor in (inputs.values() if isinstance(inputs, Mapping) else [inputs]))


def _channels_last(tensor: Tensor) -> Tensor:
    """Convolutions are faster this way."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor

"""The images of a data set as batches for training."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL.Image import Image
from torch import Tensor

from reprq.data import Dataset

_MEMORY = 2 * 2**30


class Images:
    """The images of a data set as a network's input, by row.

    They are decoded once and kept where all of them fit into the memory allowed, else whenever they are asked for.

    Args:
        data: The images.
        preprocess: From an image to a (C, H, W) float32 tensor.
        memory: The most bytes to keep.

    Example:
        >>> from reprq.backbones import load_backbone
        >>> from reprq.data import load_dataset
        >>> images = Images(load_dataset("digits"), load_backbone("lenet", "random").preprocessing)
        >>> images[[3, 1]].shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, data: Dataset, preprocess: Callable[[Image], Tensor], *, memory: int = _MEMORY) -> None:
        self._data, self._preprocess = data, preprocess
        self._kept: Tensor | None = None
        if len(data) and len(data) * preprocess(data.item(0)).nbytes <= memory:
            self._kept = self._decode(range(len(data)))

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, rows: Tensor | Sequence[int]) -> Tensor:
        """Return the (len(rows), C, H, W) images of the rows, in their order, channels last in memory."""
        kept = self._decode([int(row) for row in rows]) if self._kept is None else self._kept[torch.as_tensor(rows)]
        return kept.contiguous(memory_format=torch.channels_last)  # convolutions are faster this way

    def _decode(self, rows: Sequence[int]) -> Tensor:
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="decode") as threads:
            return torch.stack(list(threads.map(lambda row: self._preprocess(self._data.item(row)), rows)))

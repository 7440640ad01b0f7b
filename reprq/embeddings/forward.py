"""The forward pass: images decoded ahead of it, every wanted layer pooled inside it, blocks written behind it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import torch

from reprq.backbones import Layer, Tap
from reprq.data import ImageDataset
from reprq.embeddings.filling import Filler
from reprq.embeddings.pooling import pool
from reprq.progress import track


class Batch(NamedTuple):
    """Some rows of one block, and their images.

    Attributes:
        rows: The rows of the data set.
        block: The rows of the block that they belong to.
        images: (len(rows), C, H, W).
    """

    rows: range
    block: range
    images: torch.Tensor


def batches(
    preprocess: Callable[[Any], torch.Tensor],
    data: ImageDataset,
    blocks: Iterable[range],
    batch_size: int,
    workers: int = 1,
) -> Iterator[Batch]:
    """Yield batches that cross no block, the next ones decoded by threads while the network runs.

    Args:
        preprocess: From an image to the network's input.
        data: The images.
        blocks: The rows of each block wanted.
        batch_size: The most rows a batch.
        workers: Threads; as many batches are decoded ahead, so memory does not grow with the images.
    """

    def load(rows: range) -> torch.Tensor:
        return torch.stack([preprocess(data.image(i)) for i in rows])

    ahead: deque[tuple[range, range, Future[torch.Tensor]]] = deque()
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode") as threads:
        for block in blocks:
            for start in range(block.start, block.stop, batch_size):
                rows = range(start, min(start + batch_size, block.stop))
                ahead.append((rows, block, threads.submit(load, rows)))
                if len(ahead) > workers:
                    rows, whole, images = ahead.popleft()
                    yield Batch(rows, whole, images.result())
        for rows, whole, images in ahead:
            yield Batch(rows, whole, images.result())


class Forward:
    """A network of which some layers are read; a context manager, since its hooks must go again.

    Args:
        network: It is moved to the device.
        layers: The layers wanted, in the order of depth.
        pooling: How each becomes one row an image.
        device: Where it runs.
        precision: "float32", or "bfloat16" or "float16" for autocast.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        layers: Sequence[Layer],
        pooling: str,
        device: torch.device,
        precision: str = "float32",
    ) -> None:
        self.network, self.layers, self.pooling = network.to(device), layers, pooling
        self.device = device
        self._autocast = None if precision == "float32" else getattr(torch, precision)
        self._gpu = device.type == "cuda"
        if self._gpu:  # convolutions of half precision are fastest this way, and no result depends on it
            self.network = self.network.to(memory_format=torch.channels_last)
        self._tap = Tap(self.network, layers, self._pool)

    def __enter__(self) -> Self:
        self._tap.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._tap.__exit__(*error)

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the pooled rows, (n, d), of every layer."""
        if self._gpu:
            images = images.pin_memory().to(self.device, non_blocking=True, memory_format=torch.channels_last)
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, self._autocast, enabled=self._autocast is not None),
        ):
            return list(self._tap(images).values())

    def _pool(self, layer: Layer, output: torch.Tensor) -> torch.Tensor:
        return pool(output, self.pooling, layout=layer.layout, class_token=layer.class_token, registers=layer.registers)

    def fill(self, filler: Filler, source: Iterable[Batch], total: int, progress: str = "") -> None:
        """Run over the batches and write each block of every layer as soon as it is whole.

        Args:
            filler: Takes the rows of the layers, in their order.
            source: The batches.
            total: How many rows they have in all.
            progress: What to show on stderr; nothing if empty.

        Raises:
            InputError: a layer puts out a nan or an inf.
            CacheError: the cache cannot be written.
        """
        with track(total=total, desc=progress, unit="image", show=bool(progress)) as bar, filler:
            for rows, block, images in source:
                filler.add(rows, block, self(images))
                bar.update(len(rows))

"""The forward pass: images decoded ahead of it, every wanted layer pooled inside it, blocks written behind it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.backbones import Layer, Tap
from reprq.data import ImageDataset
from reprq.embeddings.cache.cache import cached_name
from reprq.embeddings.cache.filling import Filler
from reprq.embeddings.pooling import pool
from reprq.errors import InputError
from reprq.progress import track

Names = Sequence[str] | NDArray[np.str_]
Check = Callable[[torch.Tensor, Names, Sequence[torch.Tensor]], None]


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


@dataclass(frozen=True)
class PooledLayer(Layer):
    """A layer and how it becomes one row an image; its name is that of its rows in a cache."""

    pooling: str = "avg"


def pooled_layers(layers: Sequence[Layer], poolings: Sequence[str]) -> list[PooledLayer]:
    """Return each layer once for every pooling, in the order of the layers.

    Example:
        >>> [layer.name for layer in pooled_layers([Layer(3, "layer3", "layer3")], ["avg", "max"])]
        ['layer3', 'layer3@max']
    """
    return [
        PooledLayer(**{**vars(layer), "name": cached_name(layer.name, pooling)}, pooling=pooling)
        for layer in layers
        for pooling in poolings
    ]


class Measured(NamedTuple):
    """What a layer gave for some images.

    Attributes:
        rows: (n, d) pooled.
        rms: The root mean square of what the layer put out before it was pooled.
    """

    rows: NDArray[np.floating]
    rms: float


class Forward:
    """A network of which some layers are read; a context manager, since its hooks must go again.

    Args:
        network: It is moved to the device.
        layers: The layers wanted, in the order of depth, with their poolings: one pass serves all of them.
        device: Where it runs.
        precision: "float32", or "bfloat16" or "float16" for autocast.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        layers: Sequence[PooledLayer],
        device: torch.device,
        precision: str = "float32",
    ) -> None:
        self.network, self.layers = network.to(device), layers
        self._pooling = {layer.name: layer.pooling for layer in layers}
        self.device, self.precision = device, precision
        self._widths: dict[str, int] = {}
        self._rms: dict[str, float] | None = None  # by layer, while `measure` runs
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

    def __call__(self, images: torch.Tensor, ids: Names) -> list[torch.Tensor]:
        """Return the pooled rows, (n, d), of every layer.

        Args:
            images: (n, C, H, W).
            ids: (n,) their names, for errors.

        Raises:
            InputError: The network fails on the images, or a layer puts out something of another kind than before.
        """
        try:
            pooled = self._run(images)
            self._check(pooled)
        except InputError as error:
            raise InputError(f"{error}; seen {self._where(images, ids)}") from error
        except Exception as error:  # a network is other people's code
            raise InputError(self._failure(error, images, ids)) from error
        return pooled

    def measure(self, images: torch.Tensor, ids: Names) -> dict[str, Measured]:
        """Return the rows of every layer, by its name in a cache, with the size of what was pooled."""
        self._rms = {}
        try:
            pooled = [rows.float().cpu().numpy() for rows in self(images, ids)]
            names = [layer.name for layer in self.layers]
            return {name: Measured(rows, self._rms[name]) for name, rows in zip(names, pooled, strict=True)}
        finally:
            self._rms = None

    def _run(self, images: torch.Tensor) -> list[torch.Tensor]:
        if self._gpu:
            images = images.pin_memory().to(self.device, non_blocking=True, memory_format=torch.channels_last)
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, self._autocast, enabled=self._autocast is not None),
        ):
            return list(self._tap(images).values())

    def _pool(self, layer: Layer, output: torch.Tensor) -> torch.Tensor:
        if output.is_complex():
            raise InputError(
                f"layer {layer.name!r} must put out real numbers, got {output.dtype}; choose another layer"
            )
        output = output if output.is_floating_point() else output.float()
        if self._rms is not None:
            self._rms[layer.name] = float(output.detach().float().square().mean().sqrt())
        how = self._pooling[layer.name]
        return pool(output, how, layout=layer.layout, class_token=layer.class_token, registers=layer.registers)

    def _check(self, pooled: Sequence[torch.Tensor]) -> None:
        for layer, rows in zip(self.layers, pooled, strict=True):
            if (width := self._widths.setdefault(layer.name, rows.shape[1])) != rows.shape[1]:
                raise InputError(
                    f"layer {layer.name!r} must give rows of one width for all images, got {width} and {rows.shape[1]};"
                    f" choose another pooling or layer"
                )

    def _failure(self, error: Exception, images: torch.Tensor, ids: Names) -> str:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in reason:
            return (
                f"the network must fit into memory with {len(images)} images, got {reason}; give a smaller batch size"
            )
        reached = self._tap.reached
        after = f"after layer {reached!r}" if reached else f"before layer {self.layers[0].name!r}"
        return (
            f"the network must run on every image, got {reason}, {after}, {self._where(images, ids)}; leave it out or"
            f" mend the network"
        )

    def _where(self, images: torch.Tensor, ids: Names) -> str:
        """Name the first image that fails by itself, or the whole batch."""
        for i, name in enumerate(ids):
            try:
                self._check(self._run(images[i : i + 1]))
            except Exception:  # whatever it was before
                return f"at the image {str(name)!r}"
        return f"in the batch of {len(ids)} images from {str(ids[0])!r} to {str(ids[-1])!r}"

    def fill(
        self,
        filler: Filler,
        ids: Names,
        source: Iterable[Batch],
        total: int,
        progress: str = "",
        *,
        check: Check | None = None,
    ) -> None:
        """Run over the batches and write each block of every layer as soon as it is whole.

        Args:
            filler: Takes the rows of the layers, in their order.
            ids: The names of all rows of the data set, for errors.
            source: The batches.
            total: How many rows they have in all.
            progress: What to show on stderr; nothing if empty.
            check: Called with the images, names and rows of every batch larger than those before, before it is kept.

        Raises:
            InputError: a layer puts out a nan or an inf, or the network fails; the image is named.
            CacheError: the cache cannot be written.
        """
        with track(total=total, desc=progress, unit="image", show=bool(progress)) as bar, filler:
            largest = 0
            for rows, block, images in source:
                names = ids[rows.start : rows.stop]
                pooled = self(images, names)
                if check is not None and len(rows) > largest:
                    check(images, names, pooled)
                    largest = len(rows)
                filler.add(rows, block, pooled)
                bar.update(len(rows))

"""The forward pass: items read ahead of it, every wanted layer pooled inside it, blocks written behind it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.backbones import Layer, Tap
from reprq.backbones.batch import count, mapped, mask_of, part, sent
from reprq.backbones.term_weights import weights_of
from reprq.data import Batch, Dataset, Transform
from reprq.embeddings.cache.cache import cached_name
from reprq.embeddings.cache.filling import Filler
from reprq.embeddings.pooling import pool_layer
from reprq.errors import InputError, one_line
from reprq.progress import track

Names = Sequence[str] | NDArray[np.str_]
Check = Callable[[Batch, Names, Sequence[torch.Tensor]], None]

_KEPT_BYTES = 2**27  # of inputs made beforehand: 10,000 images of 32 pixels, 200 of 224


class Portion(NamedTuple):
    """Some rows of one block, and the network's input for them.

    Attributes:
        rows: The rows of the data set.
        block: The rows of the block that they belong to.
        inputs: Of len(rows) items.
    """

    rows: range
    block: range
    inputs: Batch


class PreparedInputs:
    """The network's inputs for the rows of a data set; what is made beforehand is kept until it is taken once.

    Reading a photo takes longer than keeping the few pixels of it that a network sees, so that files that are read to
    see whether they can be need not be read again.

    Args:
        transform: From an item to the network's input.
        data: The items.
    """

    def __init__(self, transform: Transform, data: Dataset) -> None:
        self._transform, self._data = transform, data
        self._kept: dict[int, torch.Tensor] = {}
        self._room = _KEPT_BYTES

    def make(self, row: int) -> None:
        """Make the input for a row if there is room for it; more than one thread may ask."""
        if self._room > 0:
            made = self._transform(self._data.item(row))
            if isinstance(made, torch.Tensor):
                self._kept[row] = made
                self._room -= made.nbytes

    def __contains__(self, row: object) -> bool:
        return row in self._kept

    def take(self, row: int) -> Any:
        """Return the input for a row."""
        kept = self._kept.pop(row, None)
        return self._transform(self._data.item(row)) if kept is None else kept


def batches(
    transform: Transform,
    data: Dataset,
    blocks: Iterable[range],
    batch_size: int,
    workers: int = 1,
    inputs: PreparedInputs | None = None,
) -> Iterator[Portion]:
    """Yield batches that cross no block, the next ones read by threads while the network runs.

    Args:
        transform: From an item to the network's input.
        data: The items.
        blocks: The rows of each block wanted.
        batch_size: The most rows a batch.
        workers: Threads; as many batches are read ahead, so memory does not grow with the data.
        inputs: The same transform of the same items, where some of it is done.
    """
    inputs = inputs or PreparedInputs(transform, data)

    def load(rows: range) -> Batch:
        return transform.collate([inputs.take(i) for i in rows])

    ahead: deque[tuple[range, range, Future[Batch]]] = deque()
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode") as threads:
        for block in blocks:
            for start in range(block.start, block.stop, batch_size):
                rows = range(start, min(start + batch_size, block.stop))
                made = all(row in inputs for row in rows)  # then another thread would only be in the network's way
                ahead.append((rows, block, _finished(load(rows)) if made else threads.submit(load, rows)))
                if len(ahead) > workers:
                    rows, whole, batch = ahead.popleft()
                    yield Portion(rows, whole, batch.result())
        for rows, whole, batch in ahead:
            yield Portion(rows, whole, batch.result())


def _finished(batch: Batch) -> Future[Batch]:
    found: Future[Batch] = Future()
    found.set_result(batch)
    return found


@dataclass(frozen=True)
class PooledLayer(Layer):
    """A layer and how it becomes one row per item; its name is that of its rows in a cache."""

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
    """What a layer gave for some items.

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
        noun: What an item is, in errors and progress.
        term_weights: (V + 1,) what the pooling "tfidf" weighs tokens by, by their numbers.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        layers: Sequence[PooledLayer],
        device: torch.device,
        precision: str = "float32",
        noun: str = "item",
        term_weights: NDArray[np.float32] | None = None,
    ) -> None:
        self.network, self.layers = network.to(device), layers
        self._pooling = {layer.name: layer.pooling for layer in layers}
        self.device, self.precision, self.noun = device, precision, noun
        self._mask: torch.Tensor | None = None  # of the batch at hand
        self._weights: torch.Tensor | None = None  # likewise
        self._term_weights = None if term_weights is None else torch.from_numpy(term_weights).to(device)
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

    def __call__(self, inputs: Batch, ids: Names) -> list[torch.Tensor]:
        """Return the pooled rows, (n, d), of every layer.

        Args:
            inputs: Of n items.
            ids: (n,) their names, for errors.

        Raises:
            InputError: The network fails on the items, or a layer puts out something of another kind than before.
        """
        try:
            pooled = self._run(inputs)
            self._check(pooled)
        except InputError as error:
            raise InputError(f"{error}; seen {self._where(inputs, ids)}") from error
        except Exception as error:  # a network is other people's code
            raise InputError(self._failure(error, inputs, ids)) from error
        return pooled

    def measure(self, inputs: Batch, ids: Names) -> dict[str, Measured]:
        """Return the rows of every layer, by its name in a cache, with the size of what was pooled."""
        self._rms = {}
        try:
            pooled = [rows.float().cpu().numpy() for rows in self(inputs, ids)]
            names = [layer.name for layer in self.layers]
            return {name: Measured(rows, self._rms[name]) for name, rows in zip(names, pooled, strict=True)}
        finally:
            self._rms = None

    def _run(self, inputs: Batch) -> list[torch.Tensor]:
        if self._gpu:
            inputs = mapped(inputs, lambda tensor: sent(tensor, self.device, torch.channels_last))
        self._mask, self._weights = mask_of(inputs), weights_of(self._term_weights, inputs)
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, self._autocast, enabled=self._autocast is not None),
        ):
            return list(self._tap(inputs).values())

    def _pool(self, layer: Layer, output: torch.Tensor) -> torch.Tensor:
        if output.is_complex():
            raise InputError(
                f"layer {layer.name!r} must put out real numbers, got {output.dtype}; choose another layer"
            )
        output = output if output.is_floating_point() else output.float()
        if self._rms is not None:
            self._rms[layer.name] = float(output.detach().float().square().mean().sqrt())
        return pool_layer(layer, output, self._pooling[layer.name], self._mask, self._weights)

    def _check(self, pooled: Sequence[torch.Tensor]) -> None:
        for layer, rows in zip(self.layers, pooled, strict=True):
            if (width := self._widths.setdefault(layer.name, rows.shape[1])) != rows.shape[1]:
                raise InputError(
                    f"layer {layer.name!r} must give rows of one width for all {self.noun}s, got {width} and"
                    f" {rows.shape[1]}; choose another pooling or layer"
                )

    def _failure(self, error: Exception, inputs: Batch, ids: Names) -> str:
        reason = one_line(error, 300, kind=True)
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in reason:
            many = f"{count(inputs)} {self.noun}s"
            return f"the network must fit into memory with {many}, got {reason}; give a smaller batch size"
        reached = self._tap.reached
        after = f"after layer {reached!r}" if reached else f"before layer {self.layers[0].name!r}"
        return (
            f"the network must run on every {self.noun}, got {reason}, {after}, {self._where(inputs, ids)};"
            f" leave it out or mend the network"
        )

    def _where(self, inputs: Batch, ids: Names) -> str:
        """Name the first item that fails by itself, or the whole batch."""
        for i, name in enumerate(ids):
            try:
                self._check(self._run(part(inputs, slice(i, i + 1))))
            except Exception:  # whatever it was before
                return f"at the {self.noun} {str(name)!r}"
        return f"in the batch of {len(ids)} {self.noun}s from {str(ids[0])!r} to {str(ids[-1])!r}"

    def fill(
        self,
        filler: Filler,
        ids: Names,
        source: Iterable[Portion],
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
            check: Called with the inputs, names and rows of every batch larger than those before, before it is kept.

        Raises:
            InputError: a layer puts out a nan or an inf, or the network fails; the item is named.
            CacheError: the cache cannot be written.
        """
        with track(total=total, desc=progress, unit=self.noun, show=bool(progress)) as bar, filler:
            largest = 0
            for rows, block, inputs in source:
                names = ids[rows.start : rows.stop]
                pooled = self(inputs, names)
                if check is not None and len(rows) > largest:
                    check(inputs, names, pooled)
                    largest = len(rows)
                filler.add(rows, block, pooled)
                bar.update(len(rows))

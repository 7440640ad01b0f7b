"""All wanted layers from one forward pass, pooled in the hook and written block by block."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from reprq.backbones import Backbone, Layer, load_backbone
from reprq.data import ImageDataset, load_dataset
from reprq.embeddings.cache import BLOCK_ROWS, CacheWriter, EmbeddingCache, default_cache_dir
from reprq.embeddings.pooling import POOLINGS, pool
from reprq.errors import InputError, UnknownNameError
from reprq.provenance import versions
from reprq.validation import check_finite

DTYPES = ("float32", "float16")


def extract(
    backbone: str | Backbone,
    data: str | ImageDataset,
    layers: str | int | Sequence[str | int] = "all",
    *,
    weights: str | Path = "default",
    preprocessing: Mapping[str, Any] | None = None,
    split: str = "train",
    samples: int | None = None,
    root: Path | str | None = None,
    download: bool = False,
    pooling: str = "avg",
    dtype: str = "float32",
    batch_size: int = 64,
    device: str = "cpu",
    seed: int = 0,
    cache_dir: Path | str | None = None,
    progress: bool = True,
) -> EmbeddingCache:
    """Extract the embeddings of every wanted layer into a cache on disk, and return that cache.

    One forward pass serves all layers and stops after the last one wanted. Each layer is pooled as soon as it is
    computed, so memory does not grow with the images. A run that was interrupted goes on at its first missing block;
    a run whose result is there already reads it and computes nothing.

    Args:
        backbone: A name (`reprq backbones` lists them) or a loaded `Backbone`.
        data: A data set's name (`digits`, `cifar10`, `folder:PATH`, ...) or an `ImageDataset`.
        layers: Numbers, names, ranges ("1-4"), or "all".
        weights: "default", "random" or the path of a weights file; for a backbone given by name.
        preprocessing: What to change in the backbone's own preprocessing; for a backbone given by name.
        split: "train" or "test"; for a data set given by name.
        samples: Take this many rows, a seeded stratified sample; all by default.
        root: Where the data set's files are; for a data set given by name.
        download: Whether the data set's files may be downloaded.
        pooling: "avg", "max", "cls" or "flatten"; see `reprq.embeddings.pooling.pool`.
        dtype: "float32" or "float16" on disk.
        batch_size: Images a forward pass.
        device: A torch device.
        seed: Seeds the sample, an own split, and random weights.
        cache_dir: The folder of the caches; `$REPRQ_CACHE` or `~/.cache/reprq/embeddings` by default.
        progress: Whether to show progress on stderr.

    Returns:
        The cache, showing the wanted layers in the order of depth.

    Raises:
        UnknownNameError: a backbone, data set, layer, pooling or dtype that does not exist.
        DataError, WeightsError: images or weights that are missing or cannot be read.
        InputError: a layer puts out a nan or an inf (the layer and the image are named), or a bad argument.
        CacheError: the cache cannot be written.
    """
    if pooling not in POOLINGS:
        raise UnknownNameError("pooling", pooling, POOLINGS)
    if dtype not in DTYPES:
        raise UnknownNameError("dtype", dtype, DTYPES)
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
    if isinstance(data, str):
        data = load_dataset(data, split, root=root, download=download, seed=seed)
    if samples is not None:
        data = data.sample(samples, seed=seed)
    if isinstance(backbone, str):
        backbone = load_backbone(backbone, weights, preprocessing=preprocessing, seed=seed)
    wanted = backbone.select_layers(layers)
    without_token = [layer.name for layer in wanted if not layer.class_token and layer.layout != "ND"]
    if pooling == "cls" and without_token:
        raise InputError(f"pooling 'cls' needs layers with a class token, got {', '.join(without_token)}; use 'avg'")
    identity = _identity(backbone, data, pooling, dtype)
    provenance = {"weights": backbone.weights, "split_info": data.split_info, "seed": seed, "versions": versions()}
    folder = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    writer = CacheWriter(folder, identity, provenance, data.ids, data.labels, data.classes)
    todo = set(writer.incomplete([layer.name for layer in wanted]))
    if todo:
        data.verify()
        chosen = [layer for layer in wanted if layer.name in todo]
        _fill(writer, backbone, data, chosen, pooling, batch_size, torch.device(device), progress)
    return EmbeddingCache(writer.path, [layer.name for layer in wanted])


def _identity(backbone: Backbone, data: ImageDataset, pooling: str, dtype: str) -> dict[str, Any]:
    return {
        "backbone": backbone.name,
        "weights_digest": backbone.weights_digest,
        "preprocessing": backbone.preprocessing.to_dict(),
        "data": data.name,
        "split": data.split,
        "data_fingerprint": data.fingerprint,
        "pooling": pooling,
        "dtype": dtype,
    }


def _fill(
    writer: CacheWriter,
    backbone: Backbone,
    data: ImageDataset,
    layers: Sequence[Layer],
    pooling: str,
    batch_size: int,
    device: torch.device,
    progress: bool,
) -> None:
    """Run the network over the images from the first missing block on, and write every block of every layer."""
    network = backbone.network.to(device)
    first = writer.first_missing([layer.name for layer in layers])
    label = f"{backbone.name} on {data.name} {data.split}"
    with (
        tqdm(total=len(data), initial=first * BLOCK_ROWS, desc=label, unit="image", disable=not progress) as bar,
        _Tap(network, layers, pooling) as tap,
    ):
        collected: dict[str, list[NDArray[np.floating]]] = {layer.name: [] for layer in layers}
        for rows, batch in _batches(backbone.preprocessing, data, first * BLOCK_ROWS, batch_size):
            for name, values in tap(batch.to(device)).items():
                collected[name].append(_stored(values, writer.dtype, name, data, rows.start))
            bar.update(len(rows))
            if rows.stop % BLOCK_ROWS == 0 or rows.stop == len(data):
                block = (rows.stop - 1) // BLOCK_ROWS
                for layer in layers:
                    writer.write(layer.name, layer.number, block, np.concatenate(collected[layer.name]))
                    collected[layer.name].clear()


def _stored(
    values: NDArray[np.floating], dtype: str, layer: str, data: ImageDataset, start: int
) -> NDArray[np.floating]:
    """Round to the dtype on disk; a nan or an inf is refused before it is written, and its image named."""
    with np.errstate(over="ignore"):
        values = values.astype(dtype, copy=False)
    try:
        check_finite(values, f"layer {layer!r} in {dtype}", start)
    except InputError as error:
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise InputError(f"{error}; it is the image {str(data.ids[start + row])!r}: check its preprocessing") from None
    return values


def _batches(
    preprocess: Callable[[Any], torch.Tensor], data: ImageDataset, start: int, batch_size: int
) -> Iterator[tuple[range, torch.Tensor]]:
    """Yield (rows, images), the next batch decoded in a thread while the network runs; no batch crosses a block."""

    def load(rows: range) -> torch.Tensor:
        return torch.stack([preprocess(data.image(i)) for i in rows])

    spans = [
        range(row, min(row + batch_size, block + BLOCK_ROWS, len(data)))
        for block in range(start, len(data), BLOCK_ROWS)
        for row in range(block, min(block + BLOCK_ROWS, len(data)), batch_size)
    ]
    with ThreadPoolExecutor(max_workers=1) as pool_:
        pending = pool_.submit(load, spans[0])
        for rows, following in zip(spans, [*spans[1:], None], strict=True):
            batch = pending.result()
            if following is not None:
                pending = pool_.submit(load, following)
            yield rows, batch


class _PassDone(Exception):  # noqa: N818 - a signal, not an error
    """Ends the forward pass after the last wanted layer."""


class _Tap:
    """Collects the pooled outputs of some layers during a forward pass that ends after the last of them."""

    def __init__(self, network: torch.nn.Module, layers: Sequence[Layer], pooling: str) -> None:
        self.network, self.layers, self.pooling = network, layers, pooling
        self._found: dict[str, torch.Tensor] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> "_Tap":
        for layer in self.layers:
            module = self.network.get_submodule(layer.module)
            if layer.where == "input":
                self._handles.append(module.register_forward_pre_hook(self._on_input(layer)))
            else:
                self._handles.append(module.register_forward_hook(self._on_output(layer)))
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def __call__(self, batch: torch.Tensor) -> dict[str, NDArray[np.floating]]:
        self._found.clear()
        with torch.inference_mode(), suppress(_PassDone):
            self.network(batch)
        return {layer.name: self._found[layer.name].cpu().numpy() for layer in self.layers}

    def _on_output(self, layer: Layer) -> Callable[..., None]:
        return lambda module, inputs, output: self._take(layer, output)

    def _on_input(self, layer: Layer) -> Callable[..., None]:
        return lambda module, inputs: self._take(layer, inputs[0])

    def _take(self, layer: Layer, output: torch.Tensor) -> None:
        self._found[layer.name] = pool(output, self.pooling, layout=layer.layout, class_token=layer.class_token)
        if len(self._found) == len(self.layers):
            raise _PassDone

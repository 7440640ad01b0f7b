"""From data to a cache: names become a network and a data set, and what the cache lacks is computed."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from reprq.backbones import Backbone, as_backbone, load_backbone
from reprq.backbones.folding import folded
from reprq.data import Dataset, Transform, as_dataset, read_as
from reprq.embeddings.agreement import check_batch, check_repeatable, check_unchanged
from reprq.embeddings.cache.addressing import Extractor, cache_of
from reprq.embeddings.cache.cache import EmbeddingCache, default_cache_dir, is_complete
from reprq.embeddings.cache.filling import Filler
from reprq.embeddings.cache.reuse import borrow
from reprq.embeddings.cache.writing import CacheWriter
from reprq.embeddings.forward import PooledLayer, PreparedInputs, batches, pooled_layers
from reprq.embeddings.learning import fitted
from reprq.embeddings.ranks import Ranks, together
from reprq.embeddings.registry import check_pooling, poolings_named
from reprq.errors import InputError, UnknownNameError
from reprq.progress import say
from reprq.provenance import versions

_DTYPES = ("float32", "float16")
_PROBED = 3  # samples on which a network is tried before it is believed
_PRECISIONS = ("float32", "bfloat16", "float16")


def extract(
    backbone: str | Backbone | nn.Module,
    data: Any,
    layers: str | int | Sequence[str | int] = "all",
    *,
    weights: str | Path = "default",
    preprocessing: Mapping[str, Any] | None = None,
    split: str = "train",
    samples: int | None = None,
    root: Path | str | None = None,
    download: bool = False,
    skip_broken: bool = False,
    pooling: str | Sequence[str] = "avg",
    dtype: str = "float32",
    precision: str = "float32",
    fold_batchnorm: bool = False,
    batch_size: int = 32,
    workers: int = 1,
    device: str = "cpu",
    seed: int = 0,
    cache_dir: Path | str | None = None,
    progress: bool = True,
    **reading: Any,
) -> EmbeddingCache:
    """Extract the embeddings of every wanted layer into a cache on disk, and return that cache.

    One forward pass serves all layers and stops after the last one wanted. Each layer is pooled as soon as it is
    computed, so memory does not grow with the samples. An interruption costs some seconds or one batch, whatever is
    longer: the next run goes on from there. A run whose result is there already computes no more than four rows, to see
    that the network still gives what is stored; where it does not, its rows get a cache of their own, which a note
    says. Rows of samples that the same network has seen in another data set or selection are taken from that one's
    cache.

    A backbone that learns from benign samples (`tfidf`, `lsa`; any of texts under the pooling "tfidf") learns from the
    samples themselves where they are a training side; for a test side give one that is fitted: `backbone.fit(train)`.

    Started by `torchrun`, the processes share the blocks among them and fill one cache, the same to the byte.

    Args:
        backbone: A name (`reprq backbones` lists them), a loaded `Backbone`, or any network of one's own together with
            its `preprocessing` (see `reprq.backbones.as_backbone`).
        data: A data set's name (`digits`, `cifar10`, `folder:PATH`, ...), a Path, or whatever else holds samples in
            Python: see `reprq.data.as_dataset`.
        layers: Numbers, names, ranges ("1-4"), or "all".
        weights: "default", "random" or the path of a weights file; for a backbone given by name.
        preprocessing: What to change in the backbone's own preprocessing; for a backbone given by name. For a network
            of one's own it is needed: {"size": 224}, and what differs from ImageNet's mean and standard deviation.
        split: "train" or "test".
        samples: Take this many rows, a seeded stratified sample; all by default.
        root: Where the data set's files are; for a data set given by name.
        download: Whether the data set's files may be downloaded.
        skip_broken: Whether files that do not decode are left out, and listed in the cache's notes.
        pooling: How a layer becomes one row per sample, see `reprq.embeddings.pooling.pool`; several, with commas
            between or in a sequence, are made in one pass. All but "avg" join the layer's name in the cache, as in
            "layer3@max".
        dtype: "float32" or "float16" on disk.
        precision: "float32", or "bfloat16" or "float16" for autocast in the forward pass.
        fold_batchnorm: Whether batch normalizations become part of the convolutions before them, where no wanted layer
            lies between: less time, and rows that differ by rounding (some 1e-6 of a layer's largest value), so they
            are cached apart. See `reprq.backbones.folding`.
        batch_size: Samples a forward pass.
        workers: Threads that decode samples while the network runs.
        device: A torch device.
        seed: Seeds the sample, an own split, and random weights.
        cache_dir: The folder of the caches; `$REPRQ_CACHE` or `~/.cache/reprq/embeddings` by default.
        progress: Whether to show progress on stderr, and what a person should know of how the samples are seen; the
            cache's `notes` say that too.
        **reading: How the files of the data's modality are read, such as `intensity_range` of images; see
            `reprq.data.read_as`.

    Returns:
        The cache, showing the wanted layers in the order of depth.

    Raises:
        UnknownNameError: a backbone, data set, layer, pooling, dtype or precision that does not exist.
        DataError, WeightsError: samples or weights that are missing or cannot be read.
        InputError: a layer puts out a nan or an inf, or the network fails (the layer and the sample are named); rows
            that are no function of their sample (`reprq.embeddings.agreement`); a bad argument.
        CacheError: the cache cannot be written.
    """
    poolings = poolings_named(pooling)
    _check_arguments(dtype, precision, batch_size, workers)
    data = as_dataset(data, split, root=root, download=download, seed=seed)
    data = read_as(data, skip_broken=skip_broken, **reading)
    if samples is not None:
        data = data.sample(samples, seed=seed)
    if isinstance(backbone, nn.Module):
        if preprocessing is None:
            raise InputError("preprocessing must be given for a network of your own, such as {'size': 224}, got None")
        backbone = as_backbone(backbone, preprocessing=preprocessing)
    elif isinstance(backbone, str):
        backbone = load_backbone(backbone, weights, preprocessing=preprocessing, seed=seed)
    elif not isinstance(backbone, Backbone):
        raise InputError(f"backbone must be a name, a Backbone or a torch.nn.Module, got a {type(backbone).__name__}")
    backbone = backbone.taking(data)
    chosen = backbone.select_layers(layers)
    for each in poolings:
        check_pooling(each, chosen)
    backbone = fitted(backbone, poolings, data)
    identity = _identity(backbone, data, dtype, f"{precision}, folded" if fold_batchnorm else precision)
    if fold_batchnorm:
        backbone = folded(backbone, chosen)
    wanted = pooled_layers(chosen, poolings)
    names = [layer.name for layer in wanted]
    ranks = Ranks.from_environment()
    on = ranks.device(device)
    provenance = {"weights": backbone.weights, "split_info": data.split_info, "seed": seed, "versions": versions()}
    provenance |= {"data_notes": list(data.notes), "device": on.type}
    folder = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    extractor = Extractor(backbone, data, poolings, on, precision)
    shown = f"{backbone.name} on {data.name} {data.split}" if progress and ranks.rank == 0 else ""
    inputs = PreparedInputs(backbone.preprocessing, data)
    with together(ranks, on):
        writer, notes = cache_of(extractor, wanted, folder, identity, provenance)
        begun = (writer.path / "zarr.json").exists()
        if not begun:  # bad files are named before there is a cache, and leave none behind
            _verify(data, [writer.rows_of(block) for block in range(writer.blocks) if ranks.owns(block)], inputs)
            writer.remember(**_seen(data, backbone.preprocessing, notes))
        if not is_complete(writer.path, names):
            borrow(writer, names, lambda stored: extractor.disagreement(wanted, stored) is None)
            if not is_complete(writer.path, names):
                _complete(extractor, wanted, writer, ranks, inputs, batch_size, workers, shown, verified=not begun)
    cache = EmbeddingCache(writer.path, names)
    of_extraction = [note for note in cache.notes if note not in data.notes]
    cache.provenance["notes"] = [*data.notes, *of_extraction]
    if shown:
        for note in of_extraction:
            say(note)
    return cache


def _complete(
    extractor: Extractor,
    layers: Sequence[PooledLayer],
    writer: CacheWriter,
    ranks: Ranks,
    inputs: PreparedInputs,
    batch_size: int,
    workers: int,
    shown: str,
    *,
    verified: bool,
) -> None:
    """Compute what a cache lacks of some layers, by a network that gives the same for the same items, then and now."""
    data, name, transform = extractor.data, extractor.backbone.name, extractor.backbone.preprocessing
    probed = extractor.samples(np.linspace(0, len(data) - 1, _PROBED).round())
    with extractor.forward(layers) as forward:
        smallest = (len(data) - 1) % batch_size + 1
        first = check_repeatable(forward, transform, probed, name, smallest=smallest)
    with writer:
        todo = writer.incomplete([layer.name for layer in layers])
        chosen = [layer for layer in layers if layer.name in todo]
        filler = Filler(writer, [(layer.name, layer.number) for layer in chosen], data.ids)
        missing = [block for block in writer.missing(todo) if ranks.owns(block)]
        blocks = [filler.resume(writer.rows_of(block)) for block in missing]
        if not blocks:
            return
        if not verified:
            _verify(data, blocks, inputs)
        with extractor.forward(chosen) as forward:
            source = batches(transform, data, blocks, batch_size, workers, inputs)
            check = partial(check_batch, forward, name)
            forward.fill(filler, data.ids, source, sum(map(len, blocks)), shown, check=check)
            try:
                check_unchanged(forward, first, transform.collate(probed.items), probed.ids, name)
            except InputError:
                writer.discard(todo)
                raise


def _verify(data: Dataset, blocks: Sequence[range], inputs: PreparedInputs) -> None:
    """Read the rows of some blocks, and make of them what the network takes while there is room for it."""
    if blocks:
        rows = np.concatenate(blocks)
        data.select(rows).verify(lambda i: inputs.make(int(rows[i])))


def _seen(data: Dataset, transform: Transform, notes: Sequence[str]) -> dict[str, Any]:
    """What a cache remembers of its items."""
    seen = transform.seen(data)
    return {"reading": data.reading, "input": transform.describe(), **seen.record, "notes": [*notes, *seen.notes]}


def _check_arguments(dtype: str, precision: str, batch_size: int, workers: int) -> None:
    for kind, name, valid in (("dtype", dtype, _DTYPES), ("precision", precision, _PRECISIONS)):
        if name not in valid:
            raise UnknownNameError(kind, name, valid)
    for argument, number in (("batch_size", batch_size), ("workers", workers)):
        if number < 1:
            raise InputError(f"{argument} must be at least 1, got {number}")


def _identity(backbone: Backbone, data: Dataset, dtype: str, precision: str) -> dict[str, Any]:
    return {
        "backbone": backbone.name,
        "weights_digest": backbone.weights_digest,
        "preprocessing": backbone.preprocessing.to_dict(),
        "data": data.name,
        "split": data.split,
        "data_fingerprint": data.fingerprint,
        "dtype": dtype,
        "precision": precision,
    }

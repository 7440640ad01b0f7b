"""Which cache holds the rows of a network: the one of its identity whose stored rows it gives again."""

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import zarr
from numpy.typing import ArrayLike, NDArray

from reprq.backbones import Backbone
from reprq.data import Dataset
from reprq.embeddings.agreement import Samples, differing, percent, tolerance_of
from reprq.embeddings.cache.cache import BLOCK_ROWS, blocks_present, damaged, layer_arrays, open_group
from reprq.embeddings.cache.filling import Unfinished
from reprq.embeddings.cache.writing import CacheWriter
from reprq.embeddings.forward import Forward, PooledLayer, pooled_layers

COMPARED = 4  # rows


class Extractor(NamedTuple):
    """What turns rows of a data set into rows of embeddings."""

    backbone: Backbone
    data: Dataset
    poolings: Sequence[str]
    device: torch.device
    precision: str

    def forward(self, layers: Sequence[PooledLayer]) -> Forward:
        """Return the forward pass that reads some layers."""
        network, weights = self.backbone.network, self.backbone.term_weights
        return Forward(network, layers, self.device, self.precision, self.data.noun, weights)

    def samples(self, rows: ArrayLike) -> Samples:
        """Return some rows, each once and in their order, as the network takes them one by one, and their names."""
        numbers = np.unique(np.asarray(rows, dtype=np.int64)).tolist()
        items = [self.backbone.preprocessing(self.data.item(i)) for i in numbers]
        return Samples(items, [str(self.data.ids[i]) for i in numbers])

    def disagreement(self, layers: Sequence[PooledLayer], stored: "StoredRows") -> tuple[str, float] | None:
        """Return a layer of which the network gives other rows than are stored, and by how much; None if there is none.

        Raises:
            InputError: The network cannot run on the items of these rows.
        """
        chosen = [layer for layer in layers if layer.name in stored.values]
        if not chosen:
            return None
        with self.forward(chosen) as forward:
            items, ids = self.samples(stored.rows)
            given = forward.measure(self.backbone.preprocessing.collate(items), ids)
        there = {name: x._replace(rows=stored.values[name]) for name, x in given.items()}
        return differing(there, given, tolerance_of(self.precision, (self.device.type, stored.device)))


class StoredRows(NamedTuple):
    """Some rows of a cache.

    Attributes:
        rows: Which rows.
        values: (len(rows), d) of every layer that holds them.
        device: The type of the device that computed them; empty where the cache does not say.
    """

    rows: list[int]
    values: dict[str, NDArray[np.floating]]
    device: str


def cache_of(
    extractor: Extractor,
    layers: Sequence[PooledLayer],
    folder: Path,
    identity: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> tuple[CacheWriter, list[str]]:
    """Return the writer of a network's cache, which holds the rows that the network gives or is new, and notes on it.

    No digest covers all that a network computes: it may read a file, or call a library of another version. So a few
    rows that are stored are computed again and compared (`reprq.embeddings.agreement`). A cache with other rows stays
    as it is; the identity then gets a number, `alternative`, from 2, and the provenance a note.

    Args:
        extractor: The network and the data.
        layers: The layers wanted.
        folder: The folder of the caches.
        identity: See `CacheWriter`.
        provenance: See `CacheWriter`.

    Raises:
        CacheError: A cache that is foreign or damaged.
        InputError: The network cannot run on the stored items.
    """
    stages = pooled_layers(extractor.backbone.layers, extractor.poolings)
    compared = [*layers, *(stage for stage in stages if stage not in layers)]
    notes: list[str] = []
    for number in count(1):
        own = identity if number == 1 else {**identity, "alternative": number}
        writer = CacheWriter(folder, own, provenance, extractor.data)
        names = [layer.name for layer in compared]
        found = extractor.disagreement(compared, stored_rows(writer.path, names, COMPARED))
        if found is None:
            break
        notes.append(
            f"{writer.path.name} holds other rows under the same weights and code: layer {found[0]!r} differs by"
            f" {percent(found[1])} of its largest value"
        )
    return writer, notes


def stored_rows(path: Path, layers: Sequence[str], number: int) -> StoredRows:
    """Return a few rows, spread over the first that are stored of some layers; none where there are none.

    Raises:
        CacheError: The folder is no cache, or is damaged.
    """
    if not (path / "zarr.json").is_file():
        return StoredRows([], {}, "")
    group = open_group(path, "r")
    start, values = _first_block(group, path, layers)
    if not values:
        start, values = Unfinished.of(path).first(layers)
    rows = min(map(len, values.values()), default=0)
    few = np.unique(np.linspace(0, max(0, rows - 1), number).round().astype(np.int64))
    device = cast(dict[str, Any], group.attrs.get("provenance", {})).get("device", "")
    return StoredRows((start + few).tolist(), {name: x[few] for name, x in values.items()}, str(device))


def _first_block(group: zarr.Group, path: Path, layers: Sequence[str]) -> tuple[int, dict[str, NDArray[np.floating]]]:
    """The first whole block of some layers, by layer, and the row where it starts."""
    arrays = {name: array for name, array in layer_arrays(group).items() if name in layers}
    present = {name: blocks for name, array in arrays.items() if (blocks := blocks_present(array))}
    block = min((min(blocks) for blocks in present.values()), default=0)
    values = {}
    for name in (name for name, blocks in present.items() if block in blocks):
        rows = arrays[name].chunks[0]
        try:
            values[name] = np.asarray(arrays[name][block * rows : (block + 1) * rows])
        except (ValueError, OSError) as error:
            raise damaged(path, name, arrays[name], error) from None
    return block * BLOCK_ROWS, values

"""Rows that another cache has already: the same samples under other names, labels or in another selection."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.embeddings.cache.addressing import COMPARED, StoredRows
from reprq.embeddings.cache.cache import (
    CONTENT,
    Array,
    array_of,
    blocks_present,
    is_complete,
    layer_arrays,
    open_group,
)
from reprq.embeddings.cache.writing import CacheWriter
from reprq.errors import ReprqError

# What is in an identity and decides no row. Caches whose number differs are of networks that differ, or of the same on
# other samples: rows tell.
_OF_THE_DATA = ("data", "split", "data_fingerprint", "alternative")


def borrow(writer: CacheWriter, layers: Sequence[str], agrees: Callable[[StoredRows], bool]) -> None:
    """Give a cache the blocks whose samples other caches of the same network have rows of.

    Samples are told by their content, so it does not matter what they are called, which classes they are in, in which
    order they come, or that there were more of them. Rows of the very same samples are hard links to the files of the
    other cache, where the file system has such; a cache can be removed without harm to the other either way.

    Args:
        writer: The cache, not open.
        layers: The layers wanted, by their names in the cache.
        agrees: Whether the network gives some rows of the other cache, numbered as in this one.

    Raises:
        CacheError: the cache cannot be written.
    """
    if is_complete(writer.path, layers):
        return
    others = [path for path in _others(writer) if set(layers) & set(_layers_of(path))]
    if not others:
        return
    with writer:
        for path in others:
            if todo := writer.incomplete(layers):
                _take(writer, path, todo, agrees)


def _others(writer: CacheWriter) -> list[Path]:
    """The caches beside this one that are of the same network, read and stored in the same way."""
    root = writer.path.parent
    network = {name: value for name, value in writer.identity.items() if name not in _OF_THE_DATA}
    network = json.loads(json.dumps(network))  # tuples are lists in the file
    folders = sorted(root.iterdir()) if root.is_dir() else []
    found = {path: _provenance(path) for path in folders if path != writer.path}
    return [path for path, made in found.items() if {name: made.get(name) for name in network} == network]


def _provenance(path: Path) -> dict[str, Any]:
    try:
        found = json.loads((path / "zarr.json").read_bytes())["attributes"]["provenance"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _layers_of(path: Path) -> list[str]:
    try:
        return list(layer_arrays(open_group(path, "r")))
    except (ReprqError, ValueError, OSError):
        return []


def _take(writer: CacheWriter, path: Path, layers: Sequence[str], agrees: Callable[[StoredRows], bool]) -> None:
    """Copy or link what one other cache has; what cannot be read of it is passed over and computed."""
    with suppress(ReprqError, ValueError, OSError):
        group = open_group(path, "r")
        if CONTENT not in group:
            return  # a cache of an older version
        stored = layer_arrays(group)
        places, same = _places(np.asarray(array_of(group, CONTENT)[:]), writer.content)
        arrays = {layer: stored[layer] for layer in layers if layer in stored}
        device = str(_provenance(path).get("device", ""))
        for layer in _agreed(arrays, places, lambda rows, values: agrees(StoredRows(rows, values, device))):
            _take_layer(writer, layer, arrays[layer], path, places, same)


def _agreed(
    arrays: Mapping[str, Array],
    places: NDArray[np.int64],
    agree: Callable[[list[int], dict[str, NDArray[np.floating]]], bool],
) -> set[str]:
    """The layers of which some rows that can be read are the network's; none where any are not."""
    agreed: set[str] = set()
    for block in sorted(set().union(*map(blocks_present, arrays.values()))):
        todo = {layer: x for layer, x in arrays.items() if layer not in agreed and block in blocks_present(x)}
        rows_a_block = max((x.chunks[0] for x in todo.values()), default=1)
        here = np.flatnonzero((places >= 0) & (places // rows_a_block == block))
        if not todo or not len(here):
            continue
        rows = here[np.unique(np.linspace(0, len(here) - 1, COMPARED).round().astype(np.int64))]
        values = {}
        for layer, array in todo.items():
            with suppress(ValueError, OSError):  # its checksum is wrong
                values[layer] = np.asarray(array.oindex[places[rows], slice(None)])
        if not agree(rows.tolist(), values):
            return set()
        agreed |= set(values)
    return agreed


def _take_layer(
    writer: CacheWriter, layer: str, array: Array, path: Path, places: NDArray[np.int64], same: bool
) -> None:
    present, number = blocks_present(array), array.attrs["number"]
    assert isinstance(number, int)
    for block in writer.missing([layer]):
        rows = writer.rows_of(block)
        wanted = places[rows.start : rows.stop]
        if wanted.min() < 0 or not set((wanted // array.chunks[0]).tolist()) <= present:
            continue
        try:
            values = np.asarray(array.oindex[wanted, slice(None)])
        except (ValueError, OSError):  # its checksum is wrong
            continue
        file = path / array.path / "c" / str(block) / "0"
        writer.write(layer, number, block, values, linked=file if same else None)


def _places(theirs: NDArray[np.uint8], ours: NDArray[np.uint8]) -> tuple[NDArray[np.int64], bool]:
    """The row there of each row here, -1 for none, and whether these are the same samples in the same order."""
    if np.array_equal(theirs, ours):
        return np.arange(len(ours)), True
    row_of = {digest.tobytes(): row for row, digest in enumerate(theirs)}
    return np.array([row_of.get(digest.tobytes(), -1) for digest in ours], dtype=np.int64), False

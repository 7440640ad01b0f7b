"""Rows that other caches have already: the same samples under other names, labels or in another selection."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
    order they come, or how they are shared among other caches: the training rows of one fold are those of another and
    its test rows. Rows of the very same samples are hard links to the files of the other cache, where the file system
    has such; a cache can be removed without harm to the others either way.

    Args:
        writer: The cache, not open.
        layers: The layers wanted, by their names in the cache.
        agrees: Whether the network gives some rows of another cache, numbered as in this one.

    Raises:
        CacheError: the cache cannot be written.
    """
    opened = (_Lender.open(path, writer.content, layers) for path in _others(writer))
    lenders = sorted((each for each in opened if each is not None), key=lambda each: not each.same)
    if not lenders:
        return
    with writer:
        for layer in writer.incomplete(layers):
            for block in writer.missing([layer]):
                _take(writer, layer, block, lenders, agrees)


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


@dataclass(eq=False)
class _Lender:
    """Another cache with rows of some of the samples.

    Attributes:
        path: Its folder.
        arrays: Its layers that are wanted, by name.
        places: Its row of each sample here, -1 for none.
        same: Whether it holds these very samples in this order.
        blocks: The blocks of each layer that can be read, as far as is known.
        agreed: The layers of which some rows were found to be the network's; None before they are compared.
    """

    path: Path
    arrays: Mapping[str, Array]
    places: NDArray[np.int64]
    same: bool
    blocks: dict[str, set[int]]
    agreed: set[str] | None = None

    @classmethod
    def open(cls, path: Path, content: NDArray[np.uint8], layers: Sequence[str]) -> "_Lender | None":
        """Return what a cache has of some layers and samples; None if that is nothing, or cannot be read."""
        with suppress(ReprqError, ValueError, OSError):
            group = open_group(path, "r")
            if CONTENT not in group:
                return None  # a cache of an older version
            arrays = {name: array for name, array in layer_arrays(group).items() if name in layers}
            places, same = _places(np.asarray(array_of(group, CONTENT)[:]), content)
            if arrays and (places >= 0).any():
                return cls(path, arrays, places, same, {name: blocks_present(each) for name, each in arrays.items()})
        return None

    def has(self, layer: str, rows: range) -> NDArray[np.bool_]:
        """Return which rows here it has of a layer."""
        if layer not in self.arrays:
            return np.zeros(len(rows), dtype=bool)
        wanted = self.places[rows.start : rows.stop]
        blocks = wanted // self.arrays[layer].chunks[0]
        found: NDArray[np.bool_] = (wanted >= 0) & np.isin(blocks, list(self.blocks[layer]))
        return found

    def read(self, layer: str, rows: NDArray[np.intp]) -> NDArray[np.floating] | None:
        """Return some rows here of a layer; None where a checksum is wrong, and those blocks are then passed over."""
        wanted = self.places[rows]
        try:
            return np.asarray(self.arrays[layer].oindex[wanted, slice(None)])
        except (ValueError, OSError):
            self.blocks[layer] -= set((wanted // self.arrays[layer].chunks[0]).tolist())
            return None

    def is_of_the_network(self, layer: str, agrees: Callable[[StoredRows], bool]) -> bool:
        """Whether some rows of the layer are the network's; if not, none of it is taken."""
        if self.agreed is None:
            device = str(_provenance(self.path).get("device", ""))
            self.agreed = _agreed(self.arrays, self.places, lambda rows, x: agrees(StoredRows(rows, x, device)))
            for name in set(self.arrays) - self.agreed:
                self.blocks[name] = set()
        return layer in self.agreed


def _take(
    writer: CacheWriter, layer: str, block: int, lenders: Sequence[_Lender], agrees: Callable[[StoredRows], bool]
) -> None:
    """Write one block of a layer, if all its rows can be read from others, whichever have them."""
    rows = writer.rows_of(block)
    values: NDArray[np.floating] | None = None
    left = np.ones(len(rows), dtype=bool)
    if not np.any([lender.has(layer, rows) for lender in lenders], axis=0).all():
        return
    for lender in lenders:
        there = left & lender.has(layer, rows)
        if not there.any() or not lender.is_of_the_network(layer, agrees):
            continue
        found = lender.read(layer, rows.start + np.flatnonzero(there))
        if found is None:
            continue
        if values is None:
            values = np.empty((len(rows), found.shape[1]), found.dtype)
        values[there], left = found, left & ~there
        if not left.any():
            array = lender.arrays[layer]
            number = array.attrs["number"]
            assert isinstance(number, int)
            whole = lender.same and there.all()
            file = lender.path / array.path / "c" / str(block) / "0"
            writer.write(layer, number, block, values, linked=file if whole else None)
            return


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


def _places(theirs: NDArray[np.uint8], ours: NDArray[np.uint8]) -> tuple[NDArray[np.int64], bool]:
    """The row there of each row here, -1 for none, and whether these are the same samples in the same order."""
    if np.array_equal(theirs, ours):
        return np.arange(len(ours)), True
    row_of = {digest.tobytes(): row for row, digest in enumerate(theirs)}
    return np.array([row_of.get(digest.tobytes(), -1) for digest in ours], dtype=np.int64), False

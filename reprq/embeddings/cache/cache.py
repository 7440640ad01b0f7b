"""Embeddings on disk: one zarr v3 group a (network, weights, preprocessing, samples, dtype), one array a layer.

The folder is named by a digest of everything that decides its content, so a cache is found again only by what would
write the very same bytes. Each layer is an array, stored uncompressed in blocks of `BLOCK_ROWS` rows, each its own file
with a checksum, written under another name and renamed: a block is there whole or not at all, and an interrupted
extraction goes on with the blocks that are missing. zarr reads a missing block as zeros in silence, so completeness is
counted before anything is read. How a layer was pooled is part of its name: `layer3` for the average, `layer3@max`.

Other programs read a layer by its path, for instance `dask.array.from_zarr(cache.path / "layers" / "layer3")`. A name
that a file system might not take, or confuse with another, has a folder of another name (`reprq.storage.file_name`) and
is itself the attribute `name` of the array; `cache.array(name).path` tells the folder. A cache that was copied to a
remote store is read there by its URL, see `reprq.embeddings.cache.remote`.

Why zarr and not plain .npy blocks: zarr brings the checksums, the partial last block, dask and xarray; reading back ran
at 430 MB/s and at 390 from .npy, and the resume is the same count of files in both. What zarr takes to write, 0.8 to
1.6 ms for a block of 256 x 512 float16 and as much for an array, is twice as long as the write itself: so these files
are written by `reprq.embeddings.cache.files`, with the bytes that zarr gives them.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore, StorePath

from reprq.embeddings.cache.remote import is_url, open_remote, remote_arrays
from reprq.embeddings.embeddings import Embeddings
from reprq.embeddings.registry import is_pooling, standard_name
from reprq.errors import CacheError, InputError, UnknownNameError, one_line
from reprq.optional import require

FORMAT = 1
BLOCK_ROWS = 512
_PART_BYTES = 64 * 2**20  # of a layer that a dask worker reads at once
# Beside the group `layers`: the labels, int64, the ids, a JSON list in UTF-8 bytes (zarr v3 has no stable text), and
# the SHA-256 of every sample, which caches of older versions lack.
LAYERS, LABELS, IDS, CONTENT = "layers", "labels", "ids", "content"

if TYPE_CHECKING:
    Array = zarr.Array[Any]
else:
    Array = zarr.Array  # zarr 3.0's cannot be subscripted


def default_cache_dir() -> Path:
    """Return the folder of the caches: `$REPRQ_CACHE`, or `~/.cache/reprq/embeddings`."""
    return Path(os.environ.get("REPRQ_CACHE") or "~/.cache/reprq/embeddings").expanduser()


def cached_name(layer: str, pooling: str) -> str:
    """Return the name of a layer in a cache: its own for the average, and `layer3@max` for another pooling.

    Example:
        >>> cached_name("layer3", "avg"), cached_name("layer3", "max"), cached_name("called@max", "avg")
        ('layer3', 'layer3@max', 'called@max@avg')
    """
    pooling = standard_name(pooling)
    return layer if pooling == "avg" and not is_pooling(layer.rpartition("@")[2]) else f"{layer}@{pooling}"


def layers_and_poolings(layers: Iterable[str], poolings: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return which layer and pooling each name in a cache stands for.

    Example:
        >>> layers_and_poolings(["layer3"], ["avg", "max"])
        {'layer3': ('layer3', 'avg'), 'layer3@max': ('layer3', 'max')}
    """
    return {cached_name(layer, pooling): (layer, pooling) for layer in layers for pooling in poolings}


class EmbeddingCache(Mapping[str, Embeddings]):
    """A lazy mapping from layer name to `Embeddings`; all layers have one row order.

    Args:
        path: The folder of the cache, or the URL of one on a store that fsspec reads, such as "s3://bucket/cache" (the
            extra `remote`). Such a cache is read and never written.
        layers: The layers to show, in this order; all complete ones by default.

    Attributes:
        location: The folder or URL, for messages.
        provenance: How the embeddings were made.
        labels: (n,) the class number of each row.
        classes: The names of the classes.

    Raises:
        CacheError: the folder is missing, is no cache, or is of another format.
    """

    def __init__(self, path: Path | str, layers: Sequence[str] | None = None) -> None:
        self.location = str(path)
        self._group = open_group(path, "r")
        attributes: dict[str, Any] = dict(self._group.attrs)
        self.provenance: dict[str, Any] = attributes["provenance"]
        self.classes: tuple[str, ...] = tuple(attributes["classes"])
        self.labels: NDArray[np.int64] = self._read(array_of(self._group, LABELS))
        self._arrays = layer_arrays(self._group)
        self._layers = tuple(self._complete() if layers is None else layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __contains__(self, layer: object) -> bool:
        return layer in self._layers

    def __getitem__(self, layer: str) -> Embeddings:
        """Read one layer whole; raises `UnknownNameError`, or `CacheError` where blocks are missing or damaged."""
        provenance = {**self.provenance, "layer": layer, "classes": list(self.classes)}
        return Embeddings(self.rows(layer), layer, self.ids, self.labels, provenance)

    def rows(self, layer: str) -> NDArray[np.floating]:
        """Read the (n, d) rows of one layer alone; raises as reading the layer does."""
        if layer not in self._layers:
            raise UnknownNameError("layer of the cache", layer, self._layers)
        return self._read(self._array(layer))

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        """(n,) the name of each row; read when it is asked for."""
        return np.array(json.loads(self._read(array_of(self._group, IDS)).tobytes()), dtype=np.str_)

    def __repr__(self) -> str:
        return f"EmbeddingCache({self.provenance.get('backbone')}, {len(self.labels)} rows, layers {', '.join(self)})"

    @property
    def path(self) -> Path:
        """The folder of the cache.

        Raises:
            InputError: It is on a remote store.
        """
        if is_url(self.location):
            raise InputError(f"the cache {self.location} is on a remote store and has no folder here; copy it first")
        return Path(self.location)

    def dask_array(self, layer: str) -> Any:
        """Return one complete layer as a dask array, whose workers read its blocks from where the cache is.

        `reprq.measure(cache.dask_array("layer3"))` moves sums only. The workers must see the folder under the same
        path, or the URL.

        Raises:
            UnknownNameError, CacheError: As `array`.
            InputError: dask is not installed.
        """
        da: Any = require("dask.array", "distributed", "dask_array", package="dask")
        array = self.array(layer)
        rows, columns = array.chunks
        many = max(1, _PART_BYTES // (array.dtype.itemsize * rows * columns))
        return da.from_array(array, chunks=(rows * many, columns), name=False)

    def array(self, layer: str) -> Array:
        """Return one complete layer as a zarr array that reads its blocks when they are asked for.

        `reprq.measure(cache.array("layer3"))` holds one block at a time in memory.
        """
        if layer not in self._layers:
            raise UnknownNameError("layer of the cache", layer, self._layers)
        array = self._array(layer)
        if missing := missing_blocks(array):
            raise CacheError(f"{layer} of the cache {self.location} lacks {missing} blocks; run the extraction again")
        return array

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the samples: a sentence each."""
        return tuple(self.provenance.get("notes", ()))

    def widths(self) -> dict[str, int]:
        """Return the number of columns of every layer, without reading the arrays."""
        return {name: int(self._array(name).shape[1]) for name in self}

    def _complete(self) -> list[str]:
        whole = [name for name, array in self._arrays.items() if not missing_blocks(array)]
        return sorted(whole, key=lambda name: cast(int, self._arrays[name].attrs["number"]))

    def _array(self, layer: str) -> Array:
        """The array of a layer; each is opened once, as that takes as long as reading a small one."""
        if layer not in self._arrays:
            self._arrays[layer] = array_of(self._group, f"{LAYERS}/{layer}")
        return self._arrays[layer]

    def _read(self, array: Array) -> NDArray[Any]:
        name = array.path
        if missing := missing_blocks(array):
            raise CacheError(f"{name} of the cache {self.location} lacks {missing} blocks; run the extraction again")
        try:
            return np.asarray(array[:])
        except (ValueError, OSError) as error:
            raise damaged(self.location, name, array, error) from None


def damaged(path: Path | str, name: str, array: Array, error: Exception) -> CacheError:
    """Return the error of an array that cannot be read: which block of a layer, and what to delete.

    An extraction makes the blocks of layers anew; labels and ids are written once, when a cache begins.
    """
    if is_url(path):
        return CacheError(f"{name} of the cache {path} cannot be read ({reason(error)}); copy it there again")
    path = Path(path)
    if not array.path.startswith(f"{LAYERS}/"):
        return CacheError(
            f"{name} of the cache {path} is damaged ({reason(error)}); delete the folder and extract again"
        )
    folder, rows = path / array.path / "c", array.chunks[0]
    for block in range(array.nchunks):
        try:
            array[block * rows : (block + 1) * rows]
        except Exception as found:  # zarr's codecs have no one error
            where = f"{name} block {block} of the cache {path}"
            return CacheError(f"{where} is damaged ({reason(found)}); delete {folder / str(block)} and extract again")
    return CacheError(f"{name} of the cache {path} is damaged ({reason(error)}); delete {folder} and extract again")


def reason(error: Exception) -> str:
    """Return why a block cannot be read, without the bytes of a checksum."""
    return "its checksum is wrong" if "checksum" in str(error) else one_line(error, 200)


def is_complete(path: Path, layers: Sequence[str]) -> bool:
    """Return whether a cache has every block of the layers; it is only read."""
    if not (path / "zarr.json").is_file():
        return False
    group = open_group(path, "r")
    arrays = layer_arrays(group)
    needed = [_member(group, LABELS), _member(group, IDS), *map(arrays.get, layers)]
    return not any(array is None or missing_blocks(array) for array in needed)


def layer_arrays(group: zarr.Group) -> dict[str, Array]:
    """Return the layers of a cache by name, in the order of their folders."""
    if isinstance(group.store, LocalStore):
        folders = sorted(file.parent.name for file in (group.store.root / LAYERS).glob("*/zarr.json"))
    else:
        folders = remote_arrays(group, LAYERS)
    arrays = [array_of(group, f"{LAYERS}/{folder}") for folder in folders]
    return {str(array.attrs.get("name", array.basename)): array for array in arrays}


def missing_blocks(array: Array) -> int:
    """Return how many blocks of a cached array are not stored."""
    if not isinstance(array.store, LocalStore):
        return int(array.nchunks - array.nchunks_initialized)
    return int(array.nchunks) - len(blocks_present(array))


def blocks_present(array: Array) -> set[int]:
    """The numbers of the blocks on disk, along the rows; a half-written block has another name."""
    folder = cast(LocalStore, array.store).root / array.path / "c"
    last = "/".join("0" * (array.ndim - 1))
    blocks = (entry for entry in folder.iterdir() if entry.name.isdigit()) if folder.is_dir() else ()
    return {int(entry.name) for entry in blocks if (entry / last).is_file()}


def array_of(group: zarr.Group, name: str) -> Array:
    """Return an array of a cache; raises `CacheError` where there is none of that name."""
    array = _member(group, name)
    if array is None:
        raise CacheError(f"the cache {group.store} has no array {name!r}; delete the folder and extract again")
    return array


def _member(group: zarr.Group, name: str) -> Array | None:
    """An array of a cache, or None; of a folder its metadata are read here, in a third of the time that zarr takes."""
    if not isinstance(group.store, LocalStore):
        found = group.get(name)
        return found if isinstance(found, zarr.Array) else None
    try:
        said = json.loads((group.store.root / name / "zarr.json").read_bytes())
    except OSError:
        return None
    return zarr.Array.from_dict(StorePath(group.store, name), said) if said.get("node_type") == "array" else None


def open_group(path: Path | str, mode: Literal["r", "r+"]) -> zarr.Group:
    """Open a cache; raises `CacheError` where it is missing, foreign or of another format."""
    group = open_remote(str(path)) if is_url(path) else _open_folder(Path(path), mode)
    found = group.attrs.get("reprq_format")
    if found != FORMAT:
        raise CacheError(f"{path} must be an embedding cache of format {FORMAT}, got {found}; extract it again")
    return group


def _open_folder(path: Path, mode: Literal["r", "r+"]) -> zarr.Group:
    if not path.is_dir():
        raise CacheError(f"the cache {path} does not exist; make it with reprq.extract or `reprq extract`")
    try:
        return zarr.open_group(LocalStore(path, read_only=mode == "r"), mode=mode, zarr_format=3)
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise CacheError(f"{path} is not an embedding cache ({type(error).__name__}); give another folder") from None

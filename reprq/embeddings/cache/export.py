"""Embeddings for other programs: .npy, .npz, .safetensors and .parquet files, each whole or not there at all."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from reprq.embeddings.cache.cache import EmbeddingCache
from reprq.embeddings.cache.catalogue import pick_layer
from reprq.embeddings.embeddings import Embeddings
from reprq.embeddings.formats.columnar import pyarrow_for
from reprq.errors import CacheError, InputError, OutputExistsError
from reprq.storage import write_whole

_ROW_GROUP = 65_536


def export(
    source: EmbeddingCache | Embeddings, path: Path | str, layer: str | int | None = None, *, force: bool = False
) -> Path:
    """Write the embeddings of one layer to a file that `load_embeddings` reads back exactly.

    ================  =================================================================================================
    ending            what it holds
    ================  =================================================================================================
    ``.npy``          the array alone
    ``.npz``          `X`, `y` where there are labels, `classes` where these are numbers of names, `ids`
    ``.safetensors``  `X`, `y` where there are labels; `ids` and `provenance` as JSON in the metadata
    ``.parquet``      the list column `X`, `y` where there are labels, `id`; `provenance` as JSON in the metadata
    ================  =================================================================================================

    Args:
        source: A cache, or the embeddings of one layer.
        path: The file to write; its ending says the format.
        layer: The layer of a cache, by name or number; may be left out if it has only one.
        force: Whether a file that is there may be replaced.

    Returns:
        The path of the file.

    Raises:
        InputError: an ending that is none of these, or a layer of what is one layer already.
        UnknownNameError: no such layer.
        OutputExistsError: the file is there and `force` is False, or it is a folder.
        CacheError: the cache is damaged, or the file cannot be written; then nothing is left behind.
    """
    path = Path(path)
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise InputError(f"path must end in {', '.join(_WRITERS)}, got {path.name!r}; choose one of these formats")
    if path.is_dir() or (path.exists() and not force):
        hint = "give the path of a file" if path.is_dir() else "give another path, or force (--force) to replace it"
        raise OutputExistsError(f"{path} exists already; {hint}")
    if isinstance(source, EmbeddingCache):
        x = pick_layer(source.path, layer)
    elif layer is None:
        x = source
    else:
        raise InputError(f"layer must be left out for the embeddings of one layer, got {layer!r}")
    hint = "nothing was left behind"
    write_whole(path, lambda temporary: write(temporary, x), error=CacheError, hint=hint)
    return path


def _write_npy(path: Path, x: Embeddings) -> None:
    with path.open("wb") as file:
        np.save(file, x.array, allow_pickle=False)


def _write_npz(path: Path, x: Embeddings) -> None:
    labels = {} if x.labels is None else {"y": x.labels}
    if "classes" in x.provenance:
        labels["classes"] = np.array(x.provenance["classes"], dtype=np.str_)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, X=x.array, ids=x.ids, **labels)


def _write_safetensors(path: Path, x: Embeddings) -> None:
    from safetensors.numpy import save_file

    arrays = {"X": x.array} if x.labels is None else {"X": x.array, "y": x.labels}
    metadata = {"ids": json.dumps(x.ids.tolist()), "provenance": json.dumps(dict(x.provenance))}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, metadata)


def _write_parquet(path: Path, x: Embeddings) -> None:
    pa, pq = pyarrow_for(path)
    values = pa.array(np.ascontiguousarray(x.array).ravel())
    columns = {"X": pa.FixedSizeListArray.from_arrays(values, x.width), "id": pa.array(x.ids.tolist(), pa.string())}
    if x.labels is not None:
        columns["y"] = pa.array(x.labels)
    table = pa.table(columns).replace_schema_metadata({"provenance": json.dumps(dict(x.provenance))})
    pq.write_table(table, path, row_group_size=_ROW_GROUP)


_WRITERS: Mapping[str, Callable[[Path, Embeddings], None]] = {
    ".npy": _write_npy,
    ".npz": _write_npz,
    ".safetensors": _write_safetensors,
    ".parquet": _write_parquet,
}

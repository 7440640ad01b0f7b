"""Arrow's tables: Parquet, Feather and Arrow files, by the optional extra `parquet`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.embeddings.formats.stored import read_provenance
from reprq.embeddings.formats.tables import Arrays, ColumnTable, Kind
from reprq.embeddings.formats.vectors import is_vector, parse_vectors
from reprq.errors import CacheError, InputError, UnknownNameError
from reprq.optional import require

_FIRST = 1000  # rows that are looked at for a column's first value


def read_parquet(path: Path) -> ColumnTable:
    """Open a Parquet file as a table; of the columns only those asked for are read."""
    _, pq = pyarrow_for(path)
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        texts = _first_values(schema, file.iter_batches) if file.metadata.num_rows else {}
    return _table(path, schema, texts, lambda names: pq.ParquetFile(path, memory_map=True).read(names))


def read_arrow(path: Path) -> ColumnTable:
    """Open a Feather or Arrow file (of the file or the stream kind) as a table."""
    pa, _ = pyarrow_for(path)
    import pyarrow.ipc as ipc

    with pa.memory_map(str(path)) as source:
        magic = source.read(6)
    with pa.memory_map(str(path)) as source:
        whole = (ipc.open_file if magic == b"ARROW1" else ipc.open_stream)(source).read_all()
    texts = _first_values(whole.schema, lambda batch_size, columns: iter([whole.select(columns)]))
    return _table(path, whole.schema, texts, whole.select)


def _table(path: Path, schema: Any, texts: dict[str, Any], read: Any) -> ColumnTable:
    kinds = {field.name: _kind(_plain(field.type), texts.get(field.name)) for field in schema}
    if len(kinds) < len(schema):
        raise InputError(f"{path} must name each column once, got {len(schema)} columns of {len(kinds)} names")

    def load(names: Sequence[str]) -> Arrays:
        table = read(list(names))
        return {name: _values(path, name, table[name], kinds[name]) for name in names}

    return ColumnTable(path, kinds, load, read_provenance((schema.metadata or {}).get(b"provenance")))


def _first_values(schema: Any, batches: Any) -> dict[str, Any]:
    """The first value of every column of text, which may be a vector in writing."""
    names = [field.name for field in schema if _is_text(field.type)]
    first = next(iter(batches(batch_size=_FIRST, columns=names)), None) if names else None
    return {} if first is None else {name: next(filter(None, first.column(name).to_pylist()), None) for name in names}


def _kind(kind: Any, text: Any) -> Kind:
    import pyarrow.types as of

    if of.is_floating(kind) or of.is_integer(kind) or of.is_decimal(kind):
        return "number"
    if _is_list(kind):
        return "vector"
    return "vector" if is_vector(text) else "other"


def _plain(kind: Any) -> Any:
    """The type that values have once they are taken out of a dictionary or an extension such as FixedShapeTensor."""
    kind = getattr(kind, "storage_type", kind)
    return getattr(kind, "value_type", kind) if not _is_list(kind) else kind


def _values(path: Path, name: str, column: Any, kind: Kind) -> NDArray[Any]:
    import pyarrow as pa

    where = f"column {name!r} of {path}"
    if kind == "vector" and column.null_count:
        raise InputError(f"{where} must have a value in every row, got {column.null_count} missing")
    chunks = [chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk for chunk in column.chunks]
    chunks = [chunk.dictionary_decode() if isinstance(chunk, pa.DictionaryArray) else chunk for chunk in chunks]
    if kind == "vector" and not _is_text(column.type):
        return _from_lists(where, chunks, getattr(column.type, "shape", None))
    if kind == "vector":
        return parse_vectors(where, column.to_pylist())
    if kind == "number":
        parts = [chunk.cast("float64") if pa.types.is_decimal(chunk.type) else chunk for chunk in chunks]
        return np.concatenate([part.to_numpy(zero_copy_only=False) for part in parts] or [np.empty(0)])
    return np.asarray(column.to_pandas().to_numpy())


def _from_lists(where: str, chunks: Sequence[Any], shape: Sequence[int] | None) -> NDArray[Any]:
    """Lists of one length as a matrix; of lists of lists, only those that are one row or one column."""
    if shape is not None and sum(size > 1 for size in shape) > 1:
        raise InputError(f"{where} must hold one vector a row, got tensors of shape {tuple(shape)}; average them first")
    parts = []
    for chunk in chunks:
        lengths = _lengths(where, chunk)
        values = chunk.flatten()
        width = lengths[0] if lengths else 0
        while _is_list(values.type):
            inner = _lengths(where, values)
            if width > 1 and inner and inner[0] > 1:
                raise InputError(
                    f"{where} must hold one vector a row, got {width} vectors of {inner[0]} numbers; average them first"
                )
            width, values = width * (inner[0] if inner else 0), values.flatten()
        if values.null_count:
            raise InputError(f"the lists in {where} must be whole, got {values.null_count} nulls")
        parts.append(values.to_numpy(zero_copy_only=False).reshape(len(chunk), width))
    widths = sorted({part.shape[1] for part in parts if len(part)})
    if len(widths) > 1:
        raise InputError(f"the lists in {where} must have one length, got {widths[0]} and {widths[-1]}")
    return np.concatenate([part for part in parts if len(part)] or [np.empty((0, 0))])


def _lengths(where: str, lists: Any) -> list[int]:
    lengths = sorted({int(length) for length in lists.value_lengths().drop_null().unique().to_pylist()})
    if len(lengths) > 1 or lists.null_count:
        got = f"{lengths[0]} and {lengths[-1]}" if len(lengths) > 1 else "a missing one"
        raise InputError(f"the lists in {where} must have one length, got {got}")
    return lengths


def metadata_column(folder: Path, name: str) -> NDArray[Any] | None:
    """Return a column of `metadata/*.parquet`, which clip-retrieval writes beside its shards; None without such files.

    Args:
        folder: The folder of the shards, or its parent.
        name: The column.

    Raises:
        UnknownNameError: no such column.
    """
    files = [file for place in (folder, folder.parent) for file in (place / "metadata").glob("*.parquet")]
    if not files:
        return None
    _, pq = pyarrow_for(files[0])
    parts = []
    for file in sorted(files, key=lambda file: int(re.sub(r"\D", "", file.stem) or 0)):
        schema = pq.read_schema(file)
        if name not in schema.names:
            raise UnknownNameError(f"column of {file}", name, schema.names)
        parts.append(pq.read_table(file, columns=[name])[name].to_pandas().to_numpy())
    return np.concatenate(parts)


def pyarrow_for(path: Path) -> tuple[Any, Any]:
    """Return `pyarrow` and `pyarrow.parquet`; raises `CacheError`, which names the extra, without them."""
    pyarrow, parquet = (
        require(name, "parquet", path, package="pyarrow", error=CacheError) for name in ("pyarrow", "pyarrow.parquet")
    )
    return pyarrow, parquet


def _is_list(kind: Any) -> bool:
    import pyarrow.types as of

    return bool(of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind))


def _is_text(kind: Any) -> bool:
    import pyarrow.types as of

    return bool(of.is_string(kind) or of.is_large_string(kind) or of.is_string_view(kind))

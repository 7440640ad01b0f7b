"""Shortlists of nearest rows in float32: by NumPy's matrix product or by FAISS, whichever is the faster here.

Both multiply matrices, each with the BLAS that it is linked to, and these differ by a factor of four on one processor.
A search that is large enough to repay it measures both once a process, at two widths; smaller ones use the
product and do not load FAISS. `$REPRQ_NEIGHBOURS` ("product" or "faiss") decides without measuring.
"""

import os
import time
from collections.abc import Iterable
from functools import cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.numerics.threads import in_threads

Ids = NDArray[np.int64]
Squares = NDArray[np.float64]
Single = NDArray[np.float32]
Engine = Literal["product", "faiss"]

ENGINES: tuple[Engine, ...] = ("product", "faiss")
_VARIABLE = "REPRQ_NEIGHBOURS"

_QUERIES, _ROWS = 1024, 4096  # of one product: 16 MiB
_HEAD = 512  # rows that are sorted in part; of the others only what is nearer than the worst of these is looked at
_MEASURED = 2**33  # multiply-adds, about a second on one core, that are worth the measurement
_WIDTHS = (64, 1024)


class Shortlist(Protocol):
    """The rows that float32 sees nearest to a query."""

    def search(self, queries: Squares, length: int) -> tuple[Ids, Squares]:
        """Find `length` rows for every query.

        Args:
            queries: (m, d) float64, centred and scaled as the rows are.
            length: How many, at most n.

        Returns:
            The (m, length) numbers of those rows, in no order, -1 where float32 overflowed; and the (m,) squared
            distance that every other row is seen at or beyond, nan where float32 overflowed.
        """
        ...


class ProductShortlist:
    """|y|^2 - 2 x.y of all rows y from one float32 product, the norms as a further column; the least are kept.

    Args:
        blocks: The rows, (., d) float64 at a time, at most about 1 in size.
        n: How many rows there are.
        d: Columns.
    """

    def __init__(self, blocks: Iterable[Squares], n: int, d: int) -> None:
        self._rows = np.empty((n, d + 1), dtype=np.float32)
        start = 0
        for block in blocks:
            part = self._rows[start : start + len(block)]
            part[:, :d] = block
            part[:, d] = np.einsum("ij,ij->i", block, block)
            start += len(block)

    def search(self, queries: Squares, length: int) -> tuple[Ids, Squares]:
        """Find rows as `Shortlist` says."""
        ids = np.full((len(queries), length), -1)
        beyond = np.empty(len(queries))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(queries), _QUERIES):
                part = slice(start, start + _QUERIES)
                beyond[part] = self._search(queries[part], ids[part])
        return ids, beyond

    def _search(self, queries: Squares, ids: Ids) -> Squares:
        left = np.ones((len(queries), self._rows.shape[1]), dtype=np.float32)
        np.multiply(queries, -2.0, out=left[:, :-1], casting="same_kind")
        seen = np.full(ids.shape, np.inf, dtype=np.float32)
        for start in range(0, len(self._rows), _ROWS):
            block = left @ self._rows[start : start + _ROWS].T

            def keep(part: slice, block: Single = block, start: int = start) -> None:
                _keep_least(block[part], start, seen[part], ids[part])

            in_threads(keep, len(queries), least=256)
        return np.asarray(seen.max(axis=1) + np.einsum("ij,ij->i", queries, queries))


class FaissShortlist:
    """FAISS's flat index: for large batches the product formula too, for small ones differences.

    Args:
        blocks: The rows, (., d) float64 at a time.
        d: Columns.
        device: "cpu", or "cuda" or "cuda:1" with faiss-gpu.

    Raises:
        InputError: the device is not there.
    """

    def __init__(self, blocks: Iterable[Squares], d: int, device: str = "cpu") -> None:
        import faiss  # only who uses it pays for loading it

        number = gpu_number(device)
        index = faiss.IndexFlatL2(d)
        self._index: Any = (
            index if number is None else faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), number, index)
        )
        for block in blocks:
            self._index.add(block.astype(np.float32))

    def search(self, queries: Squares, length: int) -> tuple[Ids, Squares]:
        """Find rows as `Shortlist` says."""
        with np.errstate(over="ignore"):
            seen, ids = self._index.search(queries.astype(np.float32), length)
        return ids, np.where(ids[:, -1] >= 0, seen[:, -1], np.nan)


def gpu_number(device: str) -> int | None:
    """Return the number of the GPU that "cuda" or "cuda:1" names, or None for "cpu".

    Raises:
        InputError: another word, a FAISS without GPU support, or no such GPU.

    Example:
        >>> gpu_number("cpu") is None
        True
    """
    if device == "cpu":
        return None
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number or "0").isdigit():
        raise InputError(f"device must be cpu, cuda or cuda:NUMBER, got {device!r}")
    import faiss

    if not hasattr(faiss, "StandardGpuResources"):
        raise InputError(
            f"device {device} needs faiss-gpu, and this FAISS is for the CPU; install faiss-gpu-cu12 or use cpu"
        )
    if int(number or 0) >= (count := int(faiss.get_num_gpus())):
        raise InputError(f"device {device} must be one of the {count} GPUs that FAISS sees; use cpu")
    return int(number or 0)


def faster_engine(pairs: int, d: int) -> Engine:
    """Return the engine for a search: what `$REPRQ_NEIGHBOURS` says, else the faster, measured if it is worth it.

    Args:
        pairs: Rows times queries.
        d: Columns.

    Raises:
        InputError: the variable holds another word.
    """
    said = os.environ.get(_VARIABLE, "")
    for engine in ENGINES:
        if said == engine:
            return engine
    if said:
        raise InputError(f"${_VARIABLE} must be one of {', '.join(ENGINES)}, got {said!r}")
    if pairs * d < _MEASURED:
        return "product"
    seconds = measured_seconds()
    return min(ENGINES, key=lambda engine: np.interp(d, _WIDTHS, seconds[engine]))


@cache
def measured_seconds() -> dict[Engine, tuple[float, ...]]:
    """Return the shortest of two runs of each engine on a small search, for 64 and for 1,024 columns."""
    rng = np.random.default_rng(0)
    found: dict[Engine, list[float]] = {engine: [] for engine in ENGINES}
    for d in _WIDTHS:
        rows, queries = (rng.uniform(-1, 1, size=(count, d)) for count in (_ROWS, _QUERIES // 4))
        made: dict[Engine, Shortlist] = {
            "product": ProductShortlist([rows], len(rows), d),
            "faiss": FaissShortlist([rows], d),
        }
        for engine, shortlist in made.items():
            found[engine].append(min(_seconds(shortlist, queries) for _ in range(2)))
    return {engine: tuple(times) for engine, times in found.items()}


def _seconds(shortlist: Shortlist, queries: Squares) -> float:
    start = time.perf_counter()
    shortlist.search(queries, 10)
    return time.perf_counter() - start


def _keep_least(block: Single, start: int, seen: Single, ids: Ids) -> None:
    """Put the least of a block of distances, of the rows from `start` on, among the `seen` ones of each query."""
    length = seen.shape[1]
    head = max(length, _HEAD) if start == 0 and length <= block.shape[1] else 0
    if head:
        rows = np.argpartition(block[:, :head], length - 1, axis=1)[:, :length]
        seen[:], ids[:] = np.take_along_axis(block, rows, axis=1), rows
        block = block[:, head:]
    nearer = np.flatnonzero(block < seen.max(axis=1, keepdims=True))
    if len(nearer) > block.size // 8 and length <= block.shape[1]:  # the rows come nearer and nearer
        rows = np.argpartition(block, length - 1, axis=1)[:, :length]
        values = np.take_along_axis(block, rows, axis=1)
    elif len(nearer):
        query, row = np.divmod(nearer, block.shape[1])
        values, rows = ragged(block[query, row], query, len(block), np.inf), ragged(row, query, len(block), -1)
    else:
        return
    values = np.concatenate([seen, values], axis=1)
    rows = np.concatenate([ids, np.where(rows < 0, -1, rows + start + head)], axis=1)
    least = np.argpartition(values, length - 1, axis=1)[:, :length]
    seen[:], ids[:] = np.take_along_axis(values, least, axis=1), np.take_along_axis(rows, least, axis=1)


def ragged(values: NDArray[Any], query: Ids, count: int, fill: Any) -> NDArray[Any]:
    """Return (count, w) `values` by query, those of a query from the left; `query` is ascending.

    Example:
        >>> ragged(np.array([5, 6, 7]), np.array([0, 2, 2]), 3, -1).tolist()
        [[5, -1], [-1, -1], [6, 7]]
    """
    times = np.bincount(query, minlength=count)
    before = np.cumsum(times) - times
    found = np.full((count, int(times.max(initial=0))), fill, dtype=values.dtype)
    found[query, np.arange(len(query)) - before[query]] = values
    return found

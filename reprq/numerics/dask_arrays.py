"""Arrays whose blocks lie on many machines (dask): what is summed over rows is summed where the rows are."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from reprq.conversion import held_array, to_numpy
from reprq.errors import InputError
from reprq.optional import require

Sums = TypeVar("Sums")


def is_dask(x: Any) -> bool:
    """Return whether x is a dask array, or an object whose `array` is one; dask is not imported."""
    x = held_array(x)
    return hasattr(x, "__dask_graph__") and hasattr(x, "to_delayed") and hasattr(x, "rechunk")


def refuse_dask(x: Any, name: str, what: str) -> None:
    """Raise an `InputError` for a dask array where `what`, the subject of a sentence, needs all rows in one place."""
    if is_dask(x):
        raise InputError(
            f"{name} must be in memory for {what}, which compares rows with each other, got a dask array of shape"
            f" {tuple(held_array(x).shape)}; give a sample of its rows, such as {name}[:10000].compute()"
        )


def reduce_blocks(
    arrays: Sequence[Any],
    names: Sequence[str],
    of_blocks: Callable[..., Sums],
    join: Callable[[Sums, Sums], Sums],
) -> Sums:
    """Compute something of each block of rows where the block is, and join the results two by two.

    The workers of the current `dask.distributed` client do it, or dask's threads where there is none. What `of_blocks`
    returns is joined on the worker that made it, so that one result a worker travels. The order of the joins, and with
    it the last digits of sums, depends on which is done first.

    Args:
        arrays: Of the same n rows: dask arrays, and others that fit into memory; at least one is dask's.
        names: What the caller calls each.
        of_blocks: From the number of the block and its rows in each array, (m, d_i), to the result; m may be 0.
        join: From two results to one of both. It must change neither, since a lost worker's tasks run again.

    Raises:
        InputError: an array is not 2-d, they differ in rows, or what `of_blocks` raises of a block.
    """
    dask: Any = require("dask", "distributed", "a dask array")
    aligned = _aligned([held_array(x) for x in arrays], names)
    parts = _results(of_blocks, aligned)
    if not parts:
        raise InputError(f"{names[0]} must have at least 1 row, got none; give embeddings")
    if (client := _client(dask)) is not None:
        return _joined_on_workers(client, parts, join)
    merge = dask.delayed(join, pure=False)
    while len(parts) > 1:
        parts = [merge(*parts[i : i + 2]) if i + 1 < len(parts) else parts[i] for i in range(0, len(parts), 2)]
    result: Sums = parts[0].compute()
    return result


def _client(dask: Any) -> Any:
    """Return the current client of `dask.distributed`, or None."""
    distributed: Any = sys.modules.get("distributed")
    if distributed is None or dask.config.get("scheduler", None) not in (None, "dask.distributed", "distributed"):
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def _joined_on_workers(client: Any, parts: Sequence[Any], join: Callable[[Sums, Sums], Sums]) -> Sums:
    """Join results as they come, two that lie on one worker there, so that one result a worker travels in the end.

    A tree that is fixed beforehand moves half of the results, since which worker takes which block is not known.
    """
    done = sys.modules["distributed"].as_completed(client.compute(list(parts)), loop=client.loop)
    waiting: dict[str, Any] = {}
    for future in done:
        if (error := future.exception()) is not None:
            raise error
        worker = next(iter(client.who_has([future]).get(future.key, ())), "")
        if (other := waiting.pop(worker, None)) is None:
            waiting[worker] = future
        else:
            at = {"workers": [worker], "allow_other_workers": True} if worker else {}
            done.add(client.submit(join, other, future, pure=False, priority=10, **at))
    left = list(waiting.values())
    while len(left) > 1:
        left = [
            client.submit(join, *left[i : i + 2], pure=False) if i + 1 < len(left) else left[i]
            for i in range(0, len(left), 2)
        ]
    result: Sums = left[0].result()
    return result


def _results(of_blocks: Callable[..., Any], arrays: Sequence[Any]) -> list[Any]:
    """Return what becomes the result of each block: one task reads the blocks and computes it, so that no rows move."""
    da: Any = require("dask.array", "distributed", "a dask array", package="dask")
    chunks = ((1,) * arrays[0].numblocks[0], (1,))  # results are no arrays, which dask need not know
    numbered = partial(_numbered, of_blocks)
    results = da.map_blocks(numbered, *arrays, dtype=object, chunks=chunks, meta=np.empty((0, 0), dtype=object))
    return list(results.to_delayed().ravel())


def _numbered(of_blocks: Callable[..., Any], *blocks: Any, block_id: tuple[int, ...]) -> Any:
    return of_blocks(block_id[0], *blocks)


def _aligned(arrays: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """Return dask arrays with whole rows in every block, cut at the same rows as the first."""
    for x, name in zip(arrays, names, strict=True):
        if len(getattr(x, "shape", (0, 0))) != 2:
            raise InputError(
                f"{name} must be an (n, d) array, got shape {tuple(x.shape)}; flatten every sample to a row"
            )
        if is_dask(x) and not x.shape[1] >= 1:
            raise InputError(f"{name} must have a known number of columns, at least one, got {x.shape[1]}")
    rows = next(x for x in arrays if is_dask(x)).chunks[0]
    return [_cut(x, rows, name) for x, name in zip(arrays, names, strict=True)]


def _cut(x: Any, rows: tuple[int, ...], name: str) -> Any:
    if not is_dask(x):
        da: Any = require("dask.array", "distributed", "a dask array", package="dask")
        x = da.from_array(to_numpy(x, name), chunks=-1)
    if x.numblocks[1] > 1:
        x = x.rechunk({1: -1})
    if x.chunks[0] == rows:
        return x
    if not sum(x.chunks[0]) == sum(rows):  # also where one is not known, a nan
        raise InputError(
            f"{name} must have {sum(rows)} rows as the array it is compared with, got {sum(x.chunks[0])}; give the same"
            " samples in the same order (of an array of unknown length, compute_chunk_sizes() first)"
        )
    return x.rechunk({0: rows})

"""Is a cache on disk what its writer wrote? Every block is read."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reprq.embeddings.cache.cache import Array, EmbeddingCache, reason
from reprq.embeddings.cache.catalogue import open_cache
from reprq.errors import ReprqError
from reprq.progress import Progress, track

_PROVENANCE = ("backbone", "weights_digest", "preprocessing", "data", "data_fingerprint", "split", "dtype")


def verify_cache(path: Path | str, progress: bool = False) -> list[str]:
    """Read every block of a cache and return what is wrong, a sentence each; an empty list if nothing is.

    Checked are the format, the provenance, the numbers of labels, ids and rows, the labels' range, that no block is
    missing or left over, the checksum of every block, and that every embedding is finite.

    Args:
        path: The folder of the cache.
        progress: Whether to show progress on stderr.
    """
    path = Path(path)
    try:
        cache, layers = open_cache(path)
    except ReprqError as error:
        return [str(error)]
    problems = [f"the provenance lacks {name!r}" for name in _PROVENANCE if name not in cache.provenance]
    if len(cache.ids) != len(cache.labels):
        problems.append(f"ids must be as many as the {len(cache.labels)} labels, got {len(cache.ids)}")
    if cache.labels.size and not 0 <= cache.labels.min() <= cache.labels.max() < len(cache.classes):
        found = f"{cache.labels.min()} to {cache.labels.max()}"
        problems.append(f"labels must be 0 to {len(cache.classes) - 1}, one a class, got {found}")
    if not layers:
        problems.append("there is no layer; run the extraction again")
    blocks = sum(array.nchunks for array in layers.values())
    with track(total=blocks, desc=path.name, unit="block", show=progress) as bar:
        for name, array in layers.items():
            problems += _verify_layer(name, array, cache, bar)
    return problems


def _verify_layer(name: str, array: Array, cache: EmbeddingCache, bar: Progress) -> Iterator[str]:
    expected = (len(cache.labels), str(cache.provenance.get("dtype", array.dtype)))
    if array.ndim != 2 or (array.shape[0], str(array.dtype)) != expected:
        yield f"{name} must be {expected[0]} rows of {expected[1]}, got {array.dtype} of shape {array.shape}"
        return
    folder = cache.path / array.path / "c"
    there = {int(entry.name) for entry in folder.glob("*") if entry.name.isdigit() and (entry / "0").is_file()}
    if missing := sorted(set(range(array.nchunks)) - there):
        some = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        yield f"{name} lacks {len(missing)} of {array.nchunks} blocks ({some}); run the extraction again"
    if extra := sorted(there - set(range(array.nchunks))):
        yield f"{name} has a block {extra[0]} and should have {array.nchunks} blocks; delete {folder / str(extra[0])}"
    rows = array.chunks[0]
    for block in range(array.nchunks):
        bar.update()
        if block not in there:
            continue
        try:
            values = np.asarray(array[block * rows : (block + 1) * rows])
        except Exception as error:
            yield f"{name} block {block} is damaged ({reason(error)}); delete {folder / str(block)} and extract again"
            continue
        if not np.isfinite(values).all():
            yield f"{name} block {block} holds a nan or an inf; delete {folder / str(block)} and extract again"

"""Which engine makes the shortlists of nearest rows: a matrix product of BLAS or FAISS, whichever is the faster here.

Both multiply matrices, each with the BLAS that it is linked to, and these differ by a factor of four on one processor.
A search that is large enough to repay it measures both once a process, at two widths; smaller ones use the
product and do not load FAISS. `$REPRQ_NEIGHBOURS` ("product" or "faiss") decides without measuring.
"""

import os
import time
from functools import cache
from typing import Literal

import numpy as np

from reprq.errors import InputError
from reprq.numerics.shortlist import QUERIES, ROWS, FaissShortlist, ProductShortlist, Shortlist, Single, least_queries

Engine = Literal["product", "faiss"]

ENGINES: tuple[Engine, ...] = ("product", "faiss")
_VARIABLE = "REPRQ_NEIGHBOURS"
_MEASURED = 2**33  # multiply-adds, about a second on one core, that are worth the measurement
_WIDTHS = (64, 1024)


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
        counts = ROWS, max(QUERIES // 4, least_queries(d))
        rows, queries = (rng.random((count, d), dtype=np.float32) - 0.5 for count in counts)
        made: dict[Engine, Shortlist] = {
            "product": ProductShortlist(rows),
            "faiss": FaissShortlist([rows], d),
        }
        for engine, shortlist in made.items():
            found[engine].append(min(_seconds(shortlist, queries) for _ in range(2)))
    return {engine: tuple(times) for engine, times in found.items()}


def _seconds(shortlist: Shortlist, queries: Single) -> float:
    start = time.perf_counter()
    shortlist.search(queries, 10)
    return time.perf_counter() - start

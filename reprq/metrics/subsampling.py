"""How metrics change with the number of rows: a value that still climbs at n is a value of n."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from reprq.errors import InputError
from reprq.metrics.measurement import measure
from reprq.metrics.selection import select
from reprq.numerics.moments import Moments
from reprq.validation import as_matrix

if TYPE_CHECKING:
    import pandas as pd


def curve(
    x: Any,
    metrics: Sequence[str] | None = None,
    *,
    sizes: Sequence[int] | None = None,
    repeats: int = 5,
    seed: int = 0,
) -> "pd.DataFrame":
    """Return how metrics move with the number of rows: their values on nested random subsamples.

    Each repeat shuffles the rows and measures growing heads of them, so it passes over the rows once (metrics of
    `names("rows")` are computed anew for each head).

    Args:
        x: (n, d) array, tensor, or object with an `array`.
        metrics: Names or identifiers as `measure` takes them; all metrics if None.
        sizes: Rows of each subsample; n/16, n/8, n/4, n/2 and n by default.
        repeats: Shuffles; all of x is measured once.
        seed: Of the shuffles.

    Returns:
        A tidy table, one row a size x repeat x metric: metric, definition, n, d, repeat, value (empty where the value
        does not exist at that size).

    Raises:
        InputError: x is not a finite (n, d) matrix, a size is not in 1 to n, or there are no repeats.
        UnknownNameError: a metric that does not exist.

    Example:
        >>> import numpy as np
        >>> table = curve(np.random.default_rng(0).standard_normal((400, 20)), ["rankme"], repeats=2)
        >>> table.groupby("n")["value"].mean().round(1).to_dict()
        {25: 17.0, 50: 18.8, 100: 19.4, 200: 19.8, 400: 19.9}
    """
    import pandas as pd  # loaded for tables alone: it would slow the import of every metric

    array = as_matrix(x)
    n, d = array.shape
    chosen = sorted({max(1, n // part) for part in (16, 8, 4, 2, 1)} if sizes is None else set(sizes))
    if not chosen or chosen[0] < 1 or chosen[-1] > n:
        raise InputError(f"sizes must be from 1 to n = {n} rows, got {chosen}")
    if repeats < 1:
        raise InputError(f"repeats must be at least 1, got {repeats}")
    of_rows = any(definition.of_rows for definition in select(metrics).values())
    rng = np.random.default_rng(seed)
    rows = []
    for repeat in range(repeats):
        order, moments = rng.permutation(n), Moments(d)
        for size in chosen:
            if size == n and repeat:
                break
            if not of_rows:
                moments.update(array[order[moments.n : size]])
            found = measure(array[order[:size]] if of_rows else moments, metrics).values()
            rows += [(metric.name, metric.definition, size, d, repeat, metric.value) for metric in found]
    table = pd.DataFrame(rows, columns=["metric", "definition", "n", "d", "repeat", "value"])
    return table.astype({"value": float})


def at_common_size(
    layers: Mapping[str, Any],
    metrics: Sequence[str] | None = None,
    *,
    by: Literal["n", "n/d"] = "n",
    repeats: int = 5,
    seed: int = 0,
) -> "pd.DataFrame":
    """Return metrics of matrices of different shapes at one size, so that what differs is not what few rows do.

    A rank cannot exceed n, and the spectrum of a sample departs from the truth by n / d: both kinds of comparison are
    worth a look, and what holds in one alone is not firm. Neither makes a fit over fixed ranks, such as alpha's 11 to
    100, cover the same share of a narrow and of a wide spectrum. Each matrix is measured on random subsamples of rows.

    Args:
        layers: (n, d) matrices by name; each may have its own n and d.
        metrics: Names or identifiers as `measure` takes them; all metrics if None.
        by: "n" for the fewest rows that any of them has, "n/d" for the least rows a column that any has.
        repeats: Subsamples; a matrix that is of that size already is measured once.
        seed: Of the subsamples.

    Returns:
        A tidy table, one row a layer x repeat x metric: layer, metric, definition, n, d, repeat, value.

    Raises:
        InputError: no matrix, one that is not a finite (n, d) matrix, another word for `by`, or there are no repeats.
        UnknownNameError: a metric that does not exist.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> narrow, wide = rng.standard_normal((400, 20)), rng.standard_normal((400, 80))
        >>> table = at_common_size({"narrow": narrow, "wide": wide}, ["rankme"], by="n/d", repeats=2)
        >>> table.groupby("layer")["n"].first().to_dict()
        {'narrow': 100, 'wide': 400}
    """
    import pandas as pd  # loaded for tables alone: it would slow the import of every metric

    if by not in ("n/d", "n"):
        raise InputError(f"by must be 'n/d' or 'n', got {by!r}")
    if not layers:
        raise InputError("layers must hold at least one matrix, got none")
    arrays = {name: as_matrix(x, name) for name, x in layers.items()}
    fewest = min(len(array) for array in arrays.values())
    ratio = min(len(array) / array.shape[1] for array in arrays.values())
    tables = []
    for name, array in arrays.items():
        size = fewest if by == "n" else max(1, round(ratio * array.shape[1]))
        found = curve(array, metrics, sizes=[min(size, len(array))], repeats=repeats, seed=seed)
        found.insert(0, "layer", name)
        tables.append(found)
    return pd.concat(tables, ignore_index=True)

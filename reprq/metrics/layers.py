"""Every layer of one network beside every layer of another, as a labelled table."""

import inspect
from collections.abc import Callable, Mapping
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from reprq.errors import InputError, UnknownNameError
from reprq.metrics.kernels import cka_matrix
from reprq.metrics.registry import METRICS
from reprq.registry import Entry
from reprq.validation import as_matrix

if TYPE_CHECKING:
    import pandas as pd

SIMILARITIES = tuple(entry.name for entry in METRICS.built_in() if entry.takes("pair"))


def layer_similarity(
    a: Mapping[str, Any], b: Mapping[str, Any] | None = None, *, measure: str = "cka", **options: Any
) -> "pd.DataFrame":
    """Return how alike every layer of one network is to every layer of another, or to each other.

    No pair of a symmetric measure is computed twice (`pwcca` alone is not symmetric).

    Args:
        a: Layer name to (n, d) array, such as an `EmbeddingCache`; the same n samples in one order in all layers.
        b: The other network's layers; None for `a` itself.
        measure: "cka", "procrustes_distance" (0 is alike), "svcca", "pwcca" (of the row with the column),
            "mutual_knn", or any other entry of `METRICS` that takes a "pair".
        **options: Of that function, such as `debiased=True` or `k=20`.

    Returns:
        float64, one row a layer of `a` and one column a layer of `b`; `attrs["definition"]` names the measure with its
        options, like `cka[kernel=linear,debiased=False]`.

    Raises:
        UnknownNameError: a measure that does not exist.
        InputError: as the measure says; or a network has no layers.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).standard_normal((50, 3))
        >>> layer_similarity({"stem": x, "head": 2 * x + 1}).round(3)
              stem  head
        stem   1.0   1.0
        head   1.0   1.0
    """
    import pandas as pd  # loaded for tables alone: it would slow the import of every metric

    entry = similarity_named(measure)
    for name, layers in (("a", a), ("b", b)):
        if layers is not None and not layers:
            raise InputError(f"{name} must hold at least one layer, got none")
    if measure == "cka":
        values = cka_matrix(a, b, **options)
    else:
        values = _pairs(entry.load(), a, b, symmetric=entry.facts.get("symmetric", False), **options)
    table = pd.DataFrame(values, index=list(a), columns=list(a if b is None else b))
    table.attrs["definition"] = _definition(entry, options)
    return table


def chance_similarity(
    x: Any, y: Any, *, measure: str = "cka", permutations: int = 20, seed: int = 0, **options: Any
) -> float:
    """Return how alike two representations look by chance: the mean measure with the rows of one in random order.

    Every measure but debiased CKA is far from "nothing in common" where there are not many more rows than columns: two
    independent Gaussian matrices of 100 columns have an SVCCA of 0.5 with 300 rows, and of 0.27 with 1,000.

    Args:
        x: (n, d1) array or tensor.
        y: (n, d2), the same samples in the same order.
        measure: As for `layer_similarity`.
        permutations: How many orders.
        seed: The same seed, the same orders.
        **options: Of the measure.

    Raises:
        UnknownNameError: a measure that does not exist.
        InputError: as the measure says, or fewer than one permutation.

    Example:
        >>> import numpy as np
        >>> x, y = np.random.default_rng(0).standard_normal((2, 100, 10))
        >>> round(chance_similarity(x, y, measure="svcca"), 2)
        0.27
    """
    function: Callable[..., float] = similarity_named(measure).load()
    if permutations < 1:
        raise InputError(f"permutations must be at least 1, got {permutations}; 20 is usual")
    rows = as_matrix(y, "y")
    rng = np.random.default_rng(seed)
    return float(np.mean([function(x, rows[rng.permutation(len(rows))], **options) for _ in range(permutations)]))


def similarity_named(name: str) -> Entry:
    """Return the entry of a similarity of two representations.

    Raises:
        UnknownNameError: there is none of that name.

    Example:
        >>> similarity_named("svcca").label
        'SVCCA'
    """
    if name not in METRICS or not METRICS.find(name).takes("pair"):
        raise UnknownNameError("similarity", name, [entry.name for entry in METRICS if entry.takes("pair")])
    return METRICS.find(name)


def _definition(entry: Entry, options: Mapping[str, Any]) -> str:
    """Return the measure with every option that its value depends on."""
    signature = inspect.signature(cka_matrix if entry.name == "cka" else entry.load())
    defaults = {name: found.default for name, found in list(signature.parameters.items())[2:]}
    chosen = {**defaults, **options}
    if chosen.get("kernel") == "linear":
        del chosen["bandwidth"]
    listed = ",".join(f"{name}={value}" for name, value in chosen.items())
    return f"{entry.name}[{listed}]" if listed else entry.name


def _pairs(
    function: Callable[..., float], a: Mapping[str, Any], b: Mapping[str, Any] | None, symmetric: bool, **options: Any
) -> Any:
    rows, columns = list(a.values()), list((a if b is None else b).values())
    if b is not None or not symmetric:
        return np.array([[function(x, y, **options) for y in columns] for x in rows])
    values = np.empty((len(rows), len(rows)))
    for i, j in combinations_with_replacement(range(len(rows)), 2):
        values[i, j] = values[j, i] = function(rows[i], rows[j], **options)
    return values

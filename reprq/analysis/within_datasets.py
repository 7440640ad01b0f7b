"""Does something hold for data sets like these? A coefficient within each data set, and its mean over data sets."""

from collections.abc import Callable
from typing import Any

import pandas as pd
from scipy import stats

from reprq.errors import InputError
from reprq.evaluation import mean_over_tasks
from reprq.validation import check_columns

_COEFFICIENTS: dict[str, Callable[..., Any]] = {
    "spearman": stats.spearmanr,
    "pearson": stats.pearsonr,
    "kendall": stats.kendalltau,
}
_FEWEST = 3  # points of a data set that a coefficient takes
COLUMNS = ["dataset", "x", "y", "method", "coefficient", "low", "high", "n", "n_datasets"]


def over_datasets(table: pd.DataFrame, x: str, y: str = "auroc", method: str = "spearman") -> pd.DataFrame:
    """Correlate two columns within each data set, and average the coefficients with an interval over data sets.

    Layers, tasks and networks of one data set are not independent, and what they share differs from data set to data
    set. So each data set gives one coefficient, and the interval is for data sets like these: Student's, over the
    coefficients (`reprq.evaluation.mean_over_tasks` of (1 + r) / 2).

    Args:
        table: A row a point, with a column `dataset` and the two that are correlated.
        x: A column of numbers.
        y: Another.
        method: "spearman", "pearson" or "kendall".

    Returns:
        A row a data set, in the order of the table, without an interval, and last "all": the mean over the data sets
        that have a coefficient, its 95 % interval, how many points (n) and data sets. A data set of fewer than three
        points, or of a column without spread, has none.

    Raises:
        InputError: A column is missing, an unknown method, or fewer than two data sets with a coefficient.

    Example:
        >>> points = {"dataset": list("aaabbb"), "rank": [1, 2, 3, 4, 5, 6], "auroc": [0.9, 0.8, 0.7, 0.6, 0.9, 0.8]}
        >>> over_datasets(pd.DataFrame(points), "rank")["coefficient"].tolist()
        [-1.0, 0.5, -0.25]
    """
    check_columns(table, ("dataset", x, y), "table")
    if method not in _COEFFICIENTS:
        raise InputError(f"method must be one of {', '.join(_COEFFICIENTS)}, got {method!r}")
    rows: list[dict[str, Any]] = []
    found: dict[str, float] = {}
    for name, points in table.dropna(subset=[x, y]).groupby("dataset", sort=False):
        spread = len(points) >= _FEWEST and points[x].nunique() > 1 and points[y].nunique() > 1
        if spread:
            found[str(name)] = float(_COEFFICIENTS[method](points[x], points[y])[0])
        rows.append({"dataset": str(name), "coefficient": found.get(str(name)), "n": len(points)})
    if len(found) < 2:
        raise InputError(f"table must have at least 2 data sets with a coefficient, got {len(found)}; add some")
    mean = mean_over_tasks({"task": list(found), "share": [(1 + r) / 2 for r in found.values()]}, "share")
    ends = {"coefficient": 2 * mean.value - 1, "low": 2 * mean.low - 1, "high": 2 * mean.high - 1}
    n = sum(row["n"] for row in rows if row["dataset"] in found)
    rows.append({"dataset": "all", **ends, "n": n, "n_datasets": len(found)})
    return pd.DataFrame(rows).assign(x=x, y=y, method=method).reindex(columns=COLUMNS)

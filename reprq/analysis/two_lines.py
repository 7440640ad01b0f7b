"""Is a middle value of a metric best, beyond one data set? Two lines, one to either side of a place found elsewhere."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr

from reprq.errors import InputError
from reprq.statistics.multiplicity import holm
from reprq.statistics.ranks import midranks
from reprq.validation import check_columns

Floats = NDArray[np.float64]
_PLACES = np.arange(0.2, 0.81, 0.05)  # quantiles of a metric that may be best
_FEWEST, _SIDE = 3, 3  # data sets; points to either side
COLUMNS = ["metric", "place", "value", "rise", "fall", "p_rise", "p_fall", "p_value", "p_holm", "n", "n_datasets"]


def sweet_spots(table: pd.DataFrame, metric: str = "value", score: str = "auroc") -> pd.DataFrame:
    """Return for each metric whether scores rise up to a middle value and fall after it, over data sets.

    Within a data set metric and score are replaced by their midranks, scaled to [0, 1]. The place is the quantile of
    the metric at which two separate lines fit the other data sets best; left and right of it a line is fitted to the
    data set that had no part in that. A sweet spot needs the left line to rise and the right one to fall, over data
    sets: p is the larger of two one-sided p-values of Student's t of these slopes, so that neither a monotone relation
    nor one that levels off has any, as a parabola's curvature would.

    It cannot see a best value that lies at another quantile in every data set, or in the outer fifths; and where
    networks stand on all data sets it speaks of these networks.

    Args:
        table: A row a point: `dataset`, `metric` (its name), and the columns of values and scores.
        metric: The column of the metric's values.
        score: The column of scores.

    Returns:
        One row a metric, the least p first: metric, place (the mean quantile), value (the median over data sets of the
        metric there), rise and fall (mean slopes to either side, ranks a rank), p_rise, p_fall, p_value, p_holm (over
        metrics), n points and n_datasets. A data set with fewer than three points to a side is left out; a metric
        with fewer than three data sets has no p.

    Raises:
        InputError: a column is missing or holds no numbers, or the table is empty.

    References:
        Simonsohn, "Two lines: a valid alternative to the invalid testing of U-shaped relationships with quadratic
        regressions", 2018. Deviations: the place comes from other data sets, and data sets are the units.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(size=240)
        >>> points = pd.DataFrame({"dataset": np.repeat(list("abcdef"), 40), "metric": "m", "value": x})
        >>> peak = sweet_spots(points.assign(auroc=-abs(x - 0.5) + 0.1 * rng.normal(size=240)))
        >>> line = sweet_spots(points.assign(auroc=x + 0.1 * rng.normal(size=240)))
        >>> bool(peak["p_value"][0] < 0.01 < 0.5 < line["p_value"][0])
        True
    """
    check_columns(table, ("dataset", "metric", metric, score), "table")
    if table.empty:
        raise InputError("table must have at least one point, got none")
    for column in (metric, score):
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise InputError(f"column {column!r} of table must hold numbers, got {table[column].dtype}; convert it")
    rows = [_row(str(name), own, metric, score) for name, own in table.groupby("metric", sort=False)]
    found = pd.DataFrame(rows)
    found["p_holm"] = holm([None if pd.isna(p) else float(p) for p in found["p_value"]])
    return found.sort_values("p_value", ignore_index=True).reindex(columns=COLUMNS).astype({"p_holm": float})


def _row(name: str, points: pd.DataFrame, metric: str, score: str) -> dict[str, Any]:
    known = points.dropna(subset=[metric, score])
    parts = [part for _, part in known.groupby("dataset", sort=False) if _has_sides(part[metric].to_numpy())]
    row: dict[str, Any] = {"metric": name, "n": sum(map(len, parts)), "n_datasets": len(parts)}
    if len(parts) < _FEWEST:
        return row | {"p_value": np.nan}
    ranked = [(_scaled(part[metric].to_numpy()), _scaled(part[score].to_numpy())) for part in parts]
    losses = np.stack([_losses(x, y) for x, y in ranked])  # (D, places)
    places = [float(_PLACES[(losses.sum(0) - own).argmin()]) for own in losses]
    slopes = np.array([_slopes(x, y, place) for (x, y), place in zip(ranked, places, strict=True)])
    values = [np.quantile(part[metric], place) for part, place in zip(parts, places, strict=True)]
    row |= {"place": np.mean(places), "value": np.median(values), "rise": slopes[:, 0].mean()}
    row |= {"fall": slopes[:, 1].mean(), "p_rise": _above(slopes[:, 0]), "p_fall": _above(-slopes[:, 1])}
    return row | {"p_value": max(row["p_rise"], row["p_fall"])}


def _has_sides(values: Floats) -> bool:
    """Whether every place has enough points of different values to either side."""
    x = _scaled(values)
    sides = (x <= _PLACES[0], x >= _PLACES[-1])
    return all(side.sum() >= _SIDE and len(np.unique(x[side])) > 1 for side in sides)


def _scaled(values: Floats) -> Floats:
    """Midranks from 0 to 1."""
    found: Floats = (midranks(np.asarray(values, dtype=np.float64)[:, None])[:, 0] - 1) / max(len(values) - 1, 1)
    return found


def _losses(x: Floats, y: Floats) -> Floats:
    """The mean squared error of two separate lines at each place."""
    return np.array([sum(_line(x[side], y[side])[1] for side in (x <= place, x > place)) / len(x) for place in _PLACES])


def _slopes(x: Floats, y: Floats, place: float) -> tuple[float, float]:
    return _line(x[x <= place], y[x <= place])[0], _line(x[x > place], y[x > place])[0]


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """The slope of the least-squares line, and the sum of squares that it leaves."""
    u, v = x - x.mean(), y - y.mean()
    slope = float(u @ v / (u @ u))
    return slope, float(np.square(v - slope * u).sum())


def _above(values: Floats) -> float:
    """The one-sided p-value of a mean above 0."""
    n, spread = len(values), float(values.std(ddof=1))
    if spread == 0:
        return 0.0 if values.mean() > 0 else 1.0
    return float(1 - stdtr(n - 1, values.mean() / spread * np.sqrt(n)))

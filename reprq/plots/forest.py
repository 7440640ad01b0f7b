"""Correlation coefficients with their intervals, side by side."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator

from reprq.errors import InputError
from reprq.plots.names import detector_labels, metric_label
from reprq.plots.panels import axes_of, legend_beside
from reprq.plots.styles import plain, styles, tidy
from reprq.validation import check_columns

_COLUMNS = ("detector", "metric", "method", "coefficient", "low", "high")


def forest_plot(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the coefficient of every metric (rows) with its interval, one color and marker a detector.

    An interval that holds 0 is drawn with a hollow marker. Rows stand in the order of the table; metrics without any
    coefficient are left out.

    Args:
        table: What `reprq.correlate` returned, of one method, group of tasks and level.
        ax: Where to draw; a new figure of a fitting size by default.

    Returns:
        The Axes, from -1 to 1.

    Raises:
        InputError: a column is missing, there is no coefficient, or a pair stands there twice.
    """
    check_columns(table, _COLUMNS, "table")
    known = table.dropna(subset="coefficient")
    if known.empty:
        raise InputError("table must have at least one coefficient, got none")
    if known.duplicated(["detector", "metric"]).any():
        raise InputError(
            "table must have one row a detector and metric; choose one method and group of tasks, for example with"
            ' table[(table["method"] == "spearman") & (table["tasks"] == "all")]'
        )
    metrics, detectors = list(known["metric"].unique()), list(known["detector"].unique())
    ours = ax is None
    ax = axes_of(ax, (6.2, max(1.8, 0.9 + len(metrics) * (0.13 * len(detectors) + 0.16))))
    called = detector_labels(detectors)
    step = 0.7 / max(1, len(detectors))
    for i, (detector, look) in enumerate(styles(detectors).items()):
        rows = known[known["detector"] == detector]
        y = np.array([metrics.index(name) for name in rows["metric"]]) + step * (i - (len(detectors) - 1) / 2)
        ax.hlines(y, rows["low"], rows["high"], color=look["color"], linewidth=1.6)
        sure = ((rows["low"] > 0) | (rows["high"] < 0)).to_numpy()
        for kept, fill in ((sure, look["color"]), (~sure, "white")):
            points = (rows["coefficient"].to_numpy()[kept], y[kept])
            ax.plot(*points, linestyle="none", markersize=5.5, zorder=3, **{**look, "markerfacecolor": fill})
        ax.plot([], [], linestyle="-", label=plain(called[detector]), **look)
    ax.axvline(0.0, color="0.4", linewidth=1.0, zorder=0)
    tidy(ax)
    ax.set_yticks(range(len(metrics)), [plain(metric_label(str(name))) for name in metrics])
    ax.set(xlim=(-1.03, 1.03), ylim=(len(metrics) - 0.45, -0.55))
    ax.xaxis.set_major_locator(MultipleLocator(0.5))
    methods = " and ".join(str(name).capitalize() for name in known["method"].unique())
    said = "hollow: the interval holds 0" if known["low"].notna().any() else "hollow: no interval"
    ax.set_xlabel(f"{methods} coefficient; {said}", fontsize=9)
    legend_beside([ax], grow=ours)
    return ax

"""One point a representation: a measure against another, each with its interval."""

import pandas as pd
from matplotlib.axes import Axes

from reprq.errors import InputError
from reprq.evaluation import Correlation
from reprq.plots.metric_vs_score import describe
from reprq.plots.panels import axes_of, legend_beside
from reprq.plots.styles import plain, styles, tidy
from reprq.validation import check_columns

COLUMNS = ("name", "x", "x_low", "x_high", "y", "y_low", "y_high")


def representation_scatter(
    points: pd.DataFrame, x_label: str, y_label: str, correlation: Correlation | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a point with both error bars for every representation, told apart by color, marker and legend.

    Args:
        points: One row a representation: name, x, x_low, x_high, y, y_low, y_high; an end may be nan.
        x_label: Of the horizontal axis.
        y_label: Of the vertical axis.
        correlation: Stands in the title.
        ax: Where to draw; a new figure by default.

    Raises:
        InputError: A column is missing, or there are no points.
    """
    check_columns(points, COLUMNS, "points")
    if points.empty:
        raise InputError("points must have at least one row, got none")
    ours = ax is None
    ax = axes_of(ax, (5.0, 4.2))
    looks = styles([str(name) for name in points["name"]])
    for row in points.to_dict("records"):
        look = looks[str(row["name"])]
        ax.hlines(row["y"], row["x_low"], row["x_high"], color=look["color"], linewidth=1.2, alpha=0.6)
        ax.vlines(row["x"], row["y_low"], row["y_high"], color=look["color"], linewidth=1.2, alpha=0.6)
        ax.plot(row["x"], row["y"], linestyle="none", markersize=8, label=plain(str(row["name"])), **look)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if correlation is not None:
        ax.set_title(describe(correlation).replace("backbone", "representation"), fontsize=10)
    tidy(ax)
    legend_beside([ax], grow=ours)
    return ax

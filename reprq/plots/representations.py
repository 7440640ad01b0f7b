"""One point a representation: a measure against another, each with its interval."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from reprq.errors import InputError
from reprq.evaluation import Correlation
from reprq.plots.metric_vs_score import describe
from reprq.plots.styles import styles, tidy

COLUMNS = ("name", "x", "x_low", "x_high", "y", "y_low", "y_high")


def representation_scatter(
    points: pd.DataFrame, x_label: str, y_label: str, correlation: Correlation | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a point with both error bars for every representation, told apart by colour, marker and legend.

    Args:
        points: One row a representation: name, x, x_low, x_high, y, y_low, y_high; an end may be nan.
        x_label: Of the horizontal axis.
        y_label: Of the vertical axis.
        correlation: Stands in the title.
        ax: Where to draw; a new figure by default.

    Raises:
        InputError: A column is missing, or there are no points.
    """
    for column in COLUMNS:
        if column not in points:
            raise InputError(f"points must have a column {column!r}, got {', '.join(map(str, points.columns))}")
    if points.empty:
        raise InputError("points must have at least one row, got none")
    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    looks = styles([str(name) for name in points["name"]])
    for row in points.to_dict("records"):
        look = looks[str(row["name"])]
        ax.hlines(row["y"], row["x_low"], row["x_high"], color=look["color"], linewidth=1.2, alpha=0.6)
        ax.vlines(row["x"], row["y_low"], row["y_high"], color=look["color"], linewidth=1.2, alpha=0.6)
        ax.plot(row["x"], row["y"], linestyle="none", markersize=8, label=str(row["name"]), **look)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if correlation is not None:
        ax.set_title(describe(correlation).replace("backbone", "representation"), fontsize=10)
    tidy(ax)
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0, frameon=False, fontsize=9)
    return ax

"""How metrics move with the number of rows, from the table that `reprq.metrics.curve` gives."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from reprq.errors import InputError
from reprq.plots.names import metric_label
from reprq.plots.styles import styles, tidy

_COLUMNS = ("metric", "definition", "n", "repeat", "value")


def curve_plot(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the mean over the repeats at every number of rows, and a band from the least to the greatest of them.

    One metric is drawn in its own unit; of several, each is divided by its value at the most rows, so that a line
    that has become flat at 1 belongs to a metric that more rows would not move.

    Args:
        frame: What `reprq.metrics.curve` returned; values that do not exist are left out.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes, with the number of rows on a logarithmic axis.

    Raises:
        InputError: a column is missing, or there are no values.
    """
    for column in _COLUMNS:
        if column not in frame:
            raise InputError(f"frame must have a column {column!r}, got {', '.join(map(str, frame.columns))}")
    known = frame.dropna(subset="value")
    if known.empty:
        raise InputError("frame must have at least one value, got none; measure more rows")
    definitions = list(known["definition"].unique())
    if ax is None:
        _, ax = plt.subplots(figsize=(4.8 if len(definitions) == 1 else 8.0, 3.6), layout="constrained")
    sizes = sorted(known["n"].unique())
    for definition, look in styles(definitions).items():
        values = known[known["definition"] == definition].groupby("n")["value"].agg(["mean", "min", "max"])
        if len(definitions) > 1:
            values = values / values["mean"].iloc[-1]
        ax.fill_between(values.index, values["min"], values["max"], color=look["color"], alpha=0.15, linewidth=0)
        ax.plot(values.index, values["mean"], linewidth=1.2, markersize=5, label=metric_label(definition), **look)
    tidy(ax)
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("rows")
    if len(definitions) == 1:
        ax.set_ylabel(metric_label(definitions[0]))
    else:
        ax.set_ylabel(f"value over that of {sizes[-1]:,} rows")
        ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0.0, frameon=False, fontsize=8)
    return ax

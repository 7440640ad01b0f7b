"""How metrics move with the number of rows, from the table that `reprq.metrics.curve` gives."""

import textwrap

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from reprq.errors import InputError
from reprq.plots.names import metric_label
from reprq.plots.panels import axes_of, legend_beside
from reprq.plots.styles import styles, tidy
from reprq.validation import check_columns

_COLUMNS = ("metric", "definition", "n", "repeat", "value")


def curve_plot(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the mean over the repeats at every number of rows, and a band from the least to the greatest of them.

    One metric is drawn in its own unit; of several, each is divided by its value at the most rows, so that a line
    that has become flat at 1 belongs to a metric that more rows would not move. What the bands have beyond the means of
    all is cut.

    Args:
        frame: What `reprq.metrics.curve` returned; values that do not exist are left out.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes, with the number of rows on a logarithmic axis.

    Raises:
        InputError: a column is missing, or there are no values.
    """
    check_columns(frame, _COLUMNS, "frame")
    known = frame.dropna(subset="value")
    if known.empty:
        raise InputError("frame must have at least one value, got none; measure more rows")
    definitions = list(known["definition"].unique())
    ours = ax is None
    ax = axes_of(ax, (4.8, 3.6))
    sizes = sorted(known["n"].unique())
    looks = styles(definitions)
    means = known.groupby(["definition", "n"])["value"].mean()
    if len(definitions) > 1:
        last = means.groupby("definition").last()
        known = known.assign(value=known["value"] / known["definition"].map(last))
        means = means.div(last, level="definition")
    sns.lineplot(
        known, x="n", y="value", hue="definition", style="definition", errorbar=("pi", 100), legend=False, ax=ax,
        palette={name: look["color"] for name, look in looks.items()}, dashes=False, linewidth=1.2,
        markersize=5, markeredgewidth=0,
        markers={name: look["marker"] for name, look in looks.items()}, err_kws={"alpha": 0.15, "linewidth": 0},
    )  # fmt: skip
    if (span := np.ptp(means)) > 0:  # where the repeats of a metric that nears 0 would flatten all others, cut them
        ax.set_ylim(means.min() - 0.08 * span, means.max() + 0.08 * span)
    tidy(ax)
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("rows")
    if len(definitions) == 1:
        ax.set_ylabel(textwrap.fill(metric_label(definitions[0]), 34))
    else:
        ax.set_ylabel(f"value over that of {sizes[-1]:,} rows")
        handles = [Line2D([], [], label=metric_label(name), **look) for name, look in looks.items()]
        legend_beside([ax], grow=ours, handles=handles)
    return ax

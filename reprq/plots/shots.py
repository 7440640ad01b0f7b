"""AUROC against the number of benign samples that a detector learned from."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from reprq.errors import InputError
from reprq.plots.names import detector_labels
from reprq.plots.panels import axes_of, legend_beside
from reprq.plots.styles import plain, styles, tidy
from reprq.validation import check_columns

_COLUMNS = ("shots", "detector", "auroc", "low", "high")


def shots_plot(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw one line a detector, with its interval as a band, over a logarithmic axis of the number of samples.

    Args:
        table: One row a number of samples and detector, with the columns shots, detector, auroc, low and high, such as
            the means of `reprq detect --shots --seeds`; with several backbones, layers or tasks, in columns of these
            names, each has lines of its own.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes, with the legend to the right.

    Raises:
        InputError: A column is missing, no value is finite, or a point stands there twice.
    """
    check_columns(table, _COLUMNS, "table")
    known = table.dropna(subset="auroc")
    if known.empty:
        raise InputError("table must have at least one AUROC, got none; give more benign samples")
    named = detector_labels(known["detector"].unique().tolist())
    line = known["detector"].map(named)
    for column, word in (("layer", "on"), ("backbone", "of"), ("task", "for")):
        if column in known and known[column].nunique() > 1:
            line = line + f" {word} " + known[column]
    known = known.assign(line=line)
    if known.duplicated(["line", "shots"]).any():
        raise InputError("table must have one row a detector and number of samples, got several; average them first")
    ours = ax is None
    ax = axes_of(ax, (4.8, 3.6))
    for name, look in styles(known["line"].unique().tolist()).items():
        own = known[known["line"] == name].sort_values("shots")
        ax.fill_between(own["shots"], own["low"], own["high"], color=look["color"], alpha=0.12, linewidth=0)
        ax.plot(own["shots"], own["auroc"], linewidth=1.2, markersize=5, label=plain(name), **look)
    ends = known[["auroc", "low", "high"]].to_numpy(dtype=float)
    ax.set_ylim(np.nanmin(ends) - 0.02, min(1.01, np.nanmax(ends) + 0.01))
    tidy(ax)
    ax.set_xscale("log", base=2)
    sizes = sorted(known["shots"].unique())
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("benign samples")
    ax.set_ylabel("AUROC")
    legend_beside([ax], grow=ours)
    return ax

"""Small multiples: every metric against every detector's score."""

import re
import textwrap
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from reprq.errors import InputError
from reprq.evaluation import Correlation
from reprq.plots.arrange import Panels, margins_of, place_panels
from reprq.plots.fit import FIT_NOTE, draw_fit
from reprq.plots.metric_vs_score import (
    LEGEND_TITLE,
    check_points,
    describe,
    draw_points,
    is_logarithmic,
    scale_metric_axis,
)
from reprq.plots.names import detector_labels, metric_label
from reprq.plots.panels import by_dataset
from reprq.plots.styles import legend_handles, plain, random_backbones, shortened, styles, tidy

_CELL = (2.25, 1.95)  # inches
_LEAST_WIDTH = 4.0
_LETTER = 0.06  # inches of a letter of 8 points, with some to spare
_EQUALS = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"  # a setting is not broken inside


def correlation_grid(
    points: pd.DataFrame,
    score_label: str,
    correlations: Mapping[tuple[str, str], Correlation] | None = None,
    title: str = "",
) -> Figure:
    """Draw every metric (columns) against every detector's score (rows), with one legend for all.

    A column shares its horizontal axis and a row its vertical one. A pair without points says so. From three backbones
    on the line and band of `metric_vs_score` are drawn. With several data sets in a column `dataset` each has a grid of
    its own, one below the other.

    Args:
        points: The columns of `metric_vs_score`, and detector and metric; rows and columns stand in their order.
        score_label: What the vertical axes show.
        correlations: By (detector, metric); the coefficient and interval become the title of the small picture, of
            several data sets that in the first grid, which says so.
        title: Stands over the figure.

    Returns:
        The figure.

    Raises:
        InputError: a column is missing, there are no points, or x or y is not finite.
    """
    check_points(points, extra=("detector", "metric"))
    if points.empty:
        raise InputError("points must have at least one row, got none; measure at least one layer")
    looks = styles([str(name) for name in points["backbone"].unique()], random_backbones(points))
    parts = by_dataset(points)
    over = "all data sets: " if len(parts) > 1 else ""
    shown = {pair: over + describe(found, short=True) for pair, found in (correlations or {}).items()}
    figure = plt.figure(figsize=(_CELL[0] * points["metric"].nunique() + 0.6, _CELL[1] * points["detector"].nunique()))
    grids, fitted = [], False
    for own in parts.values():
        grid, has_line = _draw_pairs(figure, points, own, looks, score_label, shown)
        grids.append(grid)
        fitted |= has_line
        shown = {}  # once
    margins = margins_of(grids, _CELL[0])
    entry = 0.55 + _LETTER * max(len(shortened(name)) for name in looks)  # inches of the legend
    width = max(margins.left + margins.column * grids[0].shape[1], entry, _LEAST_WIDTH)
    figure.set_figwidth(width)
    heads = [figure.text(0.5, 0.0, plain(name), fontsize=10, ha="center") if name else None for name in parts]
    legend = figure.legend(
        handles=legend_handles(looks),
        loc="lower center",
        ncols=min(int(width // entry), len(looks)),
        frameon=False,
        fontsize=8,
        title=textwrap.fill(f"{LEGEND_TITLE}; {FIT_NOTE}" if fitted else LEGEND_TITLE, int(width / _LETTER)),
        title_fontsize=8,
    )
    if title:
        figure.suptitle(textwrap.fill(title.replace("$", r"\$"), min(110, int(0.7 * width / _LETTER))), fontsize=11)
    place_panels(grids, heads, legend, margins, _CELL[1] - 0.4)
    return figure


def _draw_pairs(
    figure: Figure,
    every: pd.DataFrame,
    points: pd.DataFrame,
    looks: Mapping[str, Mapping[str, Any]],
    score_label: str,
    titles: Mapping[tuple[str, str], str],
) -> tuple[Panels, bool]:
    """Draw the pairs of one data set, with a row for every detector and a column for every metric of all of them.

    Returns:
        The panels, and whether there was a line to draw.
    """
    detectors, metrics = list(every["detector"].unique()), list(every["metric"].unique())
    axes = figure.subplots(len(detectors), len(metrics), sharex="col", sharey="row", squeeze=False)
    called, fitted = detector_labels(detectors), False
    for j, metric in enumerate(metrics):
        measured = points[points["metric"] == metric]
        for i, detector in enumerate(detectors):
            ax, pair = axes[i, j], measured[measured["detector"] == detector]
            ax.set_title(titles.get((detector, metric), ""), fontsize=8, y=1.0)  # where it is: nothing to measure
            if pair.empty:
                tidy(ax)
                ax.text(0.5, 0.5, "no points", transform=ax.transAxes, ha="center", va="center", color="0.4")
            else:
                draw_points(ax, pair, looks, scale=0.75)
        if not measured.empty:
            scale_metric_axis(axes[0, j], measured["x"])  # the column shares it
            axes[0, j].minorticks_off()  # they would be half of the time of writing
        for ax, detector in zip(axes[:, j], detectors, strict=True):
            pair = measured[measured["detector"] == detector]
            fitted |= not pair.empty and draw_fit(ax, pair, log=is_logarithmic(measured["x"]), scale=0.75)
        axes[-1, j].set_xlabel(textwrap.fill(metric_label(str(metric)), 24), fontsize=9)
    for ax, detector in zip(axes[:, 0], detectors, strict=True):
        ax.set_ylabel(f"{_wrapped(called[detector])}\n{score_label}", fontsize=8)
    return axes, fitted


def _wrapped(detector: str) -> str:
    """Shorten a name such as "kNN, k = 5", or an identifier, and break it before its parameters and between them."""
    name, mark, parameters = re.split(r"(, |[\[(]|$)", shortened(detector), maxsplit=1)
    parts = (name, parameters) if mark == ", " else (name, f"{mark}{parameters}".replace(",", ", "))
    lines = [line for part in parts for line in textwrap.wrap(part.replace(" = ", _EQUALS), 26)]
    return "\n".join(plain(line.replace(_EQUALS, " = ")) for line in lines)

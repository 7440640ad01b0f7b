"""A quality metric against a detection score, one point a (backbone, layer)."""

import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba_array
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from reprq.analysis.depth import layer_places
from reprq.errors import InputError
from reprq.evaluation import Correlation
from reprq.plots.fit import FIT_NOTE, draw_fit
from reprq.plots.names import metric_label
from reprq.plots.panels import entitle, legend_beside, panels
from reprq.plots.styles import legend_handles, random_backbones, styles, tidy
from reprq.validation import check_columns

COLUMNS = ("backbone", "layer", "layer_number", "x", "y")
LEGEND_TITLE = "larger: deeper layer"
_SYMBOLS = {"spearman": "\N{GREEK SMALL LETTER RHO}", "pearson": "r", "kendall": "\N{GREEK SMALL LETTER TAU}"}
_AREAS = (16.0, 72.0)  # points squared, of the markers of the first and of the deepest layer
_LOG_SPAN = 20.0  # metrics whose largest value is more than so many times the smallest get a logarithmic axis


def metric_vs_score(
    points: pd.DataFrame,
    metric: str,
    score_label: str,
    correlation: Correlation | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric against a score: a point a (backbone, layer), larger the deeper, joined along a backbone's depth.

    Backbones differ in color and marker; hollow markers are networks with random weights. The horizontal axis is
    logarithmic where the largest metric is more than 20 times the smallest. From three backbones on the least-squares
    line is drawn with its 95 % band (`fit_band`), which resamples whole backbones.

    Args:
        points: One row a point: backbone, layer, layer_number, x (the metric), y (the score), and optionally y_low and
            y_high, which are drawn as bars, weights, of which those that begin with "random" are random, dataset: each
            of several has a panel of its own, and url: what a point of an SVG links to.
        metric: The label of the horizontal axis: a metric by its name or identifier, or any other text.
        score_label: The label of the vertical axis.
        correlation: Its coefficient, interval and p-value become the title.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes, of several panels the first, with the legend to the right of them.

    Raises:
        InputError: a column is missing, there are no points, x or y is not finite, or ax is for several data sets.
    """
    check_points(points)
    if points.empty:
        raise InputError("points must have at least one row, got none; measure at least one layer")
    looks = styles([str(name) for name in points["backbone"].unique()], random_backbones(points))
    fitted, drawn = False, panels(points, (5.0, 4.6), ax)
    for panel, own in drawn:
        draw_points(panel, own, looks)
        scale_metric_axis(panel, own["x"])
        fitted |= draw_fit(panel, own, log=is_logarithmic(own["x"]))
        panel.set(xlabel=metric_label(metric), ylabel=score_label)
    axes = [panel for panel, _ in drawn]
    if correlation is not None:
        entitle(axes, describe(correlation))
    legend_beside(
        axes,
        grow=ax is None,
        handles=legend_handles(looks),
        title=f"{LEGEND_TITLE}\n{textwrap.fill(FIT_NOTE, 34)}" if fitted else LEGEND_TITLE,
        ncols=-(-len(looks) // 20),
    )
    return axes[0]


def check_points(points: pd.DataFrame, extra: tuple[str, ...] = ()) -> None:
    """Raise an `InputError` unless the table has its columns and every x and y is finite."""
    check_columns(points, (*extra, *COLUMNS), "points")
    for column in ("x", "y"):
        finite = np.isfinite(points[column].to_numpy(dtype=np.float64))
        if not finite.all():
            row = points.iloc[int(np.flatnonzero(~finite)[0])]
            raise InputError(
                f"points must be finite, got {column}={row[column]} for {row['backbone']}, layer {row['layer']};"
                " leave that point out"
            )


def draw_points(ax: Axes, points: pd.DataFrame, looks: Mapping[str, Mapping[str, Any]], scale: float = 1.0) -> None:
    """Draw the points of every backbone on one data set, without labels, title or legend.

    Args:
        ax: Where to draw.
        points: As for `metric_vs_score`.
        looks: The style of each backbone, as `styles` gives them.
        scale: Multiplies the size of the markers.
    """
    places = layer_places(points).to_numpy()
    order = np.argsort(places, kind="stable")
    places, names = places[order], points["backbone"].astype(str).to_numpy()[order]
    xy = points[["x", "y"]].to_numpy(dtype=np.float64)[order]
    colours = to_rgba_array([looks[name]["color"] for name in names])
    if {"y_low", "y_high"} <= set(points):
        low, high = points[["y_low", "y_high"]].to_numpy(dtype=np.float64)[order].T
        ax.vlines(xy[:, 0], low, high, color=colours, alpha=0.4, linewidth=0.8, zorder=1)
    smallest, largest = (scale**2 * area for area in _AREAS)
    areas = smallest + (largest - smallest) * places / max(1, places.max())
    dots = ax.scatter(xy[:, 0], xy[:, 1], s=areas, linewidth=1.0, zorder=2)
    dots.set_paths([_path(looks[name]["marker"]) for name in names])
    if "url" in points:
        dots.set_urls(points["url"].to_numpy()[order].tolist())
    hollow = np.array([looks[name]["markerfacecolor"] == "none" for name in names])
    dots.set(edgecolor=to_rgba_array(colours, 0.85), facecolor=to_rgba_array(colours, np.where(hollow, 0.0, 0.85)))
    present = [name for name in looks if (names == name).any()]
    lines = LineCollection([xy[names == name] for name in present], colors=[looks[name]["color"] for name in present])
    lines.set(alpha=0.3, linewidth=0.8 * scale, zorder=1)
    ax.add_collection(lines)
    tidy(ax)
    ax.yaxis.set_major_locator(MaxNLocator(5))


@cache
def _path(marker: str) -> Path:
    """The outline of a marker."""
    style = MarkerStyle(marker)
    return style.get_path().transformed(style.get_transform())


def is_logarithmic(values: pd.Series) -> bool:
    """Whether all values are positive and the largest is more than 20 times the smallest; not of a score as AUROC."""
    if str(values.name).startswith("auroc"):
        return False
    return bool(values.min() > 0 and values.max() / values.min() > _LOG_SPAN)


def plain_log_ticks(axis: Axis, values: pd.Series) -> None:
    """Write 10 rather than a power on a logarithmic axis, and more between where it spans two decades or less.

    These are 20 and 50, or 30 alone where numbers are long.
    """
    short = values.min() >= 0.1 and values.max() < 1000
    between = (1.0, 2.0, 5.0) if short else (1.0, 3.0)
    axis.set_major_locator(LogLocator(subs=between if values.max() / values.min() <= 100 else (1.0,)))
    if values.max() < 1e5 and values.min() > 1e-4:
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def scale_metric_axis(ax: Axes, x: pd.Series) -> None:
    """Make the horizontal axis logarithmic where the values ask for it, and name few places on it."""
    if is_logarithmic(x):
        ax.set_xscale("log")
        plain_log_ticks(ax.xaxis, x)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5))


def describe(correlation: Correlation, short: bool = False) -> str:
    r"""Return a correlation as the title of a picture.

    Args:
        correlation: What `reprq.statistics.correlation` returned.
        short: Coefficient and interval only.

    Example:
        >>> describe(Correlation(0.6221, 0.31, 0.804, 0.0041, 60, 12, "spearman"))
        'Spearman 0.62 [0.31, 0.80], p = 0.004\n60 points, 12 backbones'
        >>> describe(Correlation(None, None, None, None, 60, 12, "spearman"), short=True)
        'undefined'
    """
    if correlation.coefficient is None:
        text = "undefined"
    else:
        symbol = f"{_SYMBOLS[correlation.method]} = " if short else ""
        text = f"{symbol}{correlation.coefficient:.2f}"
        if correlation.low is not None and correlation.high is not None:
            text += f" [{correlation.low:.2f}, {correlation.high:.2f}]"
    if short:
        return text
    if correlation.p_value is not None:
        text += ", p < 0.001" if correlation.p_value < 0.001 else f", p = {correlation.p_value:.3f}"
    backbones = "1 backbone" if correlation.n_groups == 1 else f"{correlation.n_groups} backbones"
    return f"{correlation.method.capitalize()} {text}\n{correlation.n} points, {backbones}"

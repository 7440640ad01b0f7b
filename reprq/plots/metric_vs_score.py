"""A quality metric against a detection score, one point a (backbone, layer)."""

import textwrap
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from reprq.errors import InputError
from reprq.evaluation import Correlation
from reprq.plots.fit import FIT_NOTE, draw_fit
from reprq.plots.names import metric_label
from reprq.plots.styles import legend_handles, random_backbones, styles, tidy

COLUMNS = ("backbone", "layer", "layer_number", "x", "y")
LEGEND_TITLE = "larger: deeper layer"
_SYMBOLS = {"spearman": "\N{GREEK SMALL LETTER RHO}", "pearson": "r", "kendall": "\N{GREEK SMALL LETTER TAU}"}
_LOG_SPAN = 20.0  # metrics whose largest value is more than so many times the smallest get a logarithmic axis


def metric_vs_score(
    points: pd.DataFrame,
    metric: str,
    score_label: str,
    correlation: Correlation | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a metric against a score: a point a (backbone, layer), larger the deeper, joined along a backbone's depth.

    Backbones differ in colour and marker; hollow markers are networks with random weights. The horizontal axis is
    logarithmic where the largest metric is more than 20 times the smallest. From three backbones on the least-squares
    line is drawn with its 95 % band (`fit_band`), which resamples whole backbones.

    Args:
        points: One row a point: backbone, layer, layer_number, x (the metric), y (the score), and optionally y_low and
            y_high, which are drawn as bars, and weights, of which those that begin with "random" are random.
        metric: The label of the horizontal axis: a metric by its name or identifier, or any other text.
        score_label: The label of the vertical axis.
        correlation: Its coefficient, interval and p-value become the title.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes, with the legend to the right of them.

    Raises:
        InputError: a column is missing, there are no points, or x or y is not finite.
    """
    check_points(points)
    if points.empty:
        raise InputError("points must have at least one row, got none; measure at least one layer")
    if ax is None:
        _, ax = plt.subplots(figsize=(7.2, 4.6), layout="constrained")
    looks = styles(list(points["backbone"].unique()), random_backbones(points))
    draw_points(ax, points, looks)
    scale_metric_axis(ax, points["x"])
    fitted = draw_fit(ax, points, log=is_logarithmic(points["x"]))
    ax.set_xlabel(metric_label(metric))
    ax.set_ylabel(score_label)
    if correlation is not None:
        ax.set_title(describe(correlation), fontsize=10)
    ax.legend(
        handles=legend_handles(looks),
        title=f"{LEGEND_TITLE}\n{textwrap.fill(FIT_NOTE, 34)}" if fitted else LEGEND_TITLE,
        ncols=-(-len(looks) // 20),
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0.0,
        frameon=False,
        fontsize=8,
        title_fontsize=8,
        alignment="left",
    )
    return ax


def check_points(points: pd.DataFrame, extra: tuple[str, ...] = ()) -> None:
    """Raise an `InputError` unless the table has its columns and every x and y is finite."""
    for column in (*extra, *COLUMNS):
        if column not in points:
            raise InputError(f"points must have a column {column!r}, got {', '.join(map(str, points.columns))}")
    for column in ("x", "y"):
        finite = np.isfinite(points[column].to_numpy(dtype=np.float64))
        if not finite.all():
            row = points.iloc[int(np.flatnonzero(~finite)[0])]
            raise InputError(
                f"points must be finite, got {column}={row[column]} for {row['backbone']}, layer {row['layer']};"
                " leave that point out"
            )


def draw_points(ax: Axes, points: pd.DataFrame, looks: Mapping[str, Mapping[str, Any]], scale: float = 1.0) -> None:
    """Draw the points of every backbone, without labels, title or legend.

    Args:
        ax: Where to draw.
        points: As for `metric_vs_score`.
        looks: The style of each backbone, as `styles` gives them.
        scale: Multiplies the size of the markers.
    """
    deepest = max(1, int(points["layer_number"].max()))
    for name, layers in points.groupby("backbone", sort=False):
        layers, look = layers.sort_values("layer_number"), looks[str(name)]
        ax.plot(layers["x"], layers["y"], color=look["color"], alpha=0.3, linewidth=0.8 * scale, zorder=1)
        if {"y_low", "y_high"} <= set(layers):
            bounds = (layers["y_low"], layers["y_high"])
            ax.vlines(layers["x"], *bounds, color=look["color"], alpha=0.4, linewidth=0.8, zorder=1)
        sizes = scale * (4 + 4.5 * layers["layer_number"] / deepest)
        shape = {"marker": look["marker"], "c": look["markerfacecolor"], "edgecolors": look["color"]}
        ax.scatter(layers["x"], layers["y"], s=sizes**2, **shape, linewidths=1.0, alpha=0.85, zorder=2)
    tidy(ax)
    ax.yaxis.set_major_locator(MaxNLocator(5))


def is_logarithmic(values: pd.Series) -> bool:
    """Whether all values are positive and the largest is more than 20 times the smallest."""
    return bool(values.min() > 0 and values.max() / values.min() > _LOG_SPAN)


def plain_log_ticks(axis: Axis, values: pd.Series) -> None:
    """Write 10 rather than a power on a logarithmic axis, and 20 and 50 too where it spans two decades or less."""
    spread = values.max() / values.min()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if spread <= 100 else (1.0,)))
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

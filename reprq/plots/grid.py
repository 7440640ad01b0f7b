"""Small multiples: every metric against every detector's score."""

import re
import textwrap
from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from reprq.errors import InputError
from reprq.evaluation import Correlation
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
from reprq.plots.styles import legend_handles, plain, random_backbones, shortened, styles, tidy

_CELL = (2.25, 1.95)  # inches


def correlation_grid(
    points: pd.DataFrame,
    score_label: str,
    correlations: Mapping[tuple[str, str], Correlation] | None = None,
    title: str = "",
) -> Figure:
    """Draw every metric (columns) against every detector's score (rows), with one legend for all.

    A column shares its horizontal axis and a row its vertical one. A pair without points says so. From three backbones
    on the line and band of `metric_vs_score` are drawn.

    Args:
        points: The columns of `metric_vs_score`, and detector and metric; rows and columns stand in their order.
        score_label: What the vertical axes show.
        correlations: By (detector, metric); the coefficient and interval become the title of the small picture.
        title: Stands over the figure.

    Returns:
        The figure.

    Raises:
        InputError: a column is missing, there are no points, or x or y is not finite.
    """
    check_points(points, extra=("detector", "metric"))
    if points.empty:
        raise InputError("points must have at least one row, got none; measure at least one layer")
    detectors, metrics = list(points["detector"].unique()), list(points["metric"].unique())
    looks = styles(list(points["backbone"].unique()), random_backbones(points))
    columns = max(1, int((_CELL[0] * len(metrics) + 0.6) // 1.9))
    legend_rows = -(-len(looks) // columns)
    size = (_CELL[0] * len(metrics) + 0.6, _CELL[1] * len(detectors) + 0.8 + 0.19 * legend_rows)
    figure, axes = plt.subplots(
        len(detectors), len(metrics), sharex="col", sharey="row", squeeze=False, figsize=size, layout="constrained"
    )
    by_pair = dict(list(points.groupby(["detector", "metric"], sort=False)))
    called = detector_labels(detectors)
    for i, detector in enumerate(detectors):
        for j, metric in enumerate(metrics):
            ax = axes[i, j]
            if (detector, metric) in by_pair:
                draw_points(ax, by_pair[detector, metric], looks, scale=0.75)
            else:
                tidy(ax)
                ax.text(0.5, 0.5, "no points", transform=ax.transAxes, ha="center", va="center", color="0.4")
            if correlations and (detector, metric) in correlations:
                ax.set_title(describe(correlations[detector, metric], short=True), fontsize=8)
        axes[i, 0].set_ylabel(f"{_wrapped(called[detector])}\n{score_label}", fontsize=8)
    fitted = False
    for j, metric in enumerate(metrics):
        measured = points.loc[points["metric"] == metric, "x"]
        scale_metric_axis(axes[0, j], measured)  # the column shares it
        for i, detector in enumerate(detectors):
            if (detector, metric) in by_pair:
                fitted |= draw_fit(axes[i, j], by_pair[detector, metric], log=is_logarithmic(measured), scale=0.75)
        axes[-1, j].set_xlabel(textwrap.fill(metric_label(str(metric)), 24), fontsize=9)
    figure.legend(
        handles=legend_handles(looks),
        loc="outside lower center",
        ncols=min(columns, len(looks)),
        frameon=False,
        fontsize=8,
        title=f"{LEGEND_TITLE}; {FIT_NOTE}" if fitted else LEGEND_TITLE,
        title_fontsize=8,
    )
    if title:
        figure.suptitle(textwrap.fill(title.replace("$", r"\$"), 110), fontsize=11)
    return figure


def _wrapped(detector: str) -> str:
    """Shorten a name such as "kNN, k = 5", or an identifier, and break it before its parameters and between them."""
    name, mark, parameters = re.split(r"(, |[\[(]|$)", shortened(detector), maxsplit=1)
    parts = (name, parameters) if mark == ", " else (name, f"{mark}{parameters}".replace(",", ", "))
    return "\n".join(plain(line) for part in parts for line in textwrap.wrap(part, 26))

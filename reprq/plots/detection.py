"""What a detector's scores do on labelled rows: the ROC curve with its band, and the scores of both classes."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError
from reprq.evaluation import auroc, curves, roc_band
from reprq.plots.names import detector_labels
from reprq.plots.panels import axes_of, legend_beside
from reprq.plots.styles import ANOMALOUS, BENIGN, COLOURS, plain, tidy
from reprq.validation import as_labels, as_scores

Floats = NDArray[np.float64]

_BAND = "band: pointwise 95 %"
_INSIDE = 2  # curves whose legend fits below them
_PLACES = np.linspace(0.0, 1.0, 201)
_MOST_BINS = 40
_LOG_SPAN = 20.0


def roc_plot(
    labels: ArrayLike,
    scores: ArrayLike | Mapping[str, ArrayLike],
    ax: Axes | None = None,
) -> Axes:
    """Draw ROC curves, each with the AUROC, its interval and a pointwise 95 % band.

    The band is that of `reprq.evaluation.roc_band`. It is pointwise: the whole curve lies inside it less often.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous; or several under the names of their detectors.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes.

    Raises:
        InputError: shapes that differ, labels other than 0 and 1, a nan or inf, or a class without a row.
    """
    named = scores if isinstance(scores, Mapping) else {"": scores}
    found = {name: (curves(labels, values), auroc(labels, values)) for name, values in named.items()}
    ours = ax is None
    ax = axes_of(ax, (4.6, 4.6))
    called = detector_labels(list(named))
    ax.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, linestyle=":")
    dashes = ("-", "--", "-.", ":")
    for i, (name, (curve, area)) in enumerate(found.items()):
        colour = COLOURS[i % len(COLOURS)]
        _, low, high = roc_band(labels, named[name], _PLACES)
        ax.fill_between(_PLACES, low, high, color=colour, alpha=0.15, linewidth=0)
        text = f"{f'{plain(called[name])}: ' * bool(name)}AUROC {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"
        style = dashes[i // len(COLOURS) % len(dashes)] if len(found) > len(COLOURS) else dashes[i % len(dashes)]
        rates = (curve.false_positive_rate, curve.true_positive_rate)
        ax.plot(*rates, color=colour, linewidth=1.4, linestyle=style, label=text)
    tidy(ax)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("false positive rate (benign rows called anomalous)")
    ax.set_ylabel("true positive rate")
    if len(found) > _INSIDE:
        legend_beside([ax], grow=ours, title=_BAND)
    else:
        ax.legend(loc="lower right", frameon=False, fontsize=7.5, title=_BAND, title_fontsize=7.5)
    return ax


def score_histogram(
    labels: ArrayLike, scores: ArrayLike, ax: Axes | None = None, *, threshold: float | None = None
) -> Axes:
    """Draw the anomaly scores of benign and of anomalous rows, each as shares of its class.

    The axis is logarithmic where all scores are positive and the largest is more than 20 times their median.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous.
        ax: Where to draw; a new figure by default.
        threshold: A score over which rows are called anomalous, drawn with the rates that it gives.

    Returns:
        The Axes.

    Raises:
        InputError: shapes that differ, labels other than 0 and 1, a nan or inf, or a class without a row.
    """
    area = auroc(labels, scores)
    values = as_scores(scores)
    anomalous = as_labels(labels, len(values)) == 1
    if np.ptp(values) == 0:
        raise InputError(f"scores must differ, got {values[0]:g} for every row; there is no histogram of one value")
    ax = axes_of(ax, (5.6, 3.4))
    log = bool(values.min() > 0 and values.max() > _LOG_SPAN * np.median(values))
    classes = {f"{(~anomalous).sum():,} benign": BENIGN, f"{anomalous.sum():,} anomalous": ANOMALOUS}
    sns.histplot(
        x=values, hue=np.array(list(classes))[anomalous.astype(int)], hue_order=list(classes), palette=classes,
        bins=_bins(np.log10(values) if log else values), log_scale=log, stat="probability", common_norm=False,
        element="step", alpha=0.35, linewidth=1.2, legend=False, ax=ax,
    )  # fmt: skip
    handles: list[Artist] = [ax.collections[-1], ax.collections[-2]]  # the last class is drawn first
    for drawn, name, hatch in zip(handles, classes, ("", "////"), strict=True):
        drawn.set(label=name, hatch=hatch)
    if threshold is not None:
        rates = [float((values[rows] > threshold).mean()) for rows in (anomalous, ~anomalous)]
        text = f"threshold {threshold:.3g}: {rates[0]:.0%} of anomalies, {rates[1]:.1%} false alarms"
        handles.append(ax.axvline(threshold, color="black", linewidth=1.2, linestyle="--", label=text))
    tidy(ax)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("anomaly score")
    ax.set_ylabel("share of the class")
    ax.set_title(f"AUROC {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]", fontsize=10)
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.0, -0.18), "borderaxespad": 0.0, "ncols": 2}
    ax.legend(handles=handles, frameon=False, fontsize=8, **place)
    return ax


def _bins(values: Floats) -> int:
    """How many bins, by the larger of the rules of Sturges and of Freedman and Diaconis."""
    quarter, three_quarters = np.quantile(values, [0.25, 0.75])
    width = 2 * (three_quarters - quarter) / np.cbrt(len(values))
    by_spread = np.ptp(values) / width if width > 0 else 0.0
    return math.ceil(min(_MOST_BINS, max(math.log2(len(values)) + 1, float(by_spread))))

"""What a detector's scores do on labelled rows: the ROC curve with its band, and the scores of both classes."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError
from reprq.evaluation import auroc, curves, roc_band
from reprq.plots.styles import ANOMALOUS, BENIGN, COLOURS, tidy
from reprq.validation import as_labels, as_scores

Floats = NDArray[np.float64]

_PLACES = np.linspace(0.0, 1.0, 201)
_BINS = 40
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
    if ax is None:
        _, ax = plt.subplots(figsize=(4.6, 4.6), layout="constrained")
    ax.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, linestyle=":")
    dashes = ("-", "--", "-.", ":")
    for i, (name, (curve, area)) in enumerate(found.items()):
        colour = COLOURS[i % len(COLOURS)]
        _, low, high = roc_band(labels, named[name], _PLACES)
        ax.fill_between(_PLACES, low, high, color=colour, alpha=0.15, linewidth=0)
        text = f"{name}{' ' * bool(name)}AUROC {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"
        style = dashes[i // len(COLOURS) % len(dashes)] if len(found) > len(COLOURS) else dashes[i % len(dashes)]
        rates = (curve.false_positive_rate, curve.true_positive_rate)
        ax.plot(*rates, color=colour, linewidth=1.4, linestyle=style, label=text)
    tidy(ax)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("false positive rate (benign rows called anomalous)")
    ax.set_ylabel("true positive rate")
    ax.legend(loc="lower right", frameon=False, fontsize=7.5, title="band: pointwise 95 %", title_fontsize=7.5)
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
    if ax is None:
        _, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
    log = values.min() > 0 and values.max() > _LOG_SPAN * np.median(values)
    edges = _edges(values, log)
    for rows, colour, hatch, name in ((~anomalous, BENIGN, "", "benign"), (anomalous, ANOMALOUS, "////", "anomalous")):
        share = np.histogram(values[rows], edges)[0] / rows.sum()
        text = f"{int(rows.sum()):,} {name}"
        ax.stairs(
            share, edges, fill=True, facecolor=to_rgba(colour, 0.35), edgecolor=colour, hatch=hatch, lw=1.2, label=text
        )
    if threshold is not None:
        rates = [float((values[rows] > threshold).mean()) for rows in (anomalous, ~anomalous)]
        text = f"threshold {threshold:.3g}: {rates[0]:.0%} of anomalies, {rates[1]:.1%} false alarms"
        ax.axvline(threshold, color="black", linewidth=1.2, linestyle="--", label=text)
    tidy(ax)
    if log:
        ax.set_xscale("log")
    ax.set_ylim(bottom=0)
    ax.set_xlabel("anomaly score")
    ax.set_ylabel("share of the class")
    ax.set_title(f"AUROC {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]", fontsize=10)
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0.0, -0.18), ncols=2, borderaxespad=0.0)
    return ax


def _edges(values: Floats, log: bool) -> Floats:
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise InputError(f"scores must differ, got {low:g} for every row; there is no histogram of one value")
    return np.geomspace(low, high, _BINS + 1) if log else np.linspace(low, high, _BINS + 1)

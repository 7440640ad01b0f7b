"""Accuracy by epoch, f-AnoGAN digit by digit, and what metrics say beforehand, drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reprq.papers.robledo2023.presets import F_ANOGAN, RobledoPreset
from reprq.papers.robledo2023.tables import chosen, named
from reprq.study.cells import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKS = "osD^vP*X<>h"


def accuracy_curves(rows: list[Row]) -> "Figure":
    """Draw the accuracy on held-out images over epochs, a panel for labels and one for turns."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    by_title: dict[str, list[Row]] = {}
    for row in rows:
        if "epoch" in row and row.get("held_out_accuracy") is not None:
            without = f", without {row['without']}" if row["without"] else ""
            by_title.setdefault(f"{row['extractor']}{without}", []).append(row)
    fig = Figure(figsize=(8.2, 3.8), layout="constrained")
    ax = fig.subplots()
    for number, (title, part) in enumerate(by_title.items()):
        values = [100 * row["held_out_accuracy"] for row in part]
        mark = _MARKS[number % len(_MARKS)]
        ax.plot([row["epoch"] for row in part], values, marker=mark, ms=4, lw=1, color=f"C{number % 10}", label=title)
    ax.set(xlabel="epoch", ylabel="accuracy on held-out images, per cent", ylim=(0, 102))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return fig


def by_digit(rows: list[Row], how: RobledoPreset, sets: Sequence[str]) -> "Figure":
    """Draw the AUROC of f-AnoGAN digit by digit, a panel a set: a mark an extractor, a line over its seeds."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(3.1 * len(sets) + 2.4, 4.2), layout="constrained")
    axes = fig.subplots(1, len(sets), sharey=True, squeeze=False)[0]
    width = 0.8 / len(how.extractors)
    for ax, name in zip(axes, sets, strict=True):
        for number, each in enumerate(how.extractors):
            part = chosen(rows, method=F_ANOGAN, extractor=each.title, set=name, reading="official")
            means = part.groupby(["digit", "seed"])["auroc"].mean().mul(100)
            places = [i + (number + 0.5) * width - 0.4 for i in range(len(how.digits))]
            seeds = [means[digit] for digit in how.digits]
            ends = [each.min() for each in seeds], [each.max() for each in seeds]
            style = {"color": f"C{number % 10}", "marker": _MARKS[number % len(_MARKS)], "ms": 5, "lw": 0}
            ax.plot(places, [each.mean() for each in seeds], label=each.title, **style)
            ax.vlines(places, *ends, color=style["color"], lw=1)
        ax.axhline(50, color="0.7", lw=0.8, ls=":")
        ax.set_xticks(range(len(how.digits)), list(map(str, how.digits)))
        ax.set_xlabel("benign digit")
        ax.set_title(named(name), fontsize=9)
        for edge in np.arange(0.5, len(how.digits) - 1):
            ax.axvline(edge, color="0.9", lw=0.8)
    axes[0].set_ylabel("AUROC of f-AnoGAN, per cent")
    axes[-1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return fig


def metric_forest(tests: list[Row]) -> "Figure":
    """Draw for every detector how each metric ranks the extractors: the mean over tasks, a line from least to most."""
    from matplotlib.figure import Figure

    methods = list(dict.fromkeys(row["method"] for row in tests))
    metrics = [row["metric"] for row in tests if row["method"] == methods[0]]
    fig = Figure(figsize=(2.1 * len(methods) + 1.6, 0.24 * len(metrics) + 1.3), layout="constrained")
    axes = fig.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for ax, method in zip(axes, methods, strict=True):
        for place, metric in enumerate(reversed(metrics)):
            row = next(each for each in tests if (each["method"], each["metric"]) == (method, metric))
            if row["coefficient"] is None:
                continue
            clear = row["p_holm"] <= 0.05
            ax.hlines(place, row["low"], row["high"], color="0.6", lw=1)
            ax.plot(row["coefficient"], place, "o", ms=5, color="C3" if clear else "C0", mfc=None if clear else "white")
        ax.axvline(0, color="0.7", lw=0.8)
        ax.set_xlim(-1.05, 1.05)
        ax.set_title(method, fontsize=9)
    axes[0].set_yticks(range(len(metrics)), list(reversed(metrics)), fontsize=8)
    fig.supxlabel("Spearman's coefficient of metric and AUROC over extractors (filled: p <= 0.05 by Holm)", fontsize=8)
    return fig

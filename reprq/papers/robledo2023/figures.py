"""Accuracy by epoch, f-AnoGAN digit by digit, and what metrics say beforehand, drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reprq.papers.robledo2023.presets import F_ANOGAN, NEVER_SAW, PIXELS, RobledoPreset
from reprq.papers.robledo2023.tables import chosen, named
from reprq.study.cells import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES = {"o": "circles", "s": "squares", "D": "diamonds"}
_MARKS = "".join(_NAMES)
_GAIN = 50


def accuracy_curves(rows: list[Row]) -> "Figure":
    """Draw the accuracy on held-out images over epochs: of extractors taught by all sets, and by all but one."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    known = [row for row in rows if "epoch" in row and row.get("held_out_accuracy") is not None]
    colors = {title: f"C{i % 10}" for i, title in enumerate(dict.fromkeys(map(_taught, known)))}
    sides = [[row for row in known if bool(row["without"]) == left_out] for left_out in (False, True)]
    sides = [side for side in sides if side]
    fig = Figure(figsize=(3.2 * len(sides) + 2.6, 3.8), layout="constrained")
    axes = fig.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    labelled: set[str] = set()
    for ax, side in zip(axes, sides, strict=True):
        sets = list(dict.fromkeys(row["without"] for row in side))
        for title, without in dict.fromkeys((_taught(row), row["without"]) for row in side):
            part = [row for row in side if (_taught(row), row["without"]) == (title, without)]
            values = [100 * row["held_out_accuracy"] for row in part]
            style = {"color": colors[title], "marker": _MARKS[sets.index(without)], "ms": 4, "lw": 1}
            label = None if title in labelled else title
            labelled.add(title)
            ax.plot([row["epoch"] for row in part], values, label=label, **style)
        marks = ", ".join(f"{_NAMES[_MARKS[i]]} {name}" for i, name in enumerate(sets) if name)
        ax.set_title(f"without: {marks}" if marks else "taught by all sets", fontsize=8)
        ax.set(xlabel="epoch", ylim=(0, 102))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_ylabel("accuracy on held-out images, per cent")
    fig.legend(fontsize=7, loc="outside right center")
    return fig


def by_digit(rows: list[Row], how: RobledoPreset, sets: Sequence[str]) -> "Figure":
    """Draw the AUROC of f-AnoGAN digit by digit, a panel a set; the color is what an extractor adds to images."""
    from matplotlib.figure import Figure

    titles = [each.title for each in how.extractors]
    size = 0.33 * len(how.digits) * len(sets) + 3.6, 0.25 * len(titles) + 1.4
    fig = Figure(figsize=size, layout="constrained")
    axes = fig.subplots(1, len(sets), sharey=True, squeeze=False)[0]
    for ax, name in zip(axes, sets, strict=True):
        part = chosen(rows, method=F_ANOGAN, set=name, reading="official")
        means = part.groupby(["extractor", "digit"])["auroc"].mean().mul(100).unstack()
        found = means.reindex(index=titles, columns=list(how.digits)).to_numpy()
        gains = found - found[titles.index(PIXELS)]
        image = ax.imshow(gains, cmap="RdBu", vmin=-_GAIN, vmax=_GAIN, aspect="auto")
        for (i, j), value in np.ndenumerate(found):
            color = "white" if abs(gains[i, j]) > 0.7 * _GAIN else "black"
            ax.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=6.5, color=color)
        ax.set_xticks(range(len(how.digits)), list(map(str, how.digits)), fontsize=8)
        ax.set_yticks(range(len(titles)), titles, fontsize=8)
        ax.set_xlabel("benign digit", fontsize=8)
        ax.set_title(named(name), fontsize=9)
    bar = fig.colorbar(image, ax=axes, fraction=0.03, pad=0.01)
    bar.set_label("AUROC less that of images, points", fontsize=8)
    fig.suptitle("AUROC of f-AnoGAN, per cent", fontsize=9)
    return fig


def _taught(row: Row) -> str:
    """An extractor, whichever set it leaves out."""
    return str(row["extractor"]).removesuffix(NEVER_SAW)


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

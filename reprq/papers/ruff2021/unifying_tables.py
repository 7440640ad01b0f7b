"""What is written of the unifying comparison: Tables 4.2, C.8 and 4.4, and the picture of explanations."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from reprq.evaluation import average_precision_chance
from reprq.papers.beside import LEGEND, beside
from reprq.study.cells import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHODS = ("Gaussian", "MVE", "PCA", "KDE", "SVDD", "kPCA", "AGAN", "DSVDD", "AE")
_PUBLISHED = """
brightness 100 99.0 100 100 100 100 100 13.7 100
canny_edges 99.4 68.4 100 78.9 96.3 99.9 100 97.9 100
dotted_line 99.9 62.9 99.3 68.5 70.0 92.6 91.5 86.4 100
fog 100 89.6 98.1 62.1 92.3 91.3 100 17.4 100
glass_blur 79.5 34.7 70.7 8.0 49.1 27.1 100 31.1 99.6
impulse_noise 100 69.0 100 98.0 99.7 100 100 97.5 100
motion_blur 38.1 43.4 24.3 8.1 50.2 18.3 100 70.7 95.1
rotate 31.3 54.7 24.9 37.1 57.7 38.7 93.2 65.5 53.4
scale 7.5 20.7 14.5 5.0 36.5 19.6 68.1 79.8 40.4
shear 63.7 58.1 55.5 49.9 58.2 54.1 94.9 64.6 70.6
shot_noise 94.9 43.2 97.1 41.6 63.4 81.5 96.7 51.5 99.7
spatter 99.8 52.6 85.0 44.5 57.3 64.5 99.0 68.2 97.4
stripe 100 99.9 100 100 100 100 100 100 100
translate 94.5 73.9 96.3 76.2 91.8 94.8 97.3 98.8 92.2
zigzag 99.9 72.5 100 84.0 87.7 99.4 98.3 94.3 100
"""
PUBLISHED = {
    method: {line.split()[0]: float(line.split()[1 + i]) for line in _PUBLISHED.strip().splitlines()}
    for i, method in enumerate(METHODS)
}
CLEVER_HANS = {  # the three highest of each method, in per cent
    "KDE": {"dotted_line": 31.9, "zigzag": 31.4, "spatter": 31.0},
    "DSVDD": {"stripe": 59.7, "dotted_line": 48.4, "impulse_noise": 48.0},
    "AE": {"shear": 44.2, "canny_edges": 41.4, "motion_blur": 39.7},
}
_COLUMNS = ("auroc", "clever_hans", "cosine_absolute", "cosine_squared", "cosine_signed", "pointing")


def table_of_auroc(rows: list[Row], corruptions: Sequence[str], said: str) -> str:
    """Return Table 4.2, found and published; methods that are not among the nine stand behind them."""
    published = {method: {kind: PUBLISHED[method][kind] for kind in corruptions} for method in METHODS}
    others = dict.fromkeys(str(row["method"]) for row in rows if row["method"] not in METHODS)
    published |= {method: dict.fromkeys(corruptions, np.nan) for method in others}
    return f"# Table 4.2 of Ruff (2021): nine methods on MNIST-C\n\n{said} {LEGEND}\n\n{beside(rows, published)}\n"


def table_of_precision(rows: list[Row], corruptions: Sequence[str], said: str) -> str:
    """Return Table C.8, found: half of the images that are judged are corrupted, so that chance has 50."""
    methods = dict.fromkeys(str(row["method"]) for row in rows)
    lines = [["task", *methods], ["---", *("---:" for _ in methods)]]
    lines += [[kind, *(_precision(rows, method, kind) for method in methods)] for kind in corruptions]
    lines.append(["mean", *(_mean(rows, method, None, "ap") for method in methods)])
    head = "# Table C.8 of Ruff (2021): average precision of nine methods on MNIST-C"
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    said += " Average precision in per cent, mean over seeds, ± their standard deviation; chance is 50."
    return f"{head}\n\n{said}\n\n{body}\n"


def _precision(rows: list[Row], method: str, kind: str) -> str:
    """The mean over seeds, with their standard deviation where there are several."""
    own = [100 * row["ap"] for row in rows if (row["method"], row["task"]) == (method, kind)]
    spread = f" ± {np.std(own, ddof=1):.1f}" if len(own) > 1 else ""
    return f"{np.mean(own):.1f}{spread}" if own else "missing"


def _mean(rows: list[Row], method: str, kind: str | None, column: str) -> str:
    own = [row[column] for row in rows if row["method"] == method and row.get(column) is not None]
    own = own if kind is None else [row[column] for row in rows if (row["method"], row["task"]) == (method, kind)]
    return f"{100 * np.mean(own):.1f}" if own else "missing"


def table_of_clever_hans(rows: list[Row], corruptions: Sequence[str]) -> str:
    """Return Table 4.4, found and published, and below it the score of every method and corruption."""
    explained = [row for row in rows if row.get("clever_hans") is not None]
    head = (
        "# Table 4.4 of Ruff (2021): Clever-Hans scores on MNIST-C\n\nAUROC less the cosine of explanation and truth,"
        " in per cent, mean over seeds; truth is the absolute change of each pixel. The thesis prints the three highest"
        " of three methods, and says neither how signs count nor over which images it averages.\n\n"
        "| method | corruption | published | found | AUROC, published | AUROC, found |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |\n"
    )
    for method, printed in CLEVER_HANS.items():
        for kind, value in printed.items():
            found, area = (_mean(explained, method, kind, column) for column in ("clever_hans", "auroc"))
            cells = (method, kind, f"{value:.1f}", found, f"{PUBLISHED[method][kind]:.1f}", area)
            head += f"| {' | '.join(cells)} |\n"
    head += "\nEvery corruption, and the cosines by three readings of the truth.\n\n"
    lines = [
        "| method | corruption | AUROC | Clever-Hans | absolute | squared | signed | pointing game |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    methods = [method for method in METHODS if any(row["method"] == method for row in explained)]
    lines += [
        f"| {method} | {kind} | {' | '.join(_mean(explained, method, kind, column) for column in _COLUMNS)} |"
        for method, kind in product(methods, corruptions)
    ]
    return head + "\n".join(lines) + "\n"


def picture(shown: Mapping[str, Any], maps: Mapping[str, Mapping[str, Any]], cosines: Mapping[Any, float]) -> "Figure":
    """Draw a digit of every corruption, what was changed, and what each method says (Figures 4.5 and 4.6).

    Args:
        shown: By corruption the clean digit, the corrupted one, and the change, each (28, 28).
        maps: By method and corruption (28, 28).
        cosines: By method and corruption, in [-1, 1].
    """
    from matplotlib.figure import Figure

    heads = ("clean", "corrupted", "change", *maps)
    fig = Figure(figsize=(0.95 * len(heads) + 1.1, 1.02 * len(shown) + 0.4), layout="constrained")
    axes = fig.subplots(len(shown), len(heads), squeeze=False)
    for line, (kind, images) in zip(axes, shown.items(), strict=True):
        for ax, image in zip(line[:2], images[:2], strict=True):
            ax.imshow(image, cmap="gray", vmin=0, vmax=1)
        _signed(line[2], images[2])
        for ax, (method, found) in zip(line[3:], maps.items(), strict=True):
            _signed(ax, found[kind])
            ax.set_xlabel(f"{100 * cosines[method, kind]:.0f}", fontsize=7, labelpad=1)
        line[0].set_ylabel(kind.replace("_", "\n"), fontsize=8, rotation=0, ha="right", va="center")
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, fontsize=9)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    return fig


def _signed(ax: "Axes", values: Any) -> None:
    """Red adds to the score, blue takes from it; each picture by its own largest value."""
    most = float(np.abs(values).max()) or 1.0
    ax.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most)


def table_of_folder(rows: list[Row], name: str, masks: Any, labels: Any) -> str:
    """Return the nine methods on a folder, a line each.

    Args:
        rows: A row a method.
        name: Of the folder.
        masks: (n, side, side) of what is judged, or None.
        labels: (n,) of what is judged, 1 is anomalous.
    """
    anomalous, first = int(np.sum(labels)), rows[0]
    said = (
        f"{first['n_train']} benign images train, {len(labels) - anomalous} benign and {anomalous} anomalous ones are"
        f" judged. In per cent, with 95 % intervals; chance has an average precision of"
        f" {100 * average_precision_chance(labels):.0f}."
    )
    columns: list[tuple[str, ...]] = [
        ("AUROC", "auroc", "low", "high"),
        ("average precision", "ap", "ap_low", "ap_high"),
    ]
    if masks is not None:
        columns += [("explanation accuracy", "cosine", "cosine_low", "cosine_high")]
        columns += [("pointing game", "pointing", "pointing_low", "pointing_high"), ("Clever-Hans", "clever_hans")]
        there = masks[masks.any((1, 2))]
        area = there.mean((1, 2))
        said += (
            f" Explanation accuracy is the mean cosine of map and mask over the {len(there)} images with a mask (a map"
            f" that is the same everywhere has {100 * np.sqrt(area).mean():.1f}), the pointing game the share of them"
            f" whose highest value lies in the mask ({100 * area.mean():.1f} by chance), and the Clever-Hans score the"
            " AUROC less the accuracy."
        )
    heads = ["method", *(column[0] for column in columns)]
    lines = [heads, ["---", *("---:" for _ in columns)]]
    lines += [[str(row["method"]), *(_with_ends(row, *column[1:]) for column in columns)] for row in rows]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"# Nine methods of Ruff (2021) on {name}\n\n{said}\n\n{body}\n"


def _with_ends(row: Row, value: str, *ends: str) -> str:
    said = f"{100 * row[value]:.1f}"
    return f"{said} [{', '.join(f'{100 * row[end]:.1f}' for end in ends)}]" if ends else said


def picture_of_folder(images: Sequence[Any], names: Sequence[str], masks: Any, maps: Mapping[str, Any]) -> "Figure":
    """Draw images, what is marked, and where each method sees it.

    Args:
        images: PIL images.
        names: The class of each.
        masks: (n, side, side).
        maps: By method (n, side, side).
    """
    from matplotlib.figure import Figure

    heads = ("image", "mask", *maps)
    fig = Figure(figsize=(0.95 * len(heads) + 0.9, 1.0 * len(images) + 0.4), layout="constrained")
    axes = fig.subplots(len(images), len(heads), squeeze=False)
    for i, (line, image, name) in enumerate(zip(axes, images, names, strict=True)):
        line[0].imshow(image)
        line[0].set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
        line[1].imshow(masks[i], cmap="gray", vmin=0, vmax=1)
        for ax, found in zip(line[2:], maps.values(), strict=True):
            _signed(ax, found[i])
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, fontsize=9)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    return fig

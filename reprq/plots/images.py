"""The images that a detector finds most normal and most anomalous."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from reprq.data import Dataset
from reprq.errors import InputError
from reprq.plots.panels import axes_of
from reprq.plots.styles import ANOMALOUS, BENIGN, plain
from reprq.validation import as_labels, as_scores

_STEP = (1.12, 1.34)  # width and height of a picture with its margin, in pictures
_GAP = 0.45  # between the two halves, where the lower one has its heading
_LETTERS = 22  # of a line below a picture, no wider than it


def image_extremes(
    images: Any,
    scores: ArrayLike,
    labels: ArrayLike | None = None,
    ax: Axes | None = None,
    *,
    count: int = 16,
    columns: int = 8,
) -> Axes:
    """Draw the images with the lowest scores, and below them those with the highest, each with its score.

    A solid blue frame is a benign image, a dashed orange one an anomalous image: an anomaly above or a benign image
    below is a mistake worth looking at.

    Args:
        images: What gives the image of a row: a `Dataset`, a sequence, or a function of the row. PIL images, or
            (h, w) and (h, w, 3) arrays, uint8 or floats from 0 to 1, alone or in pairs with a label. Only those drawn
            are read.
        scores: (n,) anomaly scores, higher is more anomalous; of equal scores the earlier rows are drawn.
        labels: (n,) 1 is anomalous, 0 is benign; no frames without them.
        ax: Where to draw; a new figure by default.
        count: How many of each; fewer where there are fewer than twice as many rows.
        columns: How many stand beside each other.

    Returns:
        The Axes.

    Raises:
        InputError: scores or labels cannot be used, there are fewer than two rows, or an image is not one.
    """
    values = as_scores(scores)
    marks = None if labels is None else as_labels(labels, len(values))
    if len(values) < 2:
        raise InputError(f"scores must be of at least 2 images, got {len(values)}")
    if count < 1 or columns < 1:
        raise InputError(f"count and columns must be at least 1, got {count} and {columns}")
    count = min(count, len(values) // 2)
    columns = min(columns, count)
    order = np.argsort(values, kind="stable")
    rows_of_half = math.ceil(count / columns)
    height = 2 * (rows_of_half * _STEP[1] + _GAP)
    ax = axes_of(ax, (max(3.2, 0.95 * columns * _STEP[0] + 0.2), 0.95 * height + 0.4))
    for half, (heading, chosen) in enumerate(
        (("most normal: lowest scores", order[:count]), ("most anomalous: highest scores", order[::-1][:count]))
    ):
        top = height / 2 * (2 - half)
        ax.text(0.0, top - 0.14, heading, fontsize=9, fontweight="bold", va="center")
        for place, row in enumerate(chosen):
            left = place % columns * _STEP[0]
            bottom = top - _GAP + 0.15 - 1.0 - place // columns * _STEP[1]
            _picture(ax, pixels_of(images, int(row)), left, bottom)
            ax.text(left + 0.5, bottom - 0.05, f"{values[row]:.3g}", fontsize=7, ha="center", va="top")
            if marks is not None:
                _frame(ax, left, bottom, bool(marks[row]))
    ax.set(xlim=(-0.05, columns * _STEP[0]), ylim=(-0.1, height), aspect="equal")
    ax.axis("off")
    if marks is not None:
        _explain_frames(ax)
    return ax


def framed_images(images: Any, titles: Sequence[str], labels: ArrayLike, *, columns: int = 4) -> Axes:
    """Draw images in the order given, each with a title below it and the frames of `image_extremes`.

    Args:
        images: As in `image_extremes`.
        titles: Of each; what is longer than three short lines is cut.
        labels: (n,) 1 is anomalous, 0 is benign.
        columns: How many stand beside each other.
    """
    marks = as_labels(labels, len(titles))
    columns = min(columns, len(titles))
    rows = math.ceil(len(titles) / columns)
    ax = axes_of(None, (max(3.2, 1.6 * columns * _STEP[0] + 0.2), 1.6 * rows * _STEP[1] + 0.4))
    for i, title in enumerate(titles):
        left, bottom = i % columns * _STEP[0], (rows - 1 - i // columns) * _STEP[1] + _STEP[1] - 1.0
        _picture(ax, pixels_of(images, i), left, bottom)
        lines = textwrap.fill(plain(title), _LETTERS, max_lines=3, placeholder="...")
        ax.text(left + 0.5, bottom - 0.04, lines, fontsize=7, ha="center", va="top")
        _frame(ax, left, bottom, bool(marks[i]))
    ax.set(xlim=(-0.05, columns * _STEP[0]), ylim=(-0.05, rows * _STEP[1] + 0.05), aspect="equal")
    ax.axis("off")
    _explain_frames(ax)
    return ax


def _explain_frames(ax: Axes) -> None:
    handles = [Line2D([], [], label=name, linewidth=2, **_look(name == "anomalous")) for name in _NAMES]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.04), ncols=2, frameon=False, fontsize=8)


_NAMES = ("benign", "anomalous")


def _look(anomalous: bool) -> dict[str, Any]:
    return {"color": ANOMALOUS if anomalous else BENIGN, "linestyle": "--" if anomalous else "-"}


def _frame(ax: Axes, left: float, bottom: float, anomalous: bool) -> None:
    ax.add_patch(Rectangle((left, bottom), 1.0, 1.0, fill=False, linewidth=2.0, zorder=3, **_look(anomalous)))


def _picture(ax: Axes, pixels: Any, left: float, bottom: float) -> None:
    """Draw pixels into a square of side 1, without distorting them."""
    height, width = pixels.shape[:2]
    w, h = width / max(height, width), height / max(height, width)
    x, y = left + (1 - w) / 2, bottom + (1 - h) / 2
    ax.imshow(pixels, extent=(x, x + w, y, y + h), interpolation="nearest", cmap="gray")  # the map is for gray ones


def pixels_of(images: Any, row: int) -> Any:
    """Return (h, w) or (h, w, 3 or 4) pixels of the image of a row."""
    item = images.item(row) if isinstance(images, Dataset) else images(row) if callable(images) else images[row]
    pixels = np.asarray(item[0] if isinstance(item, tuple) else item)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] in (3, 4)):
        raise InputError(
            f"images must be (h, w) or (h, w, 3), got shape {pixels.shape} in row {row}"
            " (counted from 0); put the channels last"
        )
    return pixels

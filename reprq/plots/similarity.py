"""How alike layers are, as a picture of the table that `reprq.metrics.layer_similarity` gives."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from reprq.errors import InputError

_CELL = 0.42  # inches a layer, where the figure is made here
_ANNOTATED = 0.32  # inches a cell must have for a number to stand in it
_LABELLED = 0.13  # inches from one label to the next


def similarity_heatmap(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    limits: tuple[float, float] = (0.0, 1.0),
    colorbar: bool = True,
) -> Axes:
    """Draw a table of similarities, the first layer of both networks at the lower left.

    The colours (cividis) are the same to the colour-blind and in grey. Every cell names its value where there is
    room; where there is none for the name of every layer, every second one is named, or every third.

    Args:
        frame: One row a layer of one network, one column a layer of the other; finite.
        ax: Where to draw; a new figure of a fitting size by default.
        limits: The values at the ends of the colours; values beyond them take the colour of the end.
        colorbar: Whether to draw the scale of the colours.

    Returns:
        The Axes.

    Raises:
        InputError: the table is empty or holds what is not a finite number, or the limits do not ascend.
    """
    if frame.empty:
        raise InputError("frame must have at least one row and one column, got an empty table")
    values = frame.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise InputError(f"frame must be finite, got {values[i, j]} for {frame.index[i]} and {frame.columns[j]}")
    if not limits[0] < limits[1]:
        raise InputError(f"limits must ascend, got {limits}")
    rows, columns = values.shape
    if ax is None:
        size = (max(3.2, _CELL * columns + 2.0), max(2.6, _CELL * rows + 1.2))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    image = ax.imshow(values, origin="lower", cmap="cividis", vmin=limits[0], vmax=limits[1])
    _label(ax, frame, 1)
    ax.spines[:].set_visible(False)
    if colorbar:
        bar = ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.03)
        bar.ax.tick_params(labelsize=8)
        bar.outline.set_visible(False)
        bar.set_label(str(frame.attrs.get("definition", "")), fontsize=8)
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # the room in a cell is known only once the layout is
    cell = ax.get_window_extent().height / rows / figure.dpi
    if cell >= _ANNOTATED:
        _annotate(ax, values, limits)
    elif cell < _LABELLED:
        _label(ax, frame, int(np.ceil(_LABELLED / cell)))
    return ax


def _label(ax: Axes, frame: pd.DataFrame, step: int) -> None:
    """Name every `step`-th layer."""
    rows, columns = ([str(name) for name in names] for names in (frame.index, frame.columns))
    ax.set_xticks(range(0, len(columns), step), columns[::step], rotation=90, fontsize=8)
    ax.set_yticks(range(0, len(rows), step), rows[::step], fontsize=8)
    ax.tick_params(length=0)


def _annotate(ax: Axes, values: NDArray[np.float64], limits: tuple[float, float]) -> None:
    """Write each value into its cell, light on the dark half of the colours and dark on the light one."""
    middle = (limits[0] + limits[1]) / 2
    for (i, j), value in np.ndenumerate(values):
        nearest = round(value)
        text = str(nearest) if abs(value - nearest) < 0.005 else f"{value:.2f}".replace("0.", ".", 1)
        ax.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if value < middle else "black")

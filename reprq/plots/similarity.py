"""How alike layers are, as a picture of the table that `reprq.metrics.layer_similarity` gives."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reprq.errors import InputError
from reprq.plots.cells import CELL, draw_cells
from reprq.plots.names import metric_label
from reprq.plots.panels import axes_of


def similarity_heatmap(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    limits: tuple[float, float] = (0.0, 1.0),
    colorbar: bool = True,
) -> Axes:
    """Draw a table of similarities, the first layer of both networks at the lower left.

    The colors (cividis) are the same to the color-blind and in gray. Every cell names its value where it
    fits; where the names of all layers do not, every second one is named, or every third.

    Args:
        frame: One row a layer of one network, one column a layer of the other; finite.
        ax: Where to draw; a new figure of a fitting size by default.
        limits: The values at the ends of the colors; values beyond them take the color of the end.
        colorbar: Whether to draw the scale of the colors.

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
    ax = axes_of(ax, (max(3.2, CELL * columns + 2.0), max(2.6, CELL * rows + 1.2)))
    label = metric_label(str(frame.attrs.get("definition", "")))
    draw_cells(frame, ax, _short, label, bar=colorbar, vmin=limits[0], vmax=limits[1], square=True)
    ax.invert_yaxis()
    return ax


def _short(value: float) -> str:
    nearest = round(value)
    return str(nearest) if abs(value - nearest) < 0.005 else f"{value:.2f}".replace("0.", ".", 1)

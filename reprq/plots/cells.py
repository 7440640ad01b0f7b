"""Names beside the cells of a heatmap and numbers in them, where there is room."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from reprq.plots.styles import plain

CELL = 0.42  # inches a cell, where a figure is made for it
_ANNOTATED = 0.32  # inches a cell must be wide for a number to stand in it
_TALL = 0.13  # inches it must be tall, which is also the distance from one label to the next


def label_cells(ax: Axes, rows: Sequence[str], columns: Sequence[str], rotation: int = 0) -> None:
    """Name rows and columns, or every second, third ... of them where there is no room for all.

    Args:
        ax: With an image of one pixel a cell.
        rows: A name a row.
        columns: A name a column.
        rotation: Of the names of the columns, in degrees.
    """
    rows, columns = [plain(name) for name in rows], [plain(name) for name in columns]
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    steps = (1, 1)
    for _ in range(2):  # the room in a cell is known only once labels and layout are
        ax.set_yticks(range(0, len(rows), steps[0]), rows[:: steps[0]], fontsize=8)
        ax.set_xticks(range(0, len(columns), steps[1]), columns[:: steps[1]], rotation=rotation, fontsize=8)
        height, width = _room(ax, len(rows), len(columns))
        longest = max(len(name) for name in columns)
        apart = _TALL if rotation else 0.075 * longest + 0.05
        steps = (max(1, math.ceil(_TALL / height)), max(1, math.ceil(apart / width)))


def write_values(ax: Axes, image: AxesImage, form: Callable[[float], str] = lambda value: f"{value:.3g}") -> None:
    """Write each finite value into its cell, light on dark colours and dark on light ones, if the cells are large.

    Args:
        ax: With the image.
        image: What `imshow` returned.
        form: A number as text, of at most six letters.
    """
    values = np.ma.filled(np.ma.asarray(image.get_array(), dtype=np.float64), np.nan)
    height, width = _room(ax, *values.shape)
    if width < _ANNOTATED or height < _TALL:
        return
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = image.to_rgba(np.array([value]))[0]
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            ax.text(j, i, form(value), ha="center", va="center", fontsize=7, color="white" if dark else "black")


def _room(ax: Axes, rows: int, columns: int) -> tuple[float, float]:
    """Height and width of a cell in inches."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    box = ax.get_window_extent()
    return box.height / rows / figure.dpi, box.width / columns / figure.dpi

"""A table as colored cells, with names beside them and numbers in them as far as they fit."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import to_rgba_array
from seaborn.utils import relative_luminance

from reprq.plots.styles import plain

_MIDDLE = 0.18  # the luminance of a color on which black and white are read equally well
CELL = 0.42  # inches a cell, where a figure is made for it
_ANNOTATED = 0.32  # inches a cell must be wide for a number to stand in it
_TALL = 0.13  # inches it must be tall, which is also the distance from one label to the next


def draw_cells(
    frame: pd.DataFrame, ax: Axes, form: Callable[[float], str], label: str = "", bar: bool = True, **given: Any
) -> Colorbar | None:
    """Draw a table with `seaborn.heatmap`; where not every name fits, each second, third ... is written.

    The colors (cividis) are the same to the color-blind and in gray.

    Args:
        frame: Numbers; a nan is an empty cell.
        ax: Where to draw.
        form: A number as text, of at most six letters.
        label: Of the scale of colors.
        bar: Whether to draw that scale.
        **given: For `seaborn.heatmap`.

    Returns:
        The scale of colors.
    """
    rows, columns = ([plain(str(name)) for name in names] for names in frame.axes)
    ax.tick_params(labelsize=8, length=0)
    sns.heatmap(
        frame.to_numpy(dtype=np.float64), ax=ax, annot=frame.map(form).to_numpy(), fmt="", annot_kws={"fontsize": 7},
        xticklabels=False, yticklabels=False, cbar=bar, cbar_kws={"fraction": 0.046, "pad": 0.03},
        **({"cmap": "cividis"} | given),
    )  # fmt: skip
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns)  # seaborn would write them upright first, and measure that
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    longest = max(len(name) for name in columns)
    ax.tick_params(axis="x", rotation=90 if longest > 3 else 0)
    ax.tick_params(axis="y", rotation=0)
    mesh = ax.collections[-1]
    scale: Colorbar | None = mesh.colorbar
    if scale is not None:
        scale.ax.tick_params(labelsize=8)
        scale.set_label(label, fontsize=8)
    height, width = _cell_size(ax, *frame.shape)
    colours = to_rgba_array(mesh.get_facecolor())[frame.notna().to_numpy().ravel()]
    for text, colour in zip(ax.texts[len(ax.texts) - len(colours) :], colours, strict=True):
        if width < _ANNOTATED or height < _TALL:
            text.remove()
        text.set_color("black" if relative_luminance(colour) > _MIDDLE else "white")
    for axis, names, step in (
        (ax.yaxis, rows, _TALL / height),
        (ax.xaxis, columns, (_TALL if longest > 3 else 0.075 * longest + 0.05) / width),
    ):
        every = max(1, math.ceil(step))
        axis.set_ticks(np.arange(0, len(names), every) + 0.5, names[::every])
    return scale


def _cell_size(ax: Axes, rows: int, columns: int) -> tuple[float, float]:
    """Height and width of a cell in inches, once the names and the scale of colors have their place."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    box = ax.get_window_extent()
    return box.height / rows / figure.dpi, box.width / columns / figure.dpi

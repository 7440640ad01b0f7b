"""Grids of panels that share their axes, placed in inches by the labels at their left and lower edge.

Matplotlib's constrained layout measures every label of every panel twice, which takes longer than to draw 33 of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.legend import Legend
from matplotlib.text import Text
from numpy.typing import NDArray

Panels = NDArray[Any]  # (rows, columns) of Axes, whose inner tick labels are hidden

_PAD = 0.08  # inches


@dataclass(frozen=True)
class Margins:
    """What stands around the panels, in inches.

    Attributes:
        left: Of the first column, for its labels.
        below: Of the last row, for its labels.
        above: Of every panel, for its title.
        gap: Between two columns, for their tick labels.
        column: From the left of one panel to that of the next.
    """

    left: float
    below: float
    above: float
    gap: float
    column: float


def margins_of(grids: Sequence[Panels], column: float) -> Margins:
    """Return the margins that suit every grid; columns are as wide as asked, or as the widest title."""
    dpi = grids[0][0, 0].get_figure(root=True).dpi
    left = [ax.bbox.x0 - ax.yaxis.get_tightbbox(None).x0 for grid in grids for ax in grid[:, 0]]
    lower = [(ax.bbox, ax.xaxis.get_tightbbox(None)) for grid in grids for ax in grid[-1]]
    titles = [ax.title.get_window_extent() for grid in grids for ax in grid.flat if ax.get_title()]
    beside = max(label.x1 - own.x1 for own, label in lower) + max(own.x0 - label.x0 for own, label in lower)
    return Margins(
        left=max(left) / dpi + _PAD,
        below=max(own.y0 - label.y0 for own, label in lower) / dpi + _PAD,
        above=max((title.height for title in titles), default=0.0) / dpi + 2 * _PAD,
        gap=max(beside, 0.0) / dpi + _PAD,
        column=max([column, *(title.width / dpi + _PAD for title in titles)]),
    )


def place_panels(
    grids: Sequence[Panels], heads: Sequence[Text | None], legend: Legend, margins: Margins, height: float
) -> None:
    """Give every panel its place and the figure its height: a head over each grid, and the legend below them all.

    Args:
        grids: Panels of a figure that is as wide as it is to be, and has no layout engine.
        heads: A text over each grid.
        legend: Of the figure, at its lower edge.
        margins: Around the panels.
        height: Of a panel, in inches.
    """
    figure = legend.get_figure(root=True)
    assert figure is not None
    title = figure._suptitle  # type: ignore[attr-defined]
    top, places, texts = _PAD, [], []  # inches from the upper edge
    for grid, text in zip((None, *grids), (title, *heads), strict=True):
        if text is not None:
            texts.append((text, top))
            top += text.get_window_extent().height / figure.dpi + _PAD / 2
        for row in () if grid is None else grid:
            places += [(ax, i, top + margins.above + height) for i, ax in enumerate(row)]
            top += margins.above + height
        top += 0.0 if grid is None else margins.below
    tall = top + legend.get_window_extent().height / figure.dpi + _PAD
    wide = figure.get_figwidth()
    column = (wide - margins.left) / grids[0].shape[1]
    figure.set_figheight(tall)
    for text, from_top in texts:
        text.set(y=1 - from_top / tall, verticalalignment="top")
    for ax, i, bottom in places:
        left = margins.left + i * column
        ax.set_position((left / wide, 1 - bottom / tall, (column - margins.gap) / wide, height / tall))

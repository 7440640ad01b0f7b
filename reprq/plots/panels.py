"""One panel for each data set of a study, since raw values of two do not compare, and one legend beside them."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.legend import Legend

from reprq.errors import InputError, listed
from reprq.plots.styles import plain

_ABREAST = 3  # panels


def by_dataset(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each data set by its name, in their order; a table without the column `dataset` is of one."""
    if "dataset" not in table or table["dataset"].nunique() < 2:
        return {"": table}
    return {str(name): rows for name, rows in table.groupby("dataset", sort=False)}


def axes_of(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the Axes that were given, or else those of a new figure of this size in inches."""
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def panels(table: pd.DataFrame, size: tuple[float, float], ax: Axes | None) -> list[tuple[Axes, pd.DataFrame]]:
    """Return where to draw the rows of each data set; with several, each name stands over its panel.

    Args:
        table: With a column `dataset`, or of one data set.
        size: Of one panel, in inches.
        ax: Where to draw one data set; a new figure by default.

    Raises:
        InputError: ax is given for several data sets.
    """
    parts = by_dataset(table)
    if ax is not None:
        if len(parts) > 1:
            raise InputError(
                f"ax is one panel, got {len(parts)} data sets ({listed(parts)}); leave ax out, or draw the rows of each"
                " into an ax of its own"
            )
        return [(ax, table)]
    columns = min(_ABREAST, len(parts))
    rows = -(-len(parts) // columns)
    figure = plt.figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    found = [(figure.add_subplot(rows, columns, i), part) for i, part in enumerate(parts.values(), start=1)]
    if len(parts) > 1:
        for (panel, _), name in zip(found, parts, strict=True):
            panel.set_title(plain(name), fontsize=9)
    return found


def entitle(panels: Sequence[Axes], title: str) -> None:
    """Write a title over one panel, or over the figure of several."""
    if len(panels) > 1:
        panels[0].figure.suptitle(title, fontsize=10)
    else:
        panels[0].set_title(title, fontsize=10)


def legend_beside(panels: Sequence[Axes], grow: bool, **given: Any) -> Legend:
    """Draw a legend to the right of the panels.

    Args:
        panels: What the legend tells of, from the upper left on.
        grow: Whether to make the figure wider by the legend, so that long names do not squeeze the panels.
        **given: For `Axes.legend`.
    """
    usual = {"fontsize": 8, "title_fontsize": 8, "alignment": "left", "frameon": False, "borderaxespad": 0.0}
    right = panels[min(_ABREAST, len(panels)) - 1]
    legend = right.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), **(usual | given))
    figure = right.get_figure(root=True)
    if grow and figure is not None:
        figure.set_figwidth(figure.get_figwidth() + legend.get_window_extent().width / figure.dpi)
    return legend

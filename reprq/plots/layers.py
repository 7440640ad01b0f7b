"""A value of every layer of every backbone: as a heatmap, and as lines along the depth."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from reprq.analysis.depth import layer_places, relative_depth
from reprq.errors import InputError
from reprq.plots.cells import CELL, draw_cells
from reprq.plots.metric_vs_score import is_logarithmic, plain_log_ticks
from reprq.plots.names import metric_label
from reprq.plots.panels import by_dataset, legend_beside, panels
from reprq.plots.styles import legend_handles, plain, random_backbones, styles, tidy
from reprq.validation import check_columns

_COLUMNS = ("backbone", "layer", "layer_number")


def layer_heatmap(table: pd.DataFrame, value: str, label: str = "", ax: Axes | None = None) -> Axes:
    """Draw a metric or score of every layer (columns, by its number in the network) of every backbone (rows).

    The colors (cividis) are the same to the color-blind and in gray, on a logarithmic scale where the largest value
    is more than 20 times the smallest. Cells name their value where they fit; a number that a network has no layer
    of is an empty cell, and a number that no network has a layer of is no column.

    Args:
        table: One row a (backbone, layer): backbone, layer, layer_number and `value`. A backbone with layers of one
            number, such as a stage and a block inside it, is numbered anew in the order of its layers. Missing values
            are left empty. With several data sets in a column `dataset` each has a panel of its own.
        value: The column to draw.
        label: What the colors mean; the column's name by default.
        ax: Where to draw; a new figure of a fitting size by default.

    Returns:
        The Axes, of several panels the first; the best of the table is not marked, since whether high is good depends
        on the value.

    Raises:
        InputError: a column is missing, no value is finite, a layer stands there twice, or ax is for several data sets.
    """
    known = _by_depth(table, value)
    rows, columns = known.groupby("dataset")[["backbone", "place"]].nunique().max()
    names = max(len(plain(str(name))) for name in known["backbone"])
    size = (max(3.4, 1.15 * CELL * columns + 0.075 * names + 1.2), max(2.0, 0.75 * CELL * rows + 0.9))
    drawn = panels(known, size, ax)
    for panel, layers in drawn:
        frame = layers.pivot(index="backbone", columns="place", values=value).reindex(layers["backbone"].unique())
        shown = layers[value].astype(float)
        scale = LogNorm if is_logarithmic(shown) else Normalize
        norm = scale(float(shown.min()), float(shown.max()))
        bar = draw_cells(frame, panel, _three_digits, metric_label(label or value), norm=norm)
        if bar is not None and scale is LogNorm:
            plain_log_ticks(bar.ax.yaxis, shown)
        panel.set_xlabel(f"{_counted(layers)} of the layer in its network", fontsize=9)
    return drawn[0][0]


def depth_plot(table: pd.DataFrame, value: str, label: str = "", ax: Axes | None = None) -> Axes:
    """Draw a metric or score along the depth: one line a backbone.

    The depth of a layer is its number over the largest number of its backbone in the table.

    Args:
        table: As for `layer_heatmap`; columns `NAME_low` and `NAME_high`, if there are any, are drawn as a band.
        value: The column to draw; its axis is logarithmic where the largest is more than 20 times the smallest.
        label: The vertical axis; the column's name by default.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes, of several panels the first, with the legend to the right of them.

    Raises:
        InputError: a column is missing, no value is finite, a layer stands there twice, or ax is for several data sets.
    """
    known = _by_depth(table, value)
    looks = styles([str(name) for name in known["backbone"].unique()], random_backbones(known))
    drawn = panels(known, (5.0, 4.2), ax)
    for panel, layers in drawn:
        _draw_depth(panel, layers, value, looks)
        panel.set_xlabel(f"depth: {_counted(layers)} of the layer / that of the last layer shown")
        panel.set_ylabel(metric_label(label or value))
    axes = [panel for panel, _ in drawn]
    legend_beside(axes, grow=ax is None, handles=legend_handles(looks), ncols=-(-len(looks) // 20))
    return axes[0]


def _draw_depth(ax: Axes, layers: pd.DataFrame, value: str, looks: Mapping[str, Mapping[str, Any]]) -> None:
    for name, own in layers.groupby("backbone", sort=False):
        look = looks[str(name)]
        if {f"{value}_low", f"{value}_high"} <= set(own):
            band = (own[f"{value}_low"], own[f"{value}_high"])
            ax.fill_between(own["depth"], *band, color=look["color"], alpha=0.12, linewidth=0)
        ax.plot(own["depth"], own[value], linewidth=1.1, markersize=5, **look)
    tidy(ax)
    if is_logarithmic(layers[value]):
        ax.set_yscale("log")
        plain_log_ticks(ax.yaxis, layers[value])


def _three_digits(value: float) -> str:
    return f"{value:#.3g}".rstrip(".")


def _counted(known: pd.DataFrame) -> str:
    """What the places are: where layers of a network share a number, it is the order of its layers."""
    return "number" if (known["place"] == known["layer_number"]).all() else "number or order"


def _by_depth(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """The rows with a value in the order of depth, with the place and depth of each."""
    check_columns(table, (*_COLUMNS, value), "table")
    table = table if "dataset" in table else table.assign(dataset="")
    if twice := table.duplicated(["dataset", "backbone", "layer"]).to_numpy().nonzero()[0].tolist():
        row = table.iloc[twice[0]]
        raise InputError(
            f"table must have one row a layer, got two for {row['backbone']}, layer {row['layer']}; average them first"
        )
    parts = [part.sort_values("layer_number", kind="stable") for part in by_dataset(table).values()]
    known = pd.concat([part.assign(place=layer_places(part), depth=relative_depth(part)) for part in parts])
    known = known.loc[np.isfinite(known[value].to_numpy(dtype=np.float64))]
    if known.empty:
        raise InputError(f"table must have at least one finite {value}, got none")
    order = {name: i for i, name in enumerate(table["backbone"].unique())}
    ordered: pd.DataFrame = known.sort_values("backbone", key=lambda names: names.map(order), kind="stable")
    return ordered

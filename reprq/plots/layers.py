"""A value of every layer of every backbone: as a heatmap, and as lines along the depth."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from reprq.analysis.depth import layer_places, relative_depth
from reprq.errors import InputError
from reprq.plots.cells import CELL, label_cells, write_values
from reprq.plots.metric_vs_score import is_logarithmic, plain_log_ticks
from reprq.plots.names import metric_label
from reprq.plots.styles import legend_handles, plain, random_backbones, styles, tidy

_COLUMNS = ("backbone", "layer", "layer_number")


def layer_heatmap(table: pd.DataFrame, value: str, label: str = "", ax: Axes | None = None) -> Axes:
    """Draw a metric or score of every layer (columns, by its number in the network) of every backbone (rows).

    The colours (cividis) are the same to the colour-blind and in grey, on a logarithmic scale where the largest value
    is more than 20 times the smallest. Cells name their value where there is room; a number that a network has no layer
    of is an empty cell, and a number that no network has a layer of is no column.

    Args:
        table: One row a (backbone, layer): backbone, layer, layer_number and `value`. A backbone with layers of one
            number, such as a stage and a block inside it, is numbered anew in the order of its layers. Missing values
            are left empty.
        value: The column to draw.
        label: What the colours mean; the column's name by default.
        ax: Where to draw; a new figure of a fitting size by default.

    Returns:
        The Axes; the best of the table is not marked, since whether high is good depends on the value.

    Raises:
        InputError: a column is missing, no value is finite, or a layer stands there twice.
    """
    known = _by_depth(table, value)
    frame = known.pivot(index="backbone", columns="place", values=value).reindex(known["backbone"].unique())
    values = frame.to_numpy(dtype=np.float64)
    rows, columns = values.shape
    if ax is None:
        names = max(len(plain(str(name))) for name in frame.index)
        size = (max(3.4, 1.15 * CELL * columns + 0.075 * names + 1.2), max(2.0, 0.75 * CELL * rows + 0.9))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    shown = known[value].astype(float)
    scale = LogNorm if is_logarithmic(shown) else Normalize
    norm = scale(float(shown.min()), float(shown.max()))
    image = ax.imshow(np.ma.masked_invalid(values), cmap="cividis", norm=norm, aspect="auto")
    label_cells(ax, [str(name) for name in frame.index], [str(place) for place in frame.columns])
    ax.set_xlabel(f"{_counted(known)} of the layer in its network", fontsize=9)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.05, pad=0.02)
    if scale is LogNorm:
        plain_log_ticks(bar.ax.yaxis, shown)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    bar.set_label(metric_label(label or value), fontsize=9)
    write_values(ax, image)
    return ax


def depth_plot(table: pd.DataFrame, value: str, label: str = "", ax: Axes | None = None) -> Axes:
    """Draw a metric or score along the depth: one line a backbone.

    The depth of a layer is its number over the largest number of its backbone in the table.

    Args:
        table: As for `layer_heatmap`; columns `NAME_low` and `NAME_high`, if there are any, are drawn as a band.
        value: The column to draw; its axis is logarithmic where the largest is more than 20 times the smallest.
        label: The vertical axis; the column's name by default.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes, with the legend to the right of them.

    Raises:
        InputError: a column is missing, no value is finite, or a layer stands there twice.
    """
    known = _by_depth(table, value)
    if ax is None:
        _, ax = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
    looks = styles([str(name) for name in known["backbone"].unique()], random_backbones(known))
    for name, layers in known.groupby("backbone", sort=False):
        x = layers["depth"]
        if {f"{value}_low", f"{value}_high"} <= set(layers):
            band = (layers[f"{value}_low"], layers[f"{value}_high"])
            ax.fill_between(x, *band, color=looks[str(name)]["color"], alpha=0.12, linewidth=0)
        ax.plot(x, layers[value], linewidth=1.1, markersize=5, **looks[str(name)])
    tidy(ax)
    if is_logarithmic(known[value]):
        ax.set_yscale("log")
        plain_log_ticks(ax.yaxis, known[value])
    ax.set_xlabel(f"depth: {_counted(known)} of the layer / that of the last layer shown")
    ax.set_ylabel(metric_label(label or value))
    ax.legend(
        handles=legend_handles(looks),
        ncols=-(-len(looks) // 20),
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0.0,
        frameon=False,
        fontsize=8,
    )
    return ax


def _counted(known: pd.DataFrame) -> str:
    """What the places are: where layers of a network share a number, it is the order of its layers."""
    return "number" if (known["place"] == known["layer_number"]).all() else "number or order"


def _by_depth(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """The rows with a value in the order of depth, with the place and depth of each."""
    for column in (*_COLUMNS, value):
        if column not in table:
            raise InputError(f"table must have a column {column!r}, got {', '.join(map(str, table.columns))}")
    if twice := table.duplicated(["backbone", "layer"]).to_numpy().nonzero()[0].tolist():
        row = table.iloc[twice[0]]
        raise InputError(
            f"table must have one row a layer, got two for {row['backbone']}, layer {row['layer']}; average them first"
        )
    known = table.sort_values("layer_number", kind="stable")
    known = known.assign(place=layer_places(known), depth=relative_depth(known))
    known = known.loc[np.isfinite(known[value].to_numpy(dtype=np.float64))]
    if known.empty:
        raise InputError(f"table must have at least one finite {value}, got none")
    order = {name: i for i, name in enumerate(table["backbone"].unique())}
    ordered: pd.DataFrame = known.sort_values("backbone", key=lambda names: names.map(order), kind="stable")
    return ordered

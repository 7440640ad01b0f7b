"""Images beside their anomaly maps, all in one scale of colors."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from reprq.errors import InputError
from reprq.plots.images import pixels_of
from reprq.plots.styles import plain

_SIDE = 1.7  # inches
_OPAQUE = 0.55
_ROUND = (50, 200, 500, 1000, 2000, 4000, 8000, 16000)  # ticks along a side that is no line


def overlay_gallery(
    images: Any,
    maps: Any,
    *,
    masks: Sequence[Any] | None = None,
    titles: Sequence[str] | None = None,
    threshold: float | None = None,
    columns: int = 3,
    axes: Any = None,
) -> Figure:
    """Draw images, and beside each its anomaly map over it; one scale of colors and one bar for all.

    Args:
        images: What gives the image of a row, as in `image_extremes`.
        maps: n maps of shape (H, W), of one size or several, higher is more anomalous; nan where nothing is known,
            which stays as the image is. Images are resized to them, so that both lie over each other. Colors go from
            the 1 % quantile of all pixels of all maps to the 99.9 % quantile.
        masks: (H, W) each, or None: what is marked is outlined in cyan.
        titles: Of the images.
        threshold: A value of the maps, whose contour is drawn in white.
        columns: How many pairs stand beside each other.
        axes: What the sides of the images mean (`reprq.data.image.drawing.Axes`), such as seconds and Hz: they are then
            drawn twice as wide as high, with ticks at the left and the bottom.

    Raises:
        InputError: `maps` are not finite but for nan, or not of shape (H, W), masks of another shape, or another number
            of titles.
    """
    found = _checked(maps)
    for name, given in (("masks", masks), ("titles", titles)):
        if given is not None and len(given) != len(found):
            raise InputError(f"{name} must be one a map, got {len(given)} for {len(found)} maps")
    if columns < 1:
        raise InputError(f"columns must be at least 1, got {columns}")
    columns = min(columns, len(found))
    rows = -(-len(found) // columns)
    low, high = np.quantile(np.concatenate([each[~np.isnan(each)] for each in found]), [0.01, 0.999])
    wide = 1.0 if axes is None else 1.4
    size = (2 * columns * _SIDE * wide + 0.9, rows * (_SIDE + 0.3))
    fig, panels = plt.subplots(rows, 2 * columns, figsize=size, layout="constrained", squeeze=False)
    for ax in panels.flat:
        ax.axis("off")
    for i, values in enumerate(found):
        left, right = panels[i // columns, 2 * (i % columns) : 2 * (i % columns) + 2]
        pixels = _resized(pixels_of(images, i), values.shape)
        left.set_anchor("E")  # a narrow image stands beside its own map, not beside its neighbor's
        right.set_anchor("W")
        shape: Any = "equal" if axes is None else "auto"
        for ax in (left, right):
            ax.imshow(pixels, cmap="gray", vmin=0, vmax=255, aspect=shape)
        right.imshow(values, cmap="inferno", vmin=low, vmax=high, alpha=_OPAQUE, aspect=shape)
        if axes is not None:
            _ticks(left, axes, leftmost=i % columns == 0, lowest=i + columns >= len(found))
            _ticks(right, axes, leftmost=False, lowest=i + columns >= len(found))
        if threshold is not None and np.nanmin(values) < threshold < np.nanmax(values):
            right.contour(values, levels=[threshold], colors="white", linewidths=0.9)
        if masks is not None and masks[i] is not None:
            _outline(right, np.asarray(masks[i]) != 0, values.shape)
        if titles is not None:
            left.set_title(plain(str(titles[i])), fontsize=8, loc="left")
    colors = ScalarMappable(Normalize(low, high), "inferno")
    bar = fig.colorbar(colors, ax=panels, fraction=0.03, pad=0.01, extend="both", panchor=False)
    bar.set_label("anomaly map" + ("" if threshold is None else f", contour at {threshold:.4g}"), fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return fig


def _ticks(ax: Axes, axes: Any, *, leftmost: bool, lowest: bool) -> None:
    """Say at the left and at the bottom of a gallery what the sides of its pictures mean."""
    ax.axis("on")
    ax.tick_params(labelsize=6, length=2)
    across = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(axes.columns[0], axes.columns[-1])
    across = across[(across >= axes.columns[0]) & (across <= axes.columns[-1])]
    places = np.interp(across, axes.columns, np.arange(len(axes.columns)))
    ax.set_xticks(places, [f"{value:g}" for value in across] if lowest else [])
    up = np.array([each for each in _ROUND if axes.rows[-1] <= each <= axes.rows[0]])
    places = np.interp(up, axes.rows[::-1], np.arange(len(axes.rows))[::-1])
    ax.set_yticks(places, [f"{value:g}" for value in up] if leftmost else [])
    if lowest:
        ax.set_xlabel(axes.across, fontsize=7)
    if leftmost:
        ax.set_ylabel(axes.up, fontsize=7)


def _checked(maps: Any) -> list[NDArray[np.float64]]:
    found = [np.asarray(each, dtype=np.float64) for each in maps]
    for each in found:
        if each.ndim != 2 or np.isinf(each).any() or np.isnan(each).all():
            raise InputError(f"maps must be n arrays of shape (H, W), finite but for nan, got shape {each.shape}")
    if not found:
        raise InputError("maps must be at least one, got none")
    return found


def _outline(ax: Axes, mask: Any, shape: tuple[int, ...]) -> None:
    if mask.shape != shape:
        raise InputError(f"masks must be as large as maps, {shape}, got {mask.shape}")
    if mask.any() and not mask.all():
        ax.contour(mask, levels=[0.5], colors="cyan", linewidths=0.9)


def _resized(pixels: Any, shape: tuple[int, ...]) -> Any:
    eight = pixels if pixels.dtype == np.uint8 else np.round(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    return np.asarray(Image.fromarray(eight).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))

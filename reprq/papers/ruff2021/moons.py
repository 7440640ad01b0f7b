"""Big Moon, Small Moon of Ruff (2021): rows that can be drawn, and the maps of detectors on them.

Benign rows lie on two arcs of two scales, half of them on each, with Gaussian noise in proportion; anomalies are
uniform over the plot. The thesis does not give the parameters of its generator: those here were chosen to look alike.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.plots.styles import BENIGN

Array = NDArray[np.float64]

LOW, HIGH = (-3.0, -1.6), (3.6, 3.0)
RADII, NOISES = (2.0, 0.6), (0.15, 0.05)
CENTERS = ((0.0, 0.0), (2.0, 0.1))
GRID = 80
VERSION = 2  # of what the toy figures draw


def moons(n: int, seed: int) -> Array:
    """Draw benign rows: (n, 2), of which the first n // 2 are on the big moon.

    Example:
        >>> moons(1000, seed=0).shape
        (1000, 2)
    """
    rng = np.random.default_rng(seed)
    moon = (np.arange(n) >= n // 2).astype(int)
    angle = rng.uniform(0, np.pi, n)
    noise = np.take(NOISES, moon)[:, None] * rng.normal(size=(n, 2))
    return _arc(angle, moon) + noise


def anomalies(n: int, seed: int) -> Array:
    """Draw anomalies: (n, 2), uniform over the plot."""
    return np.random.default_rng([seed, 1]).uniform(LOW, HIGH, (n, 2))


def surprise(rows: Array) -> Array:
    """Return minus the true log-density of benign rows, up to a constant: (n,)."""
    angle = (np.arange(500) + 0.5) / 500 * np.pi
    density = np.zeros(len(rows))
    for moon, noise in enumerate(NOISES):
        arc = _arc(angle, np.full(len(angle), moon))
        squares = np.square(rows[:, None] - arc).sum(2)
        density += np.exp(-squares / (2 * noise**2)).mean(1) / noise**2
    return -np.log(density + 1e-300)


def grid() -> Array:
    """Return the places of a map, row by row from below: (GRID^2, 2)."""
    axes = [axis.ravel() for axis in np.meshgrid(*map(np.linspace, LOW, HIGH, (GRID, GRID)))]
    return np.stack(axes, axis=1)


def ranks(scores: Array) -> list[int]:
    """Return the rank of every place of a map by its score, the least anomalous 0.

    Example:
        >>> ranks(np.array([0.3, -1.0, 7.0]))
        [1, 0, 2]
    """
    found: list[int] = scores.argsort().argsort().tolist()
    return found


def shortened(settings: Mapping[str, Any], share: float) -> dict[str, Any]:
    """Return a detector with a share of its epochs, where it has any.

    Example:
        >>> shortened({"name": "flow", "epochs": 150}, 0.1), shortened({"name": "mve"}, 0.1)
        ({'name': 'flow', 'epochs': 15}, {'name': 'mve'})
    """
    epochs = {"epochs": max(1, round(share * settings["epochs"]))} if "epochs" in settings else {}
    return {**settings, **epochs}


def panels(
    train: Array,
    maps: Mapping[str, Sequence[int]],
    *,
    columns: int = 3,
    marks: Mapping[str, tuple[Array, str]] | None = None,
) -> Any:
    """Return one panel a title: the rank of every place by its score, dark where anomalous, and training rows.

    Args:
        train: (n, 2) training rows.
        maps: Ranks of `grid` by the title of the panel.
        columns: How many panels stand side by side.
        marks: Other rows to draw by their name, with their color.
    """
    from matplotlib.figure import Figure

    lines = math.ceil(len(maps) / columns)
    fig = Figure(figsize=(3 * columns, 1.93 * lines + (0.5 if marks else 0)), layout="constrained")
    axes = fig.subplots(lines, columns, sharex=True, sharey=True)
    for ax, (title, places) in zip(axes.flat, maps.items(), strict=False):
        shades = np.reshape(places, (GRID, GRID)) / (len(places) - 1)
        mesh = ax.imshow(
            shades, origin="lower", extent=(LOW[0], HIGH[0], LOW[1], HIGH[1]), cmap="Greys", vmin=0, vmax=1
        )
        ax.scatter(*train.T, s=1, color=BENIGN, linewidths=0, rasterized=True)  # else the SVG is a megabyte
        for name, (rows, color) in (marks or {}).items():
            ax.scatter(*rows.T, s=5, color=color, linewidths=0, rasterized=True, label=name)
        ax.set_title(title, fontsize=10)
    fig.colorbar(mesh, ax=axes, label="rank of the score (1: most anomalous)", shrink=0.6)
    if marks:
        handles, labels = axes.flat[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=len(marks), fontsize=9, markerscale=2)
    return fig


def _arc(angle: Array, moon: NDArray[np.int64]) -> Array:
    """Points of the moons without noise: the big one is open below, the small one above."""
    direction = np.stack([np.cos(angle), np.where(moon == 0, 1, -1) * np.sin(angle)], axis=1)
    arc: Array = np.take(CENTERS, moon, axis=0) + np.take(RADII, moon)[:, None] * direction
    return arc

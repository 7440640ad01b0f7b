"""Big Moon, Small Moon of Ruff (2021): detectors of every kind on rows that can be drawn (Figures 1.4, 2.2, 4.1, 4.2).

Benign rows lie on two arcs of two scales, half of them on each, with Gaussian noise in proportion; anomalies are
uniform over the plot, and none is in training. The thesis does not give the parameters of its generator: those here
were chosen to look alike, so that the published numbers show an order of methods and not a target. "best" is minus the
true log-density, above which no detector can come but by chance: some uniform rows fall on the moons.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors import create, describe
from reprq.evaluation.roc import auroc
from reprq.papers.outcome import csv_text, record_text, refuse_other, write_texts
from reprq.plots.save import save
from reprq.plots.styles import BENIGN
from reprq.progress import track
from reprq.study.cells import Row

Array = NDArray[np.float64]

LOW, HIGH = (-3.0, -1.6), (3.6, 3.0)
RADII, NOISES = (2.0, 0.6), (0.15, 0.05)
CENTERS = ((0.0, 0.0), (2.0, 0.1))
PRESETS = {"quick": 0.1, "full": 1.0}
_GRID = 80
_NET = {"batch_size": 100, "network": "mlp:64-32-8"}
# Figure, published AUROC in per cent, detector; epochs are those of the preset "full".
METHODS: dict[str, tuple[str, float, dict[str, Any]]] = {
    "Gaussian": ("4.1", 74.3, {"name": "gaussian"}),
    "MVE": ("2.2", 74.7, {"name": "mve"}),
    "PCA": ("4.2", 66.8, {"name": "pca", "variance": 0.5}),
    "KDE": ("4.1", 81.8, {"name": "kde"}),
    "SVDD": ("2.2", 90.9, {"name": "ocsvm"}),
    "kernel PCA": ("4.2", 94.0, {"name": "kpca"}),
    "Real NVP": ("4.1", 96.3, {"name": "flow", "batch_size": 100, "epochs": 150, "lr": 3e-3}),
    "Deep SVDD": ("2.2", 97.5, {"name": "deep_svdd", **_NET, "epochs": 50, "lr": 1e-3}),
    "autoencoder": (
        "4.2",
        97.9,
        {"name": "autoencoder", **_NET, "network": "mlp:64-32-1", "bias": True, "epochs": 150, "lr": 1e-2}
        | {"milestones": (100,)},
    ),
}


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


def run(
    preset: str,
    out: Path,
    *,
    root: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    force: bool = False,
    progress: bool = True,
) -> list[Path]:
    """Run a preset and write `moons.png`, `moons.svg`, `moons.csv` and `made.json`.

    Args:
        preset: A name in `PRESETS`.
        out: The folder.
        root: Not used: the rows are drawn.
        seed: Of the rows and of detectors that draw.
        device: Of the detectors that train.
        force: Replace what was made otherwise.
        progress: Whether to show progress on stderr.

    Raises:
        OutputExistsError: `out` holds the results of another run.
    """
    made = {"preset": preset, "seed": seed, "version": 1}
    refuse_other(out, "made.json", made, force)
    train, benign, uniform = moons(1000, seed), moons(1000, seed + 1), anomalies(1000, seed)
    test, labels = np.concatenate([benign, uniform]), np.repeat([0, 1], 1000)
    grid = [axis.ravel() for axis in np.meshgrid(*map(np.linspace, LOW, HIGH, (_GRID, _GRID)))]
    points = np.stack(grid, axis=1)
    rows: list[Row] = []
    maps: dict[str, Array] = {}
    for method, (figure, published, settings) in track(METHODS.items(), desc="moons", unit="method", show=progress):
        detector = create(_shortened(settings, PRESETS[preset]))
        given = {"seed": seed, "device": device}
        detector.set_params(**{name: value for name, value in given.items() if name in detector.get_params()})
        scores = detector.fit(train).anomaly_score(np.concatenate([test, points]))
        found = auroc(labels, scores[: len(test)])
        maps[f"{method}: {100 * found.value:.1f} (thesis {published})"] = scores[len(test) :]
        rows.append({"method": method, "figure": figure, "detector": describe(detector), "auroc": 100 * found.value})
        rows[-1] |= {"low": 100 * found.low, "high": 100 * found.high, "published": published}
    best = auroc(labels, surprise(test))
    rows.append({"method": "best", "figure": "", "detector": "true density", "auroc": 100 * best.value})
    rows[-1] |= {"low": 100 * best.low, "high": 100 * best.high, "published": None}
    drawn = save(_picture(train, maps), out / "moons")
    return [*drawn, *write_texts(out, {"moons.csv": csv_text(rows), "made.json": record_text(made)})]


def _arc(angle: Array, moon: NDArray[np.int64]) -> Array:
    """Points of the moons without noise: the big one is open below, the small one above."""
    direction = np.stack([np.cos(angle), np.where(moon == 0, 1, -1) * np.sin(angle)], axis=1)
    arc: Array = np.take(CENTERS, moon, axis=0) + np.take(RADII, moon)[:, None] * direction
    return arc


def _shortened(settings: Mapping[str, Any], share: float) -> dict[str, Any]:
    """A detector with a share of its epochs."""
    epochs = {"epochs": max(1, round(share * settings["epochs"]))} if "epochs" in settings else {}
    return {**settings, **epochs}


def _picture(train: Array, maps: Mapping[str, Array]) -> Any:
    """One panel a method: the rank of every place by its score, dark where it is anomalous, and training rows."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(9, 5.8), layout="constrained")
    axes = fig.subplots(math.ceil(len(maps) / 3), 3, sharex=True, sharey=True)
    for ax, (title, scores) in zip(axes.flat, maps.items(), strict=False):
        ranks = scores.argsort().argsort().reshape(_GRID, _GRID) / (len(scores) - 1)
        mesh = ax.imshow(ranks, origin="lower", extent=(LOW[0], HIGH[0], LOW[1], HIGH[1]), cmap="Greys", vmin=0, vmax=1)
        ax.scatter(*train.T, s=1, color=BENIGN, linewidths=0, rasterized=True)  # else the SVG is a megabyte
        ax.set_title(title, fontsize=10)
    fig.colorbar(mesh, ax=axes, label="rank of the score (1: most anomalous)", shrink=0.6)
    return fig

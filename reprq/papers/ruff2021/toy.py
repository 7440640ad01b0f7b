"""The toy figures of Ruff (2021): level sets (1.3), detectors on moons (1.4, 2.2, 4.1, 4.2), and labels (2.5).

No anomaly is in the training of the moons. The thesis does not give the parameters of its generator: those here were
chosen to look alike, so that the published numbers show an order of methods and not a target. "best" is minus the
true log-density, above which no detector can come but by chance: some uniform rows fall on the moons.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors import create, describe
from reprq.evaluation.roc import auroc
from reprq.papers.outcome import csv_text, record_text, refuse_other, write_texts
from reprq.papers.ruff2021.levels import level_sets
from reprq.papers.ruff2021.moons import anomalies, grid, moons, panels, surprise
from reprq.papers.ruff2021.toy_labels import labelled_toy
from reprq.plots.save import save
from reprq.progress import track
from reprq.study.cells import Row

Array = NDArray[np.float64]

PRESETS = {"quick": 0.1, "full": 1.0}
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
    """Run a preset and write `moons`, `levels` and `labelled`, each as PNG, SVG and CSV, and `made.json`.

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
    made = {"preset": preset, "seed": seed, "version": 2}
    refuse_other(out, "made.json", made, force)
    train, benign, uniform = moons(1000, seed), moons(1000, seed + 1), anomalies(1000, seed)
    test, labels = np.concatenate([benign, uniform]), np.repeat([0, 1], 1000)
    points = grid()
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
    levels, of_levels = level_sets(seed)
    drawn = [*save(panels(train, maps), out / "moons"), *save(levels, out / "levels")]
    picture, labelled = labelled_toy(PRESETS[preset], seed, device, points, progress)
    drawn += save(picture, out / "labelled")
    tables = {"moons.csv": rows, "levels.csv": of_levels, "labelled.csv": labelled}
    texts = {name: csv_text(table) for name, table in tables.items()}
    return [*drawn, *write_texts(out, {**texts, "made.json": record_text(made)})]


def _shortened(settings: Mapping[str, Any], share: float) -> dict[str, Any]:
    """A detector with a share of its epochs."""
    epochs = {"epochs": max(1, round(share * settings["epochs"]))} if "epochs" in settings else {}
    return {**settings, **epochs}

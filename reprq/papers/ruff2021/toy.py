"""The toy figures of Ruff (2021): level sets (1.3), detectors on moons (1.4, 2.2, 4.1, 4.2), and labels (2.5).

No anomaly is in the training of the moons. The thesis does not give the parameters of its generator: those here were
chosen to look alike, so that the published numbers show an order of methods and not a target. "best" is minus the
true log-density, above which no detector can come but by chance: some uniform rows fall on the moons.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors import create, describe
from reprq.evaluation.roc import auroc
from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.outcome import csv_text
from reprq.papers.ruff2021.levels import draw_level_sets, level_sets
from reprq.papers.ruff2021.moons import VERSION, anomalies, grid, moons, panels, ranks, shortened, surprise
from reprq.papers.ruff2021.toy_labels import draw_labelled, labelled_cells
from reprq.study.cells import Row

Array = NDArray[np.float64]

PRESETS = {"quick": 0.1, "full": 1.0}  # of the epochs
_N = 1000
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


def experiments(share: float, run: PaperRun) -> Iterator[Experiment]:
    """Declare `moons`, `levels` and `labelled`, each as PNG, SVG and CSV; no data is read."""
    yield _experiment("moons", _cells(share, run), _picture, run)
    decides = {"toy": "levels", "seed": run.seed, "version": VERSION}
    yield _experiment("levels", [PaperCell(decides, partial(level_sets, run.seed))], draw_level_sets, run)
    yield _experiment("labelled", labelled_cells(share, run), draw_labelled, run)


def _experiment(
    name: str, cells: Iterable[PaperCell], picture: Callable[[list[Row], int], Any], run: PaperRun
) -> Experiment:
    return Experiment(
        name=name,
        made={"preset": run.preset, "seed": run.seed, "version": VERSION},
        cells=cells,
        tables=lambda rows: {f"{name}.csv": csv_text(rows)},
        figures=lambda rows: {name: picture(rows, run.seed)},
    )


def _cells(share: float, run: PaperRun) -> Iterator[PaperCell]:
    """A cell a detector, and one of the true density."""
    for method, (figure, published, settings) in METHODS.items():
        spec = shortened(settings, share)
        decides = {"toy": "moons", "detector": spec, "seed": run.seed, "version": VERSION}
        known = {"method": method, "figure": figure, "published": published}
        yield PaperCell(decides, partial(_judged, spec, run), known)
    decides = {"toy": "moons", "detector": "true density", "seed": run.seed, "version": VERSION}
    yield PaperCell(decides, partial(_best, run.seed), {"method": "best", "figure": "", "published": None})


def _judged(spec: dict[str, Any], run: PaperRun) -> list[Row]:
    """AUROC in per cent with its interval, and the ranks of the places of the map."""
    test, labels = _test(run.seed)
    detector = create(spec)
    given = {"seed": run.seed, "device": run.device}
    detector.set_params(**{name: value for name, value in given.items() if name in detector.get_params()})
    scores = detector.fit(moons(_N, run.seed)).anomaly_score(np.concatenate([test, grid()]))
    row = {"detector": describe(detector), **_per_cent(labels, scores[: len(test)])}
    return [{**row, "ranks": ranks(scores[len(test) :])}]


def _best(seed: int) -> list[Row]:
    test, labels = _test(seed)
    return [{"detector": "true density", **_per_cent(labels, surprise(test))}]


def _test(seed: int) -> tuple[Array, NDArray[np.int64]]:
    return np.concatenate([moons(_N, seed + 1), anomalies(_N, seed)]), np.repeat([0, 1], _N)


def _per_cent(labels: NDArray[np.int64], scores: Array) -> Row:
    found = auroc(labels, scores)
    return {"auroc": 100 * found.value, "low": 100 * found.low, "high": 100 * found.high}


def _picture(rows: list[Row], seed: int) -> Any:
    titles = {f"{row['method']}: {row['auroc']:.1f} (thesis {row['published']})": row for row in rows if "ranks" in row}
    return panels(moons(_N, seed), {title: row["ranks"] for title, row in titles.items()})


PAPER = Paper(PRESETS, experiments)

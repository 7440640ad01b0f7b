"""What labels add, on rows that can be drawn: one-class, supervised and semi-supervised detectors (Figure 2.5).

Benign rows are Big Moon, Small Moon; known anomalies lie in one place, and others, which nothing names, in another. The
training has rows without a label, of which a few are anomalies of the first place, some labelled benign rows and some
labelled anomalies. A classifier tells the known place, a one-class method the other, a semi-supervised one both.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors import create, describe
from reprq.evaluation.roc import auroc
from reprq.papers.ruff2021.moons import moons, panels
from reprq.progress import track
from reprq.study.cells import Row

Array = NDArray[np.float64]
KNOWN, NOVEL = (2.9, 2.3), (-2.3, -1.0)
_SPREAD = 0.2
_UNLABELLED, _DIRTY, _LABELLED, _TEST = 600, 6, 12, 500
_NET = {"network": "mlp:64-32-8", "batch_size": 100, "held_out": 0.0, "lr": 1e-3}
METHODS: dict[str, tuple[dict[str, Any], int]] = {  # with the epochs of the preset "full"
    "OC-SVM, unsupervised": ({"name": "ocsvm", "nu": 0.05}, 0),
    "classifier, supervised": ({"name": "supervised", **_NET}, 100),
    "SSAD, semi-supervised": ({"name": "ssad", "nu": 0.05}, 0),
    "Deep SAD, semi-supervised": ({"name": "deep_sad", **_NET}, 100),
}


def place(center: tuple[float, float], n: int, seed: int) -> Array:
    """Draw n rows around a place."""
    rows: Array = np.asarray(center) + _SPREAD * np.random.default_rng([seed, 2]).normal(size=(n, 2))
    return rows


def labelled_toy(share: float, seed: int, device: str, points: Array, progress: bool) -> tuple[Any, list[Row]]:
    """Fit every method; return the picture, and one row each with the AUROC against either place.

    Args:
        share: Of the epochs.
        seed: Of rows and detectors.
        device: Of the networks.
        points: (m, 2) the places of the picture, row by row.
        progress: Whether to show progress.
    """
    train = np.concatenate([moons(_UNLABELLED, seed), place(KNOWN, _DIRTY, seed)])
    known = np.concatenate([moons(_LABELLED, seed + 2), place(KNOWN, _LABELLED, seed + 2)])
    labels = np.repeat([0, 1], _LABELLED)
    benign, first, second = moons(_TEST, seed + 1), place(KNOWN, _TEST, seed + 1), place(NOVEL, _TEST, seed + 1)
    rows: list[Row] = []
    maps: dict[str, Array] = {}
    truth = np.repeat([0, 1], _TEST)
    for method, (settings, epochs) in track(METHODS.items(), desc="labels", unit="method", show=progress):
        more: dict[str, Any] = {"epochs": max(1, round(share * epochs)), "seed": seed, "device": device}
        detector = create({**settings, **(more if epochs else {})})
        given = {"labelled": known, "labels": labels} if "labelled" in getattr(detector, "uses", ()) else {}
        scores = detector.fit(train, **given).anomaly_score(np.concatenate([benign, first, second, points]))
        inside, told, new = np.split(scores[: 3 * _TEST], 3)
        found = [100 * auroc(truth, np.concatenate([inside, each])).value for each in (told, new)]
        maps[f"{method}\nknown {found[0]:.1f}, novel {found[1]:.1f}"] = scores[3 * _TEST :]
        rows.append({"method": method, "detector": describe(detector), "known": found[0], "novel": found[1]})
    marks = {"labelled anomaly": (place(KNOWN, _LABELLED, seed + 2), "#c8553d"), "novel": (second[:60], "#e0a100")}
    return panels(train, maps, columns=2, marks=marks), rows

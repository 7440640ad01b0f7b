"""What labels add, on rows that can be drawn: one-class, supervised and semi-supervised detectors (Figure 2.5).

Benign rows are Big Moon, Small Moon; known anomalies lie in one place, and others, which nothing names, in another. The
training has rows without a label, of which a few are anomalies of the first place, some labelled benign rows and some
labelled anomalies. A classifier tells the known place, a one-class method the other, a semi-supervised one both.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors import create, describe
from reprq.evaluation.roc import auroc
from reprq.papers.engine import PaperCell, PaperRun
from reprq.papers.ruff2021.moons import VERSION, grid, moons, panels, ranks, shortened
from reprq.study.cells import Row

Array = NDArray[np.float64]
KNOWN, NOVEL = (2.9, 2.3), (-2.3, -1.0)
_SPREAD = 0.2
_UNLABELLED, _DIRTY, _LABELLED, _TEST = 600, 6, 12, 500
_NET = {"network": "mlp:64-32-8", "batch_size": 100, "held_out": 0.0, "lr": 1e-3}
METHODS: dict[str, dict[str, Any]] = {  # epochs are those of the preset "full"
    "OC-SVM, unsupervised": {"name": "ocsvm", "nu": 0.05},
    "classifier, supervised": {"name": "supervised", **_NET, "epochs": 100},
    "SSAD, semi-supervised": {"name": "ssad", "nu": 0.05},
    "Deep SAD, semi-supervised": {"name": "deep_sad", **_NET, "epochs": 100},
}


def place(center: tuple[float, float], n: int, seed: int) -> Array:
    """Draw n rows around a place."""
    rows: Array = np.asarray(center) + _SPREAD * np.random.default_rng([seed, 2]).normal(size=(n, 2))
    return rows


def labelled_cells(share: float, run: PaperRun) -> Iterator[PaperCell]:
    """Declare every method, with a share of its epochs."""
    for method, settings in METHODS.items():
        spec = shortened(settings, share)
        decides = {"toy": "labelled", "detector": spec, "seed": run.seed, "version": VERSION}
        yield PaperCell(decides, partial(_judged, spec, run), {"method": method})


def _judged(spec: dict[str, Any], run: PaperRun) -> list[Row]:
    """AUROC in per cent against either place, and the ranks of the places of the map."""
    seed = run.seed
    train = np.concatenate([moons(_UNLABELLED, seed), place(KNOWN, _DIRTY, seed)])
    known = np.concatenate([moons(_LABELLED, seed + 2), place(KNOWN, _LABELLED, seed + 2)])
    tested = [moons(_TEST, seed + 1), *(place(center, _TEST, seed + 1) for center in (KNOWN, NOVEL))]
    given = {"seed": seed, "device": run.device} if "epochs" in spec else {}
    detector = create({**spec, **given})
    labels = np.repeat([0, 1], _LABELLED)
    learned = {"labelled": known, "labels": labels} if "labelled" in getattr(detector, "uses", ()) else {}
    scores = detector.fit(train, **learned).anomaly_score(np.concatenate([*tested, grid()]))
    benign, told, novel = np.split(scores[: 3 * _TEST], 3)
    truth = np.repeat([0, 1], _TEST)
    found = [100 * auroc(truth, np.concatenate([benign, each])).value for each in (told, novel)]
    row = {"detector": describe(detector), "known": found[0], "novel": found[1]}
    return [{**row, "ranks": ranks(scores[3 * _TEST :])}]


def draw_labelled(rows: list[Row], seed: int) -> Any:
    """Return a panel for each method, with what is labelled and what nothing names."""
    train = np.concatenate([moons(_UNLABELLED, seed), place(KNOWN, _DIRTY, seed)])
    marks = {
        "labelled anomaly": (place(KNOWN, _LABELLED, seed + 2), "#c8553d"),
        "novel": (place(NOVEL, _TEST, seed + 1)[:60], "#e0a100"),
    }
    maps = {f"{row['method']}\nknown {row['known']:.1f}, novel {row['novel']:.1f}": row["ranks"] for row in rows}
    return panels(train, maps, columns=2, marks=marks)

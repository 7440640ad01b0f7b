"""Measures of a representation that take more than its benign rows: a probe on all classes, the gradients of a student.

A study asks for them among its metrics, and they stand in the same table.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reprq import detectors
from reprq.data import Dataset
from reprq.study.cells import Row

if TYPE_CHECKING:
    from reprq.backbones import Backbone

MEASURES = ("linear_probe", "brittleness")
PROBE = "linear_probe[logistic,C=1,standardized]"
GRADIENT_SAMPLES = 1000


def plain_and_measures(metrics: Sequence[str] | None) -> tuple[list[str] | None, list[str]]:
    """Return which of a study's metrics are of benign rows alone, and which are not.

    Example:
        >>> plain_and_measures(["rankme", "linear_probe"])
        (['rankme'], ['linear_probe'])
    """
    if metrics is None:
        return None, []
    return [name for name in metrics if name not in MEASURES], [name for name in MEASURES if name in metrics]


def can_probe(train: Dataset, test: Dataset) -> bool:
    """Whether a probe can tell the classes of the test samples: all of them train, and there are two or more."""
    trained = set(np.unique(train.labels).tolist())
    return len(trained) > 1 and set(np.unique(test.labels).tolist()) <= trained


def probe(train: Any, train_labels: Any, test: Any, test_labels: Any) -> Row:
    """The row of the test accuracy of a linear head on all classes; it is the same under every task."""
    from reprq.evaluation import linear_probe

    start = time.perf_counter()
    found = linear_probe(train, train_labels, test, test_labels)
    return {
        "metric": "linear_probe",
        "definition": PROBE,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": len(train),
        "d": int(np.shape(train)[1]),
        "notes": "",
        "seconds": round(time.perf_counter() - start, 6),
    }


def brittleness(spec: dict[str, Any], teacher: "Backbone", benign: Dataset, seed: int, definition: str) -> Row:
    """The row of the brittleness (Mai et al. 2021) of a layer: of a student trained to it on the benign samples.

    Args:
        spec: Of the distillation, with its layer, pooling and device.
        teacher: The backbone.
        benign: Training samples.
        seed: Of the student.
        definition: What the row says.
    """
    from reprq import metrics

    start = time.perf_counter()
    student = detectors.create({"seed": seed, **spec, "teacher": teacher}).fit(benign)
    rows = student.embed(benign)
    samples = student.inputs_[range(min(GRADIENT_SAMPLES, len(benign)))].to(student.device)
    value = metrics.brittleness(student.loss, samples, rows)
    return {
        "metric": "brittleness",
        "definition": definition,
        "value": value,
        "low": None,
        "high": None,
        "n": len(rows),
        "d": int(rows.shape[1]),
        "notes": "",
        "seconds": round(time.perf_counter() - start, 6),
    }

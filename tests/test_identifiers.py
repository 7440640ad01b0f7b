"""A changed number gets a new identifier or a new schema version: what every identifier gave, and still gives.

`identifiers.json` holds each identifier with its values on a fixed small input. `python tests/test_identifiers.py`
adds the identifiers that are not in it yet and changes none; docs/decisions/identifiers.md says what to do when a
value moves.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reprq import metrics
from reprq.cli.output import SCHEMA_VERSION
from reprq.data.image import decoding as images
from reprq.data.text import decoding as texts
from reprq.detectors import DETECTORS, create
from reprq.embeddings.cache.cache import FORMAT
from reprq.metrics import METRICS, SIMILARITIES, layer_similarity, measure
from reprq.study.results import SCHEMA_VERSION as STUDY_VERSION

RECORD = Path(__file__).with_name("identifiers.json")
TOLERANCE = 1e-6  # relative; BLAS kernels and releases of scikit-learn differ by rounding
MEASURED_IN_A_STUDY = {"network", "classes"}  # these need a network or labels, and no matrix has such a value
DETECTOR_SETTINGS: list[dict[str, Any]] = [
    # The covariance mcd is not here: it differs between releases of scikit-learn.
    *({"name": "mahalanobis", "covariance": kind} for kind in ("empirical", "oas", "diagonal")),
    {"name": "knn", "k": 1},
    {"name": "knn", "aggregation": "mean"},
    {"name": "knn", "metric": "cosine"},
    {"name": "ocsvm", "kernel": "cosine"},
]


def rows(n: int, d: int, seed: int) -> NDArray[np.float64]:
    """Rows of decaying variance around a mean that is not 0; Python promises the same stream for ever."""
    stream = random.Random(seed)
    drawn = np.array([[sum(stream.random() for _ in range(4)) - 1.9 for _ in range(d)] for _ in range(n)])
    return drawn * np.arange(1, d + 1) ** -0.4


def metric_values() -> dict[str, list[float]]:
    """Every definition of every metric of one matrix, and every similarity of two."""
    x, y = rows(160, 24, seed=0), rows(160, 24, seed=1)
    own = [name for name in metrics.names("all") if METRICS.is_built_in(name)]
    found = {made.definition: [made.value] for made in measure(x, own, definitions="all").values()}
    mixed = x @ rows(24, 24, seed=2) + 0.3 * y
    for name in SIMILARITIES:
        table = layer_similarity({"x": x}, {"y": mixed}, measure=name)
        found[table.attrs["definition"]] = [float(table.iloc[0, 0])]
    debiased = layer_similarity({"x": x}, {"y": mixed}, debiased=True)
    found[debiased.attrs["definition"]] = [float(debiased.iloc[0, 0])]
    return found


def detector_values() -> dict[str, list[float]]:
    """The scores that every detector of rows gives three rows, two of which are unlike the benign ones."""
    benign = rows(120, 6, seed=3)
    scored = rows(3, 6, seed=4) * np.array([[1.0], [2.0], [4.0]])
    plain = [entry.name for entry in DETECTORS if entry.inputs == "rows" and DETECTORS.is_built_in(entry.name)]
    found = {}
    for spec in (*(name for name in plain if ":" not in name), *DETECTOR_SETTINGS):
        detector = create(spec).fit(benign)
        found[detector.describe()] = detector.anomaly_score(scored).tolist()
    return found


def schema_versions() -> dict[str, int]:
    """Of everything that is stored or printed for programs."""
    return {
        "output of commands": SCHEMA_VERSION,
        "study": STUDY_VERSION,
        "embedding cache": FORMAT,
        "decoding of images": images.VERSION,
        "decoding of texts": texts.VERSION,
    }


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(("kind", "compute"), [("metrics", metric_values), ("detectors", detector_values)])
def test_an_identifier_keeps_its_number(kind: str, compute: Any) -> None:
    found, known = compute(), recorded()[kind]
    assert sorted(found) == sorted(known), "an identifier came or went: run python tests/test_identifiers.py"
    moved = [name for name in known if found[name] != pytest.approx(known[name], rel=TOLERANCE)]
    assert not moved, f"{', '.join(moved)} changed under the old identifier: give what it is now a new one"


def test_every_metric_and_similarity_is_recorded() -> None:
    held = {identifier.partition("[")[0] for identifier in recorded()["metrics"]}
    named = {entry.name for entry in METRICS if METRICS.is_built_in(entry.name)}
    of_matrices = {name for name in named if METRICS.find(name).inputs not in MEASURED_IN_A_STUDY}
    assert held == of_matrices


def test_schema_versions_are_recorded() -> None:
    assert schema_versions() == recorded()["schema_versions"], "say in the changelog what is stored in another way"


def record() -> None:
    """Add what is not recorded yet."""
    known = recorded() if RECORD.exists() else {"metrics": {}, "detectors": {}, "schema_versions": {}}
    made = {"metrics": metric_values(), "detectors": detector_values(), "schema_versions": schema_versions()}
    kept = {kind: dict(sorted((values | known[kind]).items())) for kind, values in made.items()}
    RECORD.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{sum(map(len, kept.values()))} identifiers in {RECORD}\n")


if __name__ == "__main__":
    record()

"""The linear probe and brittleness as columns of a study."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprq import detectors, metrics
from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.embeddings import extract
from reprq.evaluation import linear_probe
from reprq.numerics.threads import one_thread
from reprq.study import StudyResults, estimate_study, run_study

LENET = {"name": "lenet", "weights": "random", "layers": ["pooled"]}
STUDENT = {"name": "distillation", "epochs": 1}
CONFIG: dict[str, Any] = {
    "data": {"name": "digits", "train_per_class": 12, "test_per_class": 6},
    "tasks": ["unimodal:3", "unimodal:5"],
    "backbones": [LENET],
    "metrics": ["linear_probe", "rankme", "brittleness"],
    "detectors": ["centroid", STUDENT],
}


def run(config: dict[str, Any], tmp_path: Path) -> StudyResults:
    return run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)


def test_they_are_rows_of_the_metrics_with_the_numbers_of_their_functions(tmp_path: Path) -> None:
    before = estimate_study(CONFIG, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert before.cells == 10
    results = run(CONFIG, tmp_path)
    assert results.failures.empty
    value = results.metrics.pivot_table(index="task", columns="metric", values="value")
    train, test = (
        load_dataset("digits", split).sample(per_class=count, seed=0) for split, count in (("train", 12), ("test", 6))
    )
    network = load_backbone("lenet", "random")
    x, z = (extract(network, data, "pooled", cache_dir=tmp_path / "c", progress=False) for data in (train, test))
    expected = linear_probe(x["pooled"].array, train.labels, z["pooled"].array, test.labels).value
    assert value["linear_probe"].tolist() == [expected] * 2
    threes = train.select(np.flatnonzero(train.labels == 3))
    with one_thread():  # as a cell is computed, wherever it is
        student = detectors.create({**STUDENT, "teacher": network, "layers": ["pooled"]}).fit(threes)
        found = metrics.brittleness(student.loss, student.inputs_[range(len(threes))], student.embed(threes))
    assert value.loc["unimodal:3", "brittleness"] == pytest.approx(found, rel=1e-6)
    said = set(results.metrics["definition"])
    assert "linear_probe[logistic,C=1,standardized]" in said
    assert any(name.startswith("brittleness[l2,distillation[layers=own,own pooling,epochs<=1") for name in said)
    stored = (tmp_path / "run" / "cells.jsonl").read_bytes()
    assert len(run(CONFIG, tmp_path).metrics) == 6
    assert (tmp_path / "run" / "cells.jsonl").read_bytes() == stored


def test_what_a_backbone_or_a_data_set_cannot_have_is_left_out_and_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", X=rng.normal(size=(40, 4)), y=np.repeat([0, 1], 20))
    results = run({**CONFIG, "backbones": [{"embeddings": str(tmp_path / "a.npz")}], "detectors": ["centroid"]} | {
        "data": {"name": "embeddings"}, "tasks": "all"
    }, tmp_path)  # fmt: skip
    assert results.metrics["metric"].tolist() == ["rankme"]
    notes = " ".join(results.study["data_notes"])
    assert "no linear_probe on embeddings: some classes that are scored do not train" in notes
    assert "no brittleness of a on embeddings: no gradients of its input" in notes

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from reprq import detectors
from reprq.errors import DataError, OutputExistsError, ReprqError
from reprq.evaluation import auroc, mean_over_tasks
from reprq.papers import reproduce
from reprq.papers.adbench import _mean_ranks, _summary


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files of ADBench's form under the names of the quick preset."""
    rng = np.random.default_rng(0)
    for file in ("CV_by_ResNet18/MVTec-AD_bottle", "CV_by_ResNet18/MVTec-AD_toothbrush", "NLP_by_BERT/20news_3"):
        y = np.repeat([0, 1], [60, 12])
        path = tmp_path / f"embeddings/{file}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, X=(rng.normal(size=(72, 5)) + 2 * y[:, None]).astype(np.float32), y=y)
    return tmp_path


def test_every_detector_is_judged_on_rows_it_did_not_see(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = reproduce("adbench", "quick", out, root=root, progress=False)
    assert sorted(path.name for path in paths) == ["cells.csv", "made.json", "table.md"]
    rows = list(csv.DictReader(io.StringIO((out / "cells.csv").read_text())))
    assert {row["detector"] for row in rows} == set(detectors.names())
    assert {(row["n_train"], row["n_test"], row["n_anomalies"]) for row in rows} == {("42", "30", "12")}
    (knn,) = [row for row in rows if row["detector"] == "knn" and row["set"] == "BERT 20news_3"]
    with np.load(root / "embeddings/NLP_by_BERT/20news_3.npz") as file:
        x, y = file["X"], file["y"]
    train = np.random.default_rng(0).permutation(60)[:42]
    test = np.setdiff1d(np.arange(72), train)
    expected = auroc(y[test], detectors.KNN().fit(x[train]).anomaly_score(x[test])).value
    assert float(knn["auroc"]) == pytest.approx(expected, abs=1e-5)
    text = (out / "table.md").read_text()
    assert "| `knn[k=5,kth,euclidean]` |" in text
    assert "| ResNet18 MVTec-AD_bottle |" in text
    before = (out / "cells.jsonl").read_bytes()
    reproduce("adbench", "quick", out, root=root / "embeddings", progress=False)
    assert (out / "cells.jsonl").read_bytes() == before
    with pytest.raises(OutputExistsError, match="holds the tables of another run"):
        reproduce("adbench", "quick", out, root=root, seed=1, progress=False)
    with pytest.raises(ReprqError, match="made.json/x cannot be made: a file stands in its way; give another --out"):
        reproduce("adbench", "quick", out / "made.json/x", root=root, progress=False)


def test_missing_sets_are_named(root: Path, tmp_path: Path) -> None:
    (root / "embeddings/NLP_by_BERT/20news_3.npz").unlink()
    with pytest.raises(DataError, match="got 2 files and not BERT 20news_3; download"):
        reproduce("adbench", "quick", tmp_path / "out", root=root, progress=False)
    with pytest.raises(DataError, match="got 0 files"):
        reproduce("adbench", "full", tmp_path / "out", root=tmp_path / "nowhere", progress=False)


def rows() -> list[dict[str, object]]:
    cells = {"a": {"knn": 0.9, "kde": 0.8, "pca": 0.8}, "b": {"knn": 0.5, "kde": 0.6, "pca": 0.7}}
    return [
        {"set": f"ResNet18 {s}", "seed": 0, "detector": d, "definition": d, "auroc": v, "seconds": 2 * v}
        for s, of_set in cells.items()
        for d, v in of_set.items()
    ]


def test_ranks_share_ties() -> None:
    assert _mean_ranks(rows()) == {"knn": 2.0, "kde": 2.25, "pca": 1.75}


def test_the_summary_is_sorted_and_has_the_interval_of_its_mean() -> None:
    lines = _summary(rows())[2:]
    assert [line.split("`")[1] for line in lines] == ["pca", "kde", "knn"]
    mean = mean_over_tasks({"task": ["a", "b"], "auroc": [0.8, 0.7]})
    assert f"75.0 [{100 * mean.low:.1f}, {100 * mean.high:.1f}] | 75.0 | - | 1.8 | 1.5 | 1.6 |" in lines[0]

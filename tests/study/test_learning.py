"""Backbones that learn from benign samples: in a study they learn from the training rows of every split anew."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reprq.backbones import load_backbone
from reprq.data import load_dataset, one_class_split, select_tasks
from reprq.detectors import Centroid
from reprq.embeddings import extract
from reprq.evaluation import auroc
from reprq.study import estimate_study, run_study


@pytest.fixture
def study(write_documents: Callable[..., Path], tmp_path: Path) -> Path:
    write_documents(tmp_path / "docs", classes=3, each=20)
    (tmp_path / "words.txt").write_text(
        "".join(f"{word} {i} {-i * i}\n" for i, word in enumerate(["ba", "be", "da", "do", "gi"]))
    )
    path = tmp_path / "texts.toml"
    path.write_text(
        'tasks = "unimodal"\nmetrics = ["rankme", "linear_probe"]\ndetectors = ["centroid"]\n'
        '[data]\nname = "text:docs"\n'
        '[[backbones]]\nname = "tfidf"\n'
        '[[backbones]]\nname = "lsa"\npreprocessing = { components = 3 }\n'
        f'[[backbones]]\nname = "words:{tmp_path}/words.txt"\nlabel = "mean"\n'
        f'[[backbones]]\nname = "words:{tmp_path}/words.txt"\nlabel = "weighted"\npooling = "tfidf"\n'
    )
    return path


def test_every_split_has_a_fit_of_its_own_benign_rows(study: Path, tmp_path: Path) -> None:
    how = {"cache_dir": tmp_path / "cache", "progress": False}
    assert (
        estimate_study(study, tmp_path / "run", **how).cells == 4 * 3 * 3
    )  # backbones, tasks, two metrics and a detector
    results = run_study(study, tmp_path / "run", **how)
    assert len(results.failures) == 0
    assert (len(results.detectors), len(results.metrics)) == (4 * 3, 4 * 3 * 2)
    said = dict(zip(results.detectors["backbone"], results.detectors["weights"], strict=True))
    assert said["tfidf default"] == "fitted on the training rows of each split"
    assert said["mean"] == "default: words.txt"
    assert said["weighted"] == "default: words.txt; term weights fitted on the training rows of each split"
    train, test = (load_dataset(f"text:{tmp_path}/docs", side) for side in ("train", "test"))
    for task in select_tasks(train.classes, "unimodal"):
        split = one_class_split(train, test, task)
        fitted = load_backbone("tfidf").fit(split.train)
        x, z = (
            extract(fitted, side, cache_dir=tmp_path / "own", progress=False)["weighted"]
            for side in (split.train, test)
        )
        expected = auroc(task.anomaly_labels(test.labels), Centroid().fit(x.array).anomaly_score(z.array))
        found = results.detectors.query("backbone == 'tfidf default' and task == @task.name")["auroc"].item()
        assert found == pytest.approx(expected.value, abs=1e-9)
    again = run_study(study, tmp_path / "run", **how)
    pd.testing.assert_frame_equal(again.detectors, results.detectors)
    probes = results.metrics.query("metric == 'linear_probe' and backbone == 'mean'")["value"]
    assert np.ptp(probes) == 0  # one fit for all tasks

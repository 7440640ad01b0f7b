import csv
import io
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reprq.detectors import create
from reprq.errors import DataError, OutputExistsError
from reprq.evaluation import auroc
from reprq.papers import names, reproduce
from reprq.papers.beside import beside, far
from reprq.papers.ruff2021 import PRESETS, Ruff2021Preset, tabular
from reprq.papers.ruff2021.deep import NetworkTraining, starting_from
from reprq.papers.ruff2021.shallow import (
    Shallow,
    _candidates_and_oracle,
    _kernel_densities,
    _prepared,
    contrast_normalised,
)
from reprq.papers.ruff2021.tables import PUBLISHED
from reprq.papers.ruff2021.tabular import TabularPreset, sixty_forty

_BRIEF = NetworkTraining((2, 1), (2, 1), 1e-3, classes=("3",), per_class=(12, 6))
TINY = Ruff2021Preset(Shallow("quick", 12, 6, 1, False), TabularPreset((2, 1), 1), {"mnist": _BRIEF, "cifar10": _BRIEF})


@pytest.fixture
def root(mnist_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of MNIST and ADBench's form; anomalies shifted."""
    monkeypatch.setitem(PRESETS, "quick", TINY)
    monkeypatch.setattr(tabular, "TABULAR_GAMMAS", [0.125, 0.5])
    monkeypatch.setattr(tabular, "TABULAR_NUS", [0.1])
    (mnist_root / "tabular").mkdir()
    rng = np.random.default_rng(0)
    for file in ("6_cardio", "30_satellite", "38_thyroid"):
        y = np.repeat([0, 1], [100, 30])
        np.savez(mnist_root / f"tabular/{file}.npz", X=rng.normal(size=(130, 4)) + 3 * y[:, None], y=y)
    return mnist_root


def test_it_runs_resumes_and_says_what_is_published(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = reproduce("ruff2021", "quick", out, root=root, progress=False)
    assert sorted(path.name for path in paths) == [
        *("cells.csv", "made.json", "table-2.1-deep-cifar10.md", "table-2.1-deep-mnist.csv"),
        *("table-2.1-deep-mnist.json", "table-2.1-deep-mnist.md", "table-2.1.md", "table-2.3.md"),
        *("table-c.1.csv", "table-c.1.json", "table-c.1.md"),
    ]
    assert "missing: cifar10 is not in" in (out / "table-2.1-deep-cifar10.md").read_text()
    deep = (out / "table-2.1-deep-mnist.md").read_text()
    assert "| 2 | missing (85.4) | missing (89.5) | missing (91.7) |" in deep
    fits = list(csv.DictReader(io.StringIO((out / "table-2.1-deep-mnist.csv").read_text())))
    assert [row["method"] for row in fits] == ["AE", "Deep SVDD, one-class", "Deep SVDD, soft-boundary"]
    assert all(row["detector"].endswith(" from " + fits[0]["detector"]) for row in fits[1:])
    kernels = (out / "table-c.1.md").read_text().partition("## Kernel methods")[2]
    assert "| cardio |" in kernels
    assert "missing" not in kernels
    one, three = ((out / f"table-2.{i}.md").read_text() for i in (1, 3))
    for digit, value in enumerate(PUBLISHED["iForest"]):
        assert f"| {digit} | {value} |" in one
    assert "| satellite | 95.1 |" in three
    rows = list(csv.DictReader(io.StringIO((out / "cells.csv").read_text())))
    assert {row["task"] for row in rows} == {*map(str, range(10)), "cardio", "satellite", "thyroid"}
    assert all(0 <= float(row["low"]) <= float(row["auroc"]) <= float(row["high"]) <= 1 for row in rows)
    forest = [row for row in rows if row["method"] == "iForest" and row["preprocessing"] == "[0, 1]"]
    assert len(forest) == 10
    assert np.mean([float(row["auroc"]) for row in forest]) > 0.9
    before = (out / "cells.jsonl").read_bytes()
    reproduce("ruff2021", "quick", out, root=root, progress=False)
    assert (out / "cells.jsonl").read_bytes() == before
    lines = before.splitlines(keepends=True)
    (out / "cells.jsonl").write_bytes(b"".join(lines[:20]) + lines[20][:40])
    reproduce("ruff2021", "quick", out, root=root, progress=False)
    assert len((out / "cells.jsonl").read_bytes().splitlines()) == len(lines)
    with pytest.raises(OutputExistsError, match="holds the tables of another run"):
        reproduce("ruff2021", "quick", out, root=root, seed=5, progress=False)


def test_missing_files_are_named(root: Path, tmp_path: Path) -> None:
    (root / "tabular/38_thyroid.npz").unlink()
    with pytest.raises(DataError, match=r"38_thyroid.npz must be ADBench's file with X and y"):
        reproduce("ruff2021", "quick", tmp_path / "out", root=root, progress=False)
    with pytest.raises(DataError, match="mnist is not in"):
        reproduce("ruff2021", "quick", tmp_path / "out", root=tmp_path / "nowhere", progress=False)


def test_contrast_is_normalised_by_the_mean_absolute_value() -> None:
    x = np.random.default_rng(0).uniform(size=(5, 9))
    normal = contrast_normalised(x)
    np.testing.assert_allclose(normal.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.abs(normal).mean(axis=1), 1)
    np.testing.assert_allclose(contrast_normalised(3 * x + 7), normal)


def test_the_reduction_learns_from_benign_rows_alone() -> None:
    rng = np.random.default_rng(1)
    spread = np.arange(6) + 0.05
    benign, rows = rng.uniform(size=(40, 6)) * spread, rng.uniform(size=(30, 6)) * spread
    for preprocessing in ("[0, 1]", "GCN"):
        fitted, scored = _prepared(benign, rows, preprocessing)
        again, some = _prepared(benign, rows[:3], preprocessing)
        np.testing.assert_array_equal(fitted, again)
        np.testing.assert_allclose(scored[:3], some, atol=1e-12)
        assert fitted.shape[1] == scored.shape[1] < 6
        np.testing.assert_allclose(fitted.mean(axis=0), 0, atol=1e-12)


def test_the_oracle_is_the_best_candidate_of_its_rows_and_gamma_is_in_the_rows_own_units() -> None:
    rng = np.random.default_rng(2)
    benign, rows = rng.normal(size=(60, 3)), rng.normal(size=(80, 3)) + np.repeat([[0.0], [2.0]], 40, axis=0)
    labels = np.repeat([0, 1], 40)
    found = _candidates_and_oracle(benign, rows, labels, Shallow("full", None, None, 1, True), [0])
    candidates = [row for row in found if "gamma=2^" in row["setting"]]
    assert len(candidates) == 20
    from sklearn.svm import OneClassSVM

    theirs = OneClassSVM(nu=0.1, gamma=0.5, tol=1e-6).fit(benign)
    expected = auroc(labels, -theirs.score_samples(rows)).value
    (ours,) = [row["auroc"] for row in found if row["setting"] == "nu=0.1, gamma=2^-1"]
    assert ours == pytest.approx(expected, abs=2e-3)
    assert [row["setting"] for row in found][-1] == "oracle"


def test_the_likeliest_of_the_grid_is_what_cross_validation_picks() -> None:
    rng = np.random.default_rng(3)
    benign, labels = rng.normal(size=(70, 3)), np.repeat([0, 1], 20)
    from sklearn.model_selection import GridSearchCV, LeaveOneOut
    from sklearn.neighbors import KernelDensity

    for scale in (0.5, 3.0):
        found = list(
            _kernel_densities(scale * benign, rng.normal(size=(40, 3)), labels, Shallow("full", None, None, 1, False))
        )
        grid = {"bandwidth": [2.0 ** (j / 2) for j in range(1, 11)]}
        search = GridSearchCV(KernelDensity(), grid, cv=LeaveOneOut()).fit(scale * benign)
        (name,) = [row["setting"].removeprefix("h=2^") for row in found if row["setting"].startswith("h=")]
        assert 2 ** float(name) == pytest.approx(search.best_params_["bandwidth"])


@pytest.mark.once
@pytest.mark.parametrize("script", ["ruff2021_tables.py", "adbench_table.py"])
def test_the_scripts_say_what_is_missing(script: str, tmp_path: Path) -> None:
    path = Path(__file__).resolve().parents[2] / "figures" / script
    ran = subprocess.run(
        [sys.executable, path, "--root", tmp_path, "--out", tmp_path / "x"], capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("reprq: ")
    assert len(ran.stderr.strip().splitlines()) == 1


def test_they_are_registered() -> None:
    assert {"ruff2021", "adbench"} <= set(names())


def test_deep_svdd_starts_as_the_encoder_of_the_autoencoder() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 5))
    first = create({"name": "autoencoder", "epochs": 2}).fit(rows)
    kept = {name: value.clone() for name, value in first.network_.phi.state_dict().items()}
    detector = starting_from(first, epochs=1, lr=1e-12).fit(rows)
    for name, value in detector.network_.phi.state_dict().items():
        if "running" not in name and "tracked" not in name:
            np.testing.assert_allclose(value, kept[name], atol=1e-8)
    assert detector.pretraining_ == first.history_


def test_a_table_says_what_is_missing_and_averages_what_is_there() -> None:
    rows = [{"task": "a", "method": "AE", "auroc": value} for value in (0.5, 0.7)]
    rows.append({"task": "c", "method": "AE", "auroc": 0.9})
    lines = beside(rows, {"AE": {"a": 61.0, "b": 20.0, "c": 91.0}, "other": {"a": 1.0}}).splitlines()
    assert lines[2:] == [
        "| a | 60.0 ± 14.1 (61.0) | missing (1.0) |",
        "| b | missing (20.0) | missing (-) |",
        "| c | 90.0 (91.0) | missing (-) |",
        "| mean of those run | 75.0 (76.0) | missing |",
    ]


def test_what_is_far_from_what_was_printed_is_listed_by_its_mean_over_seeds() -> None:
    rows = [{"task": "a", "method": "AE", "auroc": value} for value in (0.5, 0.7)]
    rows += [{"task": task, "method": method, "auroc": 0.9} for task in "bc" for method in ("AE", "SVDD")]
    published = {"AE": {"a": 56.0, "b": 93.5, "c": 90.0}, "SVDD": {"a": 1.0, "b": 80.0, "c": math.nan}}
    said = "3 of 4 cells are more than 3 points off, ours minus published: AE a +4.0, b -3.5; SVDD b +10.0."
    assert far(rows, published) == said
    assert far(rows, published, 10.5) == "None of 4 cells is more than 10.5 points off."
    assert far(rows[:1], {"AE": {"a": 49.0}}, 0.5).startswith("1 of 1 cells is more")


def test_known_anomalies_of_the_table_of_rows_neither_train_nor_are_scored() -> None:
    y = np.repeat([0, 1], [1000, 100])
    split = sixty_forty(y, seed=1)
    assert (len(split.train), len(split.labelled), len(split.test)) == (600, 6, 440)
    assert not y[split.train].any()
    assert y[split.labelled].all()
    assert len(np.unique(np.concatenate([split.train, split.labelled, split.test]))) == 1046

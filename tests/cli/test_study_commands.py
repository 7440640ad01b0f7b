"""`reprq study` and `reprq correlate`, from a TOML file to the pictures."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reprq.errors import InputError
from reprq.study import run_study

Reprq = Callable[..., Any]

STUDY = """
title = "two LeNets"
metrics = ["rankme", "aucev"]
detectors = ["centroid", { name = "knn", k = 1 }]
tasks = "unimodal"

[data]
name = "digits"
classes = ["0", "1", "2"]
train_per_class = 30
test_per_class = 20
"""
BACKBONE = """
[[backbones]]
name = "lenet"
label = "{label}"
weights = "random"
preprocessing = {{ resize = {resize}, size = 32 }}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "two.toml"
    path.write_text(STUDY + "".join(BACKBONE.format(label=f"lenet {n}", resize=n) for n in (32, 36, 40)))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the study in `file`, without its figures."""
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "two.toml"
    path.write_text(STUDY + "".join(BACKBONE.format(label=f"lenet {n}", resize=n) for n in (32, 36, 40)))
    return run_study(path, folder / "run", cache_dir=folder / "cache", progress=False).path


def test_a_study_ends_with_the_correlation_table_and_the_paths_of_figure_and_tables(
    reprq: Reprq, file: Path, tmp_path: Path
) -> None:
    ran = reprq("study", file, "--out", tmp_path / "run", "--quiet")
    assert ran.status == 0
    assert "the crop drops" in ran.err
    assert all(line.startswith("note: ") for line in ran.err.splitlines())
    assert re.search(r"^centroid +rankme +-?[\d.]+", ran.out, re.MULTILINE)
    printed = [Path(line) for line in ran.out.splitlines() if line.startswith(str(tmp_path))]
    assert {path.name for path in printed} >= {"metrics.csv", "detectors.csv", "correlation.csv"}
    assert any(path.suffix == ".png" for path in printed)
    assert all(path.stat().st_size > 0 for path in printed)
    table = pd.read_csv(tmp_path / "run" / "correlation.csv")
    assert set(table["method"]) == {"spearman", "pearson", "kendall"}
    assert set(table["tasks"]) == {"all", "unimodal"}


def test_study_json_is_the_printed_table(reprq: Reprq, file: Path, tmp_path: Path) -> None:
    body = json.loads(reprq("study", file, "--out", tmp_path / "run", "--quiet", "--json").out)
    assert body["path"] == str(tmp_path / "run")
    assert {row["metric"] for row in body["rows"]} == {"rankme", "aucev"}


def test_correlate_reads_a_finished_study(reprq: Reprq, finished: Path) -> None:
    ran = reprq("correlate", finished, "--metric", "rankme", "--detector", "knn", "--method", "kendall", "--json")
    (row,) = json.loads(ran.out)["rows"]
    assert (row["metric"], row["method"], row["n"], row["n_backbones"]) == ("rankme", "kendall", 12, 3)
    assert -1 <= row["coefficient"] <= 1
    assert (row["low"], row["high"]) == (None, None)  # three networks are too few
    wrong = reprq("correlate", finished, "--metric", "rankmy")
    assert (wrong.status, wrong.err.count("\n")) == (1, 1)
    assert "did you mean 'rankme'?" in wrong.err


def test_correlate_takes_levels_columns_to_hold_fixed_and_every_task(reprq: Reprq, finished: Path) -> None:
    options = ["--level", "between", "--level", "within", "--given", "depth", "--per-task", "--metric", "rankme"]
    body = json.loads(reprq("correlate", finished, *options, "--method", "pearson", "--json").out)
    assert len(body["rows"]) == 2 * 2 * (1 + 3)  # levels, detectors, all tasks together and each
    assert {row["level"] for row in body["rows"]} == {"between", "within"}
    assert "unimodal:2" in {row["tasks"] for row in body["rows"]}


def test_correlate_sets_metrics_against_depth_and_targets_beside_them(reprq: Reprq, finished: Path) -> None:
    ran = reprq("correlate", finished, "--against", "depth", "--target", "rankme=9", "--detector", "knn", "--json")
    rows = json.loads(ran.out)["rows"]
    assert [row["metric"] for row in rows] == ["rankme", "aucev", "rankme~9"]
    assert {(row["against"], row["verdict"]) for row in rows} == {("depth", "undecided")}  # three networks
    other = json.loads(reprq("correlate", finished, "--against", "aucev", "--detector", "knn", "--json").out)["rows"]
    assert [row["metric"] for row in other] == ["rankme"]
    wrong = reprq("correlate", finished, "--against", "aucve")
    assert (wrong.status, "did you mean 'aucev'?" in wrong.err) == (1, True)
    assert reprq("correlate", finished, "--against", "depth", "--given", "width").status == 2
    assert "--target must be METRIC=VALUE" in reprq("correlate", finished, "--target", "rankme").err


def test_a_folder_that_cannot_be_made_is_one_line(reprq: Reprq, file: Path) -> None:
    for out in (file, file / "below"):
        ran = reprq("study", file, "--out", out, "--quiet")
        assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert f"the folder {out} cannot be made: a file stands in its way; give another --out" in ran.err


def test_another_study_in_the_folder_is_refused_and_force_replaces_it(reprq: Reprq, file: Path, tmp_path: Path) -> None:
    reprq("study", file, "--out", tmp_path / "run", "--quiet")
    file.write_text(file.read_text().replace("k = 1", "k = 2"))
    refused = reprq("study", file, "--out", tmp_path / "run", "--quiet")
    assert refused.status == 1
    assert "holds the tables of another configuration" in refused.err
    assert reprq("study", file, "--out", tmp_path / "run", "--quiet", "--force").status == 0


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("tasks =", "taks =", "unknown key taks; did you mean 'tasks'?"),
        ("train_per_class = 30", 'train_per_class = "30"', "data.train_per_class: input should be a valid integer"),
        ("[data]", "[data", "cannot be read as TOML"),
        ('weights = "random"', 'weights = "none.pt"', "none.pt"),
        ('"0", "1", "2"', '"0", "1", "x"', "'x'"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(
    reprq: Reprq, file: Path, tmp_path: Path, before: str, after: str, sentence: str
) -> None:
    file.write_text(file.read_text().replace(before, after))
    ran = reprq("study", file, "--out", tmp_path / "run")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert sentence in ran.err
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_cells_disk_and_time_and_runs_nothing(
    reprq: Reprq, file: Path, finished: Path, tmp_path: Path
) -> None:
    ran = reprq("study", file, "--out", tmp_path / "run", "--dry-run", "--quiet", "--cache", tmp_path / "cache")
    assert (ran.status, ran.err) == (0, "")
    assert re.search(r"^ +108 +0 +108 +[\d.]+ [kM]B .* 1 +[\d.]+ s$", ran.out, re.MULTILINE)
    assert "note: the time of a cell is measured on 400 random rows" in ran.out
    assert not (tmp_path / "run").exists()
    body = json.loads(reprq("study", file, "--out", finished, "--dry-run", "--quiet", "--json").out)
    (row,) = body["rows"]
    assert (row["finished"], row["to do"], row["disk"], row["in all"]) == (108, 0, 0, 0)


def test_cells_that_fail_are_counted_in_one_line_and_the_tables_are_there(
    reprq: Reprq, file: Path, tmp_path: Path
) -> None:
    file.write_text(file.read_text().replace("k = 1 }", 'k = 31 }, "mahalanobis"'))
    ran = reprq("study", file, "--out", tmp_path / "run", "--quiet")
    assert ran.status == 1
    *reasons, last = [line for line in ran.err.splitlines() if not line.startswith("note: ")]
    assert len(reasons) == 1
    assert reasons[0].startswith("failed: 36 x knn[k=31,kth,euclidean]: k must be at most the number of benign rows")
    assert "(first: lenet 32, conv1, digits unimodal:0, seed 0)" in reasons[0]
    assert last.startswith("reprq: 36 of 144 cells failed, the tables have the others; see ")
    assert re.search(r"^mahalanobis\S* +rankme +-?[\d.]+", ran.out, re.MULTILINE)
    assert len(pd.read_csv(tmp_path / "run" / "failures.csv")) == 36
    assert len(pd.read_csv(tmp_path / "run" / "detectors.csv")) == 72


def test_a_study_of_which_every_cell_failed_says_so(reprq: Reprq, file: Path, tmp_path: Path) -> None:
    text = file.read_text().replace('metrics = ["rankme", "aucev"]', "").replace("k = 1 }", "k = 31 }")
    file.write_text(text.replace('"centroid", ', ""))
    ran = reprq("study", file, "--out", tmp_path / "run", "--quiet")
    assert ran.status == 1
    assert "(none)" in ran.out
    assert ran.err.splitlines()[-1].startswith("reprq: 36 of 72 cells failed")


def test_a_study_without_any_metric_says_why_cells_failed(
    reprq: Reprq, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise InputError("x must be such and such")

    monkeypatch.setattr("reprq.study.compute.measure", fails)
    ran = reprq("study", file, "--out", tmp_path / "run", "--quiet")
    assert ran.status == 1
    *reasons, last = [line for line in ran.err.splitlines() if not line.startswith("note: ")]
    assert len(reasons) == 1
    assert reasons[0].startswith("failed: 36 x metrics: x must be such and such (first: lenet 32, conv1, ")
    assert last.startswith("reprq: 36 of 108 cells failed, the tables have the others; see ")


def test_a_study_in_which_nothing_varies_prints_a_table_with_the_reason(reprq: Reprq, tmp_path: Path) -> None:
    from reprq.study import StudyResults

    base = {
        "seed": 0,
        "network": "n",
        "weights": "w",
        "layer_number": 0,
        "task": "unimodal:a",
        "task_kind": "unimodal",
        "d": 9,
    }
    points = [{**base, "backbone": name, "layer": layer} for name in "abc" for layer in ("l0", "l1")]
    metrics = pd.DataFrame([{**p, "metric": "rankme", "definition": "r", "value": i} for i, p in enumerate(points)])
    judged = pd.DataFrame([{**p, "detector": "knn", "definition": "knn[k=1]", "auroc": 1.0} for p in points])
    (tmp_path / "run").mkdir()
    StudyResults(metrics, judged, {}, tmp_path / "run").save()
    ran = reprq("correlate", tmp_path / "run")
    assert (ran.status, ran.err) == (0, "")
    assert re.search(r"^ *all +pooled +backbone +knn\[k=1\] +rankme +spearman", ran.out, re.MULTILINE)
    assert "note: constant y: no coefficient" in ran.out


def test_a_scheduler_needs_its_extra_or_an_answer(reprq: Reprq, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    ran = reprq("study", file, "--scheduler", "tcp://127.0.0.1:1", "--quiet")
    assert (ran.status, ran.err) == (
        1,
        "reprq: --scheduler needs dask.distributed, which is not installed; run pip install 'reprq[distributed]'\n",
    )


def test_mlflow_that_is_not_there_is_said_before_the_work(
    reprq: Reprq, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    ran = reprq("study", file, "--out", tmp_path / "run", "--mlflow", "lenets")
    assert (ran.status, ran.out) == (1, "")
    assert "--mlflow needs mlflow, which is not installed; run pip install 'reprq[mlflow]'" in ran.err
    assert not (tmp_path / "run").exists()

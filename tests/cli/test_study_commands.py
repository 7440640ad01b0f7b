"""`reprq study` and `reprq correlate`, from a TOML file to the pictures."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

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


def test_a_study_ends_with_the_correlation_table_and_the_paths_of_figure_and_tables(
    reprq: Reprq, file: Path, tmp_path: Path
) -> None:
    ran = reprq("study", file, "--out", tmp_path / "run", "--quiet")
    assert (ran.status, ran.err) == (0, "")
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


def test_correlate_reads_a_finished_study(reprq: Reprq, file: Path, tmp_path: Path) -> None:
    reprq("study", file, "--out", tmp_path / "run", "--quiet")
    ran = reprq(
        "correlate", tmp_path / "run", "--metric", "rankme", "--detector", "knn", "--method", "kendall", "--json"
    )
    (row,) = json.loads(ran.out)["rows"]
    assert (row["metric"], row["method"], row["n"], row["n_backbones"]) == ("rankme", "kendall", 12, 3)
    assert -1 <= row["low"] <= row["coefficient"] <= row["high"] <= 1
    wrong = reprq("correlate", tmp_path / "run", "--metric", "rankmy")
    assert (wrong.status, wrong.err.count("\n")) == (1, 1)
    assert "did you mean 'rankme'?" in wrong.err


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

"""What a study will cost, before it is run."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprq.embeddings import EmbeddingCache
from reprq.study import StudyResults, estimate_study, run_study


def test_before_the_first_run_everything_is_to_do_and_the_disk_is_what_it_will_be(
    small: dict[str, Any], tmp_path: Path
) -> None:
    found = estimate_study(small, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()
    cells = 3 * 4 * 6 * 3  # backbones, layers, tasks, the metrics and two detectors
    assert (found.cells, found.finished, found.todo) == (cells, 0, cells)
    run_study({**small, "detectors": ["centroid"]}, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    caches = (tmp_path / "cache").iterdir()
    stored = sum(x.array.nbytes for path in caches for x in EmbeddingCache(path).values())
    assert found.disk_bytes == stored
    assert found.extract_seconds > 0
    assert 0 < found.cell_seconds < 600
    assert found.seconds == pytest.approx(found.extract_seconds + found.cell_seconds)
    assert found.rule == "measured on 400 random rows"


def test_after_it_nothing_is_left(results: StudyResults, cache: Path, small: dict[str, Any]) -> None:
    found = estimate_study(small, results.path, cache_dir=cache, progress=False)
    assert (found.todo, found.disk_bytes, found.seconds) == (0, 0, 0)


def test_a_change_leaves_its_cells_whose_time_is_that_of_the_finished_ones(
    results: StudyResults, cache: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    half = {**small, "tasks": ["unimodal:0", "multimodal:0"]}
    run_study(half, tmp_path / "run", cache_dir=cache, progress=False)
    found = estimate_study(small, tmp_path / "run", cache_dir=cache, workers=2, progress=False)
    assert (found.finished, found.todo, found.disk_bytes) == (72, 144, 0)
    assert found.rule == "from the finished cells"
    done = run_study(half, tmp_path / "run", cache_dir=cache, progress=False)
    spent = done.metrics["seconds"].sum() + done.detectors["seconds"].sum()
    assert found.cell_seconds == pytest.approx(2 * spent, rel=0.01)  # twice as many tasks of either kind, same layers
    assert found.seconds == pytest.approx(found.cell_seconds / 2)


def test_a_detector_more_is_measured(results: StudyResults, cache: Path, small: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(results.path, tmp_path / "run")
    more = {**small, "detectors": [*small["detectors"], "mahalanobis"]}
    found = estimate_study(more, tmp_path / "run", cache_dir=cache, progress=False)
    assert found.todo == 72
    assert found.rule == "from the finished cells and measured on 400 random rows"


def test_a_teacher_that_is_not_trained_is_counted_and_said(small: dict[str, Any], tmp_path: Path) -> None:
    pretext = {"task": "rotation", "data": "digits", "classes": ["3", "4"]}
    config = {**small, "backbones": [*small["backbones"], {"name": "lenet", "label": "r", "pretext": pretext}]}
    found = estimate_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert found.cells == 4 * 4 * 6 * 3
    assert found.notes[0].startswith("4 networks can show no correlation between networks: p is never below 0.125")
    said = [note for note in found.notes[1:] if "the crop drops" not in note]  # lenet 36 and 40 crop
    assert said == ["teachers still to be trained: 1; their training, disk and cells' time come on top"]
    assert np.isfinite(found.seconds)

"""A study reads image files as its [data] says, and says what its networks do not see of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reprq.errors import ConfigError, DataError, InputError
from reprq.study import estimate_study, load_config, run_study


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("bad", "good"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for i in range(6):
                pixels = rng.integers(0, 4096, (20, 40)).astype(np.uint16)
                Image.fromarray(pixels).save(tmp_path / "images" / split / name / f"{i}.png")
    (tmp_path / "images/train/good/2.png").write_bytes(b"")
    return {
        "data": {
            "name": f"folder:{tmp_path / 'images'}",
            "benign": ["good"],
            "intensity_range": [0, 4095],
            "skip_broken": True,
        },
        "backbones": [
            {"name": "lenet", "label": label, "weights": "random", "layers": "conv1", "preprocessing": changed}
            for label, changed in (("cropped", {}), ("whole", {"crop": "none"}))
        ],
        "metrics": ["trace"],
        "detectors": ["centroid"],
    }


def test_deep_and_broken_files_are_read_as_asked_and_crops_are_said(config: dict[str, Any], tmp_path: Path) -> None:
    how = {"cache_dir": tmp_path / "cache", "progress": False}
    planned = estimate_study(config, tmp_path / "run", **how).notes
    results = run_study(config, tmp_path / "run", **how)
    assert len(results.detectors) == 2
    for notes in (planned, results.study["data_notes"]):
        assert any("left out: train/good/2.png (" in note for note in notes)
        assert len([note for note in notes if note.startswith("cropped: the crop drops about 50% of the area")]) == 1
        assert not any(note.startswith("whole: the crop") for note in notes)
    assert results.study["config"]["data"]["intensity_range"] == [0, 4095]


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"intensity_range": None}, DataError, "has more than 8 bits a channel"),
        ({"skip_broken": False}, DataError, r"good/2\.png does not decode"),
        ({"intensity_range": [9, 1]}, InputError, "intensity_range must be two numbers, LOW below HIGH"),
        ({"intensity_range": [1]}, ConfigError, r"data\.intensity_range: list should have at least 2 items"),
        ({"skip_broken": "yes"}, ConfigError, r"data\.skip_broken: input should be a valid boolean"),
    ],
)
def test_without_the_options_the_study_stops_before_any_work(
    config: dict[str, Any], tmp_path: Path, change: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    config["data"] |= change
    with pytest.raises(error, match=sentence):
        run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert not (tmp_path / "cache").exists()


def test_tables_made_before_a_key_was_there_are_of_the_same_study(config: dict[str, Any], tmp_path: Path) -> None:
    config["data"] |= {"skip_broken": True}
    run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    file = tmp_path / "run" / "study.json"
    made = json.loads(file.read_text())
    assert made["config"]["data"].pop("train_per_class") is None
    file.write_text(json.dumps(made))
    again = run_study(config, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert again.study["config"] == load_config(config).record()

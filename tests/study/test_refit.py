import shutil

import numpy as np
import pytest
from PIL import Image

from reprq.backbones import load_backbone
from reprq.errors import DataError, InputError
from reprq.study import StudyResults, run_study
from reprq.study.refit import refit


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of digits: detectors of rows, of layers and of samples, two tasks, two seeds, one corpus."""
    path = tmp_path_factory.mktemp("refit")
    config = {
        "data": {"name": "digits", "train_per_class": 20, "test_per_class": 8},
        "backbones": [{"name": "lenet", "weights": "random", "layers": "1-3"}],
        "tasks": ["unimodal:3", "multimodal:5"],
        "detectors": ["knn", "patchcore", {"name": "deep_svdd", "epochs": 1}],
        "metrics": ["rankme"],
        "seeds": [0, 1],
    }
    return run_study(config, path / "run", progress=False, cache_dir=path / "caches"), path / "caches"


def test_every_detector_is_fitted_as_it_was(study) -> None:
    results, caches = study
    for _, row in results.detectors.groupby(["definition", "task"]).tail(1).iterrows():
        again = refit(StudyResults.load(results.path), row.to_dict(), cache_dir=caches)
        assert again.found.auroc.value == pytest.approx(row["auroc"], abs=1e-12)
        assert again.found.fitted is not None
        assert len(again.judged) == len(again.found.scores) == row["n_test"]
        assert again.layer == (row["layer"] if isinstance(row["layer"], str) else "")
        assert (again.backbone is None) == (again.layer == "")


def test_a_teacher_of_the_study_is_what_is_fitted_again(tmp_path) -> None:
    pretext = {"task": "rotation", "data": "digits", "classes": ["0", "1"], "epochs": 1}
    config = {
        "data": {"name": "digits", "classes": ["3", "5"], "train_per_class": 20, "test_per_class": 8},
        "backbones": [{"name": "lenet", "layers": "-1", "pretext": pretext}],
        "tasks": ["unimodal:3"],
        "detectors": ["knn"],
        "metrics": ["rankme"],
    }
    results = run_study(config, tmp_path / "run", progress=False, cache_dir=tmp_path / "caches")
    row = results.detectors.iloc[0].to_dict()
    again = refit(results, row, cache_dir=tmp_path / "caches")
    assert again.found.auroc.value == pytest.approx(row["auroc"], abs=1e-12)
    (file,) = (tmp_path / "run" / "teachers").iterdir()
    taught = load_backbone(f"teacher:{file}").network.state_dict()
    assert all(np.array_equal(taught[name], value) for name, value in again.backbone.network.state_dict().items())


def test_rows_of_external_anomalies_are_among_what_was_judged(tmp_path) -> None:
    config = {
        "data": {"name": "digits", "train_per_class": 12, "test_per_class": 5},
        "backbones": [{"name": "lenet", "weights": "random", "layers": "-1"}],
        "detectors": ["centroid"],
        "metrics": ["rankme"],
    }
    other = tmp_path / "noise" / "test"
    (other / "noise").mkdir(parents=True)
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(other / "noise" / f"{i}.png")
    config["splits"] = [{"external": {"name": f"folder:{other}"}}]
    results = run_study(config, tmp_path / "run", progress=False, cache_dir=tmp_path / "caches")
    row = results.detectors.iloc[0].to_dict()
    again = refit(results, row, cache_dir=tmp_path / "caches")
    assert again.found.auroc.value == pytest.approx(row["auroc"])
    anomalous = again.judged.select(np.flatnonzero(again.found.labels == 1))
    assert len(anomalous) == 6
    assert all("noise" in str(name) for name in anomalous.ids)


def test_samples_that_are_gone_or_changed_and_rows_of_other_studies_are_refused_in_words(tmp_path) -> None:
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for kind in ("good", "bad"):
        (folder / kind).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / kind / f"{i}.png")
    config = {
        "data": {"name": f"folder:{folder}", "benign": ["good"]},
        "backbones": [{"name": "lenet", "weights": "random", "layers": "-1"}],
        "detectors": ["centroid"],
        "metrics": ["rankme"],
    }
    results = run_study(config, tmp_path / "run", progress=False, cache_dir=tmp_path / "caches")
    row = results.detectors.iloc[0].to_dict()
    with pytest.raises(InputError, match="has no lof on unimodal:good; give a row of its detectors"):
        refit(results, {**row, "definition": "lof"}, cache_dir=tmp_path / "caches")
    Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / "good" / "0.png")
    with pytest.raises(InputError, match="photos (train|test) has other samples than the study had; run it again"):
        refit(results, row, cache_dir=tmp_path / "caches")
    shutil.rmtree(folder)
    with pytest.raises(DataError):
        refit(results, row, cache_dir=tmp_path / "caches")

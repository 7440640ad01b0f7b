"""A study small enough for a test: a random LeNet's layers on digits."""

from pathlib import Path
from typing import Any

import pytest

from reprq.study import StudyResults, run_study

SMALL: dict[str, Any] = {
    "title": "small",
    "data": {"name": "digits", "classes": ["0", "1", "2"], "train_per_class": 30, "test_per_class": 20},
    "backbones": [
        {"name": "lenet", "label": f"lenet {size}", "weights": "random", "preprocessing": {"resize": size, "size": 32}}
        for size in (32, 36, 40)
    ],
    "metrics": ["rankme", "aucev"],
    "detectors": ["centroid", {"name": "knn", "k": 1}],
}


@pytest.fixture
def small() -> dict[str, Any]:
    return {**SMALL}


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    folder = tmp_path_factory.mktemp("study")
    return run_study(SMALL, folder / "run", cache_dir=folder / "cache", progress=False)


@pytest.fixture
def cache(results: StudyResults) -> Path:
    """The embedding caches of the small study."""
    return results.path.parent / "cache"

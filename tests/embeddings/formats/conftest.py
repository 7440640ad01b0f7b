"""Rows with labels, of which every test knows what measuring them must give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reprq.embeddings import load_embeddings

N, D = 60, 6
STEM = [f"emb_{i}" for i in range(D)]
WORDS = ["tone", "pitch", "mood", "speed", "depth", "warmth"]


@pytest.fixture(scope="session")
def y() -> np.ndarray[Any, Any]:
    return np.array([0, 0, 0, 1] * (N // 4))


@pytest.fixture(scope="session")
def x(y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(0).normal(size=(N, D)) + 3 * y[:, None]).round(6)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(frame: pd.DataFrame, **how: Any) -> Path:
        frame.to_csv(tmp_path / "t.csv", **{"index": False, **how})
        return tmp_path / "t.csv"

    return save


def check(path: Path, x: np.ndarray[Any, Any], y: Any = None, **how: Any) -> None:
    """The file holds exactly these rows and labels."""
    found = load_embeddings(path, **how)
    np.testing.assert_allclose(found.array, x, rtol=1e-6)
    assert (None if found.labels is None else found.labels.tolist()) == (None if y is None else list(y))

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.data import ArraySource, ImageDataset

MakeTree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> MakeTree:
    """Write a folder of small PNG images: `tree("cat/a.png", "dog/b.png")`; the pixels follow from the path."""

    def make(*files: str, root: Path = tmp_path / "images") -> Path:
        for file in files:
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng(list(file.encode()))
            Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(path)
        return root

    return make


@pytest.fixture
def toy() -> ImageDataset:
    """Twelve grey images of three classes: six, four and two."""
    labels = np.repeat([0, 1, 2], [6, 4, 2])
    pixels = np.arange(12 * 4, dtype=np.uint8).reshape(12, 2, 2)
    return ImageDataset(
        name="toy",
        split="train",
        classes=("cat", "dog", "emu"),
        labels=labels,
        ids=np.array([f"toy/{i}" for i in range(12)]),
        source=ArraySource(pixels),
        rows=np.arange(12),
    )

"""Small sounds, written by the tests themselves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Write = Callable[..., Path]


@pytest.fixture
def tone() -> Callable[..., NDArray[np.float32]]:
    """A sine of half of full scale: `tone(pitch, seconds, rate)`."""
    return _tone


def _tone(pitch: float, seconds: float = 0.5, rate: int = 8000) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a sound and return its path."""
    soundfile = pytest.importorskip("soundfile", reason="sounds need soundfile, of the extra audio")

    def written(name: str, values: NDArray[np.floating], rate: int = 8000, **how: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, values, rate, **how)
        return path

    return written

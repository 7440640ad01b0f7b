import struct
from pathlib import Path

import numpy as np
import pytest


def idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        struct.pack(f">I{array.ndim}I", 0x0800 | array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )


@pytest.fixture
def mnist_root(tmp_path: Path) -> Path:
    """Files of MNIST's form: each digit a bright block of its own on noise."""
    rng = np.random.default_rng(0)
    for side, count in (("train", 15), ("t10k", 8)):
        labels = np.tile(np.arange(10), count)
        images = rng.integers(0, 60, (len(labels), 28, 28))
        for i, digit in enumerate(labels):
            images[i, 2 * digit : 2 * digit + 6, 4:20] += 150
        idx(tmp_path / f"MNIST/raw/{side}-images-idx3-ubyte", images)
        idx(tmp_path / f"MNIST/raw/{side}-labels-idx1-ubyte", labels)
    return tmp_path

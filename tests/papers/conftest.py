import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.papers.ruff2021.deep import CLASSES


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


@pytest.fixture
def image_root(tmp_path: Path) -> Path:
    """Files of JPEG CIFAR-10's and tiny ImageNet's form, a color a class, one synset a frog."""
    rng = np.random.default_rng(0)

    def images(folder: Path, count: int, color: int) -> None:
        folder.mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 60, (32, 32, 3)) + np.array([color, 200 - color, 90])
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.jpg")

    for number, name in enumerate(CLASSES["cifar10"]):
        images(tmp_path / "images/cifar10_jpeg/train" / name, 12, 20 * number)
        images(tmp_path / "images/cifar10_jpeg/test" / name, 3, 20 * number)
    for number, synset in enumerate(("n00000001", "n00000002", "n01641577")):
        images(tmp_path / "images/tiny_imagenet_32" / synset, 4, 60 * number)
    words = "n00000001\tsofa\nn00000002\tspoon\nn01641577\tbullfrog\n"
    (tmp_path / "images/tiny_imagenet_32/classes.tsv").write_text(words)
    return tmp_path

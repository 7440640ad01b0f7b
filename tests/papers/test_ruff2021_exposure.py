import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.errors import DataError
from reprq.papers import reproduce
from reprq.papers.ruff2021 import exposure
from reprq.papers.ruff2021.deep import CLASSES
from reprq.papers.ruff2021.exposure import PUBLISHED, ExposurePreset


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files of JPEG CIFAR-10's and tiny ImageNet's form, a color a class, one synset a frog."""
    rng = np.random.default_rng(0)

    def images(folder: Path, count: int, color: int) -> None:
        folder.mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 60, (32, 32, 3)) + np.array([color, 200 - color, 90])
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.jpg")

    for number, name in enumerate(CLASSES["cifar10"]):
        images(tmp_path / "images/cifar10_jpeg/train" / name, 6, 20 * number)
        images(tmp_path / "images/cifar10_jpeg/test" / name, 3, 20 * number)
    for number, synset in enumerate(("n00000001", "n00000002", "n01641577")):
        images(tmp_path / "images/tiny_imagenet_32" / synset, 4, 60 * number)
    words = "n00000001\tsofa\nn00000002\tspoon\nn01641577\tbullfrog\n"
    (tmp_path / "images/tiny_imagenet_32/classes.tsv").write_text(words)
    return tmp_path


def test_corpora_grow_and_leave_out_what_names_a_class(root: Path, tmp_path: Path, monkeypatch) -> None:
    tiny = ExposurePreset(("frog",), (1, None), (1, ()), ("HSC",), ("flip",), 4, 1, (5, 2))
    monkeypatch.setitem(exposure.PRESETS, "quick", tiny)
    out = tmp_path / "out"
    paths = reproduce("ruff2021-exposure", "quick", out, root=root, progress=False)
    names = ["exposure.png", "exposure.svg", "exposure.md", "exposure.csv", "made.json"]
    assert [path.name for path in paths] == names
    rows = list(csv.DictReader(io.StringIO((out / "exposure.csv").read_text())))
    assert [row["corpus_size"] for row in rows] == ["1", "8"]
    table = (out / "exposure.md").read_text()
    assert "8 images of 2 synsets" in table
    assert table.splitlines()[-1].endswith(f"| {PUBLISHED['frog']:.1f} |")


def test_a_missing_corpus_is_named(root: Path, tmp_path: Path) -> None:
    (root / "images/tiny_imagenet_32").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="tiny_imagenet_32"):
        reproduce("ruff2021-exposure", "quick", tmp_path / "out", root=root, progress=False)

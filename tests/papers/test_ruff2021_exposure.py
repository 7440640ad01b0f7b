import csv
import io
from pathlib import Path

import pytest

from reprq.errors import DataError
from reprq.papers import reproduce
from reprq.papers.ruff2021 import exposure
from reprq.papers.ruff2021.exposure import PUBLISHED, ExposurePreset


def test_corpora_grow_and_leave_out_what_names_a_class(image_root: Path, tmp_path: Path, monkeypatch) -> None:
    tiny = ExposurePreset(("frog",), (1, None), (1, ()), ("HSC",), ("flip",), 4, 1, (5, 2))
    monkeypatch.setitem(exposure.PRESETS, "quick", tiny)
    out = tmp_path / "out"
    paths = reproduce("ruff2021-exposure", "quick", out, root=image_root, progress=False)
    names = ["exposure.png", "exposure.svg", "exposure.md", "exposure.csv", "made.json"]
    assert [path.name for path in paths] == names
    rows = list(csv.DictReader(io.StringIO((out / "exposure.csv").read_text())))
    assert [row["corpus_size"] for row in rows] == ["1", "8"]
    table = (out / "exposure.md").read_text()
    assert "8 images of 2 synsets" in table
    assert table.splitlines()[-1].endswith(f"| {PUBLISHED['HSC']['frog']:.1f} |")


def test_a_missing_corpus_is_named(image_root: Path, tmp_path: Path) -> None:
    (image_root / "images/tiny_imagenet_32").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="tiny_imagenet_32"):
        reproduce("ruff2021-exposure", "quick", tmp_path / "out", root=image_root, progress=False)

"""Lists of texts in Python, some of one word or empty, and lists of names of files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.backbones import load_backbone
from reprq.data import as_dataset, read_as
from reprq.embeddings import extract
from reprq.errors import DataError


@pytest.mark.parametrize(
    "texts",
    [
        ["", "a cat sat"],
        ["ok", "a cat sat"],
        ["ok", "no"],
        ["a cat sat", "ok", ""],
        ["cat.jpg", "look at this cat.jpg picture"],
        ["http://a.b/c", "a cat"],
        ["x" * 5000, "a cat"],
        ("ok", "a cat sat"),
        np.array(["ok", "a cat sat"]),
        [("ok", "ham"), ("a cat sat", "spam")],
    ],
)
def test_texts_of_one_word_and_empty_ones_are_texts(texts: object) -> None:
    data = as_dataset(texts)
    assert data.modality == "text"
    assert len(data) == len(texts)  # type: ignore[arg-type]


def test_an_empty_text_is_told_by_its_number_or_left_out(tmp_path: Path) -> None:
    data = as_dataset(["a cat sat", "", "ok"])
    with pytest.raises(DataError, match=r"item 1 is empty"):
        extract("bow", data, cache_dir=tmp_path, progress=False)
    cache = extract("bow", ["a cat sat", "", "ok"], skip_broken=True, cache_dir=tmp_path, progress=False)
    assert len(cache["counts"].array) == 2
    assert load_backbone("bow").fit(read_as(data, skip_broken=True)).is_fitted


def test_names_of_files_are_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / name, format="png")
    assert as_dataset(["one", "two"], root=tmp_path).modality == "image"
    assert as_dataset([tmp_path / "one"]).modality == "image"
    for names in (["a.png", "b.png"], ["images/a", "images/b"], [tmp_path / "no"]):
        with pytest.raises(DataError, match="image files do not exist, the first is"):
            as_dataset(names)

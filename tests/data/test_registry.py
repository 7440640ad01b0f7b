"""What holds for every data set that is registered, whatever it holds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.data import DATASETS, Dataset, load_dataset
from reprq.data.modality import MODALITIES
from reprq.errors import DataError, UnknownNameError
from reprq.registry import Entry


def write_images(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(folder / label / f"{i}.png")
    return folder


def write_rows(file: Path) -> Path:
    file.write_text("size,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(16)))
    return file


@pytest.fixture
def name(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    write_documents: Callable[..., Path],
    write_sounds: Callable[..., Path],
) -> str:
    """The name of the entry, with files of its modality where it reads a path."""
    entry: Entry = request.param
    if not entry.name.endswith(":PATH"):
        return entry.name
    writers = {"image": write_images, "text": write_documents, "table": write_rows}
    if entry.inputs == "audio":
        writers["audio"] = request.getfixturevalue("write_sounds")
    return f"{entry.prefix}{writers[entry.inputs](tmp_path / 'files')}"


ENTRIES = pytest.mark.parametrize("name", list(DATASETS), ids=lambda entry: entry.name, indirect=True)


def loaded(name: str, split: str) -> Dataset:
    """A split; of data whose files are elsewhere the sentence that says how they are had."""
    try:
        return load_dataset(name, split)
    except DataError as error:
        said = str(error)
    assert "\n" not in said
    assert "--root" in said
    pytest.skip(said)


@ENTRIES
def test_its_splits_are_apart_and_the_same_again(name: str) -> None:
    train, test = loaded(name, "train"), loaded(name, "test")
    assert DATASETS.find(name).inputs == train.modality == test.modality
    assert train.modality in MODALITIES
    assert train.classes == test.classes
    assert len(train) > 1
    assert len(test) > 1
    assert train.split_info["kind"] == "official" or not set(train.ids) & set(test.ids)
    for data in (train, test):
        assert len(set(data.ids)) == len(data)
        assert set(data.labels) <= set(range(len(data.classes)))
    assert loaded(name, "train").fingerprint == train.fingerprint != test.fingerprint
    train.select([0, len(train) - 1]).verify()
    with pytest.raises(UnknownNameError, match="unknown split 'trian': did you mean 'train'"):
        load_dataset(name, "trian")


@ENTRIES
def test_it_says_how_it_is_had(name: str) -> None:
    entry = DATASETS.find(name)
    assert entry.about
    assert entry.inputs in MODALITIES

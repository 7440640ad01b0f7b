"""Bad files are all named, and left out only where that is asked for; deep ones are read on a stated scale."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.data import as_dataset, load_dataset, read_as
from reprq.data.failures import FilesError
from reprq.errors import DataError, InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("bad", "good"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(4):
                pixels = rng.integers(0, 256, (8, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{i}.png")
    return tmp_path


def _spoil(folder: Path, *names: str) -> None:
    for name in names:
        (folder / "train" / name).write_bytes(b"")


def test_every_bad_file_is_named_and_one_is_said_in_the_old_way(folder: Path) -> None:
    _spoil(folder, "good/1.png")
    with pytest.raises(DataError, match=r"good/1\.png does not decode: .* it is empty; repair or remove it, or leave"):
        load_dataset(f"folder:{folder}").verify()
    _spoil(folder, "bad/0.png", "good/3.png")
    (folder / "train/bad/2.png").write_text("<html>")
    with pytest.raises(FilesError) as caught:
        load_dataset(f"folder:{folder}").verify()
    assert "4 of 8 images of folder:" in str(caught.value)
    assert "good/1.png" in str(caught.value)
    assert "(does not decode: not an image: it is empty); " in str(caught.value)
    assert (str(caught.value).count("good/1.png"), caught.value.details) == (1, ())
    _spoil(folder, "bad/1.png", "bad/3.png", "good/0.png")
    with pytest.raises(FilesError, match="7 of 8 images of .* and 5 more") as caught:
        load_dataset(f"folder:{folder}").verify()
    named = [line.split(" does not")[0].rpartition("train/")[2] for line in caught.value.details]
    assert named == [f"bad/{i}.png" for i in range(4)] + [f"good/{i}.png" for i in (0, 1, 3)]


def test_broken_files_are_left_out_where_asked_and_listed(folder: Path) -> None:
    whole = load_dataset(f"folder:{folder}", skip_broken=True)
    assert (len(whole), whole.notes, whole.reading) == (8, load_dataset(f"folder:{folder}").notes, {})
    _spoil(folder, "good/1.png", "bad/0.png")
    data = load_dataset(f"folder:{folder}", skip_broken=True)
    assert data.reading == {"skipped": ["train/bad/0.png", "train/good/1.png"]}
    assert data.ids.tolist() == [name for name in whole.ids.tolist() if name not in data.reading["skipped"]]
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    (note,) = (note for note in data.notes if "left out" in note)
    assert "2 of 8 images of folder:" in note
    assert "train/bad/0.png, train/good/1.png (does not decode: not an image: it is empty)" in note
    assert data.restrict(["good"]).sample(2).notes == data.notes
    data.verify()


def test_a_folder_of_broken_files_is_refused_all_the_same(folder: Path) -> None:
    _spoil(folder, *(f"{name}/{i}.png" for name in ("bad", "good") for i in range(4)))
    with pytest.raises(
        DataError, match="none of the 8 images of .* decodes: .* and 2 more .*; repair them, or give other"
    ):
        load_dataset(f"folder:{folder}", skip_broken=True)


def test_deep_images_are_not_broken_and_take_a_range(folder: Path) -> None:
    for path in folder.glob("*/*/*.png"):
        Image.fromarray(np.full((8, 12), 2000 + 100 * int(path.stem), np.uint16)).save(path)
    name = f"folder:{folder}"
    assert len(load_dataset(name, skip_broken=True)) == 8
    with pytest.raises(DataError, match=r"8 of 8 images of .* more than 8 bits a channel\); of its values, 2000 to"):
        load_dataset(name, skip_broken=True).verify()
    data = load_dataset(name, intensity_range=(2000, 2300))
    data.verify()
    assert data.reading == {"intensity_range": [2000.0, 2300.0]}
    assert [np.asarray(data.item(i))[0, 0, 0] for i in range(4)] == [0, 85, 170, 255]
    prints = {load_dataset(name, intensity_range=asked).fingerprint for asked in (None, (2000, 2300), (0, 65535))}
    assert len(prints) == 3


def test_a_folder_of_two_depths_is_refused(folder: Path) -> None:
    Image.fromarray(np.full((8, 12), 2000, np.uint16)).save(folder / "train/good/0.png")
    with pytest.raises(DataError, match="has more than 8 bits a channel"):
        load_dataset(f"folder:{folder}").verify()
    with pytest.raises(DataError, match="has 8 bits a channel, and the intensity range is 0,4095"):
        load_dataset(f"folder:{folder}", intensity_range=(0, 4095)).verify()


def test_images_in_memory_take_no_range() -> None:
    with pytest.raises(InputError, match="intensity_range is for image files, and digits is in memory"):
        load_dataset("digits", intensity_range=(0, 16))
    digits = load_dataset("digits", skip_broken=True)
    assert read_as(digits) is digits


def test_what_a_modality_is_not_read_by_is_refused():
    texts = as_dataset({"text": ["a first text", "a second"]})
    with pytest.raises(InputError, match="intensity_range is for image files, and python:dict holds documents"):
        read_as(texts, intensity_range=(0, 1))
    for call in (lambda: read_as(texts, colour=1), lambda: load_dataset("digits", intensity_rang=(0, 1))):
        with pytest.raises(InputError, match=r"there is no argument '\w+'; how files are read is said by"):
            call()
    assert read_as(texts, intensity_range=None) is texts


def test_where_nothing_can_be_read_leaving_it_out_is_not_advised(tmp_path: Path) -> None:
    for name, said in (
        ("a", "the only image of .*one train does not decode: .*; repair it, or give other images"),
        ("b", "none of the 2 images of .*one train decodes: .*; repair them, or give other images"),
    ):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / f"{name}.png").write_bytes(b"")
        with pytest.raises(DataError, match=said) as caught:
            load_dataset(f"folder:{tmp_path}/one", whole=True).verify()
        assert "--skip-broken" not in str(caught.value)

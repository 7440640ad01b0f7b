"""ESC-10 from small files of its layouts, and from the real ones where they are."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reprq.data import load_dataset
from reprq.data.audio.named import ESC10_CLASSES
from reprq.errors import DataError

Write = Callable[..., Path]
SILENCE = np.zeros(80)


def of_esc10(write: Write, folder: str = "") -> None:
    for label in ESC10_CLASSES:
        for fold in range(1, 6):
            for take in "AB":
                write(f"{folder}{label}/{fold}-{100 + fold}-{take}.ogg", SILENCE)


def test_five_seeds_are_the_five_folds(write: Write, tmp_path: Path) -> None:
    of_esc10(write)
    scored: list[str] = []
    for seed, fold in enumerate((5, 1, 2, 3, 4)):
        sides = [load_dataset("esc10", split, root=tmp_path, seed=seed) for split in ("train", "test")]
        assert [len(side) for side in sides] == [80, 20]
        assert {name.split("/")[1][0] for name in sides[1].ids} == {str(fold)}
        assert not set(sides[0].ids) & set(sides[1].ids)
        assert sides[1].classes == tuple(sorted(ESC10_CLASSES))
        assert sides[1].split_info == {"kind": "official", "fold": fold}
        assert sides[1].notes == (f"esc10 test is fold {fold}: 20 clips",)
        scored += sides[1].ids.tolist()
    assert len(set(scored)) == len(scored) == 100


@pytest.mark.parametrize("folder", ["ESC-10/", "esc10/"])
def test_its_folder_may_stand_in_another(folder: str, write: Write, tmp_path: Path) -> None:
    of_esc10(write, folder)
    assert load_dataset("esc10", root=tmp_path).ids[0] == "baby_cry/1-101-A.ogg"


def test_it_is_taken_from_the_names_of_esc50(write: Write, tmp_path: Path) -> None:
    for number in (*ESC10_CLASSES.values(), 7):
        for fold in range(1, 6):
            write(f"audio/{fold}-{100 + fold}-A-{number}.wav", SILENCE)
    data = load_dataset("esc10", "test", root=tmp_path)
    assert len(data) == 10
    names = {data.classes[label]: name for label, name in zip(data.labels, data.ids, strict=True)}
    assert names["chainsaw"] == "audio/5-105-A-41.wav"


def test_numbered_folders_are_read(write: Write, tmp_path: Path) -> None:
    named = {"dog_bark": "001 - Dog bark", "fire_crackling": "010 - Fire crackling"}
    for label in ESC10_CLASSES:
        for fold in range(1, 6):
            write(f"{named.get(label, label)}/{fold}-17-A.ogg", SILENCE)
    assert len(load_dataset("esc10", root=tmp_path)) == 40


def test_what_lacks_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"esc10 is not in .*, which must hold a folder a class, such as dog_bark"):
        load_dataset("esc10", root=tmp_path)
    with pytest.raises(DataError, match=r"esc10 is not in .*none"):
        load_dataset("esc10", root=tmp_path / "none")
    of_esc10(write)
    for path in (tmp_path / "rain").glob("3-*"):
        path.unlink()
    with pytest.raises(DataError, match="clips of every class in every fold, .* has none of rain in fold 3"):
        load_dataset("esc10", root=tmp_path)


def test_the_real_one_is_whole(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="sounds need soundfile, of the extra audio")
    with tarfile.open(shared_data / "audio" / "esc10.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    sides = [load_dataset("esc10", split, root=tmp_path) for split in ("train", "test")]
    assert [len(side) for side in sides] == [320, 80]
    assert [np.bincount(side.labels).tolist() for side in sides] == [[32] * 10, [8] * 10]
    sides[1].select(range(0, 80, 8)).verify()

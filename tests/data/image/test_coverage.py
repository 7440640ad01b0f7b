"""What a crop drops of the images is measured and said; bad files leave no cache behind."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reprq.backbones import Preprocessing
from reprq.data import load_dataset
from reprq.data.image.coverage import coverage
from reprq.embeddings import EmbeddingCache, extract
from reprq.errors import DataError


def _said(notes: Iterable[str], about: str = "the crop drops") -> list[str]:
    return [note for note in notes if about in note]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split in ("train", "test"):
        for name, sizes in {"long": [(40, 20), (20, 60)], "square": [(20, 20), (30, 30)]}.items():
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for i, size in enumerate(sizes):
                Image.new("RGB", size, (9, 99, 9)).save(tmp_path / "images" / split / name / f"{i}.png")
    return tmp_path / "images"


def test_what_a_crop_drops_is_measured_on_the_users_images(folder: Path) -> None:
    data = load_dataset(f"folder:{folder}")
    found = coverage(data, Preprocessing(size=16, resize=16))
    assert found.record["dropped_area"] == {
        "mean": round((1 / 2 + 2 / 3) / 4, 4),
        "largest": round(2 / 3, 4),
        "images": 2,
    }
    (note,) = _said(found.notes)
    assert note.startswith("the crop drops about 30% of the area of folder:")
    assert "; --squash or --crop none" in note
    assert len(note.split()) < 25
    test = coverage(load_dataset(f"folder:{folder}", "test"), Preprocessing(size=16, resize=16))
    assert _said(test.notes) == [note]
    for changed in ({"squash": True}, {"crop": "none"}):
        assert _said(coverage(data, Preprocessing(size=16, resize=16).replace(**changed)).notes) == []
    squares = data.restrict(["square"])
    assert _said(coverage(squares, Preprocessing(size=16, resize=16)).notes) == []
    assert coverage(squares, Preprocessing(size=20, resize=21)).record["dropped_area"]["mean"] < 0.1
    assert len(_said(coverage(squares, Preprocessing(size=16, resize=18)).notes)) == 1


def _extract(folder: Path, tmp_path: Path, **changed: Any) -> EmbeddingCache:
    how = {"weights": "random", "cache_dir": tmp_path / "cache", "progress": False, **changed}
    return extract("lenet", f"folder:{folder}", **how)


def test_it_stands_in_the_cache_and_is_read_again_with_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = _extract(folder, tmp_path)
    assert cache.provenance["dropped_area"]["images"] == 2
    assert cache.provenance["notes"] == list(cache.notes)
    assert capsys.readouterr().err == ""
    again = _extract(folder, tmp_path, progress=True)
    assert again.path == cache.path
    assert again.notes == cache.notes
    assert f"note: {_said(cache.notes)[0]}" in capsys.readouterr().err
    whole = _extract(folder, tmp_path, preprocessing={"squash": True})
    assert (_said(whole.notes), whole.provenance["dropped_area"]["largest"]) == ([], 0)
    assert len({cache.path, whole.path, _extract(folder, tmp_path, preprocessing={"crop": "none"}).path}) == 3


def test_frames_and_skipped_files_are_noted(folder: Path, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "train/square/film.gif", save_all=True, append_images=frames[1:])
    (folder / "train/square/0.png").write_bytes(b"")
    kept = _extract(folder, tmp_path, skip_broken=True)
    assert kept.provenance["reading"] == {"skipped": ["train/square/0.png"]}
    assert len(_said(kept.notes, "are broken and were left out: train/square/0.png (")) == 1
    assert len(_said(kept.notes, "have several frames, of which the first is read (train/square/film.gif)")) == 1
    (folder / "train/square/0.png").unlink()
    assert _extract(folder, tmp_path).path == kept.path


def test_a_bad_file_leaves_no_cache_behind(folder: Path, tmp_path: Path) -> None:
    (folder / "train/square/0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"square/0\.png does not decode"):
        _extract(folder, tmp_path)
    assert not (tmp_path / "cache").exists()


def test_neither_beside_a_cache_of_the_same_photos(folder: Path, tmp_path: Path) -> None:
    whole = _extract(folder, tmp_path)
    (folder / "train/square/0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"square/0\.png does not decode"):
        _extract(folder, tmp_path)
    assert list((tmp_path / "cache").iterdir()) == [whole.path]
    kept = _extract(folder, tmp_path, skip_broken=True)
    assert kept.provenance["dropped_area"]["images"] == 2
    assert len(_said(kept.notes)) == 1


def test_deep_images_are_extracted_on_the_stated_scale(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for path in folder.glob("*/*/*.png"):
        Image.fromarray(rng.integers(0, 4096, (20, 20)).astype(np.uint16)).save(path)
    caches = [_extract(folder, tmp_path, intensity_range=asked) for asked in ((0, 4095), (0, 65535))]
    assert caches[0].path != caches[1].path
    assert caches[0].provenance["reading"] == {"intensity_range": [0.0, 4095.0]}
    assert np.abs(caches[0]["pooled"].array - caches[1]["pooled"].array).max() > 0

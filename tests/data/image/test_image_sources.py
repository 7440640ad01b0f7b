import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reprq.data import ArraySource, FileSource
from reprq.data.image import decoding, sources
from reprq.errors import DataError, InputError


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_8_bit_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    name = "a.tif" if mode == "CMYK" else "a.png"
    Image.new("RGB", (3, 2), (255, 255, 255)).convert(mode).save(tmp_path / name)
    image = FileSource(tmp_path, [name]).image(0)
    assert image.mode == "RGB"
    assert np.asarray(image).min() == 255


def test_a_palette_with_transparency_converts_without_a_warning(tmp_path: Path) -> None:
    Image.new("P", (2, 2), 1).save(tmp_path / "a.png", transparency=b"\x00\x80")
    assert FileSource(tmp_path, ["a.png"]).image(0).mode == "RGB"


def test_deep_pixels_need_a_range_which_is_part_of_the_digest(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 40000, dtype=np.uint16)).save(tmp_path / "scan.png")
    bare, scaled = (FileSource(tmp_path, ["scan.png"], asked) for asked in (None, (0, 50000)))
    for method in (bare.image, bare.verify):
        with pytest.raises(DataError, match=r"scan\.png has more than 8 bits a channel; of its values, 40000 to 40000"):
            method(0)
    scaled.verify(0)
    assert np.asarray(scaled.image(0)).tolist() == [[[204] * 3] * 2] * 2
    assert scaled.digest(0) == FileSource(tmp_path, ["scan.png"], (0.0, 50000.0)).digest(0)
    assert len({source.digest(0) for source in (bare, scaled, FileSource(tmp_path, ["scan.png"], (0, 65535)))}) == 3


@pytest.mark.parametrize("asked", [(1, 1), (2, 1), (0,), "0,1", (0, float("inf")), (0, "1"), (False, True), 5])
def test_a_range_that_is_none_is_refused(tmp_path: Path, asked: Any) -> None:
    with pytest.raises(InputError, match="intensity_range must be two numbers, LOW below HIGH"):
        FileSource(tmp_path, [], asked)


def _truncated(path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png"])
@pytest.mark.parametrize("method", ["image", "verify"])
def test_a_truncated_image_is_named(tmp_path: Path, name: str, method: str) -> None:
    _truncated(tmp_path / name)
    with pytest.raises(DataError, match=rf"the image .*{name} does not decode: .*; repair or remove it"):
        getattr(FileSource(tmp_path, [name]), method)(0)


def test_text_that_calls_itself_an_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("not an image")
    with pytest.raises(DataError, match=r"note\.png does not decode: not an image"):
        FileSource(tmp_path, ["note.png"]).verify(0)


def test_a_file_that_went_away_is_named(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    source = FileSource(tmp_path, ["link.png"])
    with pytest.raises(DataError, match=r"link\.png does not decode: .*No such file"):
        source.verify(0)
    with pytest.raises(DataError, match=r"cannot read the image .*link\.png: No such file or directory"):
        source.digest(0)


def test_digests_are_of_file_bytes_and_of_pixel_bytes(tmp_path: Path) -> None:
    for name, content in (("a.png", b"any bytes"), ("b.png", b"any bytes"), ("c.png", b"other bytes")):
        (tmp_path / name).write_bytes(content)
    first, same, other = (FileSource(tmp_path, [name]).digest(0) for name in ("a.png", "b.png", "c.png"))
    assert first == same != other
    pixels = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    assert ArraySource(pixels).digest(1) == hashlib.sha256(bytes([4, 5, 6, 7])).digest()
    assert ArraySource(np.zeros((1, 2, 3), np.uint8)).header(0).size == (3, 2)


def test_a_file_that_was_verified_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is what the file decodes to, is given once, and does not travel to other processes."""
    Image.effect_noise((40, 30), 80).convert("RGB").save(tmp_path / "a.jpg")
    expected, header = FileSource(tmp_path, ["a.jpg"]).item(0), FileSource(tmp_path, ["a.jpg"]).header(0)
    source = FileSource(tmp_path, ["a.jpg"])
    opened: list[Path] = []
    given = decoding._open
    monkeypatch.setattr(decoding, "_open", lambda path: opened.append(path) or given(path))
    source.verify(0)
    source.verify(0)
    assert source.header(0) == header
    copy = pickle.loads(pickle.dumps(source))
    assert source.item(0).tobytes() == expected.tobytes()
    assert len(opened) == 1
    assert source.item(0).tobytes() == copy.item(0).tobytes() == expected.tobytes()
    assert len(opened) == 3


def test_no_more_pixels_are_kept_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_KEPT_PIXELS", 2500)
    names = [f"{i}.png" for i in range(4)]
    for name in names:
        Image.effect_noise((40, 30), 80).save(tmp_path / name)
    source = FileSource(tmp_path, names)
    for i in range(4):
        source.verify(i)
    assert sorted(source._images) == [0, 1]
    source.item(0)
    source.verify(2)
    assert sorted(source._images) == [1, 2]

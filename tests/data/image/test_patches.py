from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reprq.data import FileSource, ImageDataset, patches
from reprq.data.image.sources import ArraySource
from reprq.data.image.views import resized, without_margins
from reprq.errors import DataError, InputError


def grey(*pixels: np.ndarray) -> ImageDataset:
    n = len(pixels)
    ids = np.array([f"{i}.png" for i in range(n)])
    return ImageDataset("toy", "test", ("a",), np.zeros(n, dtype=np.int64), ids, _Sizes(pixels), np.arange(n))


class _Sizes(ArraySource):
    """Images of several sizes."""

    def __init__(self, pixels: tuple[np.ndarray, ...]) -> None:
        self.pixels = pixels


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 17), st.integers(4, 17), st.integers(1, 4), st.data())
def test_every_pixel_is_in_a_patch_and_every_patch_inside(
    width: int, height: int, size: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, size))
    pixels = np.arange(width * height, dtype=np.uint16).reshape(height, width).astype(np.uint8)
    cut, image_of = patches(grey(pixels), size, stride)
    assert len(cut) == len(image_of) == (-(-(width - size) // stride) + 1) * (-(-(height - size) // stride) + 1)
    covered = np.zeros((height, width), dtype=bool)
    for i, name in enumerate(cut.ids):
        left, top = map(int, name.split("@")[1].split(","))
        expected = pixels[top : top + size, left : left + size]
        assert np.array_equal(np.asarray(cut.item(i))[..., 0], expected)
        covered[top : top + size, left : left + size] = True
    assert covered.all()
    assert len(set(cut.ids)) == len(cut)


def test_patches_know_their_image() -> None:
    small, wide = np.zeros((4, 4), np.uint8), np.ones((4, 9), np.uint8)
    cut, image_of = patches(grey(small, wide).select([1, 0]), 4, 3)
    assert image_of.tolist() == [0, 0, 0, 1]
    assert cut.ids.tolist() == ["1.png@0,0", "1.png@3,0", "1.png@5,0", "0.png@0,0"]
    assert np.asarray(cut.item(3)).max() == 0
    assert np.asarray(cut.item(1)).min() == 1
    assert cut.fingerprint != patches(grey(small, wide).select([1, 0]), 4, 4)[0].fingerprint


def test_what_cannot_be_cut() -> None:
    with pytest.raises(InputError, match="stride at most size, got 4 and 5"):
        patches(grey(np.zeros((9, 9), np.uint8)), 4, 5)
    with pytest.raises(DataError, match="the image 0.png of toy is 9 x 3 pixels, smaller than a patch of 4"):
        patches(grey(np.zeros((3, 9), np.uint8)), 4, 4)


def test_air_is_cropped_but_never_below_the_size_asked_for() -> None:
    image = np.full((20, 30), 250, np.uint8)
    image[5:9, 20:28] = 7
    (box,) = without_margins(grey(image)).source.boxes
    assert box == (20, 5, 28, 9)
    (box,) = without_margins(grey(image), at_least=16).source.boxes
    assert (box[2] - box[0], box[3] - box[1]) == (16, 16)
    assert box[0] <= 20
    assert box[2] == 30 or box[2] >= 28
    (box,) = without_margins(grey(image), at_least=99).source.boxes
    assert box == (0, 0, 30, 20)
    (box,) = without_margins(grey(np.full((5, 6), 255, np.uint8))).source.boxes
    assert box == (0, 0, 6, 5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40), st.data())
def test_the_widened_box_holds_the_content(width: int, height: int, at_least: int, data: st.DataObject) -> None:
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    image = np.full((height, width), 255, np.uint8)
    image[top, left] = 0
    (box,) = without_margins(grey(image), at_least=at_least).source.boxes
    assert 0 <= box[0] <= left < box[2] <= width
    assert 0 <= box[1] <= top < box[3] <= height
    assert (box[2] - box[0], box[3] - box[1]) == (min(at_least, width), min(at_least, height))


def test_resized_images_and_damaged_files(tmp_path: Path) -> None:
    Image.fromarray(np.full((9, 5, 3), 40, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    data = ImageDataset(
        "toy",
        "test",
        ("a",),
        np.zeros(2, np.int64),
        np.array(["a", "b"]),
        FileSource(tmp_path, ["a.png", "b.png"]),
        np.arange(2),
    )
    small = resized(data, 3)
    assert small.item(0).size == (3, 3)
    assert small.fingerprint != data.fingerprint != resized(data, 4).fingerprint
    with pytest.raises(DataError, match="b.png does not decode"):
        small.verify()
    cut, _ = patches(data.select([0]), 5, 5)
    cut.verify()
    with pytest.raises(DataError, match="b.png does not decode"):
        patches(data, 5, 5)

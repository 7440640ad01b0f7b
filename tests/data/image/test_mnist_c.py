import re
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprq.data import load_dataset, select_tasks
from reprq.data.image.corruptions import CORRUPTIONS, corrupted
from reprq.data.image.mnist_c import changes
from reprq.data.splits import task_split
from reprq.errors import InputError, UnknownNameError

DRAWS_NOTHING = ("brightness", "canny_edges", "scale", "stripe")


@pytest.fixture
def digit() -> np.ndarray:
    """A soft ring, off the center."""
    rows, columns = np.mgrid[:28, :28]
    away = np.abs(np.hypot(rows - 12.0, columns - 14.0) - 6.0)
    return np.rint(255 * np.clip(2.0 - away, 0, 1)).astype(np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for side, n in (("train", 5), ("t10k", 4)):
        for kind, array in (("images-idx3", rng.integers(0, 256, (n, 28, 28))), ("labels-idx1", np.arange(n))):
            path = tmp_path / f"MNIST/raw/{side}-{kind}-ubyte"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
            )
    return tmp_path


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_changes_an_image_the_same_way_each_time_and_others_by_other_draws(name, digit) -> None:
    first, again, other = (corrupted(digit, name, row) for row in (3, 3, 4))
    assert np.array_equal(first, again)
    assert (first != digit).mean() > 0.02
    moved = [
        not np.array_equal(first, corrupted(digit, name, row, seed=seed)) for row in range(4, 10) for seed in (0, 1)
    ]
    assert any(moved) == (name not in DRAWS_NOTHING)
    assert first.dtype == other.dtype == np.uint8
    assert first.shape == (28, 28)


@given(st.integers(0, 2**31), st.sampled_from(sorted(CORRUPTIONS)))
def test_black_and_white_images_stay_images(row: int, name: str) -> None:
    for value in (0, 255):
        made = corrupted(np.full((28, 28), value, np.uint8), name, row)
        assert made.shape == (28, 28)


def test_brightness_adds_half_and_stripes_invert_both_sides(digit) -> None:
    assert np.array_equal(corrupted(digit, "brightness", 0), np.clip(np.rint(digit + 127.5), 0, 255))
    striped = corrupted(digit, "stripe", 0)
    assert np.array_equal(striped[:, 7:21], digit[:, 7:21])
    assert np.array_equal(striped[:, :7], 255 - digit[:, :7])
    assert np.array_equal(striped[:, 21:], 255 - digit[:, 21:])


def test_translate_moves_by_three_pixels_in_both_directions(digit) -> None:
    places = set()
    for row in range(40):
        moved = corrupted(digit, "translate", row)
        for dy in (-3, 3):
            for dx in (-3, 3):
                if np.array_equal(moved, np.roll(digit, (dy, dx), (0, 1))):
                    places.add((dy, dx))
    assert places == {(-3, -3), (-3, 3), (3, -3), (3, 3)}


def test_warps_read_each_pixel_where_the_formula_says(digit) -> None:
    """Scale, rotation and shear beside a slow linear interpolation, pixel by pixel."""

    def slow(matrix: np.ndarray) -> np.ndarray:
        padded = np.zeros((100, 100))
        padded[36:64, 36:64] = digit / 255
        out = np.zeros((28, 28))
        for r in range(28):
            for c in range(28):
                x, y = matrix @ [c - 13.5, r - 13.5] + 13.5
                if not (0 <= x <= 27 and 0 <= y <= 27):
                    continue
                x0, y0 = int(np.floor(x)), int(np.floor(y))
                fx, fy = x - x0, y - y0
                patch = padded[36 + y0 : 38 + y0, 36 + x0 : 38 + x0]
                out[r, c] = np.array([1 - fy, fy]) @ patch @ np.array([1 - fx, fx])
        return np.rint(255 * out)

    assert np.abs(slow(np.eye(2) / 0.7) - corrupted(digit, "scale", 0)).max() <= 1
    a = 0.4
    turns = [slow(np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])) for t in (-a, a)]
    shears = [slow(np.array([[1, -np.sin(t)], [0, np.cos(t)]])) for t in (-a, a)]
    for name, either in (("rotate", turns), ("shear", shears)):
        assert min(np.abs(one - corrupted(digit, name, 1)).max() for one in either) <= 1


def test_noise_has_the_published_rates() -> None:
    gray = np.full((28, 28), 128, np.uint8)
    hit = np.mean([corrupted(gray, "impulse_noise", row) != 128 for row in range(60)])
    assert hit == pytest.approx(0.17, abs=0.01)
    shots = np.stack([corrupted(gray, "shot_noise", row) for row in range(60)])
    lam = 3 * 128 / 255
    assert np.mean(shots == 0) == pytest.approx(np.exp(-lam), abs=0.01)
    assert set(np.unique(shots)) <= {0, 85, 170, 255}


def test_motion_blur_and_lines_keep_what_they_should(digit) -> None:
    assert corrupted(np.full((28, 28), 77, np.uint8), "motion_blur", 0).tolist() == np.full((28, 28), 77).tolist()
    for name in ("dotted_line", "zigzag"):
        assert (corrupted(digit, name, 5) >= digit).all()
    dotted = corrupted(np.zeros((28, 28), np.uint8), "dotted_line", 5)
    assert not dotted[:, 0::4].any()
    assert not dotted[:, 1::4].any()
    assert dotted.any()


@pytest.mark.parametrize(
    ("image", "name", "kind", "message"),
    [
        (
            np.zeros((28, 28), np.uint8),
            "zigzak",
            UnknownNameError,
            "unknown corruption 'zigzak': did you mean 'zigzag'",
        ),
        (np.zeros((32, 32), np.uint8), "fog", InputError, "image must be 28 x 28 of uint8, got (32, 32) of uint8"),
        (np.zeros((28, 28)), "fog", InputError, "image must be 28 x 28 of uint8, got (28, 28) of float64"),
    ],
)
def test_what_cannot_be_corrupted_is_refused_in_words(image, name, kind, message) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        corrupted(image, name, 0)


def test_the_data_set_has_clean_digits_to_train_and_every_corruption_to_judge(root) -> None:
    train, test = load_dataset("mnist_c", root=root), load_dataset("mnist_c", "test", root=root)
    assert (len(train), len(test)) == (5, 4 * 16)
    assert train.classes == test.classes == ("clean", *CORRUPTIONS)
    assert test.ids[4:6].tolist() == ["test/brightness/00000", "test/brightness/00001"]
    digits = load_dataset("mnist", "test", root=root)
    at = list(test.ids).index("test/zigzag/00002")
    made = np.asarray(test.item(at))[..., 0]
    assert np.array_equal(made, corrupted(digits.source.pixels[2], "zigzag", 2))
    (task,) = select_tasks(train.classes, "unimodal:clean")
    split = task_split(train, test, task, anomaly=["zigzag"])
    assert len(split.train) == 5
    assert split.labels.tolist() == [0] * 4 + [1] * 4


def test_every_row_has_a_digest_of_its_own_that_stays(root) -> None:
    test = load_dataset("mnist_c", "test", root=root)
    digests = [test.source.digest(row) for row in range(len(test))]
    assert len(set(digests)) == len(test)
    assert digests == [load_dataset("mnist_c", "test", root=root).source.digest(row) for row in range(len(test))]


def test_changes_and_masks_are_what_the_corruption_did(root) -> None:
    test = load_dataset("mnist_c", "test", root=root)
    some = test.select([0, 1, 4 * 13 + 1])  # two clean ones, and a stripe
    changed = changes(some)
    assert not changed[:2].any()
    assert np.array_equal(changed[2] != 0, some.masks[2])
    assert not changed[2][:, 7:21].any()
    assert changed[2][:, :7].any()
    assert some.masks.present.tolist() == [False, False, True]
    assert test.select([0, 1]).masks is None
    with pytest.raises(InputError, match="data must be of mnist_c, got digits"):
        changes(load_dataset("digits"))

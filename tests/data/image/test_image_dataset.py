import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.data import ArraySource, ImageDataset
from reprq.errors import DataError, InputError, UnknownNameError


def test_image_is_rgb_with_the_pixels_of_its_row(toy: ImageDataset) -> None:
    image = toy.item(3)
    assert image.mode == "RGB"
    assert np.asarray(image)[..., 1].tolist() == [[12, 13], [14, 15]]


def test_select_keeps_the_given_order_and_composes(toy: ImageDataset) -> None:
    part = toy.select([11, 0, 7]).select([2, 0])
    assert part.ids.tolist() == ["toy/7", "toy/11"]
    assert part.labels.tolist() == [1, 2]
    assert np.asarray(part.item(1))[0, 0, 0] == 44


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0, 12], "rows must be from 0 to 11, got 0 to 12"),
        ([-1], "rows must be from 0 to 11, got -1 to -1"),
        (np.ones(12, dtype=bool), "rows must be a list of whole numbers, got bool of shape (12,)"),
        ([[0]], "rows must be a list of whole numbers, got int64 of shape (1, 1)"),
    ],
)
def test_select_refuses_what_is_not_row_numbers(toy: ImageDataset, rows: object, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        toy.select(rows)


def test_an_empty_selection_is_an_empty_data_set(toy: ImageDataset) -> None:
    assert len(toy.select([])) == 0


def test_restrict_labels_by_the_order_asked_for(toy: ImageDataset) -> None:
    part = toy.restrict(["emu", "cat"])
    assert part.classes == ("emu", "cat")
    assert part.labels.tolist() == [1] * 6 + [0] * 2
    assert part.ids.tolist() == [f"toy/{i}" for i in (0, 1, 2, 3, 4, 5, 10, 11)]


def test_restrict_names_the_class_it_does_not_know(toy: ImageDataset) -> None:
    with pytest.raises(UnknownNameError, match="unknown class of toy 'cats': did you mean 'cat'"):
        toy.restrict(["cats"])
    with pytest.raises(InputError, match="classes must be distinct names, at least one"):
        toy.restrict(["cat", "cat"])
    with pytest.raises(InputError, match="at least one, got"):
        toy.restrict([])


def test_sample_per_class_takes_as_many_of_each(toy: ImageDataset) -> None:
    assert np.bincount(toy.sample(per_class=2, seed=3).labels).tolist() == [2, 2, 2]


def test_sample_n_shares_out_by_largest_remainder(toy: ImageDataset) -> None:
    assert np.bincount(toy.sample(6).labels).tolist() == [3, 2, 1]
    assert np.bincount(toy.sample(7).labels).tolist() == [4, 2, 1]  # 3.5, 2.33, 1.17
    assert toy.sample(12).ids.tolist() == toy.ids.tolist()


def test_sample_without_a_size_is_everything(toy: ImageDataset) -> None:
    assert toy.sample() is toy


@settings(max_examples=25, deadline=None)
@given(small=st.integers(1, 5), more=st.integers(0, 5), seed=st.integers(0, 99))
def test_samples_are_seeded_ordered_and_nested(small: int, more: int, seed: int) -> None:
    data = ImageDataset(
        "toy", "train", ("a", "b"), np.repeat([0, 1], 10), np.arange(20).astype(str),
        ArraySource(np.zeros((20, 1, 1), dtype=np.uint8)), np.arange(20),
    )  # fmt: skip
    one, two = data.sample(per_class=small, seed=seed), data.sample(per_class=small + more, seed=seed)
    assert one.rows.tolist() == data.sample(per_class=small, seed=seed).rows.tolist()
    assert (np.diff(one.rows) > 0).all()
    assert set(one.rows) <= set(two.rows)


def test_seeds_differ(toy: ImageDataset) -> None:
    draws = {tuple(toy.sample(per_class=1, seed=seed).rows) for seed in range(8)}
    assert len(draws) > 3


def test_sample_says_which_class_is_too_small(toy: ImageDataset) -> None:
    with pytest.raises(DataError, match=r"class 'emu' of toy \(train\) has 2 images, 3 were asked for; ask for at"):
        toy.sample(per_class=3)
    with pytest.raises(DataError, match=r"toy \(train\) has 12 images, 13 were asked for"):
        toy.sample(13)


@pytest.mark.parametrize("arguments", [{"n": 0}, {"per_class": -1}, {"n": 3, "per_class": 1}])
def test_sample_refuses_sizes_that_make_no_sense(toy: ImageDataset, arguments: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"must be at least 1|not both"):
        toy.sample(**arguments)


def test_fingerprint_changes_with_ids_labels_pixels_and_order_alone(toy: ImageDataset) -> None:
    pixels = toy.source.pixels.copy()  # type: ignore[attr-defined]
    same = replace(toy, source=ArraySource(pixels.copy()), name="other", split="test")
    assert same.fingerprint == toy.fingerprint
    pixels[5, 0, 0] += 1
    others = [
        replace(toy, source=ArraySource(pixels)),
        replace(toy, ids=np.array([f"toy/{i + 1}" for i in range(12)])),
        replace(toy, labels=toy.labels[::-1].copy()),
        replace(toy, classes=("cat", "dog", "fox")),
        toy.select(np.arange(12)[::-1]),
        toy.select(np.arange(11)),
    ]
    assert len({toy.fingerprint, *(other.fingerprint for other in others)}) == 7


def test_fingerprint_reads_only_the_rows_it_shows(toy: ImageDataset) -> None:
    pixels = toy.source.pixels.copy()  # type: ignore[attr-defined]
    pixels[5] = 0
    changed = replace(toy, source=ArraySource(pixels))
    assert changed.select([1, 2]).fingerprint == toy.select([1, 2]).fingerprint


def test_shapes_must_agree(toy: ImageDataset) -> None:
    with pytest.raises(InputError, match="labels, ids and rows must be of one length, got 3, 12 and 12"):
        replace(toy, labels=np.zeros(3, dtype=np.int64))

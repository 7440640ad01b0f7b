"""A small mode of benign data: which rows train, and what is anomalous."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprq.data import Scenario, load_dataset, named_tasks, scenario_splits
from reprq.data.small_modes import small_mode_split
from reprq.errors import DataError, InputError, UnknownNameError
from reprq.evaluation.detection import judge

TRAIN, TEST = (load_dataset("digits", side) for side in ("train", "test"))


@given(share=st.just(0.0) | st.floats(0.01, 1), seed=st.integers(0, 50))
def test_all_of_the_large_mode_trains_and_a_share_of_the_small_one(share: float, seed: int) -> None:
    split = small_mode_split(TRAIN, TEST, "8", "3", share, seed=seed)
    counts = np.bincount(TRAIN.labels[split.train], minlength=10)
    whole = np.bincount(TRAIN.labels, minlength=10)
    assert counts.sum() == counts[8] + counts[3]
    assert (counts[8], counts[3]) == (whole[8], round(share * whole[3]))
    assert np.all(np.diff(split.train) > 0)


def test_the_small_mode_is_never_an_anomaly() -> None:
    split = small_mode_split(TRAIN, TEST, "8", "3", 0)
    assert split.labels.tolist() == [int(name not in (3, 8)) for name in TEST.labels]
    assert not split.labels[split.classes == 3].any()


def test_a_smaller_share_is_part_of_a_larger() -> None:
    few, more = (set(small_mode_split(TRAIN, TEST, "8", "3", r, seed=4).train) for r in (0.1, 0.5))
    assert few < more
    assert few != set(small_mode_split(TRAIN, TEST, "8", "3", 0.1, seed=5).train)


def test_each_mode_is_judged_alone() -> None:
    split = small_mode_split(TRAIN, TEST, "8", "3", 0)
    scores = np.where(
        TEST.labels == 8, 0.0, np.where(TEST.labels == 3, 2.0, 1.0)
    )  # the large mode below, the small above
    found = judge("", scores, split.labels, classes=split.classes)
    values = [found.on((split.labels == 1) | (split.classes == number)).auroc.value for number in (8, 3)]
    assert values == [1.0, 0.0]


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        (("ate", "3", 0.5), UnknownNameError, "ate"),
        (("8", "8", 0.5), InputError, "another class than large"),
        (("8", "3", 1.1), InputError, "share must be a number from 0 to 1"),
        (("8", "3", float("nan")), InputError, "share must be a number from 0 to 1"),
        (("8", "3", True), InputError, "share must be a number from 0 to 1"),
        (("8", "3", 1e-3), InputError, "share must leave a training image of 3, got 0.001 of"),
    ],
)
def test_what_cannot_be_is_said(asked, error, words: str) -> None:
    with pytest.raises(error, match=words):
        small_mode_split(TRAIN, TEST, *asked)


def test_a_side_without_a_class_is_refused() -> None:
    without = TEST.select(np.flatnonzero(TEST.labels != 3))
    with pytest.raises(DataError, match="of 8 and 3, and others to score"):
        small_mode_split(TRAIN, without, "8", "3", 0.5)
    modes = TEST.select(np.flatnonzero(np.isin(TEST.labels, (3, 8))))
    with pytest.raises(DataError, match="and 0 others"):
        small_mode_split(TRAIN, modes, "8", "3", 0.5)
    with pytest.raises(InputError, match="must have the same classes"):
        small_mode_split(TRAIN, TEST.restrict(["8", "3", "1"]), "8", "3", 0.5)


def test_a_scenario_judges_each_mode_by_itself() -> None:
    tasks = named_tasks(TRAIN, ["unimodal:8", "unimodal:3", "multimodal:8", "multimodal:9"])
    made = scenario_splits(TRAIN, TEST, tasks, [Scenario(small_mode="3", share=r) for r in (1, 0.1)])
    assert [split.name for split in made.splits] == [
        f"benign:8 with {share} % of 3, judged on {mode}" for share in ("100", "10") for mode in ("8", "3")
    ]
    assert len(made.notes) == 2
    assert all("a small mode needs one benign class" in note for note in made.notes)
    for split in made.splits:
        benign = TEST.labels[split.test[split.labels == 0]]
        assert set(benign.tolist()) == {int(split.made["judged on"])}
        assert not np.isin(TEST.labels[split.test[split.labels == 1]], [3, 8]).any()


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"small_mode": "ate"}, UnknownNameError, "ate"),
        ({"small_mode": "3", "share": 1.5}, InputError, "share must be a number from 0 to 1"),
        ({"small_mode": "3", "pollution": 0.1}, InputError, "small_mode goes without pollution"),
        ({"small_mode": "3", "anomaly": ("4",)}, InputError, "small_mode goes without anomaly"),
        ({"small_mode": "8"}, DataError, "no task that can be judged"),
    ],
)
def test_a_scenario_that_cannot_be_is_said(how: dict, error, words: str) -> None:
    with pytest.raises(error, match=words):
        scenario_splits(TRAIN, TEST, named_tasks(TRAIN, "unimodal:8"), [Scenario(**how)])


def test_a_small_mode_goes_without_external_anomalies() -> None:
    with pytest.raises(InputError, match="small_mode goes without external"):
        scenario_splits(TRAIN, TEST, named_tasks(TRAIN, "unimodal:8"), [Scenario(small_mode="3")], external=TEST)

"""Splits: closed counts, separate classes for known, polluting and test anomalies, and rows that are no one's twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprq.data import Split, distinct, load_dataset, select_tasks, task_split
from reprq.data.tasks import one_class_tasks
from reprq.errors import DataError, InputError, UnknownNameError

TRAIN, TEST = (load_dataset("digits", side) for side in ("train", "test"))
ZERO = select_tasks(TRAIN.classes, "unimodal:0")[0]


def _oracle(anomalous: set[str], benign: str = "0") -> tuple[list[int], list[int]]:
    rows, labels = [], []
    for i in range(len(TEST)):
        name = TEST.classes[TEST.labels[i]]
        if name == benign or name in anomalous:
            rows.append(i)
            labels.append(int(name != benign))
    return rows, labels


@given(
    pollution=st.sampled_from([0.0, 0.05, 0.2]),
    labelled=st.sampled_from([0, 7, 0.05, 0.1]),
    test=st.sets(st.sampled_from("123456789"), min_size=1),
    polluting=st.sets(st.sampled_from("123456789"), min_size=2),
    known=st.sets(st.sampled_from("123456789"), min_size=2),
    seed=st.integers(0, 5),
)
def test_a_scenario_has_the_counts_classes_and_labels_that_it_says(pollution, labelled, test, polluting, known, seed):
    how = {
        "anomaly": sorted(test),
        "pollution": pollution,
        "polluting": sorted(polluting),
        "labelled": labelled,
        "labelled_from": sorted(known),
        "seed": seed,
    }
    split = task_split(TRAIN, TEST, ZERO, **how)
    dirty = split.train[TRAIN.labels[split.train] != 0]
    benign = np.flatnonzero(TRAIN.labels == 0)
    assert set(benign) <= set(split.train)
    assert len(dirty) == round(pollution / (1 - pollution) * len(benign))
    share = isinstance(labelled, float)
    assert len(split.labelled) == (round(labelled / (1 - labelled) * len(split.train)) if share else labelled)
    assert {TRAIN.classes[c] for c in TRAIN.labels[dirty]} <= polluting
    assert {TRAIN.classes[c] for c in TRAIN.labels[split.labelled]} <= known
    assert not set(split.labelled) & set(split.train)
    assert (split.test.tolist(), split.labels.tolist()) == _oracle(test)
    assert np.array_equal(split.classes, TEST.labels[split.test])
    assert task_split(TRAIN, TEST, ZERO, **how).rows == split.rows


def test_rows_that_pollute_do_not_depend_on_the_known_ones_and_grow_with_the_share():
    some, more = (task_split(TRAIN, TEST, ZERO, pollution=p, labelled=n) for p, n in ((0.05, 0), (0.1, 20)))
    assert set(some.train) < set(more.train)


def test_external_anomalies_follow_the_test_rows():
    other = TEST.select(range(9))
    split = task_split(TRAIN, TEST, ZERO, external=other)
    benign = np.flatnonzero(TEST.labels == 0)
    assert split.test.tolist() == [*benign, *range(len(TEST), len(TEST) + 9)]
    assert split.labels.tolist() == [0] * len(benign) + [1] * 9
    assert set(split.classes[split.labels == 1]) == {len(TEST.classes)}


def test_the_same_rows_are_one_split_whatever_they_are_called():
    two = [side.restrict(["3", "8"]) for side in (TRAIN, TEST)]
    splits = [task_split(*two, task) for task in one_class_tasks(two[0].classes)]
    assert [split.name for split in distinct(splits)] == ["unimodal:3", "unimodal:8"]
    assert len(distinct([splits[0], task_split(*two, ZERO_OF_TWO, pollution=0.1)])) == 2


ZERO_OF_TWO = one_class_tasks(["3", "8"])[0]


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"polluting": ["0"]}, InputError, "polluting must be a class that unimodal:0 does not train on, got '0'"),
        ({"labelled_from": ["0"]}, InputError, "labelled_from must be a class that unimodal:0 does not train on"),
        ({"labelled_from": ["x"]}, UnknownNameError, "x"),
        ({"labelled": 1.5}, InputError, "a count of 0 or more, or a share below 1, got 1.5"),
        ({"labelled": float("nan")}, InputError, "labelled must be"),
        ({"labelled": 500, "labelled_from": ["1"]}, DataError, "asked for; ask for fewer, or put more on its training"),
        ({"anomaly": ["1"], "external": TEST}, InputError, "give one of them"),
    ],
)
def test_what_cannot_be_is_one_sentence(how, error, said):
    with pytest.raises(error, match=said):
        task_split(TRAIN, TEST, ZERO, **how)


def test_labels_of_another_length_are_refused():
    with pytest.raises(InputError, match="labels must have one entry for each of the 2 test rows"):
        Split("a", np.arange(2), np.arange(2), np.zeros(3, dtype=np.int64))


def test_few_training_rows_are_among_more_and_another_seed_draws_others():
    split = Split.whole(40, [0, 1], name="a task")
    assert set(split.few(3, 1).train) <= set(split.few(9, 1).train) <= set(split.train)
    assert set(split.few(9, 1).train) != set(split.few(9, 2).train)
    assert split.few(40).train.tolist() == list(range(40))
    assert split.few(9).test is split.test
    for n in (0, 41):
        with pytest.raises(InputError, match=f"shots must be from 1 to 40, the training rows of a task, got {n}"):
            split.few(n)

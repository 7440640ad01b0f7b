import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.data import ArraySource, ImageDataset, OneClassSplit, load_dataset, one_class_split, select_tasks
from reprq.errors import DataError, InputError, UnknownNameError

CLASSES = ("cat", "dog", "emu")
CAT = select_tasks(CLASSES, "unimodal:cat")[0]


def made(split, counts=(20, 10, 6), name="toy", classes=CLASSES):
    labels = np.repeat(np.arange(len(counts)), counts)
    n = len(labels)
    pixels = np.arange(n * 4, dtype=np.uint8).reshape(n, 2, 2)
    ids = np.array([f"{split}/{i}" for i in range(n)])
    return ImageDataset(name, split, classes, labels, ids, ArraySource(pixels), np.arange(n))


TRAIN, TEST = made("train"), made("test", (5, 4, 3))


def test_plain_split_trains_on_benign_rows_and_scores_all():
    split = one_class_split(TRAIN, TEST, CAT)
    assert split.name == "unimodal:cat"
    assert split.train.labels.tolist() == [0] * 20
    assert split.labels.tolist() == [0] * 5 + [1] * 7
    assert split.labelled is None
    assert split.groups is None


def test_a_named_anomaly_class_leaves_the_others_out():
    split = one_class_split(TRAIN, TEST, CAT, anomaly="emu", pollution=0.1, labelled=3)
    assert split.name == "unimodal:cat vs emu, 10 % polluted"
    assert sorted(set(split.test.labels)) == [0, 2]
    assert int(split.labels.sum()) == 3
    assert set(split.train.labels) == {0, 2}
    assert set(split.labelled.labels) == {2}


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 0.35), st.integers(0, 5), st.integers(0, 3))
def test_pollution_is_the_share_asked_for_and_never_a_labelled_row(rate, labelled, seed):
    split = one_class_split(TRAIN, TEST, CAT, pollution=rate, labelled=labelled, seed=seed)
    polluting = split.train.ids[split.train.labels != 0]
    assert len(polluting) == round(rate / (1 - rate) * 20) == split.made["polluting"]
    assert abs(len(polluting) / len(split.train) - rate) <= 0.5 / 20
    known = set() if split.labelled is None else set(split.labelled.ids)
    assert len(known) == labelled
    assert not known & set(split.train.ids)
    assert not set(split.test.ids) & (set(split.train.ids) | known)


def test_draws_repeat_and_nest():
    def ids(rate, labelled=0, seed=0):
        return set(one_class_split(TRAIN, TEST, CAT, pollution=rate, labelled=labelled, seed=seed).train.ids)

    assert ids(0.2) == ids(0.2, labelled=4)
    assert ids(0.1) < ids(0.3)
    assert any(ids(0.2, seed=seed) != ids(0.2) for seed in range(1, 4))


def test_external_anomalies_replace_the_own_ones():
    other = made("test", (3, 2), "birds", ("owl", "hen"))
    split = one_class_split(TRAIN, TEST, CAT, external=other)
    assert split.name == "unimodal:cat vs birds"
    assert split.labels.tolist() == [0] * 5 + [1] * 5
    assert split.test.ids[-1] == "birds/test/4"
    assert split.test.classes == (*CLASSES, "birds")
    assert split.test.item(6).tobytes() == other.item(1).tobytes()
    assert split.test.item(1).tobytes() == TEST.item(1).tobytes()
    split.test.verify()
    assert split.test.fingerprint != TEST.fingerprint
    backwards = one_class_split(TRAIN, TEST.select([4, 1]), CAT, external=other.select([4, 0]))
    assert backwards.test.item(2).tobytes() == other.item(4).tobytes()


def test_digits_against_usps_like_rows_stay_digits():
    digits = [load_dataset("digits", split) for split in ("train", "test")]
    every = select_tasks(digits[0].classes, "multimodal:9")[0]
    split = one_class_split(*digits, every, external=made("test", (4,), "toys", ("toy",)))
    assert int(split.labels.sum()) == 4
    assert 9 not in split.test.labels


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"pollution": 1.0}, InputError, r"pollution must be in \[0, 1\), got 1.0"),
        ({"pollution": -0.1}, InputError, r"pollution must be in \[0, 1\)"),
        ({"labelled": -1}, InputError, "labelled must be a count of 0 or more, or a share below 1, got -1"),
        ({"anomaly": "cow"}, UnknownNameError, "unknown class of toy 'cow'"),
        ({"anomaly": "cat"}, InputError, "anomaly must be a class that unimodal:cat does not train on, got 'cat'"),
        ({"anomaly": "dog", "external": TEST}, InputError, "anomaly and external both say"),
        ({"pollution": 0.6}, DataError, "has 16 anomalies for unimodal:cat, and 30 to pollute with and 0 labelled"),
        ({"labelled": 17}, DataError, "and 0 to pollute with and 17 labelled ones were asked for; ask for fewer"),
        ({"external": TEST.select([])}, DataError, "needs benign and anomalous images for unimodal:cat"),
    ],
)
def test_what_cannot_be_is_one_sentence(options, error, said):
    with pytest.raises(error, match=said):
        one_class_split(TRAIN, TEST, CAT, **options)


def test_sides_that_do_not_fit():
    with pytest.raises(InputError, match="train and test must have the same classes"):
        one_class_split(TRAIN, made("test", (3, 2), "birds", ("owl", "hen")), CAT)
    with pytest.raises(DataError, match="has no benign image for unimodal:cat"):
        one_class_split(TRAIN.select(np.arange(20, 36)), TEST, CAT)
    with pytest.raises(InputError, match="one entry for each of the 12 test images"):
        OneClassSplit("x", TRAIN, TEST, np.zeros(3, dtype=np.int64))
    with pytest.raises(InputError, match="has a class 'dog' already"):
        one_class_split(TRAIN, TEST, CAT, external=made("test", (3,), "dog", ("owl",)))

"""Labels are read as benign and anomalous, or refused; never guessed."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprq.errors import InputError, UnknownNameError
from reprq.labels import anomaly_labels


@pytest.mark.parametrize("labels", [[0, 1, 0], [False, True, False], [0.0, 1.0, 0.0], np.array([0, 1, 0], np.uint8)])
def test_zeros_and_ones_are_what_they_say(labels: Any) -> None:
    found = anomaly_labels(labels)
    assert found.dtype == np.int64
    assert found.tolist() == [0, 1, 0]


@given(st.lists(st.integers(-3, 4), min_size=1), st.sets(st.integers(-3, 4), min_size=1))
def test_all_that_is_not_named_benign_is_anomalous(labels: list[int], benign: set[int]) -> None:
    names = [str(label) for label in benign]
    if not benign <= set(labels):
        with pytest.raises(UnknownNameError):
            anomaly_labels(labels, names)
    else:
        assert anomaly_labels(labels, names).tolist() == [int(label not in benign) for label in labels]


@given(st.lists(st.integers(-3, 4), min_size=1))
def test_other_numbers_than_zero_and_one_are_refused(labels: list[int]) -> None:
    if set(labels) <= {0, 1}:
        assert anomaly_labels(labels).tolist() == labels
    else:
        with pytest.raises(InputError, match=r"must be 0 \(benign\) or 1 \(anomalous\), got .*--benign NAME"):
            anomaly_labels(labels)


def test_numbers_that_stand_for_names_are_refused_even_if_they_are_zero_and_one() -> None:
    with pytest.raises(InputError, match="the labels of x must be 0 .* got defect, good; name those that are benign"):
        anomaly_labels([0, 1], classes=["defect", "good"], name="the labels of x")
    assert anomaly_labels([0, 1], "good", classes=["defect", "good"]).tolist() == [1, 0]


def test_patterns_and_names_that_look_like_patterns() -> None:
    classes = ["[a]", "crack", "good_1", "good_2"]
    assert anomaly_labels([0, 1, 2, 3], "good_*", classes=classes).tolist() == [1, 1, 0, 0]
    assert anomaly_labels([0, 1, 2, 3], ["[a]"], classes=classes).tolist() == [0, 1, 1, 1]
    assert anomaly_labels([0, 1, 2, 3], "*", classes=classes).tolist() == [0, 0, 0, 0]
    with pytest.raises(UnknownNameError, match="unknown label 'godo_1' among the labels: did you mean 'good_1'"):
        anomaly_labels([0, 1, 2, 3], ["*", "godo_1"], classes=classes)


def test_a_thousand_classes_are_not_all_printed() -> None:
    with pytest.raises(InputError, match="got 0, 1, 2, 3, 4, 5, 6, 7 and 992 more; name") as refused:
        anomaly_labels(np.arange(1000))
    assert len(str(refused.value)) < 300


def test_several_names_with_commas_between_and_a_comma_in_a_name() -> None:
    classes = ["a, b", "good", "ok"]
    assert anomaly_labels([0, 1, 2], "good,ok", classes=classes).tolist() == [1, 0, 0]
    assert anomaly_labels([0, 1, 2], "a, b", classes=classes).tolist() == [0, 1, 1]
    assert anomaly_labels([0, 1, 2], '"a, b",ok', classes=classes).tolist() == [0, 1, 0]
    with pytest.raises(UnknownNameError, match="unknown label 'b' among the labels. Valid"):
        anomaly_labels([1, 2], "good,b", classes=classes)


@pytest.mark.parametrize("benign", ["", " ", ",", [""], ["0", ""]])
def test_text_that_names_nothing_is_refused(benign: str | list[str]) -> None:
    with pytest.raises(InputError, match="benign must name labels that are benign, got '.*'; name some"):
        anomaly_labels([0, 1], benign)


def test_a_label_that_is_empty_text_can_be_named() -> None:
    assert anomaly_labels([0, 1], [""], classes=["", "b"]).tolist() == [0, 1]

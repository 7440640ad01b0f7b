"""The linear probe: separable and unseparable data, Wilson's interval, and wrong input."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from reprq.errors import InputError
from reprq.evaluation import linear_probe


def test_it_is_logistic_regression_on_standardised_columns_with_wilson_s_interval():
    x, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(150)
    train, test = order[:75], order[75:]
    mean, spread = x[train].mean(0), x[train].std(0)
    head = LogisticRegression(max_iter=2000).fit((x[train] - mean) / spread, y[train])
    right = int((head.predict((x[test] - mean) / spread) == y[test]).sum())
    found = linear_probe(x[train], y[train], x[test], y[test])
    interval = binomtest(right, 75).proportion_ci(method="wilson")
    assert (found.value, found.n) == (right / 75, 75)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_scale_and_shift_of_columns_do_not_matter():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), np.repeat([0, 1, 2], 20)
    x[:, 0] += y
    moved = x * [1e-3, 1, 1e4] + [5, -100, 1e6]
    assert linear_probe(x, y, x, y).value == linear_probe(moved, y, moved, y).value


def test_labels_at_random_are_told_no_better_than_chance():
    rng = np.random.default_rng(1)
    found = linear_probe(rng.normal(size=(400, 5)), np.arange(400) % 4, rng.normal(size=(2000, 5)), np.arange(2000) % 4)
    assert found.low < 0.25 < found.high


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_labels": [0, 1]}, r"train_labels must have shape \(4,\), one a row, got \(2,\)"),
        ({"test": np.zeros((2, 3))}, "test must have 2 columns as train has, got 3"),
        ({"train_labels": [1, 1, 1, 1]}, "train_labels must hold at least 2 classes, got 1"),
        ({"test_labels": [0, 7]}, "test_labels must be among the training classes, got 7"),
        ({"train": [[0, np.nan]] * 4}, "train .*nan"),
        ({"confidence": 1.0}, r"confidence must be in \(0, 1\), got 1.0"),
    ],
)
def test_wrong_input_is_refused(change, message):
    given = {"train": np.arange(8.0).reshape(4, 2), "train_labels": [0, 0, 1, 1], "test": np.zeros((2, 2))}
    given = {**given, "test_labels": [0, 1], **change}
    confidence = given.pop("confidence", 0.95)
    with pytest.raises(InputError, match=message):
        linear_probe(**given, confidence=confidence)

"""Hubness against a literal count, and at its ends."""

import numpy as np
import pytest
from scipy.stats import skew

from reprq.errors import InputError
from reprq.metrics import hubness


@pytest.mark.parametrize("k", [1, 4, 10])
def test_it_is_the_skewness_of_literal_counts(k):
    x = np.random.default_rng(0).standard_normal((60, 12)) + 5
    counts = np.zeros(60)
    for i in range(60):
        others = sorted((float(np.linalg.norm(x[i] - x[j])), j) for j in range(60) if j != i)
        for _, j in others[:k]:
            counts[j] += 1
    assert counts.mean() == k
    assert hubness(x, k) == pytest.approx(skew(counts), rel=1e-9)
    assert hubness(3 * x - 1, k) == pytest.approx(hubness(x, k), rel=1e-9)


def test_it_grows_with_dimension_as_in_the_paper():
    rng = np.random.default_rng(0)
    found = [hubness(rng.uniform(size=(400, d))) for d in (3, 20, 100)]
    assert found[0] < found[1] < found[2]
    assert found[0] < 0.4
    assert found[2] > 2


def test_its_ends():
    circle = np.stack([np.cos(t := np.arange(12) * np.pi / 6), np.sin(t)], axis=1)
    assert hubness(circle, k=2) == 0
    star = np.concatenate([np.zeros((1, 30)), np.eye(30)])  # the middle is nearest to all, and ties fall on one row
    counts = np.array([30.0, 1.0, *np.zeros(29)])
    assert hubness(star, k=1) == pytest.approx(skew(counts))
    assert hubness(star, k=1) <= (31 - 2) / np.sqrt(31 - 1)


def test_too_few_rows_are_said():
    with pytest.raises(InputError, match="must have more than k = 10 rows, got 10"):
        hubness(np.eye(10))
    with pytest.raises(InputError, match="k must be from 1 to n - 1"):
        hubness(np.eye(10), k=0)


def test_equal_rows_have_no_hubs() -> None:
    with pytest.raises(InputError, match="x must have rows that differ, got all rows equal"):
        hubness(np.ones((30, 3)))

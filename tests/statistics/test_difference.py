"""Two coefficients of the same points, and the strongest of many: coverage, errors of the verdicts, and bad input."""

import numpy as np
import pytest
from scipy import stats

from reprq.errors import InputError
from reprq.statistics.difference import coefficient_difference, cross_fitted


def columns(seed, first, second, networks=24, layers=4):
    """x and another column with these correlations with y, a half of every variance common to a network."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(networks), layers)

    def draw():
        return (rng.standard_normal(networks)[groups] + rng.standard_normal(len(groups))) / np.sqrt(2)

    y = draw()
    return first * y + np.sqrt(1 - first**2) * draw(), second * y + np.sqrt(1 - second**2) * draw(), y, groups


def test_the_difference_is_that_of_the_sizes():
    x, other, y, groups = columns(0, 0.7, -0.4)
    found = coefficient_difference(x, other, y, groups)
    assert found.difference == pytest.approx(abs(stats.spearmanr(x, y)[0]) - abs(stats.spearmanr(other, y)[0]))
    assert found.low < found.difference < found.high
    mirrored = coefficient_difference(other, x, y, groups)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_the_paired_interval_covers_and_wrong_verdicts_are_rare():
    found = [coefficient_difference(*columns(seed, 0.7, 0.4), "pearson", 300) for seed in range(200)]
    covered = np.mean([each.low <= 0.3 <= each.high for each in found])
    assert covered >= 0.89  # 200 draws at 95 %: a standard error of 0.015
    at_margin = [coefficient_difference(*columns(seed, 0.7, 0.5), "pearson", 300, margin=0.2) for seed in range(200)]
    assert np.mean([each.verdict in ("no better", "equivalent") for each in at_margin]) <= 0.1
    equal = [coefficient_difference(*columns(seed, 0.6, 0.6), "pearson", 300) for seed in range(200)]
    assert np.mean([each.verdict in ("better", "worse") for each in equal]) <= 0.11


def test_verdicts_are_reached():
    assert coefficient_difference(*columns(1, 0.95, 0.1)).verdict == "better"
    assert coefficient_difference(*columns(1, 0.1, 0.95)).verdict == "worse"
    x, _, y, groups = columns(2, 0.8, 0.0)
    near = x + 0.05 * np.random.default_rng(3).standard_normal(len(x))
    assert coefficient_difference(x, near, y, groups).verdict == "equivalent"
    assert coefficient_difference(*columns(1, 0.5, 0.4, networks=4)).verdict == "undecided"
    assert coefficient_difference(*columns(1, 0.35, 0.5, networks=60), margin=0.3).verdict == "equivalent"
    assert coefficient_difference(*columns(0, 0.3, 0.45, networks=30), margin=0.1).verdict == "no better"


def test_the_strongest_of_noise_is_nothing_when_it_is_measured_where_it_was_not_chosen():
    strongest, crossed = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(12), 4)
        y, *noise = rng.standard_normal((11, 12))[:, groups] + rng.standard_normal((11, 48))
        strongest.append(max(abs(stats.spearmanr(x, y)[0]) for x in noise))
        crossed.append(cross_fitted(noise, y, groups, n_splits=50))
    assert np.mean(strongest) > 0.3
    assert abs(np.mean(crossed)) <= 4 * np.std(crossed) / np.sqrt(60)


def test_a_true_strongest_keeps_its_coefficient():
    found = []
    for seed in range(30):
        x, noise, y, groups = columns(seed, 0.8, 0.0)
        found.append(cross_fitted([noise, -x], y, groups, "pearson", 50))
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)
    assert cross_fitted([x, noise], y, np.arange(len(y)) % 5) is None


def test_bad_arguments_are_one_sentence():
    x, other, y, groups = columns(0, 0.7, 0.4)
    with pytest.raises(InputError, match="margin must be between 0 and 1, got 0"):
        coefficient_difference(x, other, y, groups, margin=0)
    with pytest.raises(InputError, match="n_resamples must be at least 100, got 5"):
        coefficient_difference(x, other, y, groups, n_resamples=5)
    with pytest.raises(InputError, match="constant x: no coefficient"):
        coefficient_difference(x, 0 * x, y, groups)

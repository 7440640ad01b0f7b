"""The jackknife of any metric of samples: of a mean it is Student's over groups, and it covers."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from reprq import measure
from reprq.errors import InputError
from reprq.metrics import deconfounded_cka, effective_rank, interval, lidar, logme, relative_rank, view_stability


def test_of_a_mean_it_is_students_over_the_groups() -> None:
    values = np.random.default_rng(0).standard_normal((40, 1))
    found = interval(np.mean, values, groups=40)
    expected = stats.ttest_1samp(values[:, 0], 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.value, found.n, found.method) == (values.mean(), 40, "jackknife")


def test_it_is_the_interval_of_measure() -> None:
    rows = np.random.default_rng(0).standard_normal((30, 20))  # few rows: there measure computes all anew, too
    known = measure(rows, ["effective_rank"], intervals=True)["effective_rank"]
    found = interval(effective_rank, rows, bounds=(1, 20))
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_it_covers_a_score_over_views() -> None:
    def views(rng):
        return rng.standard_normal((60, 1, 3)) * 2 + rng.standard_normal((60, 3, 3))

    truth = np.mean([view_stability(views(np.random.default_rng((1, i)))) for i in range(60)])
    found = [interval(view_stability, views(np.random.default_rng((2, i))), bounds=(-1, 1)) for i in range(40)]
    assert np.mean([each.low <= truth <= each.high for each in found]) > 0.8
    assert np.mean([each.high - each.low for each in found]) < 0.6


def test_labels_pairs_and_references_go_in() -> None:
    rng = np.random.default_rng(0)
    rows, labels = rng.standard_normal((40, 3)), np.repeat([0, 1], [36, 4])
    assert interval(logme, rows, labels, strata=labels, groups=4).n == 40
    assert interval(deconfounded_cka, rows, rows**2, rng.standard_normal((40, 2)), bounds=(-1, 1)).high <= 1
    found = interval(partial(relative_rank, reference=rng.standard_normal((80, 3)), repeats=2), rows)
    assert found.low < found.value < found.high
    assert interval(lidar, np.stack([rows, rows + 0.1], axis=1)).low <= 3


def test_strata_spread_a_small_class_over_the_groups() -> None:
    labels = np.repeat([0, 1], [50, 10])
    fewest = []
    interval(lambda known: fewest.append(known.sum()) or 0.0, labels, strata=labels)
    assert min(fewest) == 9


def test_what_cannot_be_cut_into_groups_is_said() -> None:
    with pytest.raises(InputError, match="samples must be arrays of one length, got \\[3, 4\\]"):
        interval(np.mean, np.ones(3), np.ones(4))
    with pytest.raises(InputError, match="samples must be arrays of one length, got none"):
        interval(np.mean)
    with pytest.raises(InputError, match="groups must be from 3 to the 9 samples, got 10"):
        interval(np.mean, np.ones(9))
    with pytest.raises(InputError, match="strata must name the class of each of the 12 samples"):
        interval(np.mean, np.ones(12), strata=[0, 1])

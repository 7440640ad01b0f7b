"""What a new data set loses at most is said with a chance that holds, which an interval of a mean does not promise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.analysis.expectation import AS_RECOMMEND, OTHER_KINDS, calibration, data_sets_like, most_lost
from reprq.analysis.regret import over_classes
from reprq.errors import InputError

KEYS = ["level", "rule", "learned_from"]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_it_is_the_least_value_that_enough_of_the_others_do_not_exceed(values):
    most, chance = most_lost(np.array(values))
    n = len(values)
    assert most in values
    assert chance * (n + 1) <= sum(value <= most for value in values) + 1e-9
    assert chance >= 0.9 or most == max(values)
    assert chance - 1 / (n + 1) < 0.9


@pytest.mark.parametrize("n", [3, 13, 25])
def test_skewed_regrets_of_new_data_sets_are_covered_as_often_as_is_claimed_and_means_are_not_for_that(n):
    rng = np.random.default_rng(n)
    drawn = rng.gamma(0.5, 0.1, (4000, n + 1))
    said = [most_lost(row[:-1]) for row in drawn]
    chance = said[0][1]
    held = np.mean([row[-1] <= most for row, (most, _) in zip(drawn, said, strict=True)])
    assert held == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / len(drawn)))
    names = np.arange(n).astype(str)
    spans = [over_classes(row[:-1], names) for row in drawn[:1000]]
    inside = np.mean([low <= row[-1] <= high for row, (low, high) in zip(drawn, spans, strict=False)])
    if n > 3:  # of three, the interval of a mean is as wide as the values
        assert inside < 0.7


def regrets(lost, kinds):
    rows = [
        {"level": "both", "rule": "one", "dataset": f"d{i}", "modality": kind, "detector": detector, "regret": value}
        for detector in ("knn", "centroid")
        for i, (value, kind) in enumerate(zip(lost, kinds, strict=True))
    ]
    return pd.DataFrame(rows)


def test_data_sets_are_left_out_one_by_one_under_each_detector():
    lost = [0.1, 0.2, 0.3, 0.4, 0.9, 0.8]
    found = calibration(regrets(lost, ["image"] * 4 + ["text"] * 2)).set_index(KEYS)
    own, other = (found.loc[("both", "one", way)] for way in (AS_RECOMMEND, OTHER_KINDS))
    # an image is judged by three others, of which one in four is the largest; a text by the other five
    assert own["most_covers"] == pytest.approx((3 + 1) / 6)
    assert own["most_claims"] == pytest.approx((4 * 3 / 4 + 2 * 5 / 6) / 6)
    assert own["n"] == 12
    assert (other["n"], other["most_covers"], other["most_claims"]) == (4, 0.0, 0.8)  # of images, for texts
    low, high = over_classes(np.array(lost[:4]), np.array(list("abcd")))
    assert other["mean_covers"] == float(low <= 0.8 <= high)


def test_data_sets_of_the_modality_are_alike_where_there_are_three():
    table = regrets([0.1] * 5, ["image"] * 3 + ["text"] * 2)
    assert set(data_sets_like(table, "image")["dataset"]) == {"d0", "d1", "d2"}
    for kind in ("text", "audio"):
        assert data_sets_like(table, kind) is table


def test_a_table_without_a_column_is_refused():
    with pytest.raises(InputError, match="regrets must have"):
        calibration(regrets([0.1], ["image"]).drop(columns="detector"))

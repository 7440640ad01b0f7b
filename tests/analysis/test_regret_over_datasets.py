"""What rules lose, over data sets, against literal loops and known differences."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprq.analysis.regret_over_datasets import BOTH, LAYER, lost_by, regret_summary, regrets_by_dataset
from reprq.analysis.rivals import LAST, dull_rules
from reprq.errors import InputError
from tests.analysis.test_rivals import study


def test_what_is_lost_at_either_level_is_the_literal_difference() -> None:
    rng = np.random.default_rng(0)
    studies = [study(name, rng.uniform(size=(6, 2)), "ab") for name in "AB"]
    said = [{"rule": rng.uniform(size=(6, 2)), LAST: own[LAST]} for own in dull_rules(studies)]
    table = regrets_by_dataset(studies, said).set_index(["dataset", "level", "rule"])["regret"]
    for own, rules in zip(studies, said, strict=True):
        both, layer = [], []
        for t in range(2):
            scores = own.scores[:, t]
            both.append(scores.max() - scores[rules["rule"][:, t].argmax()])
            layer += [scores[n].max() - scores[n][rules["rule"][n, t].argmax()] for n in (slice(0, 3), slice(3, 6))]
        assert table[own.dataset, BOTH, "rule"] == pytest.approx(np.mean(both))
        assert table[own.dataset, LAYER, "rule"] == pytest.approx(np.mean(layer))
        last = [own.scores[n, t].max() - own.scores[n, t][-1] for n in (slice(0, 3), slice(3, 6)) for t in range(2)]
        assert table[own.dataset, LAYER, LAST] == pytest.approx(np.mean(last))


def test_a_rule_that_speaks_anew_in_each_fold_and_draw_is_judged_on_the_other_rows() -> None:
    rng = np.random.default_rng(0)
    whole = study("A", rng.uniform(size=(4, 3)), "ab")
    halves = rng.uniform(size=(2, 4, 3))
    object.__setattr__(whole, "folds", np.stack([halves, halves[::-1]]))
    said = rng.uniform(size=(2, 5, 4, 3))
    lost = np.zeros(3)
    for t in range(3):
        best = [halves[1 - f, halves[f, :, t].argmax(), t] for f in (0, 1)]
        got = [halves[1 - f, said[f, r, :, t].argmax(), t] for f in (0, 1) for r in range(5)]
        lost[t] = np.mean(best) - np.mean(got)
    np.testing.assert_allclose(lost_by(whole, said), lost, rtol=1e-12)


def table(gains: dict[str, np.ndarray]) -> pd.DataFrame:
    rows = [
        {"dataset": f"d{i}", "level": BOTH, "rule": rule, "regret": 0.1 - gain}
        for rule, values in {LAST: np.zeros(7), **gains}.items()
        for i, gain in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_intervals_are_students_and_p_values_flip_whole_data_sets() -> None:
    rng = np.random.default_rng(0)
    gains = {"good": rng.normal(0.03, 0.01, 7), "noise": rng.normal(0, 0.02, 7)}
    found = regret_summary(table(gains)).set_index("rule")
    for rule, values in gains.items():
        low, high = stats.ttest_1samp(values, 0).confidence_interval()
        row = found.loc[rule]
        assert (row["gain"], row["gain_low"], row["gain_high"]) == pytest.approx((values.mean(), low, high))
        sums = [abs(np.dot(signs, values)) for signs in itertools.product((1, -1), repeat=7)]
        assert row["p_value"] == pytest.approx(np.mean(np.array(sums) >= abs(values.sum()) - 1e-12))
    assert found.loc["good", "p_value"] == pytest.approx(2 / 128)
    assert np.isnan(found.loc[LAST, "p_value"])
    assert found.index[0] == "good"


def test_a_rule_that_repeats_another_costs_max_t_nothing_and_holm_a_factor() -> None:
    rng = np.random.default_rng(1)
    good = rng.normal(0.03, 0.02, 7)
    alone = regret_summary(table({"good": good})).set_index("rule").loc["good"]
    copies = regret_summary(table({f"good {i}": good for i in range(6)})).set_index("rule").loc["good 0"]
    assert copies["p_max_t"] == alone["p_max_t"] == alone["p_value"]
    assert copies["p_holm"] == pytest.approx(6 * alone["p_value"])


def test_nothing_is_claimed_of_rules_that_do_nothing_more_often_than_promised() -> None:
    rng = np.random.default_rng(2)
    claims = 0
    for _ in range(20):
        common = rng.normal(0, 0.02, 7)
        found = regret_summary(table({f"r{i}": common + rng.normal(0, 0.02, 7) for i in range(5)}))
        claims += bool((found["p_max_t"] <= 0.05).any())
    assert claims <= 4


def test_a_table_without_what_is_compared_with_is_refused() -> None:
    with pytest.raises(InputError, match="must have the rule 'best' to compare with, got last layer"):
        regret_summary(table({}), against="best")
    with pytest.raises(InputError, match="table"):
        regret_summary(pd.DataFrame({"dataset": []}))

"""Stopping by signals: regrets and warnings against loops, and worlds whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from reprq.analysis.stopping import regret_of_stopping, warnings_of_forgetting
from reprq.errors import DataError, InputError


def world(runs=6, epochs=10, seed=0, halves=True):
    """A score that rises and falls with a signal `seen`, and one of its own beside it."""
    rng = np.random.default_rng(seed)
    rows = []
    for r in range(runs):
        truth = rng.uniform(0.5, 0.9, epochs)
        for t in range(epochs):
            one, two = truth[t] + rng.normal(0, 0.01, 2)
            row = {"run": f"r{r}", "class": f"c{r // 2}", "epoch": t, "auroc": (one + two) / 2, "seen": -truth[t]}
            row |= {"noise": rng.normal()}
            rows.append(row | ({"auroc_half_1": one, "auroc_half_2": two} if halves else {}))
    return pd.DataFrame(rows)


@pytest.mark.parametrize("halves", [True, False])
def test_regrets_are_those_of_a_loop(halves):
    table = world(halves=halves)
    found = regret_of_stopping(table, ["seen", "noise"], group="class").set_index(["signal", "rule"])
    lost = []
    for _, part in table.groupby("run"):
        stop = part["seen"].to_numpy().argmin()
        folds = [("auroc_half_1", "auroc_half_2"), ("auroc_half_2", "auroc_half_1")] if halves else [("auroc",) * 2]
        each = [part[b].iloc[part[a].to_numpy().argmax()] - part[b].iloc[stop] for a, b in folds]
        lost.append(np.mean(each))
    assert found.loc[("seen", "smallest"), "regret"] == pytest.approx(np.mean(lost))
    uniform = table.groupby("run")["auroc"].mean()
    last = table.groupby("run")["auroc"].last()
    assert found.loc[("", "random epoch"), "over_last"] == pytest.approx((uniform - last).mean())
    assert found.loc[("", "last epoch"), "over_last"] == 0
    assert found.loc[("", "first epoch"), "stop"] == 0


def test_the_end_is_learned_elsewhere_and_a_true_signal_loses_least():
    found = regret_of_stopping(world(runs=40), ["seen", "noise"], group="class").set_index(["signal", "rule"])
    assert found.loc[("seen", "learned"), "regret"] == found.loc[("seen", "smallest"), "regret"]
    assert found.index[0][0] == "seen"
    assert abs(found.loc[("seen", "smallest"), "regret"]) < 0.01
    assert found.loc[("seen", "smallest"), "regret_high"] < found.loc[("noise", "learned"), "regret_low"]


def test_hindsight_on_its_own_rows_is_too_good():
    rng = np.random.default_rng(1)
    rows = [
        {"run": r, "epoch": t, "auroc_half_1": a, "auroc_half_2": b, "auroc": (a + b) / 2, "signal": rng.normal()}
        for r in range(300)
        for t in range(20)
        for a, b in [rng.normal(0.7, 0.05, 2)]
    ]  # every epoch is as good as any
    table = pd.DataFrame(rows)
    halves = regret_of_stopping(table, ["signal"]).set_index("rule").loc["largest"]
    same = regret_of_stopping(table.drop(columns="auroc_half_1"), ["signal"]).set_index("rule").loc["largest"]
    assert halves["regret_low"] < 0 < halves["regret_high"]
    assert same["regret_low"] > 0.04


def test_the_best_epoch_elsewhere_never_looks_at_its_own_group():
    rows = [("a", 0, 0.9), ("a", 1, 0.5), ("b", 0, 0.1), ("b", 1, 0.8), ("c", 0, 0.2), ("c", 1, 0.3)]
    table = pd.DataFrame(rows, columns=["run", "epoch", "auroc"]).assign(signal=1.0)
    found = regret_of_stopping(table, ["signal"]).set_index("rule")
    assert found.loc["best epoch elsewhere", "stop"] == pytest.approx((1 + 0 + 1) / 3)  # of b and c; a and c; a and b
    assert found.loc["largest", "stop"] == 0  # equal values: the first


def test_a_signal_without_a_value_in_a_run_is_left_out_and_gaps_are_passed_over():
    table = world()
    table.loc[table["run"] == "r1", "noise"] = np.nan
    table.loc[table["epoch"] == 3, "seen"] = np.nan
    found = regret_of_stopping(table, ["seen", "noise"])
    assert set(found["signal"]) == {"seen", ""}
    assert np.isfinite(found["regret"]).all()


def test_one_run_has_no_interval_and_no_learned_end():
    found = regret_of_stopping(world(runs=1), ["seen"])
    assert not found["rule"].isin(["learned", "best epoch elsewhere"]).any()
    assert found["regret_low"].isna().all()


def test_warnings_lead_or_trail_the_fall():
    score = [0.80, 0.90, 0.87, 0.91, 0.88, 0.85, 0.70]
    table = pd.DataFrame({"run": "a", "epoch": [0, 5, 10, 15, 20, 25, 30], "auroc": score})
    table["early"] = [1, 1, 0.8, 0.7, 0.6, 0.5, 0.4]
    table["late"] = [-10, -10, -10, -10, -10, -10.5, -12]
    table["never"] = 3.0
    table["unknown at first"] = [np.nan, 2, 2, 2, 3, 3, 3]
    found = warnings_of_forgetting(table, ["early", "late", "never", "unknown at first"]).set_index("signal")
    assert set(found["fell"]) == {20}  # at 10 it recovered
    assert found["warned"].tolist()[:2] == [10, 30]
    assert found["lead"].tolist()[:2] == [10, -10]
    assert np.isnan(found.loc["never", "warned"])
    assert found.loc["unknown at first", "warned"] == 20


@pytest.mark.parametrize(
    ("change", "asked", "error", "message"),
    [
        (lambda t: t.drop(columns="seen"), ["seen"], InputError, "table must have the columns seen, got run"),
        (lambda t: t, [], InputError, r"signals must be a list of columns, got \[\]"),
        (lambda t: t, "seen", InputError, "signals must be a list of columns, got 'seen'"),
        (lambda t: t.assign(epoch=0), ["seen"], DataError, "table has an epoch of one run twice"),
        (lambda t: t.iloc[:0], ["seen"], DataError, "got 0 rows"),
        (lambda t: t.assign(auroc=np.nan), ["seen"], DataError, "must have a number of auroc in each of its rows"),
    ],
)
def test_tables_that_cannot_be_used(change, asked, error, message):
    for function in (regret_of_stopping, warnings_of_forgetting):
        with pytest.raises(error, match=message):
            function(change(world()), asked)


def test_thresholds_are_positive():
    with pytest.raises(InputError, match="moved must be a positive number, got 0"):
        warnings_of_forgetting(world(), ["seen"], moved=0)
    with pytest.raises(InputError, match="fallen must be a positive number, got nan"):
        warnings_of_forgetting(world(), ["seen"], fallen=float("nan"))

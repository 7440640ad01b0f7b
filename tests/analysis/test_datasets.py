"""Correlations of studies over several data sets, and of those with one task."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from reprq.analysis import compare, correlate, points, scores
from reprq.analysis.complete import complete_scores
from reprq.analysis.datasets import by_dataset
from reprq.errors import UnknownNameError
from reprq.study import StudyResults

Make = Callable[..., StudyResults]
HOW = {"method": "spearman", "n_resamples": 200}


def test_a_coefficient_over_data_sets_is_the_mean_of_theirs(several: Make) -> None:
    results = several()
    table = correlate(results, dataset=["all", "each"], **HOW).set_index(["dataset", "metric"])
    assert list(table.index.unique("dataset")) == ["all", "A", "B", "C"]
    for metric in ("good", "bad", "noise"):
        single = table["coefficient"].xs(metric, level="metric").drop("all").astype(float)
        assert table.loc[("all", metric), "coefficient"] == pytest.approx(single.mean())
        assert table.loc[("all", metric), "task_max"] == pytest.approx(single.max())
    assert table.loc[("all", "good"), "coefficient"] > 0.9 > -0.5 > table.loc[("all", "bad"), "coefficient"]
    assert "the mean of the coefficients within 3 data sets" in table.loc[("all", "good"), "notes"]
    assert (table.loc["all", "n"] == 72).all()
    assert (table["n_backbones"] == 8).all()


def test_a_data_set_among_others_has_the_numbers_that_it_has_alone(several: Make) -> None:
    results = several()
    among = correlate(results, dataset="B", **HOW)
    alone = correlate(by_dataset(results)["B"].results, **HOW)
    pd.testing.assert_frame_equal(among.drop(columns="p_family"), alone.drop(columns="p_family"))


def test_p_values_are_corrected_for_data_sets_too(several: Make) -> None:
    results = several()
    both, together = (correlate(results, dataset=asked, **HOW) for asked in (["all", "each"], "all"))
    shared = both[both["dataset"] == "all"]
    assert shared["p_value"].tolist() == together["p_value"].tolist()
    assert (shared["p_family"].to_numpy() >= together["p_family"].to_numpy()).all()
    assert (shared["p_family"].to_numpy() > together["p_family"].to_numpy()).any()


def test_points_are_of_a_data_set_and_lack_nothing_in_it(several: Make) -> None:
    results = several()
    found = points(results, "good", "auroc", "knn[1]")
    assert len(found) == len(found.drop_duplicates(["dataset", "backbone", "layer"])) == 72
    assert found.groupby("dataset")["y"].mean().is_monotonic_decreasing
    lost = results.detectors["auroc"].mask(
        (results.detectors["dataset"] == "B") & (results.detectors["backbone"] == "c")
    )
    fewer = replace(results, detectors=results.detectors.assign(auroc=lost))
    assert points(fewer, "good", "auroc", "knn[1]").groupby("dataset").size().tolist() == [24, 21, 24]
    notes = correlate(fewer, "good", **HOW).loc[0, "notes"]
    assert "B: 3 of 24 layers have no auroc of knn[1]" in notes


def test_tasks_of_one_name_are_one_group_and_a_data_set_without_them_is_left_out(several: Make) -> None:
    first, second = several("AB"), several("C", tasks=("unimodal:crack",))
    results = replace(
        first,
        metrics=pd.concat([first.metrics, second.metrics], ignore_index=True),
        detectors=pd.concat([first.detectors, second.detectors], ignore_index=True),
    )
    table = correlate(results, "good", tasks=["unimodal:good", "unimodal:crack"], dataset=["all", "each"], **HOW)
    assert table[["dataset", "tasks", "n"]].to_numpy().tolist() == [
        ["all", "unimodal:good", 48],
        ["all", "unimodal:crack", 24],
        ["A", "unimodal:good", 24],
        ["B", "unimodal:good", 24],
        ["C", "unimodal:crack", 24],
    ]
    with pytest.raises(UnknownNameError, match="task of the data set 'unimodal:crack'"):
        correlate(results, tasks="unimodal:crack", dataset="A", **HOW)
    with pytest.raises(UnknownNameError, match="data set of the study 'D'"):
        correlate(results, dataset="D", **HOW)


def test_comparisons_are_over_the_same_data_sets(several: Make) -> None:
    results = several()
    table = compare(results, "noise", ["good"], dataset=["all", "B"], n_resamples=200)
    assert table[["dataset", "n", "verdict"]].to_numpy().tolist() == [["all", 72, "better"], ["B", 24, "better"]]
    coefficients = correlate(results, **HOW).set_index("metric")["coefficient"].astype(float).abs()
    assert table.loc[0, "difference"] == pytest.approx(coefficients["good"] - coefficients["noise"])


def test_one_task_is_enough(several: Make) -> None:
    table = correlate(several("A"), **HOW)
    assert table["dataset"].unique().tolist() == ["A"]
    assert np.isfinite(table["coefficient"].astype(float)).all()
    assert table["task_median"].isna().all()


def test_points_of_several_pairs_are_those_of_each_and_scores_are_laid_out_once(
    several: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = several()
    pairs = [("knn[1]", name) for name in ("noise", "good", "bad")]
    alone = [points(results, name, "auroc", of).assign(detector=of, metric=name) for of, name in pairs]
    laid = []
    monkeypatch.setattr(scores, "complete_scores", lambda *given: laid.append(given) or complete_scores(*given))
    together = scores.points_of_pairs(results, pairs, "auroc")
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True))
    assert len(laid) == 3  # one a data set

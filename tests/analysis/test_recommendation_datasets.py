"""Recommendations over several data sets, and from one task: what is fitted where, and what is averaged."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reprq.analysis import Directions, compare, correlate, recommend
from reprq.analysis.chance import chance_scores
from reprq.analysis.datasets import by_dataset
from reprq.analysis.left_out import predictions
from reprq.analysis.rules import COMBINATION, study_arrays, weights
from reprq.errors import InputError, ReprqError
from reprq.study import StudyResults

Make = Callable[..., StudyResults]


def changed(results: StudyResults, where: pd.Series) -> StudyResults:
    """The study with other scores there."""
    table = results.detectors.copy()
    table.loc[where, "auroc"] = np.random.default_rng(1).uniform(size=int(where.sum()))
    return replace(results, detectors=table)


def test_no_label_of_the_data_set_or_the_network_enters_what_is_said_of_it(several: Make) -> None:
    results = several()
    for where, of_dataset, of_network in (
        (results.detectors["dataset"] == "B", "B", None),
        (results.detectors["backbone"] == "c", None, "c"),
    ):
        before, after = (study_arrays(each, "knn[1]", "auroc") for each in (results, changed(results, where)))
        pairs = zip(before, predictions(before), predictions(after), strict=True)
        for study, old, new in pairs:
            same = np.full(len(study.points), study.dataset == of_dataset) | (study.backbones == of_network)
            for rule in study.rules:
                np.testing.assert_array_equal(old[rule][same], new[rule][same])
            assert (old[COMBINATION][~same] != new[COMBINATION][~same]).any() or not (~same).any()


def test_all_is_the_mean_of_what_was_found_within_each(several: Make) -> None:
    found = recommend(several(tasks=("unimodal:good", "multimodal:good")), n_resamples=100)
    table = found.regret.set_index(["dataset", "rule"])
    assert list(table.index.unique("dataset")) == ["all", "A", "B", "C"]
    for name in ("regret", "over_last", "over_random"):
        for rule in (COMBINATION, "good", "best elsewhere", "last layer"):
            single = table[name].xs(rule, level="rule").drop("all")
            assert table.loc[("all", rule), name] == pytest.approx(single.mean())
    assert table.loc["all", "auroc"].isna().all()
    assert table.loc["A", "auroc"].min() > table.loc["C", "auroc"].max()
    assert table.loc[("all", "good"), "p_value"] <= 0.05 < table.loc[("all", "noise"), "p_value"]
    assert (table.loc["all", "n_tasks"] == 6).all()
    ranking = found.ranking[(found.ranking["dataset"] == "all") & (found.ranking["rule"] == COMBINATION)]
    assert len(ranking) == 24
    assert ranking["auroc"].isna().all()
    assert ranking["auroc_rank"].min() == 1
    assert set(found.choices["dataset"]) == {"A", "B", "C"}


def test_no_unit_of_a_data_set_matters(several: Make) -> None:
    results = several()
    moved = results.metrics.assign(value=results.metrics["value"].where(results.metrics["dataset"] != "B", -5e3))
    moved["value"] = moved["value"].where(moved["dataset"] != "B", results.metrics["value"] * 7.0 - 3.0)
    old, new = (recommend(each, n_resamples=100) for each in (results, replace(results, metrics=moved)))
    pd.testing.assert_frame_equal(old.regret, new.regret)


def test_networks_may_be_on_some_data_sets_only(several: Make) -> None:
    results = several("ABC")
    lost = {"A": "abc", "B": "gh", "C": ""}
    tables = [
        table[[backbone not in lost[name] for name, backbone in zip(table["dataset"], table["backbone"], strict=True)]]
        for table in (results.metrics, results.detectors)
    ]
    fewer = replace(results, metrics=tables[0], detectors=tables[1])
    table = recommend(fewer, n_resamples=100).regret.set_index(["dataset", "rule"])
    assert np.isfinite(table["regret"]).all()
    assert table.loc[("all", "good"), "over_random"] > 0
    studies = study_arrays(fewer, "knn[1]", "auroc")
    assert chance_scores(studies, 5, 0)["good"].shape == (5, 3)


def test_directions_are_learned_on_all_data_sets_alike(several: Make) -> None:
    results = several()
    table = Directions.of_study(results).table.set_index("metric")
    assert table.loc["good", "coefficient"] > 0.9
    assert table.loc["good", "weight"] > abs(table.loc["noise", "weight"])
    parts = [study_arrays(part.results, "knn[1]", "auroc")[0] for part in by_dataset(results).values()]
    twice = replace(parts[0], tasks=np.repeat(parts[0].tasks, 2), ranks=np.repeat(parts[0].ranks, 2, axis=1))
    twice = replace(twice, scores=np.repeat(parts[0].scores, 2, axis=1), targets=np.repeat(parts[0].targets, 2))
    np.testing.assert_allclose(weights([twice, *parts[1:]]), weights(parts))


def test_one_task_is_fitted_with_other_networks(several: Make) -> None:
    results = several("A")
    found = recommend(results, n_resamples=100)
    table = found.regret.set_index("rule")
    assert "best elsewhere" not in table.index
    assert table.loc["good", "over_random"] > 0
    assert any(note.startswith("one task: rules are fitted on its own anomalies") for note in found.notes)
    before, after = (
        study_arrays(each, "knn[1]", "auroc") for each in (results, changed(results, results.detectors.backbone == "c"))
    )
    own = before[0].backbones == "c"
    for rule, said in predictions(before)[0].items():
        np.testing.assert_array_equal(said[own], predictions(after)[0][rule][own])
    with pytest.raises(ReprqError, match="at least two backbones, got 1"):
        recommend(several("AB", backbones="a"))


def test_layers_that_no_rule_can_be_fitted_for_tie_and_are_named(several: Make) -> None:
    """Without A and h no layer is left: B has none of g."""
    made = several("AB", backbones="gh", layers=2)
    kept = [table[(table["dataset"] == "A") | (table["backbone"] == "h")] for table in (made.metrics, made.detectors)]
    found = recommend(replace(made, metrics=kept[0], detectors=kept[1]), n_resamples=100)
    assert (
        "rules say nothing of the layers of h on A, and these tie: without both, no layer is left to fit rules on"
        in (found.notes)
    )
    assert sum("rules say nothing" in note for note in found.notes) == 1
    (study, _) = study_arrays(replace(made, metrics=kept[0], detectors=kept[1]), "knn[1]", "auroc")
    for said in predictions([study, _])[0].values():
        assert (said[study.backbones == "h"] == 0).all()
        assert not (said[study.backbones == "g"] == 0).all()


@pytest.mark.parametrize(
    ("work", "empty"),
    [
        (correlate, ["metrics"]),
        (correlate, ["metrics", "detectors"]),
        (lambda study: compare(study, "depth"), ["metrics", "detectors"]),
        (recommend, ["metrics"]),
        (recommend, ["detectors"]),
        (recommend, ["metrics", "detectors"]),
    ],
)
def test_a_study_without_rows_says_so_and_what_to_do(several: Make, work: Any, empty: list[str]) -> None:
    made = several("AB")
    study = replace(made, **{name: getattr(made, name)[:0] for name in empty})
    with pytest.raises(InputError, match=f"has no rows of {' or '.join(empty)}, since none .* run it again"):
        work(study)

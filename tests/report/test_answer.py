"""The answer is made from the numbers, and says so where they are not enough."""

import numpy as np
import pandas as pd
import pytest

from reprq.analysis import correlate
from reprq.analysis.recommendation import recommend
from reprq.report.answer import answer
from reprq.report.tables import PageCell, correlations, layers, notes, regrets, tasks, to_table

TWELVE = [f"net {i}" for i in range(8)] + [f"net {i} random" for i in range(4)]


def answered(results):
    table = correlate(results, method="spearman", n_resamples=2000)
    return answer(results, table), table.set_index(["detector", "metric"])


def test_what_predicts_is_said_with_its_numbers(make_study, tmp_path):
    found, table = answered(make_study(tmp_path, TWELVE))
    assert found.headline.startswith("Yes, in this study")
    assert found.metric == "rankme"
    text = " ".join(found.sentences)
    row = table.loc["centroid", "rankme"]
    p = "p < 0.001" if row["p_family"] < 0.001 else f"p = {row['p_family']:.3f}"
    assert (
        "For centroid, rankme predicts best, higher going with better detection: Spearman's rho is"
        f" {row['coefficient']:.2f}, 95 % interval {row['low']:.2f} to {row['high']:.2f}, {p} corrected for 2 metrics"
        " and every detector and group of tasks."
    ) in text
    assert "3 one-class tasks, over 48 layers of 12 networks (3 architectures, 4 with random weights)." in text
    assert "Among the trained networks alone (of only 3 architectures), rankme against" in text


def test_the_headline_says_how_far_single_tasks_differ(make_study, tmp_path):
    """The metric goes with the score in one task and against it in two, which an average over all would hide."""
    tasks = [f"unimodal:{name}" for name in ("cat", "dog", "owl", "emu")]
    results = make_study(tmp_path, TWELVE, tasks=tasks)
    against = results.detectors["task"].isin(tasks[1:])
    results.detectors.loc[against, "auroc"] = 1 - results.detectors.loc[against, "auroc"]
    found, table = answered(results)
    row = table.loc[found.detector, found.metric]
    assert row["task_min"] < -0.9 < 0.9 < row["task_max"]
    said = (
        f"the median is {row['task_median']:.2f}, from {row['task_min']:.2f} to {row['task_max']:.2f}, and a new one is"
    )
    assert f"{said} expected between {row['new_task_low']:.2f} and {row['new_task_high']:.2f}." in found.headline


def test_the_strongest_is_measured_where_it_was_not_chosen(make_study, tmp_path):
    sure = " ".join(answered(make_study(tmp_path / "sure", TWELVE))[0].sentences)
    assert "The strongest of 2 metrics on one half of the networks has rho 0.99 on the other half" in sure or (
        "The strongest of 2 metrics on one half of the networks has rho 1.00 on the other half" in sure
    )
    few = " ".join(answered(make_study(tmp_path / "few", TWELVE[:4]))[0].sentences)
    assert "on the other half" not in few


def test_random_is_what_the_weights_say_and_not_the_label(make_study, tmp_path):
    results = make_study(tmp_path, ["net a", "file random", *TWELVE[:5]])
    for table in (results.metrics, results.detectors):
        table["weights"] = "file:random.pt"
        table.loc[table["backbone"] == "net a", "weights"] = "random(seed=3)"
    sentences = " ".join(answered(results)[0].sentences)
    assert "1 with random weights)" in sentences
    assert "Among the trained networks alone (of only 3 architectures)" in sentences


def test_a_metric_that_falls_is_told_so(make_study, tmp_path):
    found, _ = answered(make_study(tmp_path, TWELVE, effect=-0.3))
    assert "lower going with better detection" in " ".join(found.sentences)


def test_chance_is_no_finding(make_study, tmp_path):
    found, _ = answered(make_study(tmp_path, TWELVE, effect=0.0, noise=0.1))
    assert found.headline.startswith("Nothing is sure")
    assert "could be" not in found.headline
    assert sum("nothing is sure; the strongest is" in sentence for sentence in found.sentences) == 2


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_networks_are_never_sure(make_study, tmp_path, count):
    found, _ = answered(make_study(tmp_path, TWELVE[:count]))
    assert found.headline.startswith("Nothing is sure")
    assert f"With {count} network{'s' * (count > 1)} nothing could be." in found.headline


def test_half_of_the_detectors(make_study, tmp_path):
    results = make_study(tmp_path, TWELVE)
    knn = results.detectors["detector"] == "knn"
    results.detectors.loc[knn, "auroc"] = np.random.default_rng(0).uniform(size=knn.sum())
    found, _ = answered(results)
    assert found.headline.startswith("In part: a metric predicted 1 of 2 detectors")
    assert found.detector == "centroid"


def test_constant_scores_have_no_correlation(make_study, tmp_path):
    results = make_study(tmp_path, TWELVE)
    results.detectors["auroc"] = 0.5
    found, _ = answered(results)
    assert found.headline == "No correlation could be computed."


def test_what_is_only_trained_against_random_is_said(make_study, tmp_path):
    results = make_study(tmp_path, TWELVE, effect=0.0, noise=0.02)
    random = results.metrics["backbone"].str.contains("random")
    results.metrics.loc[random & (results.metrics["metric"] == "rankme"), "value"] = 1.0 + np.arange(random.sum() // 2)
    results.metrics.loc[~random & (results.metrics["metric"] == "rankme"), "value"] += 1e3
    results.detectors.loc[results.detectors["backbone"].str.contains("random"), "auroc"] -= 0.3
    found, _ = answered(results)
    assert found.headline.endswith("Much of that is trained against random networks.")


def test_the_best_layer_is_that_of_the_table(make_study, tmp_path):
    results = make_study(tmp_path, TWELVE)
    means = results.detectors.groupby(["definition", "backbone", "layer"])["auroc"].mean()
    detector, backbone, layer = means.idxmax()
    sentence = answered(results)[0].sentences[-1]
    assert f"{layer} of {backbone} by {detector}, with a mean AUROC of {means.max():.3f}" in sentence


def test_what_a_choice_costs_is_said_with_its_numbers(make_study, tmp_path):
    results = make_study(tmp_path, TWELVE, tasks=[f"unimodal:{name}" for name in ("cat", "dog", "owl", "emu")])
    for rows in (results.metrics, results.detectors):
        rows["network"] = rows["backbone"]
    regret = recommend(results, n_resamples=200).regret
    found = answer(results, correlate(results, method="spearman"), regret)
    row = regret[(regret["rule"] == "combination") & (regret["detector"] == found.detector)].iloc[0]
    assert found.sentences[-1].startswith(f"Choosing a layer for {found.detector} by all metrics together")
    lost = f"(95 % interval {row['regret_low']:.3f} to {row['regret_high']:.3f})"
    assert f"{row['auroc']:.3f}: {row['regret']:.3f} lost {lost} against the best layer" in found.sentences[-1]
    ends = [f"{row[f'over_random{kind}_low']:.3f} to {row[f'over_random{kind}_high']:.3f}" for kind in ("", "_classes")]
    gained = f"(95 % interval {ends[0]}, {ends[1]} with the networks fixed)"
    assert f"{row['over_random']:.3f} gained {gained} against a random layer." in found.sentences[-1]
    assert found.sentences[-1].endswith(f"as far from chance in {100 * row['p_value']:.2g} % of draws.")
    table = regrets(regret)
    assert len(table.rows) == len(regret)
    assert [column.title for column in table.columns][:6] == ["detector", "rule", "AUROC", "regret", "low", "high"]


def test_two_classes_give_a_cost_without_an_interval(make_study, tmp_path):
    results = make_study(tmp_path, TWELVE)
    regret = recommend(results, n_resamples=200).regret
    sentence = answer(results, correlate(results, method="spearman"), regret).sentences[-1]
    assert sentence.startswith("Choosing a layer")
    assert "interval" not in sentence


def test_tables_hold_means_and_sort_by_their_numbers(make_study, tmp_path):
    results = make_study(tmp_path, TWELVE[:3])
    table = layers(results)
    assert [column.title for column in table.columns][:3] == ["network", "layer", "depth"]
    knn = [column.title for column in table.columns].index("AUROC knn[k=5,kth,euclidean]")
    shown = [row[knn].number for row in table.rows]
    rows = results.detectors[results.detectors["detector"] == "knn"]
    np.testing.assert_allclose(sorted(shown), sorted(rows.groupby(["backbone", "layer"])["auroc"].mean()))
    assert len(tasks(results).rows) == 6
    found = correlations(correlate(results, tasks=["all", "unimodal"], n_resamples=100))
    assert next(column for column in found.columns if column.title == "tasks").choices == ("all", "unimodal")


def test_a_layer_that_lacks_a_task_has_no_mean(make_study, tmp_path):
    results = make_study(tmp_path, TWELVE[:3])
    whole = results.detectors
    best = whole.loc[whole["detector"] == "centroid"].groupby(["backbone", "layer"])["auroc"].mean().idxmax()
    means = whole.groupby(["definition", "backbone", "layer"])["auroc"].mean()
    places = (whole["backbone"] == best[0]) & (whole["layer"] == best[1]) & (whole["detector"] == "centroid")
    object.__setattr__(results, "detectors", whole.drop(index=whole[places].index[0]))
    table = layers(results)
    titles = [column.title for column in table.columns]
    (row,) = (row for row in table.rows if (row[0].text, row[1].text) == best)
    assert row[titles.index("AUROC centroid")].text == "\N{EN DASH}"
    rest = means.drop(("centroid", *best))
    assert f"with a mean AUROC of {rest.max():.3f}" in answered(results)[0].sentences[-1]


def test_cells_of_every_kind():
    frame = pd.DataFrame({"a": [0.12345, np.nan], "b": [1234.5, np.inf], "c": [3, 4], "d": ["x", None], "e": ["", ""]})
    table = to_table(frame.assign(f=[1e-5, 0.0]), "t", "All", choose=("c", "d"))
    assert [column.title for column in table.columns] == ["a", "b", "c", "d", "f"]
    assert table.rows[0] == (
        PageCell("0.123", 0.12345),
        PageCell("1234", 1234.5),
        PageCell("3", 3.0),
        PageCell("x"),
        PageCell("1e-05", 1e-5),
    )
    assert [cell.number for cell in table.rows[1]] == [None, None, 4.0, None, 0.0]
    assert [column.choices for column in table.columns] == [(), (), ("3", "4"), (), ()]


def test_notes_that_differ_in_numbers_are_one(make_study, tmp_path):
    results = make_study(tmp_path, TWELVE[:3])
    few = results.metrics["backbone"] == "net 0"
    results.metrics.loc[few, "notes"] = [f"n = {i} rows for d = 64 columns; R2 = 0.5" for i in range(few.sum())]
    results.metrics.loc[results.metrics.index[-1], "value"] = np.nan
    found = notes(results, correlate(results, method="spearman", n_resamples=100))
    assert found[0].startswith("only 3 independent groups")
    assert found[1] == "no interval from fewer than 6 groups"
    assert found[2] == "layers left out that have no aucev in some task or seed: 1"
    assert "1 values of metrics do not exist; their points are left out" in found
    assert "n = 0 to 23 rows for d = 64 columns (24 of 72 values: aucev, rankme)" in found
    assert any(note.startswith("R2 = 0.5 (24") for note in found)

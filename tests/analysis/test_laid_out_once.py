"""What is laid out once for all detectors and metrics is what each would be by itself, whatever is missing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from reprq.analysis.complete import Laid, by_cell
from reprq.analysis.datasets import by_dataset
from reprq.analysis.recommendation import recommend
from reprq.analysis.rules import elsewhere, scaled_ranks, study_arrays
from reprq.study import StudyResults

Make = Callable[..., StudyResults]
POINT = ["backbone", "layer", "layer_number"]
TASKS = ("unimodal:good", "unimodal:bad", "multimodal:good")


def _with_gaps(several: Make, **how: object) -> StudyResults:
    """A study with two detectors, of which rows of detectors and of metrics are missing here and there."""
    made, rng = several(tasks=TASKS, **how), np.random.default_rng(1)
    other = made.detectors.assign(definition="lof[1]", auroc=rng.uniform(size=len(made.detectors)))
    judged = pd.concat([made.detectors, other], ignore_index=True)
    metrics = made.metrics[rng.uniform(size=len(made.metrics)) > 0.05]
    return replace(made, metrics=metrics, detectors=judged[rng.uniform(size=len(judged)) > 0.08])


def test_scores_of_all_detectors_are_those_of_each(several: Make) -> None:
    results = _with_gaps(several, datasets="A")
    for definition, own in results.detectors.groupby("definition"):
        found = Laid(results).scores(str(definition), "auroc")
        assert found.isna().to_numpy().any()
        pd.testing.assert_frame_equal(found, by_cell(own, "auroc"), check_like=True)


def test_metrics_of_the_same_cells_are_those_of_each(several: Make) -> None:
    (part,) = by_dataset(_with_gaps(several, datasets="A")).values()
    cells = part.laid.scores("lof[1]", "auroc")
    found = part.measured(cells)
    assert len(part.metrics) > 1
    for k, name in enumerate(part.metrics):
        rows = part.results.metrics[part.results.metrics["metric"] == name]
        own = by_cell(rows, "value").reindex(index=cells.index, columns=cells.columns)
        assert own.isna().to_numpy().any()
        np.testing.assert_array_equal(found[:, k], own)


def test_scores_of_the_same_points_and_cells_share_what_is_said_of_these(several: Make) -> None:
    made = several("A", tasks=TASKS)
    other = made.detectors.assign(definition="lof[1]")
    (part,) = by_dataset(
        replace(made, detectors=pd.concat([made.detectors, other, other[3:].assign(definition="z")]))
    ).values()
    one, same, less = (part.laid.scores(name, "auroc") for name in ("knn[1]", "lof[1]", "z"))
    assert one.index is same.index
    assert one.columns is same.columns
    assert part.measured(one) is part.measured(same)
    assert part.measured(one) is not part.measured(less)


def test_a_metric_that_is_not_on_a_data_set_has_the_rank_zero_there(several: Make) -> None:
    made = several("AB", tasks=TASKS)
    gone = (made.metrics["dataset"] == "A") & (made.metrics["metric"] == "good")
    first, second = study_arrays(replace(made, metrics=made.metrics[~gone]), "knn[1]", "auroc")
    k = first.metrics.index("good")
    assert first.metrics == second.metrics
    assert not first.ranks[..., k].any()
    assert second.ranks[..., k].any()


def test_elsewhere_is_the_mean_rank_on_the_other_data_sets(several: Make) -> None:
    made = several("ABC", tasks=TASKS)
    gone = (made.detectors["dataset"] != "A") & (made.detectors["backbone"] == "c")
    gone |= (made.detectors["dataset"] == "B") & (made.detectors["backbone"] == "d")
    studies = study_arrays(replace(made, detectors=made.detectors[~gone]), "knn[1]", "auroc")
    ranks = [
        dict(zip(zip(own.points["backbone"], own.points["layer"], strict=True), row, strict=True))
        for own in studies
        for row in [scaled_ranks(own.scores).mean(1)]
    ]
    for d, said in enumerate(elsewhere(studies)):
        others = [each for k, each in enumerate(ranks) if k != d]
        expected = [np.mean([own[layer] for own in others if layer in own] or [-1.0]) for layer in ranks[d]]
        np.testing.assert_allclose(said, np.tile(np.array(expected)[:, None], len(TASKS)), atol=1e-9)
        assert (said[:, 0] == -1.0).any() == (d == 0)


def test_a_ranking_goes_by_what_the_rule_says_and_then_by_name(several: Make) -> None:
    found = recommend(_with_gaps(several)).ranking
    assert len(found)
    for _, own in found.groupby(["dataset", "detector", "rule"]):
        assert own["rank"].tolist() == [1 + int((own["rule_score"] > score).sum()) for score in own["rule_score"]]
        names = own[["rank", *POINT]].itertuples(index=False, name=None)
        assert list(names) == sorted(own[["rank", *POINT]].itertuples(index=False, name=None))
    for _, own in found[found["dataset"] != "all"].groupby(["dataset", "detector", "rule"]):
        assert own["auroc_rank"].tolist() == [1 + int((own["auroc"] > score).sum()) for score in own["auroc"]]


def test_a_favourite_is_the_layer_chosen_most_often(several: Make) -> None:
    made = recommend(several("A", tasks=TASKS), "knn")
    choices = made.choices[made.choices["rule"] == "good"]
    assert (choices["n_chosen"] == 1).all()  # no ties, so that choices can be counted
    layers = choices["backbone"] + ", " + choices["layer"]
    often = layers.value_counts()
    (row,) = made.regret[made.regret["rule"] == "good"].to_dict("records")
    assert row["favourite"] == min(often.index[often == often.max()])
    assert row["favourite_share"] == round(often.max() / len(TASKS), 9)

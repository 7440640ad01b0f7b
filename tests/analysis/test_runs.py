"""Several studies as one, and rules from some of them tried on others."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from reprq.analysis import recommend
from reprq.analysis.datasets import by_dataset
from reprq.analysis.runs import joined
from reprq.errors import InputError
from reprq.study import StudyResults

Make = Callable[..., StudyResults]


def of(results: StudyResults, dataset: str, folder: str, prints: str = "") -> StudyResults:
    """One data set of a study, as a study of its own."""
    record = {"data_fingerprints": {"train, seed 0": prints or dataset}}
    return replace(by_dataset(results)[dataset].results, study=record, path=Path(folder))


def test_studies_of_one_data_set_each_are_one_study_of_several(several: Make) -> None:
    whole = several()
    found = joined([of(whole, name, name) for name in "ABC"])
    assert found.metrics["dataset"].unique().tolist() == ["A", "B", "C"]
    expected, made = (recommend(each, n_resamples=100).regret for each in (whole, found))
    pd.testing.assert_frame_equal(made, expected)


def test_one_name_for_other_samples_or_weights_is_two_names(several: Make) -> None:
    whole = several("A")
    first, same, other = (of(whole, "A", folder, prints) for folder, prints in (("x", "1"), ("y", "1"), ("z", "2")))
    assert joined([first, same]).metrics.shape == first.metrics.shape
    changed = other.metrics.assign(weights=other.metrics["weights"].where(other.metrics["backbone"] != "a", "trained"))
    found = joined([first, replace(other, metrics=changed)])
    assert found.metrics["dataset"].unique().tolist() == ["A", "A (z)"]
    assert set(found.metrics["backbone"]) == {*"abcdefgh", "a (z)"}
    assert sorted(found.study["data_fingerprints"]) == ["A (z) train, seed 0", "A train, seed 0"]


def test_only_what_all_of_them_have_is_kept(several: Make) -> None:
    first, second = (of(several("AB"), name, name) for name in "AB")
    fewer = replace(second, metrics=second.metrics[second.metrics["metric"] != "noise"])
    assert set(joined([first, fewer]).metrics["metric"]) == {"good", "bad"}
    another = replace(second, detectors=second.detectors.assign(definition="centroid"))
    with pytest.raises(InputError, match="a detector in common to be joined, got knn\\[1\\]; centroid"):
        joined([first, another])
    with pytest.raises(InputError, match="at least one study"):
        joined([])


def test_rules_are_fitted_on_the_sources_and_judged_on_the_study(several: Make) -> None:
    whole = several()
    own, sources = of(whole, "C", "C"), [of(whole, name, name) for name in "AB"]
    found = recommend(own, source=sources, n_resamples=100)
    for table in (found.regret, found.ranking, found.choices):
        assert set(table["dataset"]) == {"C"}
    among = recommend(whole, n_resamples=100).regret
    expected = among[among["dataset"] == "C"].set_index("rule")
    assert found.regret.set_index("rule")["regret"].to_dict() == pytest.approx(expected["regret"].to_dict())

"""Scores under different scenarios are never averaged: each is correlated, recommended and reported by itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reprq.analysis import compare, correlate, points, recommend
from reprq.analysis.directions import Directions
from reprq.analysis.runs import joined
from reprq.analysis.scenarios import PLAIN, in_scenario, scenarios_of
from reprq.data.oneclass import PROTOCOL
from reprq.errors import InputError, UnknownNameError
from reprq.plots import draw_study
from reprq.report import render_page
from reprq.study import StudyResults

FAST: dict[str, Any] = {"n_resamples": 100}
POLLUTED = "10 % polluted"


def study(path: Path, sign: dict[str, float], networks: int = 4) -> StudyResults:
    """A metric that predicts the AUROC under a scenario with the sign that is given."""
    rng = np.random.default_rng(0)
    measured, judged = [], []
    for network in range(networks):
        for layer in range(3):
            good = rng.uniform()
            for scenario, direction in sign.items():
                for name in ("a", "b"):
                    plain = scenario in ("", PROTOCOL)
                    key = {"seed": 0, "dataset": "digits", "backbone": f"net{network}", "network": f"net{network}"}
                    key |= {"weights": "w", "layer": f"l{layer}", "layer_number": layer}
                    key |= {"task": f"unimodal:{name}{'' if plain else ', ' + scenario}", "task_kind": "unimodal"}
                    key |= {"scenario": scenario}
                    measured.append({**key, "metric": "rankme", "definition": "rankme", "value": good, "n": 9, "d": 4})
                    measured[-1] |= {"notes": None}
                    auroc = 0.7 + direction * 0.2 * good
                    judged.append({**key, "detector": "knn", "definition": "knn", "auroc": auroc})
                    judged[-1] |= {"n_train": 9, "n_test": 9, "n_anomalies": 4}
    path.mkdir(parents=True, exist_ok=True)
    return StudyResults(pd.DataFrame(measured), pd.DataFrame(judged), {"config": {}}, path)


@pytest.fixture
def two(tmp_path: Path) -> StudyResults:
    return study(tmp_path / "two", {"": 1.0, POLLUTED: -1.0})


@pytest.fixture
def plain(tmp_path: Path) -> StudyResults:
    return study(tmp_path / "plain", {"": 1.0})


def test_a_correlation_is_within_a_scenario(two: StudyResults, plain: StudyResults) -> None:
    assert scenarios_of(two) == [PLAIN, POLLUTED]
    found = correlate(two, method="spearman", **FAST)
    assert dict(zip(found["scenario"], found["coefficient"].round(9), strict=True)) == {PLAIN: 1.0, POLLUTED: -1.0}
    alone = correlate(two, method="spearman", scenario=PLAIN, **FAST)
    expected = correlate(plain, method="spearman", **FAST)
    assert "scenario" not in expected
    pd.testing.assert_frame_equal(alone.drop(columns="scenario"), expected)
    with pytest.raises(UnknownNameError, match="scenario of the study 'polluted'"):
        correlate(two, scenario="polluted", **FAST)


def test_splits_of_a_protocol_are_plain_tasks(tmp_path: Path, plain: StudyResults) -> None:
    found = correlate(study(tmp_path / "other", {PROTOCOL: 1.0}), method="spearman", **FAST)
    pd.testing.assert_frame_equal(found, correlate(plain, method="spearman", **FAST))


def test_a_comparison_is_within_a_scenario(two: StudyResults) -> None:
    found = compare(two, "depth", **FAST)
    assert found["scenario"].tolist() == [PLAIN, POLLUTED]


def test_a_recommendation_is_of_one_scenario_and_says_of_which(two: StudyResults, plain: StudyResults) -> None:
    found, expected = recommend(two, **FAST), recommend(plain, **FAST)
    pd.testing.assert_frame_equal(found.regret, expected.regret)
    assert any(POLLUTED in note for note in found.notes)
    assert not any("scenario" in note for note in expected.notes)
    polluted = recommend(two, scenario=POLLUTED, **FAST)
    assert not polluted.ranking["auroc"].equals(found.ranking["auroc"])
    with pytest.raises(UnknownNameError, match="scenario of the study"):
        recommend(two, scenario="none", **FAST)
    pd.testing.assert_frame_equal(Directions.of_study(two).table, Directions.of_study(plain).table)
    assert scenarios_of(joined([two, plain], POLLUTED)) == [POLLUTED, PLAIN]


def test_points_of_several_scenarios_are_refused(two: StudyResults) -> None:
    with pytest.raises(InputError, match="must be of one scenario"):
        points(two, "rankme", "auroc", "knn")
    assert len(points(in_scenario(two, POLLUTED), "rankme", "auroc", "knn")) == 12


def test_the_report_and_the_figures_keep_them_apart(two: StudyResults, plain: StudyResults) -> None:
    page = render_page(two)
    assert f"of the scenario &#39;plain&#39; alone; name another for the others (scenario): {POLLUTED}" in page
    assert POLLUTED in render_page(two, scenario=POLLUTED)
    assert "of the scenario" not in render_page(plain)
    drawn = draw_study(two, correlate(two, method="spearman", **FAST))
    assert {path.stem for path in drawn} == {"metric-vs-auroc-all", "metric-vs-auroc-all-10-polluted"}

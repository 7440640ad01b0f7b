"""Draws that detectors share are those that each would have by itself."""

import numpy as np
import pandas as pd
import pytest

from reprq.analysis import recommend
from reprq.analysis.chance import chance_of_detectors, chance_scores
from reprq.analysis.rules import COMBINATION, CURVED, LeftOut, alike, scaled_ranks, study_arrays
from reprq.study import StudyResults
from tests.analysis.conftest import Make


@pytest.fixture
def judged(several: Make) -> StudyResults:
    """A study on two data sets under three detectors, of which the last failed on one backbone."""
    results = several("AB", tasks=("unimodal:good", "unimodal:screw"))
    rng, first = np.random.default_rng(1), results.detectors
    second, third = (
        first.assign(detector=name, definition=name, auroc=first["auroc"] + 0.1 * rng.normal(size=len(first)))
        for name in ("centroid", "oneclass")
    )
    table = pd.concat([first, second, third[third["backbone"] != "h"]], ignore_index=True)
    return StudyResults(results.metrics, table, results.study, results.path)


def test_draws_that_detectors_share_are_those_of_each_by_itself(judged: StudyResults) -> None:
    laid = [study_arrays(judged, name, "auroc") for name in ("knn[1]", "centroid", "oneclass")]
    assert alike(laid[0], laid[1])
    assert not alike(laid[0], laid[2])
    assert not alike(laid[0], laid[1][:1])
    for found, studies in zip(chance_of_detectors(laid, 30, seed=3), laid, strict=True):
        alone = chance_scores(studies, 30, seed=3)
        assert found.keys() == alone.keys()
        for rule, draws in alone.items():
            np.testing.assert_array_equal(found[rule], draws)


def test_detectors_in_one_table_are_recommended_as_each_by_itself(judged: StudyResults) -> None:
    together = recommend(judged, n_resamples=100)
    for name in ("knn[1]", "centroid", "oneclass"):
        alone = recommend(judged, name, n_resamples=100)
        for kind in ("ranking", "regret", "choices"):
            table = getattr(together, kind)
            own = table[table["detector"] == name].reset_index(drop=True)
            pd.testing.assert_frame_equal(own, getattr(alone, kind), check_exact=True)


def test_sums_without_a_cluster_and_a_class_are_those_of_the_rows_that_are_left(judged: StudyResults) -> None:
    (study,) = study_arrays(StudyResults(*_on(judged, "A"), {}, judged.path), "knn[1]", "auroc")
    ranks = np.concatenate([study.ranks, study.ranks[::-1]], axis=-1).transpose(1, 0, 2)[:, :, None]
    found = LeftOut([study])._grams([ranks])
    clusters, classes = np.unique(study.clusters), np.unique(study.targets)
    for c, target in enumerate(classes):
        for u, cluster in enumerate(clusters):
            rows = ranks[study.targets != target][:, study.clusters != cluster].reshape(-1, ranks.shape[-1])
            expected = rows.T @ rows + len(rows) * 0.1 / 12 * np.eye(rows.shape[1])
            np.testing.assert_allclose(found[c, u, 0], expected, atol=1e-12)


def test_rules_say_what_is_fitted_to_the_rows_that_are_left(judged: StudyResults) -> None:
    one = StudyResults(*_on(judged, "A"), {}, judged.path)
    detectors = [study_arrays(one, name, "auroc") for name in ("knn[1]", "centroid")]
    ranks = np.stack([detectors[0][0].ranks, detectors[0][0].ranks[::-1]], axis=2)  # (P, T, B, K): two placements
    both = np.concatenate([ranks, np.sqrt(15) * (ranks**2 - 1 / 12)], axis=-1)
    together = list(LeftOut(detectors[0], detectors[1:]).predictions([ranks]))
    for (study,), (said,) in zip(detectors, together, strict=True):
        for p, t, b in np.ndindex(ranks.shape[:3]):
            known, others = study.clusters != study.clusters[p], study.targets != study.targets[t]
            y = scaled_ranks(study.scores[known])[:, others].ravel()
            for rule, columns in ((COMBINATION, slice(len(study.metrics))), (CURVED, slice(None))):
                z = both[known][:, others, b, columns].reshape(len(y), -1)
                fitted = np.linalg.solve(z.T @ z + len(z) * 0.1 / 12 * np.eye(z.shape[1]), z.T @ y)
                assert said[rule][p, t, b] == pytest.approx(both[p, t, b, columns] @ fitted, abs=2e-9)
            for k, metric in enumerate(study.metrics):
                way = np.sign((ranks[known][:, others, b, k].ravel() @ y).round(9))
                assert said[metric][p, t, b] == pytest.approx(way * ranks[p, t, b, k], abs=1e-9)


def _on(results: StudyResults, dataset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    metrics, detectors = (table[table["dataset"] == dataset] for table in (results.metrics, results.detectors))
    return metrics, detectors

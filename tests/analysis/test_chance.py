"""Draws that detectors share are those that each would have by itself."""

import itertools

import numpy as np
import pandas as pd
import pytest

from reprq.analysis import left_out, recommend
from reprq.analysis.chance import chance_of_detectors, chance_scores
from reprq.analysis.left_out import LeftOut, predictions_of_detectors
from reprq.analysis.placements import NetworkPoints, placed
from reprq.analysis.rules import COMBINATION, CURVED, alike, scaled_ranks, study_arrays
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


def test_draws_in_small_blocks_are_those_of_large_ones(judged: StudyResults, monkeypatch: pytest.MonkeyPatch) -> None:
    studies = study_arrays(judged, "knn[1]", "auroc")
    whole = chance_scores(studies, 20, seed=3)
    monkeypatch.setattr(left_out, "_BLOCK", 1)
    monkeypatch.setattr(left_out, "TOGETHER", 3)
    for rule, draws in chance_scores(studies, 20, seed=3).items():
        np.testing.assert_allclose(draws, whole[rule], atol=1e-12)


def test_fits_are_those_of_the_rows_that_are_left(judged: StudyResults) -> None:
    """Wherever the metrics are placed: first in their own places, then each network with those of the next."""
    one = StudyResults(*_on(judged, "A"), {}, judged.path)
    detectors = [study_arrays(one, name, "auroc") for name in ("knn[1]", "centroid")]
    (study,) = detectors[0]
    fits = LeftOut(detectors[0], detectors[1:])
    own = np.arange(len(fits.networks))
    places = fits.places(np.stack([own, np.roll(own, 1)], axis=1))
    ranks = np.empty((*study.ranks.shape[:2], 2, study.ranks.shape[2]))
    for number, network in enumerate(fits.networks):
        ranks[network.points[0], :, 0] = study.ranks[network.points[0]]
        ranks[network.points[0], :, 1] = study.ranks[fits.networks[own[number - 1]].points[0]]
    both = np.concatenate([ranks, np.sqrt(15) * (ranks**2 - 1 / 12)], axis=-1)
    clusters = np.unique(study.clusters)
    for fit in fits.fits(places):
        (tasks,) = fit.tasks
        for (u, cluster), b, (d, (judge,)) in itertools.product(enumerate(clusters), range(2), enumerate(detectors)):
            known, others = study.clusters != cluster, study.targets != study.targets[tasks[0]]
            y = scaled_ranks(judge.scores[known])[:, others].ravel()
            for rule, columns in ((COMBINATION, slice(len(study.metrics))), (CURVED, slice(None))):
                z = both[known][:, others, b, columns].reshape(len(y), -1)
                expected = np.linalg.solve(z.T @ z + len(z) * 0.1 / 12 * np.eye(z.shape[1]), z.T @ y)
                np.testing.assert_allclose(fit.weights[rule][u, :, d, b], expected, atol=1e-9)
            signs = np.sign((ranks[known][:, others, b].reshape(len(y), -1).T @ y).round(9))
            np.testing.assert_array_equal(fit.ways[u, :, d, b], signs)


def test_rules_say_what_the_fits_give(judged: StudyResults) -> None:
    detectors = [study_arrays(judged, name, "auroc") for name in ("knn[1]", "centroid")]
    fits = LeftOut(detectors[0], detectors[1:])
    said = predictions_of_detectors(detectors)
    for fit in fits.fits(fits.places(np.arange(len(fits.networks))[:, None])):
        for number, (studies, own) in enumerate(zip(detectors, said, strict=True)):
            for d, study in enumerate(studies):
                both = np.concatenate([study.ranks, np.sqrt(15) * (study.ranks**2 - 1 / 12)], axis=-1)
                clusters = np.unique(study.clusters, return_inverse=True)[1]
                for p, t in itertools.product(range(len(study.points)), fit.tasks[d]):
                    for rule, weights in fit.weights.items():
                        w = weights[clusters[p], :, number, 0]
                        assert own[d][rule][p, t] == pytest.approx(both[p, t, : len(w)] @ w, abs=2e-9)
                    for k, metric in enumerate(study.metrics):
                        way = fit.ways[clusters[p], k, number, 0]
                        assert own[d][metric][p, t] == pytest.approx(way * study.ranks[p, t, k], abs=1e-9)


def test_a_network_gets_values_at_the_same_relative_depth_and_none_of_one_that_is_not_there() -> None:
    networks = [
        NetworkPoints("a", [np.array([0, 1])]),
        NetworkPoints("b", [np.array([4, 3, 2])]),
        NetworkPoints("c", [np.array([], int)]),
    ]
    values = np.arange(5.0)[:, None, None]
    found = placed([values], networks, np.array([[1, 1, 2], [0, 0, 1], [2, 0, 1]]), np.array([-1.0]))
    assert [each.values[0][:, 0, 0][:, each.given].T.tolist() for each in found] == [
        [[4, 2], [4, 2], [-1, -1]],
        [[0, 0, 1], [0, 0, 1], [4, 3, 2]],
        [[], [], []],
    ]


def _on(results: StudyResults, dataset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    metrics, detectors = (table[table["dataset"] == dataset] for table in (results.metrics, results.detectors))
    return metrics, detectors

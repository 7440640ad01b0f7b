"""Rivals of metrics on studies whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from reprq.analysis.rivals import (
    DEPTH,
    FIXED,
    LAST,
    RANDOM,
    against_synthetic,
    agreement,
    dull_rules,
    few_labels,
    few_shot,
)
from reprq.analysis.rules import StudyArrays, picks
from reprq.errors import InputError
from reprq.evaluation import auroc
from reprq.evaluation.detection import halves_of
from reprq.metrics import h_score, logme


def study(dataset: str, scores: np.ndarray, networks: str) -> StudyArrays:
    """Scores (P, T) of networks with equally many layers."""
    layers = len(scores) // len(networks)
    backbones, numbers = np.repeat(list(networks), layers), np.tile(np.arange(layers), len(networks))
    points = pd.DataFrame({"backbone": backbones, "layer": numbers.astype(str), "layer_number": numbers})
    tasks = np.array([f"unimodal:{t}" for t in range(scores.shape[1])])
    return StudyArrays(
        dataset=dataset,
        points=points.assign(network=backbones),
        tasks=tasks,
        targets=tasks,
        clusters=backbones,
        metrics=(),
        ranks=np.zeros((*scores.shape, 0)),
        scores=scores,
        folds=np.stack([scores, scores])[None],
    )


def bumps(networks: int, peak: int, layers: int = 5, tasks: int = 2) -> np.ndarray:
    return np.tile(-np.abs(np.arange(layers) - peak)[:, None], (networks, tasks)).astype(float)


def test_the_last_layer_is_that_of_each_network_and_random_is_any() -> None:
    (said,) = dull_rules([study("A", bumps(3, 1), "abc")])
    assert picks(said[LAST])[:, 0].tolist() == [0, 0, 0, 0, 1 / 3] * 3
    assert picks(said[RANDOM])[:, 0].tolist() == [1 / 15] * 15


def test_the_frequent_depth_is_that_of_other_networks_on_other_data() -> None:
    """Network c peaks elsewhere on A; what is said of c does not know it, nor what happens on A."""
    mixed = bumps(3, 1)
    mixed[10:] = bumps(1, 4)
    studies = [study("A", bumps(3, 3), "abc"), study("B", mixed, "abc"), study("C", mixed, "abc")]
    said = dull_rules(studies)
    assert said[0][DEPTH][10:, 0].argmax() == 1  # a and b on B and C, not its own 4, nor A's 3
    other = dull_rules([study("A", bumps(3, 0), "abc"), *studies[1:]])
    np.testing.assert_array_equal(other[0][DEPTH], said[0][DEPTH])


def test_the_fixed_ranking_comes_from_the_other_data_sets() -> None:
    rng = np.random.default_rng(0)
    same = rng.uniform(size=(8, 3))
    said = dull_rules([study("A", rng.uniform(size=(8, 3)), "ab"), study("B", same, "ab"), study("C", same, "ab")])
    ranks = same.argsort(0).argsort(0).mean(1)
    assert said[0][FIXED][:, 0].argmax() == ranks.argmax()


def test_one_data_set_and_one_class_have_no_fixed_ranking() -> None:
    assert FIXED not in dull_rules([study("A", bumps(2, 1, tasks=1), "ab")])[0]


def test_few_anomalies_are_judged_against_the_benign_rows_of_their_half() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [20, 6, 6])
    labels = (classes > 0).astype(int)
    scores = rng.standard_normal((4, 32)).round(1) + labels
    every = few_shot(scores, labels, classes, k=6, draws=2)
    assert every.shape == (2, 2, 4)
    for half, rows in enumerate((halves_of(classes), ~halves_of(classes))):
        expected = [auroc(labels[rows], own[rows]).value for own in scores]
        np.testing.assert_allclose(every[half], [expected, expected], rtol=1e-12)
    one = few_shot(scores, labels, classes, k=1, draws=400)
    np.testing.assert_allclose(one.mean(1), every[:, 0], atol=0.05)
    assert one.std(1).min() > 0.05
    np.testing.assert_array_equal(one, few_shot(scores, labels, classes, k=1, draws=400))


def test_agreement_is_the_mean_rank_correlation_of_each_half() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    scores = rng.standard_normal((3, 2, 24)).round(1)
    scores[:, 0] = scores[0, 0]
    scores[2, 1] = 7.0  # says nothing
    classes = np.repeat([0, 1], 12)
    found = agreement(scores, classes, classes)
    for half, rows in enumerate((halves_of(classes), ~halves_of(classes))):
        expected = spearmanr(scores[0, 1, rows], scores[1, 1, rows]).statistic / 3  # of three pairs two have none
        assert found[half, 0] == pytest.approx([1.0, expected])


def test_made_anomalies_are_judged_as_real_ones() -> None:
    rng = np.random.default_rng(0)
    benign, made = rng.standard_normal((3, 30)), rng.normal([[0], [1], [9]], 1, (3, 10))
    labels = np.repeat([0, 1], [30, 10])
    expected = [auroc(labels, np.r_[b, m]).value for b, m in zip(benign, made, strict=True)]
    assert against_synthetic(benign, made).tolist() == expected


def test_what_cannot_be_chosen_by_is_said() -> None:
    with pytest.raises(InputError, match="k must be a whole number of at least 1, got 0"):
        few_shot([[0.0, 1.0]], [0, 1], [0, 1], k=0)
    with pytest.raises(InputError, match="a benign and an anomalous row in either half"):
        few_shot([[0.0, 1.0]], [0, 1], [0, 1], k=1)
    with pytest.raises(InputError, match=r"at least 2 detectors, got shape \(1, 1, 4\)"):
        agreement([[[1, 2, 3, 4]]], [0, 0, 1, 1], [0, 0, 1, 1])


def test_few_labels_ask_each_half_with_the_anomalies_that_were_drawn() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [20, 12])
    rows = rng.standard_normal((32, 40)) + labels[:, None]  # more columns than rows: turned, not changed
    sizes = []

    def measure(x, y):
        sizes.append((len(x), int(y.sum()), x.shape[1] <= 16))
        return logme(x, y)

    found = few_labels(rows, labels, labels, k=2, measure=measure, draws=4)
    assert found.shape == (2, 4)
    assert sizes == [(12, 2, True)] * 8
    halves = np.arange(20) % 2 == 0, np.arange(12) % 2 == 0
    everything = few_labels(rows, labels, labels, k=99, measure=logme, draws=1)
    for half, said in zip((True, False), everything[:, 0], strict=True):
        kept = np.concatenate([np.flatnonzero(halves[0] == half), 20 + np.flatnonzero(halves[1] == half)])
        assert said == pytest.approx(logme(rows[kept], labels[kept]), abs=1e-5)
    with pytest.raises(InputError, match="k must be a whole number of at least 1, got 0"):
        few_labels(rows, labels, labels, k=0, measure=logme)
    with pytest.raises(InputError, match="a benign and an anomalous row in either half"):
        few_labels(rows, labels * 0, labels, k=1, measure=logme)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"k": 1.5}, "k must be a whole number of at least 1, got 1.5"),
        ({"k": "two"}, "k must be a whole number of at least 1, got 'two'"),
        ({"draws": 0}, "draws must be a whole number of at least 1, got 0"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"classes": [0, 1]}, r"classes must have shape \(6,\), one a row, got \(2,\)"),
        ({"measure": lambda rows, labels: np.nan}, "measure must give one finite number, got nan"),
        ({"measure": lambda rows, labels: [1.0, 2.0]}, r"measure must give one finite number, got \[1.0, 2.0\]"),
    ],
)
def test_what_cannot_be_drawn_is_told(changes, said):
    given = {"labels": [0, 0, 0, 0, 1, 1], "classes": [0, 0, 0, 0, 1, 1], "k": 1, "draws": 1}
    asked = {**given, "rows": [[0.0], [0.1], [0.2], [0.3], [5.0], [5.1]], "measure": h_score, **changes}
    with pytest.raises(InputError, match=said):
        few_labels(**asked)
    if "measure" not in changes:
        with pytest.raises(InputError, match=said):
            few_shot([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]], **{**given, **changes})

import numpy as np
import pytest

from reprq.detectors import KNN, OCSVM, Centroid, oracle_grid
from reprq.errors import InputError, UnknownNameError
from reprq.evaluation import auroc, oracle_search

RNG = np.random.default_rng(0)
BENIGN = RNG.normal(size=(80, 3))
ROWS = RNG.normal(size=(200, 3)) + np.repeat([[0.0], [1.5]], 100, axis=0)
LABELS = np.repeat([0, 1], 100)


def test_it_takes_the_best_on_the_held_out_rows_alone():
    gammas = (1e-3, 0.3, 30.0)
    grid = [OCSVM(gamma=gamma) for gamma in gammas]
    choice = oracle_search(grid, BENIGN, ROWS, LABELS, share=0.2, seed=3)
    assert np.bincount(LABELS[choice.held_out]).tolist() == [20, 20]
    assert sorted([*choice.held_out, *choice.remaining]) == list(range(200))
    expected = [
        auroc(LABELS[choice.held_out], OCSVM(gamma=gamma).fit(BENIGN).anomaly_score(ROWS[choice.held_out])).value
        for gamma in gammas
    ]
    assert [value for _, value in choice.candidates] == expected
    assert choice.detector.gamma == gammas[int(np.argmax(expected))]
    remade = OCSVM(gamma=choice.detector.gamma).fit(BENIGN)
    np.testing.assert_array_equal(choice.detector.anomaly_score(ROWS), remade.anomaly_score(ROWS))


def test_labels_outside_the_held_out_rows_decide_nothing():
    grid = oracle_grid("ocsvm", 3)
    choice = oracle_search(grid, BENIGN, ROWS, LABELS)
    changed = ROWS.copy()
    changed[choice.remaining] = 99.0
    again = oracle_search(grid, BENIGN, changed, LABELS)
    assert again.candidates == choice.candidates


def test_the_mark_stands_in_the_identifier():
    assert oracle_search([KNN()], BENIGN, ROWS, LABELS).describe() == "knn[k=5,kth,euclidean,oracle]"
    assert oracle_search([Centroid()], BENIGN, ROWS, LABELS).describe() == "centroid[oracle]"


def test_ties_go_to_the_first_and_seeds_repeat():
    twice = [KNN(3), KNN(3, aggregation="kth")]
    first, second = (oracle_search(twice, BENIGN, ROWS, LABELS, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.held_out, second.held_out)
    assert first.candidates[0][1] == first.candidates[1][1]
    assert not np.array_equal(oracle_search(twice, BENIGN, ROWS, LABELS, seed=2).held_out, first.held_out)


def test_grids_keep_what_was_given():
    assert [detector.gamma for detector in oracle_grid({"name": "ocsvm", "nu": 0.1}, 4)][4] == 0.25
    (fixed,) = oracle_grid({"name": "ocsvm", "nu": 0.1, "gamma": 1.0}, 4)
    assert (fixed.nu, fixed.gamma) == (0.1, 1.0)
    assert {detector.nu for detector in oracle_grid("ocsvm", 4)} == {0.1, 0.01}
    cosine = oracle_grid({"name": "ocsvm", "kernel": "cosine"}, 4)
    assert [detector.describe() for detector in cosine] == [f"ocsvm[nu={nu},cosine]" for nu in (0.05, 0.1, 0.2, 0.5)]
    assert 2.0 in [detector.bandwidth for detector in oracle_grid("kde", 4)]
    assert [detector.k for detector in oracle_grid({"name": "knn", "k": 2}, 4)] == [2]
    with pytest.raises(UnknownNameError, match="unknown detector 'knm'"):
        oracle_grid("knm", 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"candidates": []}, "candidates must name at least one detector"),
        ({"share": 1.0}, "share must be between 0 and 1, got 1.0"),
        ({"labels": np.r_[np.zeros(199), 1]}, "labels must hold two anomalous rows, one to choose with"),
        ({"labels": LABELS[:5]}, r"labels must have shape \(200,\)"),
    ],
)
def test_what_cannot_be_is_one_sentence(change, said):
    given = {"candidates": [KNN()], "benign": BENIGN, "test": ROWS, "labels": LABELS, **change}
    with pytest.raises(InputError, match=said):
        oracle_search(**given)

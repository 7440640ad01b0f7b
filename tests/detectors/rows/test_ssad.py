"""SSAD: its optimum against linear programming and duality, OC-SVM as the case without labels, what labels change."""

import numpy as np
import pytest
from scipy.optimize import linprog

from reprq.detectors import OCSVM, SSAD, load, save
from reprq.errors import InputError
from reprq.evaluation import auroc


@pytest.fixture
def labelled():
    rng = np.random.default_rng(3)
    return rng.normal(size=(12, 7)) * np.arange(1, 8) + 5.0


def primal(values, signs, known, weights, kappa):
    """The least of -rho - kappa gamma + sum of errors, for given <w, phi(x)>: a linear program in rho, gamma, xi."""
    n = len(values)
    of_labelled = known.astype(float)
    # -signs rho - signs... : y (f - rho) >= gamma [labelled] - xi  <=>  y rho + gamma - xi <= y f
    a = np.column_stack([signs, of_labelled, -np.eye(n)])
    cost = np.concatenate([[-1.0, -kappa], weights])
    bounds = [(None, None), (0, None) if known.any() else (0, 0)] + [(0, None)] * n
    return linprog(cost, A_ub=a, b_ub=signs * values, bounds=bounds).fun


@pytest.mark.parametrize("kappa", [0.05, 1.0, 2.5])
@pytest.mark.parametrize("nu", [0.05, 0.2])
@pytest.mark.parametrize("benign_share", [0.0, 0.5, 1.0])
def test_primal_and_dual_meet_at_the_optimum(benign, labelled, kappa, nu, benign_share):
    labels = (np.arange(12) >= 12 * benign_share).astype(int)
    if benign_share == 1.0 and kappa > 1:
        pytest.skip("all weights of known benign rows sum to 1 at most")
    detector = SSAD(nu, kappa=kappa, eta_l=0.7, gamma=0.3).fit(benign, labelled=labelled, labels=labels)
    rows = np.concatenate([benign, labelled])
    scaled = (rows - detector.mean_) / detector.scale_
    kernel = np.exp(-0.3 * ((scaled[:, None] - scaled) ** 2).sum(2))
    alphas = np.zeros(72)
    for support, weight in zip(detector.support_, detector.weights_, strict=True):
        alphas[np.argmin(((scaled - support) ** 2).sum(1))] += weight
    values = -detector.anomaly_score(rows)
    np.testing.assert_allclose(values, kernel @ alphas, rtol=1e-9)
    signs, known = np.concatenate([np.ones(60), 1 - 2 * labels]), np.arange(72) >= 60
    upper = np.where(known, 0.7, 1 / (nu * 60))
    assert alphas.sum() == pytest.approx(1)
    assert (signs * alphas >= 0).all()
    assert (signs * alphas <= upper * (1 + 1e-9)).all()
    assert np.abs(alphas[known]).sum() >= kappa * (1 - 1e-9)
    squared_length = alphas @ kernel @ alphas
    least = squared_length / 2 + primal(values, signs, known, upper, kappa)
    assert least == pytest.approx(-squared_length / 2, abs=1e-5)  # weak duality: no other w, rho, gamma is better


@pytest.mark.parametrize("nu", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("gamma", [None, 0.1, 2.0])
def test_without_labels_it_is_the_one_class_svm(benign, rows, nu, gamma):
    ours, libsvm = (kind(nu, gamma=gamma).fit(benign).anomaly_score(rows) for kind in (SSAD, OCSVM))
    np.testing.assert_allclose(ours, libsvm, atol=1e-5)
    same = SSAD(eta_u=1 / (nu * 60), gamma=gamma).fit(benign).anomaly_score(rows)
    np.testing.assert_allclose(same, ours, atol=1e-9)


def test_known_anomalies_make_others_like_them_score_higher(benign):
    rng = np.random.default_rng(4)
    inside = benign.mean(0) + rng.normal(size=(40, 7)) * 0.3  # where OC-SVM is the surest
    new = np.random.default_rng(0).normal(size=(200, 7))[60:] * np.arange(1, 8) + 3.0
    labels = np.repeat([0, 1], [140, 20])
    scored = np.concatenate([new, inside[20:]])
    plain = auroc(labels, SSAD().fit(benign).anomaly_score(scored)).value
    told = auroc(labels, SSAD().fit(benign, labelled=inside[:20]).anomaly_score(scored)).value
    assert plain < 0.5 < 0.8 < told


def test_known_benign_rows_pull_the_other_way(benign, labelled):
    plain, good, bad = (
        SSAD().fit(benign, **besides).anomaly_score(labelled).mean()
        for besides in (
            {},
            {"labelled": labelled, "labels": np.zeros(12)},
            {"labelled": labelled},
        )
    )
    assert good < plain < bad


def test_thresholds_and_files_know_the_labelled_rows(benign, rows, labelled, tmp_path):
    detector = SSAD().fit(benign, labelled=labelled, labels=np.arange(12) % 2)
    save(detector, tmp_path / "ssad")
    again = load(tmp_path / "ssad")
    np.testing.assert_array_equal(again.anomaly_score(rows), detector.anomaly_score(rows))
    np.testing.assert_array_equal(again.known_, np.arange(12) % 2)
    assert all(clone.known_ is not None for clone, _ in detector.calibration_.folds)
    assert detector.fit(benign).known_ is None


@pytest.mark.parametrize(
    ("parameters", "besides", "message"),
    [
        ({"nu": 0}, {}, r"nu must be in \(0, 1\], got 0"),
        ({"kappa": -1.0}, {}, "kappa must be positive, got -1.0"),
        ({"eta_l": 0.05}, {"labelled": np.ones((12, 7))}, "kappa must be one that the weights allow, got 1"),
        ({"nu": 0.9}, {"labelled": np.ones((3, 7))}, "give a smaller kappa or nu"),
        ({}, {"labelled": np.ones((3, 6))}, "labelled must be as wide as X, got 6 and 7 features"),
        ({}, {"labelled": np.ones((3, 7)), "labels": [1, 1]}, "labels must be one for each of the 3 labelled"),
        ({}, {"labels": [1]}, "labels are those of labelled rows"),
        ({}, {"labelled": np.full((3, 7), np.nan)}, "^labelled "),
        ({}, {"labelled": np.zeros((0, 7))}, "^labelled must have at least 1 row, got 0"),
        (
            {},
            {"labelled": np.full((3, 7), 1e200)},
            "must have values like those of X, got 1e\\+200; rescale it",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(benign, parameters, besides, message):
    with pytest.raises(InputError, match=message):
        SSAD(**parameters).fit(benign, **besides)

"""Relevance of columns: it sums to the score or to what it says, and agrees with loops written out."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reprq.detectors import KDE, KNN, KPCA, MVE, OCSVM, PCA, Centroid, Gaussian, Mahalanobis
from reprq.detectors.rows.base import NotFittedError
from reprq.errors import InputError
from reprq.explain import relevance
from reprq.explain.neuralized import explained

Array = NDArray[np.float64]


def rows(n: int, d: int = 5, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d)) * np.arange(1, d + 1) + 3.0


LABELS = np.arange(40) % 3
SUMS_TO_SCORE = [
    Centroid(),
    PCA(0.8),
    *(KNN(3, aggregation=each, metric=metric) for each in ("kth", "mean", "sum") for metric in ("euclidean", "cosine")),
    KNN(3, center=True, normalize=True),
    *(Mahalanobis(each) for each in ("empirical", "ledoit_wolf", "diagonal", "mcd")),
    Mahalanobis(form="class"),
    Mahalanobis(form="relative"),
    MVE(),
    OCSVM(kernel="cosine"),
]


@pytest.mark.parametrize("detector", SUMS_TO_SCORE, ids=lambda each: each.describe())
def test_relevance_sums_to_the_score(detector: Any) -> None:
    new = rows(300, seed=1)  # more than a block
    detector.fit(rows(40), LABELS)
    found = relevance(detector, new)
    assert found.shape == new.shape
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.sum(1), detector.anomaly_score(new), rtol=1e-6, atol=1e-9)


def test_gaussian_sums_to_its_score_less_a_constant() -> None:
    detector, new = Gaussian().fit(rows(40)), rows(20, seed=1)
    left = detector.anomaly_score(new) - relevance(detector, new).sum(1)
    np.testing.assert_allclose(left, detector._constant / 2, rtol=1e-9)


def written_out(x: Array, centers: Array, weights: Array, g: float) -> tuple[float, Array]:
    """The formulas, term by term."""
    h = [sum((x[i] - u[i]) ** 2 for i in range(len(x))) for u in centers]
    parts = [w * np.exp(-g * each) for w, each in zip(weights, h, strict=True)]
    o = -np.log(sum(parts)) / g
    found = np.zeros(len(x))
    for part, each, u in zip(parts, h, centers, strict=True):
        for i in range(len(x)):
            found[i] += o * part / sum(parts) * ((x[i] - u[i]) ** 2 / each if each > 0 else 0.0)
    return o, found


def test_neuralized_kde_is_its_formula() -> None:
    detector, new = KDE(0.7).fit(rows(30)), rows(9, seed=2)
    scaled, g = (new - detector.mean_) / detector.scale_, 0.5 / 0.7**2
    found = relevance(detector, new)
    for x, one in zip(scaled, found, strict=True):
        o, wanted = written_out(x, detector.rows_, np.full(30, 1 / 30), g)
        np.testing.assert_allclose(one, wanted, rtol=1e-9)
        np.testing.assert_allclose(one.sum(), o, rtol=1e-9)
    d = new.shape[1]
    constant = d / 2 * np.log(2 * np.pi * 0.7**2) + d * np.log(detector.scale_)
    np.testing.assert_allclose(g * found.sum(1) + constant, detector.anomaly_score(new), rtol=1e-9)


def test_neuralized_one_class_svm_is_its_formula() -> None:
    detector, new = OCSVM(0.3).fit(rows(30)), rows(9, seed=2)
    weights = detector.model_.dual_coef_[0] / detector.model_.dual_coef_.sum()
    found = relevance(detector, new)
    for x, one in zip((new - detector.mean_) / detector.scale_, found, strict=True):
        o, wanted = written_out(x, detector.model_.support_vectors_, weights, detector.gamma_)
        np.testing.assert_allclose(one, wanted, rtol=1e-9)
        np.testing.assert_allclose(one.sum(), o, rtol=1e-9)
    np.testing.assert_allclose(-np.exp(-detector.gamma_ * found.sum(1)), detector.anomaly_score(new), rtol=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 6), st.floats(1e-3, 1e3))
def test_neuralized_relevance_is_conserved_and_not_negative(seed: int, n: int, d: int, gamma: float) -> None:
    rng = np.random.default_rng(seed)
    centers, new = rng.normal(size=(n, d)), rng.normal(size=(3, d)) * 5
    found = explained(new, centers, np.full(n, 1 / n), gamma)
    h = np.square(new[:, None] - centers).sum(2)
    nearest = h.min(1)
    o = nearest - np.log(np.exp(-gamma * (h - nearest[:, None])).mean(1)) / gamma
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(1), o, rtol=1e-6, atol=1e-9)


def test_far_away_the_nearest_kernel_alone_counts() -> None:
    """Every exponential underflows; the soft minimum is the minimum plus log(n) / g."""
    found = explained(np.array([[1e4, 0.0]]), np.array([[0.0, 0.0], [0.0, 9e3]]), np.full(2, 0.5), 10.0)
    np.testing.assert_allclose(found, [[1e8 + np.log(2) / 10, 0.0]])


def test_a_row_on_a_kernel_loses_the_share_of_that_kernel() -> None:
    found = explained(np.array([[0.0]]), np.array([[0.0], [1.0]]), np.full(2, 0.5), 1.0)
    o = -np.log((1 + np.exp(-1)) / 2)
    np.testing.assert_allclose(found, [[o * np.exp(-1) / (1 + np.exp(-1))]])
    assert explained(np.array([[2.0]]), np.array([[2.0]]), np.ones(1), 1.0).tolist() == [[0.0]]


def test_far_out_along_a_component_pca_sees_nothing() -> None:
    """Ruff (2021), section 5.2.6: there its error is 0, and so is every relevance."""
    benign = np.array([[-9.0, 1.0], [9.0, 1.0], [-9.0, -1.0], [9.0, -1.0]])
    found = relevance(PCA(0.9).fit(benign), [[900.0, 0.0], [0.0, 8.2]])
    np.testing.assert_allclose(found, [[0.0, 0.0], [0.0, 1.64]], atol=1e-9)


@pytest.mark.parametrize("detector", [KDE(1.0), OCSVM(), KNN(2), Mahalanobis(), PCA(0.8)], ids=lambda x: x.describe())
def test_the_column_that_was_changed_has_most(detector: Any) -> None:
    new = np.full((1, 5), 3.0)
    new[0, 1] = 90.0
    assert relevance(detector.fit(rows(60)), new).argmax() == 1


@pytest.mark.parametrize("detector", [KDE(0.5), KNN(2), OCSVM()], ids=lambda x: x.describe())
def test_no_row_depends_on_the_rows_beside_it(detector: Any) -> None:
    new = rows(280, seed=4)
    detector.fit(rows(50))
    alone = np.vstack([relevance(detector, one[None]) for one in new[[0, 255, 279]]])
    np.testing.assert_allclose(alone, relevance(detector, new)[[0, 255, 279]], rtol=1e-9)


def test_one_row_one_column_and_duplicates() -> None:
    benign = np.ones((4, 1))
    assert relevance(KNN(1).fit(benign), [[1.0], [4.0]]).tolist() == [[0.0], [3.0]]
    assert relevance(Centroid().fit(benign), [[4.0]]).tolist() == [[9.0]]
    np.testing.assert_allclose(relevance(KDE(1.0).fit(benign), [[1.0], [4.0]]), [[0.0], [9.0]])


def test_errors_say_what_to_do() -> None:
    with pytest.raises(InputError, match="relevance is of the detectors autoencoder, .*, pca, got kpca; use one"):
        relevance(KPCA().fit(rows(20)), rows(2))
    with pytest.raises(InputError, match="got int; use one"):
        relevance(3, rows(2))
    with pytest.raises(NotFittedError):
        relevance(KDE(), rows(2))
    with pytest.raises(InputError, match=re.escape("X has 4 features")):
        relevance(KDE(1.0).fit(rows(20)), rows(2, 4))
    with pytest.raises(InputError):
        relevance(Centroid().fit(rows(20)), [[np.nan] * 5])


def test_of_an_autoencoder_it_is_the_error_of_every_value() -> None:
    pytest.importorskip("torch")
    from reprq.detectors import Autoencoder

    detector = Autoencoder(epochs=1).fit(rows(20))
    found = relevance(detector, rows(3, seed=1))
    assert found.shape == (3, 5)
    np.testing.assert_allclose(found.sum(1), detector.anomaly_score(rows(3, seed=1)), rtol=1e-5)

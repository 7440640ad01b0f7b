"""What holds for every detector by name, whatever its method."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.base import clone

from reprq import detectors
from reprq.detectors import Centroid, create, describe, names
from reprq.detectors.rows.base import NotFittedError
from reprq.errors import InputError, UnknownNameError


def test_scores_are_float64_higher_for_anomalies(detector, benign, rows):
    scores = detector.fit(benign).anomaly_score(rows)
    assert scores.shape == (len(rows),)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    far = detector.anomaly_score(-100 * benign.mean(axis=0, keepdims=True))
    assert far > np.median(scores)


def test_a_score_does_not_depend_on_the_batch(detector, benign):
    rows = np.random.default_rng(2).normal(size=(1100, 7)).astype(np.float32) * 5 + 1000
    detector.fit(benign.astype(np.float32) + 1000)
    scores = detector.anomaly_score(rows)
    for part in (slice(0, 1), slice(3, 4), slice(100, 119), slice(7, 612), slice(1099, 1100)):
        np.testing.assert_array_equal(detector.anomaly_score(rows[part]), scores[part])


def test_fit_forgets_the_past(detector, benign, rows):
    expected = clone(detector).fit(benign).anomaly_score(rows)
    refitted = detector.fit(np.random.default_rng(9).normal(size=(30, 3))).fit(benign)
    np.testing.assert_array_equal(refitted.anomaly_score(rows), expected)


def test_the_order_of_the_benign_rows_does_not_matter(detector, benign, rows):
    expected = clone(detector).fit(benign).anomaly_score(rows)
    shuffled = detector.fit(np.random.default_rng(3).permutation(benign)).anomaly_score(rows)
    # random subsets, iterative solvers, and folds
    if describe(detector).startswith(("iforest", "gmm", "ocsvm", "ssad", "ensemble")):
        assert spearmanr(shuffled, expected).statistic > 0.8
    else:
        np.testing.assert_allclose(shuffled, expected, rtol=1e-8, atol=1e-12)


def test_fit_changes_neither_its_input_nor_follows_it(detector, benign, rows):
    given = benign.copy()
    scores = detector.fit(given).anomaly_score(rows)
    np.testing.assert_array_equal(given, benign)
    given[:] = 0
    np.testing.assert_array_equal(detector.anomaly_score(rows), scores)


def test_float32_and_float64_agree(detector, benign, rows):
    benign, rows = benign.astype(np.float32), rows.astype(np.float32)
    expected = clone(detector).fit(benign.astype(np.float64)).anomaly_score(rows.astype(np.float64))
    np.testing.assert_allclose(detector.fit(benign).anomaly_score(rows), expected, rtol=1e-9)


def test_float16_integers_lists_and_views_are_welcome(detector, benign, rows):
    whole = benign.round()
    expected = clone(detector).fit(whole).anomaly_score(rows.round())
    for convert in (np.ndarray.tolist, lambda x: x.astype(int), lambda x: x.astype(np.float16), np.asfortranarray):
        got = clone(detector).fit(convert(whole)).anomaly_score(convert(rows.round()))
        np.testing.assert_allclose(got, expected, rtol=1e-9)
    wide = np.repeat(whole, 2, axis=1)[::-1]
    got = clone(detector).fit(wide[::-1, ::2]).anomaly_score(rows.round())
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_fewer_rows_than_columns_and_duplicates(detector):
    rng = np.random.default_rng(4)
    benign = np.repeat(rng.normal(size=(6, 40)), 2, axis=0)
    scores = detector.fit(benign).anomaly_score(rng.normal(size=(9, 40)))
    assert np.isfinite(scores).all()
    if describe(detector).startswith(("knn", "mahalanobis", "centroid", "pca", "kpca", "mve")):
        assert (scores >= 0).all()


def test_a_constant_column_is_harmless(detector, benign, rows):
    benign, rows = benign.copy(), rows.copy()
    benign[:, 2] = rows[:, 2] = 0.1
    assert np.isfinite(detector.fit(benign).anomaly_score(rows)).all()


def edge(**change):
    return {"fit": np.ones((9, 3)) * np.arange(9)[:, None] + 1, "score": np.ones((2, 3)), **change}


hole = np.ones((9, 3))
hole[4, 1] = np.nan
endless = np.ones((9, 3))
endless[2, 0] = -np.inf


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (edge(fit=hole), "X must be finite, got nan at row 4, column 1"),
        (edge(fit=endless), "X must be finite, got -inf at row 2, column 0"),
        (edge(score=hole), "X must be finite, got nan at row 4, column 1"),
        (edge(fit=np.empty((0, 3))), "X must have at least"),
        (edge(fit=np.empty((3, 0))), "column"),
        (edge(score=np.empty((0, 3))), "X must have at least 1 row, got 0"),
        (edge(score=np.ones((2, 4))), "X has 4 features, but"),
        (edge(fit=np.ones(3)), "X must be an (n, d) array, got shape (3,); reshape one row to (1, d)"),
        (edge(fit=[[1, 2], [3]]), "X must be an (n, d) array, got a ragged sequence"),
        (edge(fit=[["a", "b"]]), "X must be real numbers"),
    ],
)
def test_bad_arrays_are_one_sentence(detector, case, said):
    with pytest.raises(InputError) as caught:
        detector.fit(case["fit"]).anomaly_score(case["score"])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scores_before_fit_are_refused(detector, rows):
    with pytest.raises(NotFittedError, match=r"is not fitted; call fit with benign rows first"):
        detector.anomaly_score(rows)


def test_too_large_values_are_refused_or_scored_but_never_infinite(detector, benign):
    detector.fit(benign)
    if describe(detector).startswith(("knn[k=3,sum,cosine", "iforest", "ocsvm", "ssad", "kpca", "radial")):  # bounded
        assert np.isfinite(detector.anomaly_score(benign * 1e200)).all()
        return
    with pytest.raises(InputError, match="too large"):
        detector.anomaly_score(benign * 1e200)


def test_parameters_survive_a_clone(detector):
    assert describe(clone(detector)) == describe(detector)
    assert clone(detector).get_params() == detector.get_params()


def test_every_detector_of_rows_has_an_identifier_of_its_own():
    identifiers = [describe(create(name)) for name in names()]
    assert [identifier.partition("[")[0] for identifier in identifiers] == list(names())
    assert len(set(identifiers)) == len(identifiers)
    assert describe(create({"name": "knn", "k": 1, "metric": "cosine", "aggregation": "sum"})) == "knn[k=1,sum,cosine]"


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        (
            "knm",
            UnknownNameError,
            "unknown detector 'knm': did you mean 'knn'? Valid: ",
        ),
        (
            {"name": "knn", "kk": 2},
            InputError,
            "detector knn has no parameter 'kk'; valid: k, aggregation, metric, center",
        ),
        ({"name": "centroid", "k": 2}, InputError, "detector centroid has no parameter 'k'; valid: (none)"),
        ({"k": 2}, InputError, "detector must be a name or a mapping with a name, got {'k': 2}"),
        ({"name": "knn", "k": 0}, InputError, "k must be a positive integer, got 0"),
        ({"name": "knn", "k": True}, InputError, "k must be a positive integer, got True"),
        ({"name": "knn", "k": 2.5}, InputError, "k must be a positive integer, got 2.5"),
        ({"name": "knn", "metric": "l1"}, InputError, "metric must be one of euclidean, cosine, got 'l1'"),
        ({"name": "knn", "aggregation": "max"}, InputError, "aggregation must be one of kth, mean, sum, got 'max'"),
        (
            {"name": "mahalanobis", "covariance": "x"},
            InputError,
            "covariance must be one of empirical, ledoit_wolf, oas, diagonal, mcd, got 'x'",
        ),
    ],
)
def test_a_wrong_spec_is_one_sentence(spec, error, said):
    with pytest.raises(error) as caught:
        create(spec)
    assert said in str(caught.value)


def test_the_package_imports_without_torch_faiss_or_scikit_learn():
    code = "import sys, reprq.detectors; sys.exit(int(bool({'torch', 'faiss', 'sklearn'} & set(sys.modules))))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_scoring_needs_no_torch():
    code = (
        "import sys; from reprq.detectors import create, names; x = [[i % 5, i * i % 7] for i in range(1, 21)];"
        "[create(name).fit(x).anomaly_score(x) for name in names()];"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_public_names():
    for name in detectors.__all__:
        assert getattr(detectors, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Knn'"):
        _ = detectors.Knn


def test_the_centroid_is_the_squared_distance_to_the_mean():
    benign, rows = np.array([[1000.0, 0.0], [1002.0, 2.0]]), np.array([[1001.0, 1.0], [1001.0, 4.0]])
    np.testing.assert_array_equal(Centroid().fit(benign).anomaly_score(rows), [0.0, 9.0])

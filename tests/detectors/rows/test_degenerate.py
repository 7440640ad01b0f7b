"""Rows that tell a detector little: it ranks as a nearest neighbour does, or says in one sentence why it cannot."""

import re

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

from reprq.detectors import KPCA, LOF, PCA, create, describe, names
from reprq.errors import InputError

RNG = np.random.default_rng(5)
ROWS, NEW, FAR = RNG.normal(size=(60, 8)), RNG.normal(size=(30, 8)), RNG.normal(size=(30, 8)) + 6
LINE = RNG.normal(size=(1, 8))
ODD = np.array([1.0, 0, 0, 1, 0, 0, 0, 1]), np.array([0, 0.1, 7e5, 0, -3, 0.3, 0.7, 0])


def repeated(share, rows=ROWS):
    """The first row in `share` of all the places."""
    rows = rows.copy()
    rows[: int(share * len(rows))] = rows[0]
    return rows


# name: benign rows, new benign rows, anomalies
CASES = {
    "one-column": (ROWS[:, :1], NEW[:, :1], FAR[:, :1]),
    "two-columns": (ROWS[:, :2], NEW[:, :2], FAR[:, :2]),
    "a-line": (ROWS[:, :1] @ LINE, NEW[:, :1] @ LINE, FAR[:, :1] @ LINE),
    "low-rank": (ROWS[:, :3] @ ROWS[:3], NEW[:, :3] @ ROWS[:3], (FAR[:, :3] + 9) @ ROWS[:3]),
    "few-rows": (ROWS[:6], ROWS[:6] + 0.1 * NEW[:6], FAR * 5),
    "constant-columns": tuple(x * ODD[0] + ODD[1] for x in (ROWS, NEW, FAR)),
    "twice-each": (np.repeat(ROWS, 2, axis=0), NEW, FAR),
    "60%-equal": (repeated(0.6), repeated(0.5, NEW), FAR),
    "all-equal-but-three": (repeated(0.95), np.repeat(ROWS[:1], 9, axis=0), FAR),
    "two-different-rows": (np.repeat(ROWS[:2], 20, axis=0), np.repeat(ROWS[:2], 9, axis=0), FAR),
    "all-equal": (np.full((20, 4), 0.1), np.full((9, 4), 0.1), FAR[:, :4]),
    "one-row": (ROWS[:1], ROWS[:1], FAR),
    "two-rows": (ROWS[:2], ROWS[:2], FAR),
    **{f"scale-{s:g}": (ROWS * s, NEW * s, FAR * s) for s in (1e-12, 1e-6, 1e6, 1e12)},
    "float32-scale-1e-12": tuple((x * 1e-12).astype(np.float32) for x in (ROWS, NEW, FAR)),
    "offset-1e8": (ROWS + 1e8, NEW + 1e8, FAR + 1e8),
}
SPECS = [
    *({"name": "iforest", "trees": 40} if name == "iforest" else name for name in names()),
    *({"name": "mahalanobis", "covariance": kind} for kind in ("empirical", "oas", "diagonal", "mcd")),
    {"name": "gaussian", "covariance": "diagonal"},
    {"name": "lof", "k": 5},
    {"name": "gmm", "components": 2},
    {"name": "knn", "k": 1},
]
SAID = {
    "one-row": "at least [24] rows|at most the number of benign rows",
    "two-rows": "at least 4 rows|three different rows|at most the number of benign rows|more than 2 d rows",
    "few-rows": "more than 2 d rows|too few different rows",
    "all-equal": "different rows",
    "two-different-rows": "three different rows",
    "60%-equal": "more than half that are equal",
    "all-equal-but-three": "more than half that are equal|too few different rows",
}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: describe(create(spec)))
@pytest.mark.parametrize("case", CASES)
def test_the_ranking_is_that_of_neighbours_or_one_sentence(spec, case):
    benign, new, far = CASES[case]
    name = describe(create(spec))
    refusal = ""
    try:
        scores = create(spec).fit(benign).anomaly_score(np.vstack([new, far]))
    except InputError as error:
        refusal = str(error)
    if refusal:
        assert re.search(SAID.get(case, "never"), refusal), refusal
    elif name.startswith("pca"):  # a shift may lie in the components that it keeps
        assert np.ptp(scores) > 1e-6
    elif name.startswith("ensemble") and case in ("60%-equal", "all-equal-but-three"):
        assert np.isfinite(scores).all()  # p-values among few different rows tie
    elif case == "all-equal-but-three" and name.startswith(("mve", "gaussian[emp", "mahalanobis[emp")):
        assert np.isfinite(scores).all()  # three rows span a plane, and by definition nothing beside it counts
    else:
        assert roc_auc_score([0] * len(new) + [1] * len(far), scores) > 0.93


def test_pca_leaves_a_component_out_however_few_there_are():
    for columns in (1, 2, 3, 8):
        detector = PCA(0.999).fit(ROWS[:, :columns])
        assert len(detector.components_) == columns - 1
        assert detector.anomaly_score(NEW[:, :columns]).max() > 1e-3
    assert len(PCA(0.999).fit(ROWS[:, :3] @ ROWS[:3]).components_) == 2
    np.testing.assert_allclose(PCA().fit([[-1.0], [1.0]]).anomaly_score([[0.0], [3.0]]), [0.0, 9.0])


def test_what_kernel_pca_holds_is_zero_not_rounding():
    scores = KPCA(0.999).fit(ROWS[:6]).anomaly_score(np.vstack([ROWS[:6], FAR[:1]]))
    assert (scores[:6] < 1e-12).all()
    assert scores[6] > 0.1


@pytest.mark.parametrize("k", [3, 20])
def test_lof_is_scikit_learns_where_no_row_occurs_more_than_k_times(k):
    benign = np.vstack([ROWS, np.repeat(ROWS[:1], k - 1, axis=0)])
    scale = np.sqrt(np.mean((benign - benign.mean(axis=0)) ** 2))
    centred = [(rows - benign.mean(axis=0)) / scale for rows in (benign, NEW)]
    peer = LocalOutlierFactor(k, novelty=True).fit(centred[0])
    np.testing.assert_allclose(LOF(k).fit(benign).anomaly_score(NEW), -peer.score_samples(centred[1]), rtol=1e-6)


def test_lof_counts_equal_rows_once_where_their_density_would_be_infinite():
    repeats = np.repeat(ROWS[:1], 30, axis=0)
    expected = LOF(20).fit(ROWS).anomaly_score(NEW)
    scores = LOF(20).fit(np.vstack([ROWS, repeats])).anomaly_score(np.vstack([NEW, ROWS[:1]]))
    assert scores.max() < 10
    np.testing.assert_allclose(scores[:-1], expected, rtol=1e-6)


def test_a_constant_column_is_exactly_its_constant():
    for value in (0.1, 1e8 + 0.1, 7e-9):
        centroid = create("centroid").fit(np.full((20, 3), value))
        np.testing.assert_array_equal(centroid.anomaly_score(np.full((2, 3), value)), [0.0, 0.0])


def test_differences_too_small_to_square_are_refused():
    with pytest.raises(InputError, match="differences too small for a covariance in float64; rescale it"):
        create("mahalanobis").fit(ROWS * 1e-120)


def test_more_components_than_different_rows_are_refused():
    with pytest.raises(InputError, match="components must be at most the different rows, got 3 and 2"):
        create({"name": "gmm", "components": 3}).fit(np.repeat(ROWS[:2], 9, axis=0))

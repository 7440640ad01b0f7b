import copy
import pickle

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from reprq.detectors import KNN, Mahalanobis


@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks_pass(registered):
    results = check_estimator(registered, on_fail=None)
    assert len(results) > 40
    assert [r["check_name"] for r in results if r["status"] not in ("passed", "skipped")] == []
    assert [r["check_name"] for r in results if r["status"] == "skipped"] in ([], ["check_array_api_input"])


def test_detectors_end_a_pipeline(detector, benign, rows):
    pipeline = make_pipeline(StandardScaler(), PCA(4, whiten=True), detector).fit(benign)
    step = pipeline[:-1]
    expected = detector.anomaly_score(step.transform(rows))
    calibrated = detector.calibration_.scores(step.transform(rows))
    np.testing.assert_array_equal(pipeline.score_samples(rows), -calibrated)
    np.testing.assert_array_equal(pipeline.predict(rows), np.where(pipeline.decision_function(rows) < 0, -1, 1))
    middle = float(np.median(expected))
    assert (pipeline.predict(rows, threshold=middle) == -1).sum() == (expected > middle).sum()


def test_copies_and_pickles_score_alike(detector, benign, rows):
    detector.fit(benign)
    for twin in (copy.deepcopy(detector), pickle.loads(pickle.dumps(detector))):
        np.testing.assert_array_equal(twin.anomaly_score(rows), detector.anomaly_score(rows))


def test_training_scores_are_those_of_new_rows_not_of_rows_seen():
    rng = np.random.default_rng(0)
    for detector in (KNN(), Mahalanobis("empirical")):
        detector.fit(rng.normal(size=(100, 60)))
        assert np.mean(detector.training_scores()) > 1.005 * np.mean(detector.anomaly_score(detector.benign_))


def test_training_scores_come_from_detectors_that_did_not_see_the_row(detector, benign):
    scores = detector.fit(benign).training_scores()
    assert scores.shape == (len(benign),)
    np.testing.assert_array_equal(scores, detector.training_scores())
    moved = benign.copy()
    moved[11] = -1000.0 * benign.mean(axis=0)
    assert np.argmax(detector.fit(moved).training_scores()) == 11


def test_a_prediction_flags_far_rows(detector, benign):
    detector.fit(benign)
    far = -50.0 * benign.mean(axis=0, keepdims=True)
    assert detector.predict(far).tolist() == [-1]
    assert detector.decision_function(far) < 0
    assert detector.predict(benign).mean() > 0.5

"""LogME against the evidence maximized by a general optimizer, and the H-score against its literal formula."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from reprq.errors import InputError
from reprq.metrics import h_score, logme


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], [14, 9, 7])
    return rng.standard_normal((30, 4)) + (labels == "a")[:, None] * [1, 0, 2, 0] + 0.5, labels


def test_logme_is_the_evidence_at_its_maximum(data) -> None:
    x, labels = data
    found = []
    for name in "abc":
        y = (labels == name).astype(float)

        def loss(logs, y=y):
            alpha, beta = np.exp(logs)
            return -multivariate_normal.logpdf(y, cov=np.eye(30) / beta + x @ x.T / alpha)

        found.append(-min(minimize(loss, start, method="Nelder-Mead").fun for start in ([0, 0], [3, 1])) / 30)
    assert logme(x, labels) == pytest.approx(np.mean(found), abs=1e-4)


def test_logme_knows_no_rotation_and_no_scale(data) -> None:
    x, labels = data
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    assert logme(7 * x @ turn, labels) == pytest.approx(logme(x, labels), abs=1e-4)
    assert logme(x, labels) > logme(x, np.random.default_rng(2).permutation(labels))


def test_more_columns_than_rows_have_a_finite_evidence() -> None:
    rng = np.random.default_rng(0)
    assert np.isfinite(logme(rng.standard_normal((12, 40)), np.arange(12) % 2))
    assert np.isfinite(logme(np.eye(4)[[0, 0, 1, 1]], [0, 0, 1, 1]))


def test_the_h_score_is_its_formula_and_at_its_ends(data) -> None:
    x, labels = data
    means = np.stack([x[labels == name].mean(0) for name in labels])
    expected = np.trace(np.linalg.inv(np.cov(x.T, ddof=0)) @ np.cov(means.T, ddof=0))
    assert h_score(x, labels) == pytest.approx(expected, rel=1e-9)
    assert h_score(x @ np.diag([1, 2, 3, 4]) - 5, labels) == pytest.approx(expected, rel=1e-9)
    assert h_score(np.random.default_rng(0).standard_normal((30, 40)), labels) == pytest.approx(2)
    assert h_score([[0.0], [1.0], [0.0], [1.0]], [0, 0, 1, 1]) == pytest.approx(0)


@pytest.mark.parametrize("measure", [logme, h_score])
def test_what_has_no_value_is_said(measure) -> None:
    with pytest.raises(InputError, match="at least 2 classes, got 1"):
        measure(np.eye(3), [1, 1, 1])
    with pytest.raises(InputError, match="labels"):
        measure(np.eye(3), [1, 2])
    with pytest.raises(InputError, match="got all rows (zero|equal)"):
        measure(np.zeros((3, 2)), [1, 2, 2])
    with pytest.raises(InputError, match="must be finite"):
        measure([[np.nan], [1.0]], [0, 1])
    with pytest.raises(InputError, match="got all rows equal"):
        h_score(np.full((4, 2), 0.1), [0, 0, 1, 1])

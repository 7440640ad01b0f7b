"""LogME against the evidence maximized by a general optimizer, and the H-score against its literal formula."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from reprq.errors import InputError
from reprq.metrics import h_score, logme, probe_auroc


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


def test_the_probe_is_a_refit_without_each_row() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [12, 4])
    x = rng.standard_normal((16, 5)) + labels[:, None] * 0.7
    rows = x - x.mean(0)
    weights, y = np.where(labels == 1, 0.5 / 4, 0.5 / 12), np.where(labels == 1, 1.0, -1.0)
    penalty = 0.1 * np.square(rows).sum() / 16
    scores = []
    for i in range(16):
        kept = np.arange(16) != i
        gram = (rows[kept] * weights[kept, None]).T @ rows[kept] + penalty * np.eye(5)
        scores.append(rows[i] @ np.linalg.solve(gram, (rows[kept] * (weights * y)[kept, None]).sum(0)))
    scores = np.array(scores)
    expected = (scores[12:, None] > scores[:12]).mean()
    assert 0.5 < expected < 1
    assert probe_auroc(x, labels) == pytest.approx(expected)
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    assert probe_auroc(8 * x @ turn + 2, labels) == pytest.approx(expected)


def test_the_probe_of_noise_is_no_better_than_chance_and_says_what_it_needs() -> None:
    labels = np.repeat([0, 1], [30, 5])
    found = [probe_auroc(np.random.default_rng(seed).standard_normal((35, 200)), labels) for seed in range(40)]
    assert np.mean(found) < 0.6  # rows left out lean to the other class, so it is below rather than above
    with pytest.raises(InputError, match="at least 2 anomalies and 2 benign rows, got 1 anomalies"):
        probe_auroc(np.eye(4), [0, 0, 0, 1])
    with pytest.raises(InputError, match="must be 0"):
        probe_auroc(np.eye(4), [0, 0, 2, 2])
    with pytest.raises(InputError, match="rows that differ"):
        probe_auroc(np.ones((4, 2)), [0, 0, 1, 1])
    with pytest.raises(InputError, match="ridge must be positive"):
        probe_auroc(np.eye(4), [0, 0, 1, 1], ridge=0)


def test_a_quick_decomposition_that_fails_is_done_by_the_slow_one(data, monkeypatch) -> None:
    x, labels = data
    expected = h_score(x, labels), logme(x, labels)

    def fails(*_, **__):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", fails)
    assert (h_score(x, labels), logme(x, labels)) == pytest.approx(expected)

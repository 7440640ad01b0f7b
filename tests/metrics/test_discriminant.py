import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power

from reprq.errors import InputError
from reprq.metrics import coherence, lidar


def oracle_lidar(views, delta=1e-4, eps=1e-7):
    """Equations 1 to 3 of Thilak et al., object by object."""
    n, _, d = views.shape
    means = [views[i].mean(axis=0) for i in range(n)]
    grand = np.mean(means, axis=0)
    between = sum(np.outer(m - grand, m - grand) for m in means) / (n - 1)
    within = sum(np.cov(views[i].T) for i in range(n)) / n + delta * np.eye(d)
    root = fractional_matrix_power(within, -0.5).real
    values = np.sort(np.linalg.eigvalsh(root @ between @ root))[::-1][: min(n - 1, d)]
    p = values / values.sum() + eps
    return np.exp(-(p * np.log(p)).sum())


@pytest.mark.parametrize("shape", [(60, 5, 8), (6, 4, 8), (40, 2, 3)])
def test_lidar_equals_the_equations(rng, shape):
    n, _, d = shape
    views = rng.standard_normal((n, 1, d)) * np.arange(1, d + 1) + 0.3 * rng.standard_normal(shape) + 10
    assert lidar(views) == pytest.approx(oracle_lidar(views), rel=1e-7)
    assert lidar(torch.tensor(views), delta=0.1) == pytest.approx(oracle_lidar(views, delta=0.1), rel=1e-7)


def test_lidar_counts_only_directions_that_tell_objects_apart(rng):
    objects = rng.standard_normal((500, 1, 10)) * (np.arange(10) < 4)
    noise = rng.standard_normal((500, 8, 10))
    assert lidar(objects + 0.01 * noise) == pytest.approx(4, abs=0.1)
    assert lidar(np.repeat(rng.standard_normal((4, 1, 10)), 2, axis=1)) <= 3


def test_coherence_equals_the_leverage_of_the_hat_matrix(rng):
    x = rng.standard_normal((50, 4)) + 2
    x[7] *= 20
    hat = x @ np.linalg.inv(x.T @ x) @ x.T
    assert coherence(x) == pytest.approx(50 / 4 * hat.diagonal().max(), rel=1e-9)
    assert coherence(x @ rng.standard_normal((4, 9))) == pytest.approx(coherence(x), rel=1e-8)
    assert coherence(1e-200 * x) == pytest.approx(coherence(x), rel=1e-9)


def test_coherence_at_its_ends():
    assert coherence(np.ones((6, 3))) == pytest.approx(1)
    alone = np.zeros((6, 3))
    alone[2] = 1
    assert coherence(alone) == pytest.approx(6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: lidar(np.ones((3, 4))),
            r"must be an \(n, q, d\) array of n objects .* got shape \(3, 4\)",
        ),
        (lambda: lidar(np.ones((3, 1, 4))), "both at least 2"),
        (lambda: lidar(np.ones((3, 2, 4))), "the same mean embedding for all of them"),
        (lambda: lidar(np.ones((3, 2, 4)), delta=0.0), "delta must be positive, got 0.0"),
        (lambda: lidar(np.full((3, 2, 4), np.nan)), "x must be finite"),
        (lambda: coherence(np.zeros((3, 2))), "all rows zero: none has a leverage"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_delta_that_vanishes_is_refused(rng):
    rows = rng.normal(size=(30, 1, 4)) * 1e8
    views = np.concatenate([rows, rows + 1e8 * np.sign(rng.normal(size=(30, 1, 1)))], axis=1)
    with pytest.raises(InputError, match="delta must not vanish beside the spread of the views, got 0.0001"):
        lidar(views)

"""The maximum-likelihood dimension against its literal formula and manifolds of known dimension."""

import numpy as np
import pytest

from reprq.errors import InputError
from reprq.metrics import local_dimension


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def literal(x, k):
    """Levina & Bickel's estimate in each row, and the inverse of the mean of the inverses."""
    inverses = []
    for i in range(len(x)):
        distances = sorted(float(np.linalg.norm(x[i] - x[j])) for j in range(len(x)) if j != i)[:k]
        local = 1 / (sum(np.log(distances[k - 1] / t) for t in distances[: k - 1]) / (k - 1))
        inverses.append(1 / local)
    return 1 / (sum(inverses) / len(inverses))


@pytest.mark.parametrize("k", [2, 5, 10])
def test_it_is_the_literal_formula(rng, k):
    x = rng.standard_normal((40, 6)) + 3
    assert local_dimension(x, k) == pytest.approx(literal(x, k), rel=1e-9)


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_it_finds_the_dimension_of_a_manifold_whatever_the_space(rng, dimension):
    rows = rng.uniform(size=(1500, dimension)) @ np.linalg.qr(rng.standard_normal((20, 20)))[0][:dimension]
    assert local_dimension(rows) == pytest.approx(dimension, rel=0.1)
    assert local_dimension(1e6 * rows + 7) == pytest.approx(local_dimension(rows), rel=1e-6)


def test_the_mean_of_inverses_is_nearer_than_the_mean_of_estimates_for_few_neighbors(rng):
    x = rng.uniform(size=(800, 3))
    distances = np.sort(np.linalg.norm(x[:, None] - x[None], axis=2), axis=1)[:, 1:4]
    estimates = 1 / np.log(distances[:, -1:] / distances[:, :-1]).mean(axis=1)
    assert abs(local_dimension(x, 3) - 3) < abs(estimates.mean() - 3)


def test_copies_count_once(rng):
    x = rng.standard_normal((50, 4))
    assert local_dimension(np.concatenate([x, x[:20]])) == pytest.approx(local_dimension(x), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: local_dimension(np.zeros((20, 3))), "more than k = 10 distinct rows, got 1"),
        (lambda: local_dimension(np.eye(5)), "more than k = 10 distinct rows, got 5"),
        (lambda: local_dimension(np.eye(12)), "neighbors at different distances, got equal ones"),
        (lambda: local_dimension(np.eye(12), k=1), "k must be at least 2, got 1"),
        (lambda: local_dimension([[np.nan, 1.0], [1.0, 2.0]]), "must be finite"),
    ],
)
def test_what_has_no_dimension_is_said(call, said):
    with pytest.raises(InputError, match=said):
        call()

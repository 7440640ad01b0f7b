import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.metrics import mutual_knn, procrustes_distance, pwcca, svcca


def centred(x):
    return x - x.mean(axis=0)


def oracle_procrustes(x, y):
    """The distance at the best rotation itself, of both padded to one width."""
    width = max(x.shape[1], y.shape[1])
    a, b = (np.pad(centred(z) / np.linalg.norm(centred(z)), ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    u, _, vt = np.linalg.svd(b.T @ a)
    return np.linalg.norm(a - b @ (u @ vt)) ** 2


def oracle_cca(x, y):
    """Canonical correlations as eigenvalues of Sxx^-1 Sxy Syy^-1 Syx, with the canonical variables of x."""
    a, b = centred(x), centred(y)
    sxx, syy, sxy = a.T @ a, b.T @ b, a.T @ b
    values, vectors = np.linalg.eig(np.linalg.inv(sxx) @ sxy @ np.linalg.inv(syy) @ sxy.T)
    order = np.argsort(-values.real)[: min(a.shape[1], b.shape[1])]
    variables = a @ vectors.real[:, order]
    return np.sqrt(np.clip(values.real[order], 0, 1)), variables / np.linalg.norm(variables, axis=0)


@pytest.mark.parametrize("shape", [(40, 3, 5), (12, 30, 20), (12, 30, 4)])
def test_procrustes_equals_the_distance_at_the_best_rotation(rng, shape):
    n, d1, d2 = shape
    x = rng.standard_normal((n, d1)) + 3
    y = x[:, :2] @ rng.standard_normal((2, d2)) + rng.standard_normal((n, d2))
    assert procrustes_distance(x, y) == pytest.approx(oracle_procrustes(x, y), rel=1e-9)
    assert procrustes_distance(x, y) == pytest.approx(procrustes_distance(y, x), rel=1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 9999), scale=st.floats(1e-6, 1e6))
def test_procrustes_knows_rotation_scale_and_shift_and_cca_any_linear_map(seed, scale):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((50, 4))
    q, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    assert procrustes_distance(x, scale * x @ q + 5) == pytest.approx(0, abs=1e-9)
    stretched = x @ q * [9, 1, 1, 1]
    assert procrustes_distance(x, stretched) > 0.01
    for similarity in (svcca, pwcca):
        assert similarity(x, scale * stretched, variance=1.0) == pytest.approx(1, abs=1e-9)


def test_cca_equals_the_eigenvalue_problem(rng):
    x = rng.standard_normal((200, 5)) + 1
    y = x[:, :3] @ rng.standard_normal((3, 4)) + rng.standard_normal((200, 4))
    correlations, variables = oracle_cca(x, y)
    assert svcca(x, y, variance=1.0) == pytest.approx(correlations.mean(), rel=1e-9)
    weights = np.abs(variables.T @ centred(x)).sum(axis=1)
    assert pwcca(x, y, variance=1.0) == pytest.approx((weights * correlations).sum() / weights.sum(), rel=1e-9)


def test_svcca_drops_directions_of_little_variance(rng):
    x = rng.standard_normal((300, 3)) * [10, 10, 0.1]
    y = np.concatenate([x[:, :2], rng.standard_normal((300, 1)) * 0.1], axis=1)
    assert svcca(x, y, variance=0.99) == pytest.approx(1, abs=1e-3)
    assert svcca(x, y, variance=1.0) < 0.75


def test_mutual_neighbours_equal_the_double_loop(rng):
    x = rng.standard_normal((40, 3))
    y = x + 0.7 * rng.standard_normal((40, 3))

    def neighbours(z, i):
        return set(sorted((j for j in range(40) if j != i), key=lambda j: np.linalg.norm(z[i] - z[j]))[:6])

    expected = np.mean([len(neighbours(x, i) & neighbours(y, i)) / 6 for i in range(40)])
    assert mutual_knn(x, y, k=6) == pytest.approx(expected)
    assert mutual_knn(x, rng.standard_normal((40, 3)), k=39) == 1.0


@pytest.mark.parametrize("similarity", [procrustes_distance, svcca, pwcca, mutual_knn])
def test_pairs_must_be_of_the_same_samples(similarity):
    with pytest.raises(InputError, match="y must have 30 rows as x, one for each sample, got 29"):
        similarity(np.random.default_rng(0).standard_normal((30, 2)), np.eye(29))
    with pytest.raises(InputError, match="y must have rows that differ"):
        similarity(np.eye(30), np.ones((30, 2)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: svcca(x, x, variance=0.0), r"variance must be a share in \(0, 1\], got 0.0"),
        (lambda x: svcca(x[:6], x[:6], variance=1.0), "got n = 6 for 4 and 4 components"),
        (lambda x: mutual_knn(x, x, k=30), "k must be from 1 to n - 1 = 29, got 30"),
        (lambda x: mutual_knn(x, x, k=0), "k must be from 1 to n - 1 = 29, got 0"),
    ],
)
def test_bad_options_are_named(rng, call, message):
    with pytest.raises(InputError, match=message):
        call(rng.standard_normal((30, 4)))

import numpy as np
import pytest

from reprq.errors import InputError
from reprq.metrics import alignment, self_cluster, sphere, uniformity


def unit(x):
    return np.array([row / np.linalg.norm(row) for row in x])


@pytest.mark.parametrize("t", [0.5, 2.0])
def test_uniformity_equals_the_double_loop(rng, monkeypatch, t):
    monkeypatch.setattr(sphere, "BLOCK", 7)
    x = rng.standard_normal((40, 3)) + 0.5
    u = unit(x)
    potentials = [np.exp(-t * np.linalg.norm(u[i] - u[j]) ** 2) for i in range(40) for j in range(i)]
    assert uniformity(x, t) == pytest.approx(np.log(np.mean(potentials)), rel=1e-9)


def test_uniformity_at_its_ends():
    assert uniformity(np.outer(np.arange(1.0, 6.0), [1.0, 2.0])) == pytest.approx(0, abs=1e-12)
    assert uniformity([[1.0, 0.0], [-1.0, 0.0]], t=50) == pytest.approx(-200)
    assert uniformity(1e200 * np.eye(3)) == pytest.approx(-4)


def test_alignment_equals_the_loop(rng):
    x, y = rng.standard_normal((30, 4)), rng.standard_normal((30, 4))
    expected = np.mean([np.linalg.norm(a - b) ** 1.5 for a, b in zip(unit(x), unit(y), strict=True)])
    assert alignment(x, y, alpha=1.5) == pytest.approx(expected, rel=1e-12)
    assert alignment(x, 7 * x) == pytest.approx(0, abs=1e-24)
    assert alignment(x, -x) == pytest.approx(4)


@pytest.mark.parametrize("shape", [(50, 4), (6, 20)])
def test_self_cluster_equals_the_double_loop(rng, shape):
    x = rng.standard_normal(shape) + 0.5
    (n, d), u = shape, unit(x)
    actual = sum((a @ b) ** 2 for a in u for b in u)
    expected = n + n * (n - 1) / d
    assert self_cluster(x) == pytest.approx((actual - expected) / (n * n - expected), rel=1e-9)


def test_self_cluster_at_its_ends(rng):
    assert self_cluster(np.outer(rng.standard_normal(20), np.arange(1.0, 5.0))) == pytest.approx(1)
    assert self_cluster(np.eye(7)) == pytest.approx(-1 / 6)
    assert self_cluster(rng.standard_normal((2000, 30))) == pytest.approx(0, abs=0.002)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uniformity([[1.0, 0.0], [0.0, 0.0]]), "x must have no zero row, .* got 1, the first in row 1"),
        (lambda: uniformity(np.eye(3), t=0), "t must be positive, got 0"),
        (lambda: uniformity(np.eye(1)), "at least 2 rows"),
        (lambda: alignment(np.eye(3), np.eye(4)), r"y must have shape \(3, 3\) as x, one row for each sample"),
        (lambda: alignment(np.eye(3), 0 * np.eye(3)), "y must have no zero row"),
        (lambda: alignment(np.eye(3), np.eye(3), alpha=-1), "alpha must be positive, got -1"),
        (lambda: self_cluster(np.ones((3, 1))), "x must have at least 2 columns, got 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()

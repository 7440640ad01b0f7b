import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.metrics import cka


def oracle(x, y, debiased):
    """CKA from n x n kernels, with the HSIC of Kornblith et al. or equation 5 of Song et al."""

    def hsic(k, m):
        n = len(k)
        if not debiased:
            h = np.eye(n) - 1 / n
            return np.trace(k @ h @ m @ h) / (n - 1) ** 2
        k, m, one = k - np.diag(np.diag(k)), m - np.diag(np.diag(m)), np.ones(n)
        return (
            np.trace(k @ m)
            + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
            - 2 / (n - 2) * (one @ k @ m @ one)
        ) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("shape", [(40, 3, 5), (12, 30, 20), (12, 30, 2)])
def test_cka_equals_the_equation_on_gram_matrices(rng, debiased, shape):
    n, d1, d2 = shape
    x = rng.standard_normal((n, d1)) + 2
    y = x[:, :2] @ rng.standard_normal((2, d2)) + 0.5 * rng.standard_normal((n, d2))
    assert cka(x, y, debiased=debiased) == pytest.approx(oracle(x, y, debiased), rel=1e-9)
    assert cka(x, y, debiased=debiased) == pytest.approx(cka(y, x, debiased=debiased), rel=1e-12)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 9999), scale=st.floats(1e-6, 1e6), debiased=st.booleans())
def test_cka_does_not_move_with_rotation_scale_and_shift_but_with_a_linear_map(seed, scale, debiased):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((60, 6)), rng.standard_normal((60, 4))
    y[:, 0] += x[:, 0]
    q, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    assert cka(scale * x @ q + 3, y, debiased=debiased) == pytest.approx(cka(x, y, debiased=debiased), abs=1e-8)
    assert cka(x, scale * x @ q + 3, debiased=debiased) == pytest.approx(1, abs=1e-9)
    stretched = x * np.array([30, 1, 1, 1, 1, 1])
    assert abs(cka(stretched, x) - 1) > 0.1


def test_independent_gaussians(rng):
    n, d1, d2 = 400, 150, 90
    x, y = rng.standard_normal((n, d1)), rng.standard_normal((n, d2))
    assert cka(x, y) == pytest.approx(np.sqrt(d1 * d2 / ((d1 + n) * (d2 + n))), rel=0.05)
    assert cka(x, y, debiased=True) == pytest.approx(0, abs=0.02)


def test_a_huge_mean_costs_no_digits(rng):
    x, y = rng.standard_normal((80, 5)), rng.standard_normal((80, 5))
    assert cka(x + 1000, y + x) == pytest.approx(cka(x, y + x), rel=1e-9)
    assert cka(1e200 * x, 1e-200 * (y + x)) == pytest.approx(cka(x, y + x), rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.eye(5), np.eye(6), {}, "y must have 5 rows as x, one for each sample, got 6"),
        (np.eye(1), np.eye(1), {}, "x must have at least 2 rows"),
        (np.eye(3), np.eye(3), {"debiased": True}, "x must have at least 4 rows"),
        (np.ones((5, 2)), np.eye(5), {}, "x must have rows that differ"),
        (np.eye(5), np.ones((5, 2)), {}, "y must have rows that differ"),
        (np.eye(5), np.eye(5), {"kernel": "cubic"}, "got 'cubic'"),
        (np.eye(5), np.eye(5), {"debiased": True}, "x must have an HSIC with itself that is positive"),
    ],
)
def test_bad_input_is_named(x, y, options, message):
    with pytest.raises(InputError, match=message):
        cka(x, y, **options)

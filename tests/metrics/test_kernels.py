import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.metrics import cka, cka_matrix, kernels


def rbf(x, bandwidth):
    distances = np.array([[np.linalg.norm(a - b) for b in x] for a in x])
    median = np.median([distances[i, j] for i in range(len(x)) for j in range(i)])
    return np.exp(-(distances**2) / (2 * (bandwidth * median) ** 2))


def hsics(k, m, debiased):
    """HSIC of Kornblith et al., or equation 5 of Song et al., of two kernels: each with the other and with itself."""

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

    return np.array([hsic(k, m), hsic(k, k), hsic(m, m)])


def oracle(x, y, debiased, kernel=lambda x: x @ x.T):
    both, own_x, own_y = hsics(kernel(x), kernel(y), debiased)
    return both / np.sqrt(own_x * own_y)


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("shape", [(40, 3, 5), (12, 30, 20), (12, 30, 2)])
def test_cka_equals_the_equation_on_gram_matrices(rng, debiased, shape):
    n, d1, d2 = shape
    x = rng.standard_normal((n, d1)) + 2
    y = x[:, :2] @ rng.standard_normal((2, d2)) + 0.5 * rng.standard_normal((n, d2))
    assert cka(x, y, debiased=debiased) == pytest.approx(oracle(x, y, debiased), rel=1e-9)
    assert cka(x, y, debiased=debiased) == pytest.approx(cka(y, x, debiased=debiased), rel=1e-12)


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("bandwidth", [0.4, 1.0])
def test_rbf_cka_equals_the_double_loop(rng, debiased, bandwidth):
    x = rng.standard_normal((30, 4))
    y = x[:, :2] * 1000 + 5 + 0.5 * rng.standard_normal((30, 2))
    expected = oracle(x, y, debiased, lambda z: rbf(z, bandwidth))
    assert cka(x, y, kernel="rbf", debiased=debiased, bandwidth=bandwidth) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_batches_average_each_hsic_before_the_ratio(rng, debiased, kernel):
    x = rng.standard_normal((23, 5)) + np.arange(23)[:, None]
    y = x[:, :3] + rng.standard_normal((23, 3))
    form = (lambda z: z @ z.T) if kernel == "linear" else (lambda z: rbf(z, 1.0))
    batches = [slice(0, 8), slice(8, 16), slice(16, 23)]
    both, own_x, own_y = sum(hsics(form(x[rows]), form(y[rows]), debiased) for rows in batches)
    found = cka(x, y, kernel=kernel, debiased=debiased, batch_size=7)
    assert found == pytest.approx(both / np.sqrt(own_x * own_y), rel=1e-9)


@pytest.mark.parametrize("options", [{}, {"debiased": True}, {"kernel": "rbf", "bandwidth": 0.5}])
def test_the_matrix_holds_every_pair(rng, options):
    layers = [rng.standard_normal((40, d)) for d in (3, 8, 60)]
    layers[1][:, 0] = layers[0][:, 0]
    square = cka_matrix(layers, **options)
    np.testing.assert_allclose(square, [[cka(a, b, **options) for b in layers] for a in layers], rtol=1e-9)
    np.testing.assert_array_equal(square, square.T)
    named = cka_matrix({"a": layers[0], "b": layers[1]}, {"c": layers[2]}, **options)
    np.testing.assert_allclose(named, square[:2, 2:], rtol=1e-9)


def test_no_pair_of_a_symmetric_matrix_is_computed_twice(rng, monkeypatch):
    calls = []
    original = kernels._trace_of_product
    monkeypatch.setattr(kernels, "_trace_of_product", lambda a, b: calls.append(1) or original(a, b))
    cka_matrix([rng.standard_normal((20, 4)) for _ in range(5)])
    assert len(calls) == 5 * 6 / 2


@pytest.mark.parametrize(
    ("xs", "ys", "message"),
    [
        ([], None, "xs must hold at least one layer, got none"),
        ([np.eye(5)], [], "ys must hold at least one layer, got none"),
        ([np.eye(5), np.eye(6)], None, r"xs\[1\] must have 5 rows as xs\[0\], one for each sample, got 6"),
        ([np.eye(5)], [np.eye(5), np.eye(6)], r"ys\[1\] must have 5 rows as xs\[0\]"),
        ([np.ones((5, 2))], None, r"xs\[0\] must have rows that differ"),
        ([np.ones((5, 2), dtype=np.float32)], None, r"xs\[0\] must have rows that differ"),
        ({"stem": np.eye(5), "head": np.eye(6)}, None, r"xs\['head'\] must have 5 rows as xs\['stem'\]"),
    ],
)
def test_bad_layers_are_named(xs, ys, message):
    with pytest.raises(InputError, match=message):
        cka_matrix(xs, ys)


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


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("shape", [(3000, 40, 70), (40, 3000, 700)])
def test_narrow_input_gives_what_float64_gives(rng, debiased, dtype, shape):
    n, d1, d2 = shape
    x, y = rng.standard_normal((n, d1)), rng.standard_normal((n, d2))
    x *= np.arange(1, d1 + 1) ** -1.0
    y[:, :20] += 3 * x[:, :20] + 100
    x, y = x.astype(dtype), y.astype(dtype)
    exact = cka(x.astype(np.float64), y.astype(np.float64), debiased=debiased)
    assert cka(x, y, debiased=debiased) == pytest.approx(exact, abs=1e-6)
    assert cka_matrix([x, y], debiased=debiased)[0, 1] == cka(x, y, debiased=debiased)


def test_a_row_far_from_all_others_is_compared_in_float64(rng):
    x, y = rng.standard_normal((60, 300)) + 1000, rng.standard_normal((60, 50))
    x[0] += 1e4
    y = np.maximum(y + x[:, :1] - 1000, 0)
    x, y = x.astype(np.float32), y.astype(np.float32)
    exact = cka(x.astype(np.float64), y.astype(np.float64), debiased=True)
    assert cka(x, y, debiased=True) == pytest.approx(exact, rel=1e-9)


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
        ([[1e308], [-1e308]], np.eye(2), {}, "x must have differences that float64 can hold"),
        (np.eye(5), np.ones((5, 2)), {}, "y must have rows that differ"),
        (np.eye(5), np.eye(5), {"kernel": "cubic"}, "got 'cubic'"),
        (np.eye(5), np.eye(5), {"debiased": True}, "x must have a positive HSIC with itself, got 0"),
        (np.eye(5), np.eye(5), {"bandwidth": 0.0}, "bandwidth must be a positive fraction"),
        (np.eye(5), np.eye(5), {"batch_size": 1}, "batch_size must be at least 2, got 1"),
        (np.eye(5), np.eye(5), {"batch_size": 3, "debiased": True}, "batch_size must be at least 4, got 3"),
        (np.eye(9)[[0] * 8 + [1]], np.eye(9), {"kernel": "rbf"}, "got a median distance of 0"),
    ],
)
def test_bad_input_is_named(x, y, options, message):
    with pytest.raises(InputError, match=message):
        cka(x, y, **options)

"""Eigenvalues that a sum of squares cannot tell from its rounding error come from the rows themselves."""

import numpy as np
import pytest

from reprq import metrics
from reprq.errors import InputError
from reprq.numerics import spectra as module


def decaying(n, d, power, offset=0.0, seed=0):
    """An orthonormal basis times j^-power, rotated."""
    rng = np.random.default_rng(seed)
    m = min(n, d)
    left, right = (np.linalg.qr(rng.standard_normal((size, m)))[0] for size in (n, d))
    return (left * np.arange(1.0, m + 1) ** -power) @ right.T + offset


def exact(x, centered):
    return np.linalg.svd(x - x.mean(axis=0) if centered else x, compute_uv=False)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize(("n", "d", "power"), [(40, 30, 5), (300, 60, 4), (2500, 40, 6), (31, 30, 5)])
def test_condition_numbers_are_those_of_a_singular_value_decomposition(n, d, power, centered):
    x = decaying(n, d, power)
    truth = exact(x, centered)
    found = metrics.condition_number(x, centered=centered, values="singular")
    assert found == pytest.approx(truth[0] / truth[-1], rel=1e-4)
    name = f"condition_number[singular,{'centred' if centered else 'uncentred'}]"
    assert metrics.measure(x, [name])[name].value == found


def test_an_orthonormal_basis_times_powers_has_its_own_condition_number():
    left = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 30)))[0]
    x = left * np.arange(1.0, 31.0) ** -5
    assert metrics.condition_number(x, centered=False, values="singular") == pytest.approx(30.0**5, rel=1e-6)
    assert metrics.condition_number(x + 1e6, centered=False) > 1e20


@pytest.mark.parametrize(("n", "d", "last"), [(40, 30, 30), (300, 120, 100), (60, 90, 59)])
def test_alpha_does_not_stop_where_a_sum_of_squares_does(n, d, last):
    x = decaying(n, d, 5)
    alpha = metrics.measure(x, ["alpha_req"])["alpha_req"]
    assert alpha.extra["last_rank"] == last
    assert alpha.value == pytest.approx(metrics.fit_alpha(exact(x, True)[: min(n - 1, d)] ** 2).alpha, rel=1e-5)
    assert metrics.alpha_req(x) == alpha.value


def test_the_spectrum_keeps_its_tail():
    x = decaying(50, 30, 5, offset=3.0)
    np.testing.assert_allclose(metrics.spectrum(x), exact(x, True) ** 2 / 49, rtol=1e-4)


def test_dependent_columns_have_no_condition_number_whatever_computes_it():
    x = np.random.default_rng(0).standard_normal((200, 12))
    for column in (x[:, 0], x[:, 0] + x[:, 1], np.ones(200)):
        with pytest.raises(InputError, match="12 eigenvalues above rounding error, one a column, got 11"):
            metrics.condition_number(np.column_stack([x[:, :11], column]))


def test_blocks_that_pass_once_say_what_they_cannot_tell():
    x = decaying(40, 30, 5)
    streamed = metrics.measure(iter(np.split(x, 4)), ["condition_number"])["condition_number"]
    assert streamed.value is None
    assert "of blocks that pass once" in streamed.notes[0]
    whole = metrics.measure(x, ["condition_number"], intervals=True)["condition_number"]
    assert whole.low <= whole.value <= whole.high
    assert whole.value > 1e14


def test_rows_are_seen_again_only_where_eigenvalues_are_in_doubt(monkeypatch):
    def never(*arguments):
        raise AssertionError

    monkeypatch.setattr(module, "singular_spectra", never)
    x = np.random.default_rng(0).standard_normal((300, 40))
    x[:, 3], x[:, 5] = 7.0, 0.0  # constant columns are exact zeros
    assert metrics.measure(x)["alpha_req"].value > 0
    assert metrics.measure(x[:30], ["rankme", "trace", "aucev"])["rankme"].value > 0
    with pytest.raises(AssertionError):
        metrics.measure(decaying(40, 30, 5))

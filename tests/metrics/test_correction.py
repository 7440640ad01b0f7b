import numpy as np
import pytest

from reprq.errors import InputError
from reprq.metrics import corrected_spectrum, fit_alpha, spectrum


def sample(truth, n, seed=0, turned=False):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, len(truth))) * np.sqrt(truth)
    return x @ np.linalg.qr(rng.standard_normal((len(truth),) * 2))[0] if turned else x


@pytest.mark.parametrize(("d", "n"), [(64, 130), (64, 500), (256, 500)])
def test_a_power_law_comes_back_whatever_n_and_d(d, n):
    truth = np.arange(1.0, d + 1) ** -1
    error = {"raw": [], "corrected": []}
    alphas = []
    for seed in range(5):
        x = sample(truth, n, seed)
        for name, values in {"raw": spectrum(x), "corrected": corrected_spectrum(x)}.items():
            error[name].append(np.abs(np.log(values / truth)).mean())
        alphas.append(fit_alpha(corrected_spectrum(x)).alpha)
    assert np.mean(error["corrected"]) < 0.7 * np.mean(error["raw"])
    assert np.mean(alphas) == pytest.approx(1.0, abs=3 * np.std(alphas) / np.sqrt(5) + 0.05)


def test_it_is_free_of_units_rotation_and_offset_and_draws_again_alike():
    truth = np.geomspace(1, 0.05, 30)
    x = sample(truth, 200)
    found = corrected_spectrum(x)
    np.testing.assert_array_equal(found, corrected_spectrum(x))
    np.testing.assert_allclose(corrected_spectrum(1e3 * x + 7), 1e6 * found, rtol=1e-6)
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((30, 30)))[0]
    np.testing.assert_allclose(corrected_spectrum(x @ turn), found, rtol=1e-6)
    np.testing.assert_allclose(corrected_spectrum(iter(np.split(x, 5))), found, rtol=1e-6)


def test_with_many_rows_there_is_nothing_to_correct_and_zeros_stay():
    x = sample(np.geomspace(1, 0.01, 8), 20_000)
    np.testing.assert_allclose(corrected_spectrum(x), spectrum(x), rtol=0.05)
    padded = np.column_stack([x, np.ones(len(x)), x[:, 0]])
    assert (corrected_spectrum(padded)[8:] == 0).all()


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.eye(5), {}, "x must have more rows than columns, got n = 5 and d = 5"),
        (np.ones((9, 2)), {}, "all rows equal"),
        (np.eye(5)[:, :2], {"steps": 0}, "steps must be at least 1, got 0"),
    ],
)
def test_what_has_no_such_spectrum_is_refused(x, options, message):
    with pytest.raises(InputError, match=message):
        corrected_spectrum(x, **options)

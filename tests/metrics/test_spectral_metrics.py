"""The spectral metrics against a float64 SVD of the whole matrix, straight from each paper's equation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq import metrics
from reprq.errors import InputError


def singular_values(x, centered):
    x = np.asarray(x, dtype=np.float64)
    if centered:
        x = x - x.mean(axis=0)
        x = x - x.mean(axis=0)  # what rounding left of the mean
    return np.linalg.svd(x, compute_uv=False)


def oracle_rankme(s, eps=1e-7):
    entropy = 0.0
    for sigma in s:
        p = sigma / s.sum() + eps
        entropy -= p * np.log(p) if p > 0 else 0.0
    return min(np.exp(entropy), len(s))


def oracle_aucev(s):
    return np.mean([s[: k + 1].sum() / s.sum() for k in range(len(s))])


def oracle_participation(s):
    return s.sum() ** 2 / (s**2).sum()


def oracle_alpha(eigenvalues, rank, first=11, last=100, weighted=True):
    ranks = np.arange(first, min(last, rank) + 1)
    weights = np.sqrt(1 / ranks) if weighted else np.ones(len(ranks))
    design = np.stack([np.log(ranks), np.ones(len(ranks))], axis=1)
    target = np.log(eigenvalues[ranks - 1])
    return -np.linalg.lstsq(design * weights[:, None], target * weights, rcond=None)[0][0]


@pytest.mark.parametrize("shape", [(300, 60), (61, 60), (60, 60), (40, 60), (60, 2)])
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_metrics_equal_the_equations_on_an_svd(rng, shape, shift):
    x = rng.standard_normal(shape) * rng.uniform(0.1, 2, shape[1]) + shift
    for centered in (False, True):
        sigma = singular_values(x, centered)
        for spectrum, values in ((sigma, "singular"), (sigma**2, "eigen")):
            options = {"centered": centered, "values": values}
            assert metrics.rankme(x, **options) == pytest.approx(oracle_rankme(spectrum), rel=1e-9)
            assert metrics.aucev(x, **options) == pytest.approx(oracle_aucev(spectrum), rel=1e-9)
            assert metrics.participation_ratio(x, **options) == pytest.approx(oracle_participation(spectrum), rel=1e-9)
            assert metrics.effective_rank(x, **options) == pytest.approx(oracle_rankme(spectrum, eps=0), rel=1e-9)
        assert metrics.stable_rank(x, centered=centered) == pytest.approx(
            np.linalg.norm(sigma) ** 2 / sigma[0] ** 2, rel=1e-9
        )
        assert metrics.nesum(x, centered=centered) == metrics.stable_rank(x, centered=centered)
    if shape[1] > 11:
        rank = min(shape[0] - 1, shape[1])
        assert metrics.alpha_req(x) == pytest.approx(oracle_alpha(sigma**2, rank), rel=1e-9)
        expected = oracle_alpha(sigma**2, rank, 3, 20, weighted=False)
        assert metrics.alpha_req(x, (3, 20), weighted=False) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("mean", [0.0, 1000.0])
@pytest.mark.parametrize("a", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("shape", [(300, 160), (150, 200)])
def test_accuracy_against_a_float64_svd(make_power_law, dtype, mean, a, shape):
    x = make_power_law(*shape, a)
    x = x / x.std() + mean * x.std(axis=0) / x.std()
    x = x.astype(dtype)  # what the rounding to dtype leaves is the matrix that is measured
    result = metrics.measure(x, definitions="all")
    centered, uncentered = singular_values(x, True), singular_values(x, False)
    expected = {
        "rankme[singular,uncentred,eps=1e-7]": oracle_rankme(uncentered),
        "rankme[singular,centred,eps=1e-7]": oracle_rankme(centered),
        "aucev[singular,centred]": oracle_aucev(centered),
        "aucev[singular,uncentred]": oracle_aucev(uncentered),
        "participation_ratio[eigen,centred]": oracle_participation(centered**2),
        "alpha_req[eigen,centred,ranks=11-100,weighted]": oracle_alpha(centered**2, min(shape[0] - 1, shape[1])),
    }
    assert {name: result[name].value for name in expected} == pytest.approx(expected, rel=1e-6)


def test_small_uncentred_eigenvalues_survive_a_huge_mean(make_power_law):
    x = make_power_law(300, 150, 2.0)
    x = x + 1000 * x.std(axis=0)
    expected = singular_values(x, centered=False) ** 2 / 300
    assert expected[0] / expected[-1] > 1e10  # a Gram matrix alone would lose the last eight digits of the smallest
    np.testing.assert_allclose(metrics.spectrum(x, centered=False), expected, rtol=1e-8)


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("fit_range", [(11, 100), (1, 120), (5, 40)])
def test_a_power_law_has_its_exponent_over_any_range(make_power_law, a, fit_range):
    assert metrics.alpha_req(make_power_law(400, 120, a), fit_range) == pytest.approx(a, abs=1e-8)


def test_an_isotropic_matrix_uses_every_direction(make_power_law):
    x = make_power_law(200, 50, 0.0)
    assert metrics.rankme(x) == 50.0  # the paper's eps would give 50.0007, a rank above d
    assert metrics.participation_ratio(x) == pytest.approx(50)
    assert metrics.aucev(x) == pytest.approx(51 / 100)


def test_rank_one_is_full_collapse(rng):
    x = np.outer(rng.standard_normal(80), rng.standard_normal(30))
    assert metrics.rankme(x) == pytest.approx(1, abs=1e-3)
    assert metrics.rankme(x, eps=0) == pytest.approx(1)
    assert metrics.participation_ratio(x) == pytest.approx(1)
    assert metrics.aucev(x) == pytest.approx(1)


def oracle_isoscore(x):
    """Algorithm 1 of Rudman et al., step by step."""
    d = x.shape[1]
    _, _, axes = np.linalg.svd(x - x.mean(axis=0), full_matrices=True)
    variances = np.diag(np.cov((x @ axes.T).T))
    normalised = np.sqrt(d) * variances / np.linalg.norm(variances)
    defect = np.linalg.norm(normalised - np.ones(d)) / np.sqrt(2 * (d - np.sqrt(d)))
    share = (d - defect**2 * (d - np.sqrt(d))) ** 2 / d**2
    return (d * share - 1) / (d - 1)


@pytest.mark.parametrize("shape", [(80, 12), (10, 12)])
def test_isoscore_equals_the_seven_steps(rng, shape):
    x = rng.standard_normal(shape) * np.arange(1, 13) + 3
    assert metrics.isoscore(x) == pytest.approx(oracle_isoscore(x), rel=1e-9)
    assert metrics.isoscore(np.outer(np.arange(5.0), np.ones(3))) == pytest.approx(0, abs=1e-12)


def test_trace_and_condition_number_equal_the_covariance(rng):
    x = rng.standard_normal((70, 9)) * np.arange(1, 10) + 5
    covariance = np.cov(x.T)
    assert metrics.trace(x) == pytest.approx(np.trace(covariance))
    assert metrics.trace(x, centered=False) == pytest.approx(np.square(x).sum() / 70)
    assert metrics.trace(np.ones((5, 3))) == 0
    assert metrics.condition_number(x) == pytest.approx(np.linalg.cond(covariance))
    assert metrics.condition_number(x, values="singular", centered=False) == pytest.approx(np.linalg.cond(x))


def test_the_spectrum_is_that_of_the_covariance(rng):
    x = rng.standard_normal((50, 4)) + 7
    np.testing.assert_allclose(metrics.spectrum(x), np.linalg.eigvalsh(np.cov(x.T))[::-1], rtol=1e-12)
    np.testing.assert_allclose(metrics.spectrum(x, centered=False), np.linalg.eigvalsh(x.T @ x / 50)[::-1], rtol=1e-12)


def test_a_spectrum_ends_where_the_rank_does(rng):
    assert np.count_nonzero(metrics.spectrum(rng.standard_normal((20, 50)))) == 19
    assert np.count_nonzero(metrics.spectrum(rng.standard_normal((20, 50)), centered=False)) == 20
    low_rank = rng.standard_normal((90, 5)) @ rng.standard_normal((5, 40))
    assert np.count_nonzero(metrics.spectrum(low_rank)) == 5


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), n=st.integers(4, 40), d=st.integers(2, 30))
def test_metrics_do_not_move_with_rotation_scale_or_order(seed, scale, n, d):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) + rng.standard_normal(d)
    q, _ = np.linalg.qr(rng.standard_normal((d, d)))
    moved = scale * rng.permutation(x) @ q
    for metric in (metrics.rankme, metrics.aucev, metrics.participation_ratio):
        assert metric(moved) == pytest.approx(metric(x), rel=1e-8)
    for metric in (metrics.rankme, metrics.participation_ratio):
        assert 1 - 1e-9 <= metric(x) <= min(n, d)


@pytest.mark.parametrize(
    "metric",
    [metrics.alpha_req, metrics.aucev, metrics.participation_ratio, lambda x: metrics.rankme(x, centered=True)],
)
def test_equal_rows_have_no_value(metric):
    with pytest.raises(InputError):
        metric(np.full((20, 30), 0.1))


@pytest.mark.parametrize(
    "metric", [metrics.alpha_req, metrics.aucev, metrics.participation_ratio, metrics.rankme, metrics.spectrum]
)
def test_one_row_has_no_value(metric):
    with pytest.raises(InputError, match="at least 2 rows, got 1"):
        metric(np.ones((1, 30)))


def test_rankme_of_equal_rows_is_one_direction():
    assert metrics.rankme(np.full((20, 30), 0.1), eps=0) == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: metrics.rankme(x, eps=-1.0), r"eps must be in \[0, 1\), got -1.0"),
        (lambda x: metrics.rankme(x, values="variance"), "values must be 'singular' or 'eigen', got 'variance'"),
        (lambda x: metrics.rankme(0 * x), "all rows equal"),
        (
            lambda x: metrics.condition_number(x[:5]),
            "x must have 5 eigenvalues above rounding error, one a column, got 4",
        ),
        (lambda x: metrics.isoscore(x[:, :1]), "x must have at least 2 columns, got 1"),
        (lambda x: metrics.alpha_req(x), "at least 2 positive eigenvalues from rank 11 on to fit, got 5"),
        (lambda x: metrics.alpha_req(x, (3, 3)), "two ascending ranks from 1 on, got 3 and 3"),
        (lambda x: metrics.alpha_req(x, (0, 3)), "two ascending ranks from 1 on, got 0 and 3"),
        (lambda x: metrics.aucev(x[0]), r"x must be an \(n, d\) array, got shape \(5,\)"),
        (lambda x: metrics.aucev(1e200 * x), "got values of about 2e.200; rescale it"),
        (lambda x: metrics.aucev(1e-200 * x), "got values of about 2e-200; rescale it"),
    ],
)
def test_bad_input_is_named(rng, call, message):
    with pytest.raises(InputError, match=message):
        call(rng.standard_normal((30, 5)))


def test_alpha_fit_reports_ranks_r2_and_range(rng):
    exact = metrics.fit_alpha(np.arange(1.0, 201.0) ** -1.5)
    assert (exact.first, exact.last, exact.ranks) == (11, 100, 90)
    assert exact.r2 == pytest.approx(1)
    assert exact.alpha_low == pytest.approx(1.5)
    assert exact.alpha_high == pytest.approx(1.5)
    bent = metrics.fit_alpha(np.minimum(0.05, np.arange(1.0, 201.0) ** -1.5))
    assert bent.alpha_low < bent.alpha <= bent.alpha_high
    assert metrics.fit_alpha(np.ones(50)).r2 == 1.0

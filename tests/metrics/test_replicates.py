"""Replicates to first order against rows left out, and the derivatives that they rest on against differences."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from reprq.metrics import measure, names
from reprq.metrics.definitions import DEFINITIONS
from reprq.metrics.facts import Definition, Facts
from reprq.metrics.jackknife import GROUPS, grouped_moments, merged
from reprq.metrics.replicates import ROWS_A_COLUMN, replicates
from reprq.metrics.selection import select
from reprq.numerics.moments import Moments
from reprq.numerics.spectra import Reduction, Spectra, spectra

Rows = NDArray[np.float64]
OF_SPECTRA = {one.identifier: one for one in DEFINITIONS if one.gradient is not None}


def facts_of(x: Rows) -> Facts:
    return Facts(Moments.of(x), None, lambda: [x])


def spreads(x: Rows, chosen: dict[str, Definition], monkeypatch: pytest.MonkeyPatch, least: float) -> dict[str, float]:
    """The standard deviation of each metric, with `least` rows a column for replicates to first order."""
    monkeypatch.setattr("reprq.metrics.replicates.ROWS_A_COLUMN", least)
    groups = [group.fold() for group in grouped_moments(x)]
    found = replicates(chosen, groups, Facts(merged(groups), None, lambda: [x]), x)
    return {key: np.sqrt((GROUPS - 1) * np.var(np.array(values, dtype=np.float64))) for key, values in found.items()}


@pytest.mark.parametrize("mean", [0.0, 3.0, 1e6])
def test_eigenvectors_are_those_of_both_second_moments(rng: np.random.Generator, mean: float) -> None:
    x = rng.standard_normal((90, 13)) * np.linspace(1, 3, 13) + mean
    moments = Moments.of(x)
    reduction = Reduction(moments)
    for centered, values in ((True, reduction.spectra.centered), (False, reduction.spectra.uncentered)):
        (found,) = reduction.eigenvectors([centered])
        vectors = found.columns(np.arange(13))
        second = moments.scatter + (0 if centered else 90 * np.outer(moments.mean, moments.mean))
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(13), atol=1e-10)
        np.testing.assert_allclose(second @ vectors, vectors * values, atol=1e-10 * values[0])
        np.testing.assert_allclose(found.along(x[:3].T), vectors.T @ x[:3].T, atol=1e-13 * np.abs(x).sum())
        for which in (np.array([0, 12]), np.arange(1, 12)):
            np.testing.assert_allclose(found.columns(which), vectors[:, which], atol=1e-14)
        for weights in (np.arange(13.0), np.linspace(-1, 1, 13), np.eye(13)[3], -np.eye(13)[3], np.zeros(13)):
            expected = np.tril((vectors * weights) @ vectors.T)
            np.testing.assert_allclose(np.tril(found.weighted(weights)), expected, atol=1e-13)
    np.testing.assert_array_equal(reduction.spectra.centered, spectra(moments).centered)
    (alone,) = Reduction(Moments.of(np.arange(4.0)[:, None])).eigenvectors([True])
    assert alone.columns(np.arange(1)).tolist() == [[1.0]]


def test_second_moments_that_work_in_one_space_do_not_mix(rng: np.random.Generator) -> None:
    reduction = Reduction(Moments.of(rng.standard_normal((90, 7)) + 3.0))
    apart = [reduction.eigenvectors([centered])[0].columns(np.arange(7)) for centered in (True, False)]
    together = reduction.eigenvectors([True, False])
    for number in (0, 1, 0):
        np.testing.assert_array_equal(together[number].columns(np.arange(7)), apart[number])
    assert np.abs(apart[0] - apart[1]).max() > 0.1


def test_sums_over_many_eigenvectors_are_made_of_parts(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = Reduction(Moments.of(rng.standard_normal((90, 13)))).eigenvectors([True])
    weights = rng.standard_normal(13)
    whole = np.tril(found.weighted(weights))
    monkeypatch.setattr("reprq.numerics.eigenvectors._TOGETHER", 2)
    np.testing.assert_allclose(np.tril(found.weighted(weights)), whole, atol=1e-14)


class Moved(Facts):
    """Facts with other spectra than their own."""

    def __init__(self, facts: Facts, squares: Rows) -> None:
        super().__init__(facts.moments)
        self.spectra = Spectra(squares, squares, facts.moments.n, facts.moments.d)  # type: ignore[misc]

    def resolved(self, count: int) -> Spectra:
        return self.spectra


@pytest.mark.parametrize("identifier", OF_SPECTRA)
@pytest.mark.parametrize("decay", [0.3, 1.0, 3.0])
def test_derivatives_are_those_of_differences(identifier: str, decay: float) -> None:
    definition = OF_SPECTRA[identifier]
    facts = facts_of(np.random.default_rng(0).standard_normal((60, 16)))
    squares = 5.0 * np.arange(1, 17) ** -decay
    gradient = definition.gradient(Moved(facts, squares))
    expected = []
    for step in np.diag(1e-6 * squares):
        up, down = (definition.compute(Moved(facts, squares + sign * step)).value for sign in (1, -1))
        expected.append((up - down) / (2 * step.sum()))
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def shapes() -> Iterator[tuple[str, Rows]]:
    rng = np.random.default_rng(3)
    wide, narrow = rng.standard_normal((4000, 24)), rng.standard_normal((4000, 6))
    yield "slow decay", wide * np.arange(1, 25) ** -0.25 + 0.3
    yield "fast decay", wide * np.arange(1, 25) ** -1.5 - 2.0
    yield "repeated eigenvalues", wide * np.repeat([3.0, 2.0, 1.0], 8)
    yield "rank 6 of 24", narrow @ rng.standard_normal((6, 24))
    yield "tiny eigenvalues", wide * np.logspace(0, -9, 24)
    yield "heavier tails", wide * rng.uniform(0.5, 2.0, (4000, 1)) * np.arange(1, 25) ** -0.5
    yield "constant columns", np.concatenate([wide[:, :20], np.ones((4000, 4))], axis=1)
    far = rng.standard_normal((4000, 60)) * np.arange(1, 61) ** -3.0 + 1e4
    yield "mean far from zero", far  # whose uncentered second moment divide and conquer gives other small eigenvectors


SHAPES = dict(shapes())


@pytest.mark.parametrize("name", SHAPES)
def test_spreads_are_those_of_rows_left_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = SHAPES[name]
    known = {key for key, metric in measure(x, list(OF_SPECTRA)).items() if metric.value is not None}
    chosen = {key: definition for key, definition in select(list(OF_SPECTRA)).items() if key in known}
    linear, anew = (spreads(x, chosen, monkeypatch, least) for least in (1, np.inf))
    assert known >= {key for key in OF_SPECTRA if "condition" not in key and "alpha" not in key}
    of_single_values = ("alpha", "condition", "nesum", "stable")  # these repel each other where they are nearly equal
    for key in known:
        low, high = (0.75, 1.7) if key.startswith(of_single_values) else (0.88, 1.12)
        assert low < linear[key] / anew[key] < high, key


def test_slopes_along_the_spectrum_take_no_eigenvectors_and_give_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, chosen = SHAPES["constant columns"], select([key for key in OF_SPECTRA if "condition" not in key])
    short = spreads(x, chosen, monkeypatch, 1)
    monkeypatch.setattr("reprq.metrics.replicates._affine", lambda *_: None)
    assert short == pytest.approx(spreads(x, chosen, monkeypatch, 1), rel=1e-9)


def test_spreads_do_not_depend_on_how_rows_come(rng: np.random.Generator) -> None:
    x = rng.standard_normal((600, 24)).astype(np.float32)
    whole, streamed = measure(x, intervals=True), measure(iter(np.split(x, [100, 350])), intervals=True)
    for name in names():
        assert streamed[name].high == pytest.approx(whole[name].high, rel=1e-9)
        assert whole[name].value == pytest.approx(measure(x)[name].value, rel=1e-12)


def test_where_eigenvalues_came_from_the_rows_replicates_do_too(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).standard_normal((400, 12)) * np.logspace(0, -8, 12)
    chosen = select(["condition_number"])
    linear, anew = (spreads(x, chosen, monkeypatch, least) for least in (1, np.inf))
    assert facts_of(x).resolved(12) is not facts_of(x).spectra
    assert linear == anew
    assert 0 < linear["condition_number"] < measure(x, ["condition_number"])["condition_number"].value


def test_few_rows_a_column_are_left_out_in_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).standard_normal((ROWS_A_COLUMN * 20, 20)) * np.arange(1, 21) ** -0.5
    chosen = select(["rankme", "nesum"])
    for rows, same in ((x[:-1], True), (x, False)):
        found, anew = (spreads(rows, chosen, monkeypatch, least) for least in (ROWS_A_COLUMN, np.inf))
        assert all(bool(found[key] == anew[key]) is same for key in chosen)
        assert all(found[key] == pytest.approx(anew[key], rel=0.4) for key in chosen)

"""DCI against closed forms, its formula as a loop, and disentanglement_lib's rules."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reprq.errors import InputError
from reprq.metrics import DCI, completeness_by_factor, dci, disentanglement_by_code
from reprq.metrics.disentanglement import ESTIMATORS

IMPORTANCES = arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(2, 5)), elements=st.floats(0, 1e6, width=32))


def slow(shares, base):
    """1 - H(shares), the logarithm to a base."""
    p = [float(each) / float(sum(shares)) for each in shares]
    return 1 + sum(each * math.log(each, base) for each in p if each > 0)


@settings(max_examples=60, deadline=None)
@given(IMPORTANCES)
def test_by_code_and_by_factor_are_their_formulas(r):
    live = r[r.sum(1) > 0]
    for row, found in zip(r, disentanglement_by_code(r), strict=True):
        assert math.isnan(found) if row.sum() == 0 else found == pytest.approx(slow(row, r.shape[1]), abs=1e-9)
    for column, found in zip(live.T, completeness_by_factor(r), strict=True):
        if column.sum() == 0:
            assert math.isnan(found)
        else:
            assert found == pytest.approx(1.0 if len(live) == 1 else slow(column, len(live)), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(IMPORTANCES, st.floats(1e-3, 1e3))
def test_scale_order_and_dead_codes_do_not_matter(r, scale):
    again = np.vstack([np.zeros((2, r.shape[1])), scale * r[::-1, ::-1]])
    np.testing.assert_allclose(disentanglement_by_code(again)[2:][::-1], disentanglement_by_code(r), atol=1e-9)
    np.testing.assert_allclose(completeness_by_factor(again)[::-1], completeness_by_factor(r), atol=1e-9)


def test_a_permuted_identity_is_one_and_equal_importances_are_zero():
    identity = np.eye(4)[[2, 0, 3, 1]]
    np.testing.assert_array_equal(disentanglement_by_code(identity), np.ones(4))
    np.testing.assert_array_equal(completeness_by_factor(identity), np.ones(4))
    np.testing.assert_allclose(disentanglement_by_code(np.full((3, 4), 0.2)), 0, atol=1e-12)
    np.testing.assert_allclose(completeness_by_factor(np.full((3, 4), 0.2)), 0, atol=1e-12)


def test_disentanglement_lib_agrees_where_no_code_is_dead():
    """Its rules: the entropy of R + 1e-11, in base K or d, codes and factors weighted by their importance."""
    r = np.random.default_rng(0).random((6, 4)) ** 4
    entropy = -(p := (r + 1e-11) / (r + 1e-11).sum(1, keepdims=True)) * np.log(p) / np.log(4)
    np.testing.assert_allclose(disentanglement_by_code(r), 1 - entropy.sum(1), atol=1e-8)
    entropy = -(p := (r + 1e-11) / (r + 1e-11).sum(0)) * np.log(p) / np.log(6)
    np.testing.assert_allclose(completeness_by_factor(r), 1 - entropy.sum(0), atol=1e-8)


@pytest.fixture(scope="module")
def factors():
    return np.random.default_rng(0).normal(size=(240, 3))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_code_a_factor_is_disentangled_and_a_rotation_is_not(factors, estimator):
    aligned = dci(3 * factors[:, [1, 2, 0]], factors, estimator=estimator)
    turned = dci(factors @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0], factors, estimator=estimator)
    assert isinstance(aligned, DCI)
    assert aligned.importances.argmax(0).tolist() == [2, 0, 1]
    for name in ("disentanglement", "completeness"):
        assert getattr(aligned, name) > 0.9 > 0.7 > getattr(turned, name) > 0
    assert aligned.informativeness > (0.98 if estimator == "lasso" else 0.8)
    assert turned.informativeness > (0.98 if estimator == "lasso" else 0.5)  # a line through a rotation is still a line


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_numbers_follow_from_the_importances(factors, estimator):
    codes = np.column_stack([factors[:, 0] + factors[:, 1], factors[:, 1], np.zeros(240)])
    found = dci(codes, factors, estimator=estimator)
    r = found.importances
    rho = r.sum(1)[:2] / r.sum()
    assert found.disentanglement == pytest.approx(sum(w * slow(row, 3) for w, row in zip(rho, r[:2], strict=True)))
    told = [slow(column, int((~found.dead).sum())) for column in r[~found.dead].T if column.sum()]
    assert found.completeness == pytest.approx(np.mean(told))
    assert found.informativeness == pytest.approx(1 - found.errors.mean())
    assert found.dead.tolist() == [False, False, True]
    assert found.errors[2] > 0.8  # nothing tells it


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_classes_are_told_apart(estimator):
    rng = np.random.default_rng(0)
    shape, size = rng.integers(0, 3, 240), rng.choice(["small", "large"], 240)
    codes = np.column_stack([size == "small", *(shape == k for k in range(3))]) + 0.01 * rng.normal(size=(240, 4))
    found = dci(codes, [shape, size], estimator=estimator, seed=3)
    assert found.disentanglement > (0.7 if estimator == "forest" else 0.98)  # its trees draw among codes
    assert found.errors.max() == 0
    if estimator != "forest":  # the shape takes three codes of four, the size one
        assert found.completeness == pytest.approx((1 - np.log(3) / np.log(4) + 1) / 2, abs=0.01)
    noise = dci(rng.normal(size=(240, 4)), [shape, size], estimator=estimator)
    assert noise.informativeness < 0.3
    again = dci(codes, [shape, size], estimator=estimator, seed=3)
    np.testing.assert_array_equal(again.importances, found.importances)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_where_every_code_is_dead_nothing_is_said(factors, estimator):
    found = dci(np.ones((240, 2)), factors, estimator=estimator)
    assert math.isnan(found.disentanglement)
    assert math.isnan(found.completeness)
    assert (found.informativeness, found.dead.tolist()) == (0.0, [True, True])


@pytest.mark.parametrize(
    ("codes", "factors", "asked", "message"),
    [
        (np.ones((20, 2)), np.zeros((20, 1)), {}, "factors must be at least 2, got 1"),
        (np.ones((20, 2)), np.zeros(20), {}, r"factors must be an \(n, K\) array or K columns, got shape \(20,\)"),
        (np.ones((20, 2)), np.zeros((20, 2)), {}, "factor 0 must vary over the rows that are learned from"),
        (np.ones((20, 2)), [np.arange(20), np.arange(19)], {}, "factor 1 must have a value for each of the 20 rows"),
        (np.ones((20, 2)), np.full((20, 2), np.nan), {}, "factor 0"),
        (np.ones((5, 2)), np.zeros((5, 2)), {}, "codes must have at least 10 rows"),
        (np.ones((20, 2)), np.zeros((20, 2)), {"estimator": "ridge"}, "estimator must be lasso, forest or boosting"),
        (np.ones((20, 2)), np.zeros((20, 2)), {"held_out": 1.0}, "held_out must be a share between 0 and 1, got 1.0"),
    ],
)
def test_what_cannot_be_measured_is_said(codes, factors, asked, message):
    with pytest.raises(InputError, match=message):
        dci(codes, factors, **asked)


@pytest.mark.parametrize("function", [disentanglement_by_code, completeness_by_factor])
@pytest.mark.parametrize("r", [[[1.0, -1.0]], [[1.0], [2.0]]])
def test_importances_that_are_none(function, r):
    with pytest.raises(InputError, match="importances must be"):
        function(r)

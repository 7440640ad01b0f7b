"""Scalers against scikit-learn's, and on columns without spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, RobustScaler, StandardScaler

from reprq.errors import UnknownNameError
from reprq.numerics.scaling import SCALERS, fitted_scaler, scaled

RNG = np.random.default_rng(0)
ROWS = np.column_stack([RNG.normal(1e6, 3, 300), RNG.exponential(1, 300), RNG.integers(0, 4, 300), np.full(300, 0.1)])
NEW = np.vstack([ROWS[:20], ROWS.max(axis=0) + 1, ROWS.min(axis=0) - 1])
PEERS = {
    "standard": StandardScaler(),
    "robust": RobustScaler(),
    "minmax": MinMaxScaler(),
    "quantile": QuantileTransformer(n_quantiles=300, output_distribution="normal", subsample=None),
}


@pytest.mark.parametrize("name", PEERS)
def test_a_scaler_is_scikit_learns(name: str) -> None:
    found, peers = scaled(fitted_scaler(name, ROWS), NEW), PEERS[name].fit(ROWS).transform(NEW)
    if name == "quantile":  # equal values at an end are an outlier there
        ends = ((ROWS.min(axis=0) == NEW) | (ROWS.max(axis=0) == NEW)) & [False, False, True, True]
        assert (np.abs(found[ends]) < 1.5).all()
        assert (np.abs(peers[ends]) > 5).all()
        found, peers = found[~ends], peers[~ends]
    np.testing.assert_allclose(found, peers, rtol=1e-7, atol=1e-9)


def test_rows_stay_as_they_are_without_a_scaler() -> None:
    assert set(SCALERS) == {"none", *PEERS}
    assert fitted_scaler("none", ROWS) == {}
    np.testing.assert_array_equal(scaled({}, NEW), NEW)


@pytest.mark.parametrize("name", SCALERS)
@given(seed=st.integers(0, 1000), n=st.integers(1, 9))
def test_values_are_finite_and_keep_their_order_whatever_the_rows(name: str, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, (n, 2)) * rng.choice([1e-9, 1.0, 1e9])
    found = scaled(fitted_scaler(name, x), np.vstack([x, x.min(axis=0) - 1, x.max(axis=0) + 1]))
    assert np.isfinite(found).all()
    whole = np.vstack([x, x.min(axis=0) - 1, x.max(axis=0) + 1])
    for column, before in zip(found.T, whole.T, strict=True):
        assert (np.diff(column[np.argsort(before, kind="stable")]) >= 0).all()


def test_an_unknown_scaler_is_told() -> None:
    with pytest.raises(UnknownNameError, match="unknown scaler 'max'"):
        fitted_scaler("max", ROWS)

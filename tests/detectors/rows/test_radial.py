"""Radially scaled Mahalanobis: its formula, and both ends of beta."""

import numpy as np
import pytest

from reprq.detectors import Mahalanobis, RadialMahalanobis
from reprq.detectors.rows.radial import radially_scaled
from reprq.errors import InputError


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((60, 4)) + 2


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, -1.0, 2.0])
def test_it_is_mahalanobis_of_scaled_rows(rows, beta) -> None:
    scaled = rows / np.linalg.norm(rows, axis=1, keepdims=True) ** beta
    expected = Mahalanobis().fit(scaled[:40]).anomaly_score(scaled[40:])
    np.testing.assert_allclose(RadialMahalanobis(beta).fit(rows[:40]).anomaly_score(rows[40:]), expected, rtol=1e-9)


def test_zero_leaves_all_as_it_is_and_one_knows_directions_alone(rows) -> None:
    np.testing.assert_allclose(radially_scaled(rows, 0.0), rows, rtol=1e-15)
    detector = RadialMahalanobis(1.0).fit(rows)
    np.testing.assert_allclose(detector.anomaly_score(rows * 1e200), detector.anomaly_score(rows), rtol=1e-9)


def test_rows_of_zeros_stay_and_what_overflows_is_said(rows) -> None:
    rows[0] = 0
    assert np.isfinite(RadialMahalanobis(1.0).fit(rows).anomaly_score(rows)).all()
    with pytest.raises(InputError, match="X has rows whose length to the power 3 overflows"):
        radially_scaled(rows * 1e200, -2.0)
    for beta in (np.nan, "1", True, None):
        with pytest.raises(InputError, match="beta must be a finite number"):
            RadialMahalanobis(beta).fit(rows)
    with pytest.raises(InputError, match="covariance"):
        RadialMahalanobis(covariance="none").fit(rows)

import numpy as np
import pytest
from scipy import stats

from reprq.statistics.ranks import midranks


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 101])
def test_they_are_those_of_scipy_with_ties_and_without(n):
    rng = np.random.default_rng(n)
    for values in (rng.standard_normal(n), rng.integers(0, 4, n).astype(float), np.full(n, 3.0)):
        np.testing.assert_array_equal(midranks(values), stats.rankdata(values))


def test_columns_are_ranked_by_themselves_and_what_is_missing_has_no_rank():
    values = np.random.default_rng(0).integers(0, 5, (40, 6)).astype(float)
    values[::3, 1], values[:, 2] = np.nan, np.nan
    np.testing.assert_array_equal(midranks(values), stats.rankdata(values, axis=0, nan_policy="omit"))

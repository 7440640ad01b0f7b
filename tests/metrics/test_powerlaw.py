"""The exponent over all ranks against a line through the logarithms."""

import numpy as np
import pytest

from reprq.errors import InputError
from reprq.metrics import alpha_all_ranks


def test_all_ranks_are_fitted_alike_and_rounding_is_not():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 30)) * np.arange(1, 31) ** -0.6
    values = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    slope = np.polyfit(np.log(np.arange(1, 31)), np.log(values), 1)[0]
    assert alpha_all_ranks(x) == pytest.approx(-slope, rel=1e-9)
    assert alpha_all_ranks(np.concatenate([x, x[:, :3] @ rng.standard_normal((3, 5))], axis=1)) < 20
    with pytest.raises(InputError, match="at least 2 positive eigenvalues"):
        alpha_all_ranks([[0.0, 0.0], [1.0, 1.0]])

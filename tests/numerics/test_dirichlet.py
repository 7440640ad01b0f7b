"""The Dirichlet fit: its stationary point, a general optimizer as oracle, and probabilities that hardly vary."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from reprq.numerics.dirichlet import fit_dirichlet


@pytest.mark.parametrize("alpha", [[2.0, 5.0, 1.0], [0.05, 0.1, 3.0, 0.02], [1.0] * 20, [900.0, 30.0]])
def test_the_gradient_is_zero_and_no_other_concentration_is_more_likely(alpha):
    p = np.random.default_rng(0).dirichlet(alpha, size=400).clip(1e-300)
    mean_log = np.log(p).mean(0)
    found = fit_dirichlet(p.mean(0), mean_log)
    np.testing.assert_allclose(digamma(found) - digamma(found.sum()), mean_log, rtol=1e-4, atol=1e-6)

    def lost(logs):
        a = np.exp(logs)
        return -(gammaln(a.sum()) - gammaln(a).sum() + ((a - 1) * mean_log).sum())

    slow = minimize(lost, np.log(found) + 0.3, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9})
    np.testing.assert_allclose(found, np.exp(slow.x), rtol=1e-3)
    assert lost(np.log(found)) <= slow.fun + 1e-7


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_probabilities_that_hardly_vary_give_a_finite_concentration(noise):
    p = np.full((50, 4), 0.25) + noise * np.random.default_rng(0).normal(size=(50, 4))
    found = fit_dirichlet(p.mean(0), np.log(p).mean(0))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found / found.sum(), 0.25, rtol=1e-3)


def test_saturated_probabilities_give_a_finite_concentration():
    logits = np.random.default_rng(0).normal(size=(60, 5)) * 20 + [200, 0, 0, 0, -400]
    logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    found = fit_dirichlet(np.exp(logs).mean(0), logs.mean(0))
    assert np.isfinite(found).all()
    assert (found > 0).all()

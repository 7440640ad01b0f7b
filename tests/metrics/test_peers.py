"""What other libraries gave on seeded matrices: the same number under the definition each of them uses.

scikit-dimension 0.5.0, reptrix 0.1.0, effdim 0.1.1 and ckatorch 1.0.3, float64 input.
"""

import numpy as np
import pytest

from reprq import metrics


def test_twonn_of_scikit_dimension():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1500, 6)) @ rng.standard_normal((6, 20)) + 0.01 * rng.standard_normal((1500, 20))
    assert metrics.twonn(x) == pytest.approx(6.077943165587518, rel=1e-9)


@pytest.mark.parametrize(
    ("definition", "value", "tolerance"),
    [
        (
            "alpha_req[eigen,centred,ranks=11-100,weighted]",
            1.0072692716459182,
            1e-7,
        ),  # reptrix (float32 weights)
        ("rankme[eigen,centred,eps=1e-7]", 61.879921102087096, 1e-12),  # reptrix calls this RankMe
        ("participation_ratio[eigen,centred]", 22.426595480856857, 1e-12),  # effdim
        ("effective_rank[eigen,centred]", 61.87347677172598, 1e-12),  # effdim: shannon_entropy
    ],
)
def test_spectral_metrics_of_reptrix_and_effdim(definition, value, tolerance):
    x = np.random.default_rng(1).standard_normal((800, 200)) * np.arange(1, 201) ** -0.5
    assert metrics.measure(x, [definition])[definition].value == pytest.approx(value, rel=tolerance)


@pytest.mark.parametrize(
    ("kernel", "debiased", "value"),
    [
        ("linear", False, 0.21006247472352035),
        ("linear", True, 0.12330890971602713),
        ("rbf", False, 0.26089621980809097),  # ckatorch takes the median over all pairs, with the zeros of the diagonal
        ("rbf", True, 0.12009652518217817),
    ],
)
def test_cka_of_ckatorch(kernel, debiased, value):
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((300, 40)), rng.standard_normal((300, 30))
    y[:, :5] += x[:, :5]
    tolerance = 1e-9 if kernel == "linear" else 1e-3
    assert metrics.cka(x, y, kernel=kernel, debiased=debiased) == pytest.approx(value, rel=tolerance)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.detectors import p_values, threshold
from reprq.errors import InputError

scores_and_rates = st.tuples(
    st.lists(st.integers(-5, 5), min_size=20, max_size=80),
    st.floats(0.05, 0.9),
    st.lists(st.integers(-7, 7), min_size=1),
)


@given(scores_and_rates)
@settings(max_examples=60, deadline=None)
def test_a_row_is_above_the_threshold_where_its_p_value_allows(case):
    benign, rate, scores = case
    found = threshold(benign, rate)
    slow = np.array([(1 + sum(b >= s for b in benign)) / (len(benign) + 1) for s in scores])
    np.testing.assert_allclose(p_values(benign, scores), slow, rtol=1e-15)
    np.testing.assert_array_equal(np.array(scores) > found.value, slow <= rate + 1e-12)
    assert 0.0 <= found.low < found.rate <= rate + 1e-12
    assert found.rate < found.high <= 1.0


def test_the_false_alarm_rate_is_the_one_asked_for():
    rng = np.random.default_rng(0)
    found = [threshold(rng.exponential(size=199), 0.1) for _ in range(2000)]
    truth = np.exp([-t.value for t in found])
    assert found[0].rate == pytest.approx(0.1)
    assert truth.mean() == pytest.approx(0.1, abs=0.002)
    covered = [t.low <= rate <= t.high for t, rate in zip(found, truth, strict=True)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_p_values_of_benign_rows_are_uniform():
    rng = np.random.default_rng(1)
    p = np.concatenate([p_values(rng.normal(size=19), rng.normal(size=1)) for _ in range(4000)])
    for level in (0.05, 0.25, 0.5):
        assert np.mean(p <= level + 1e-12) == pytest.approx(level, abs=0.025)


@pytest.mark.parametrize("n", [19, 99, 199, 999])
def test_the_smallest_possible_rate_is_allowed(n):
    assert threshold(np.arange(n), 1 / (n + 1)).value == n - 1


@pytest.mark.parametrize(
    ("benign", "rate", "said"),
    [
        (np.arange(50), 0.01, "rate 0.01 needs at least 99 benign scores, got 50; give more rows"),
        (np.arange(50), 0.0, "rate must be between 0 and 1, got 0.0"),
        (np.arange(50), 1.0, "rate must be between 0 and 1, got 1.0"),
        ([1.0, np.nan], 0.5, "benign_scores must be finite, got nan at row 1"),
        ([], 0.5, "benign_scores must be a non-empty"),
    ],
)
def test_bad_requests_are_one_sentence(benign, rate, said):
    with pytest.raises(InputError) as caught:
        threshold(benign, rate)
    assert said in str(caught.value)

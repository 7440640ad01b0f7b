import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.evaluation import clever_hans_score, explanation_accuracy, pointing_game


def test_the_accuracy_is_the_mean_cosine_over_images_with_something_to_find() -> None:
    rng = np.random.default_rng(0)
    truth, said = rng.normal(size=(9, 4, 5)), rng.normal(size=(9, 4, 5))
    truth[[2, 5]] = 0
    cosines = [
        (t * e).sum() / np.sqrt((t**2).sum() * (e**2).sum()) for t, e in zip(truth, said, strict=True) if t.any()
    ]
    found = explanation_accuracy(truth, said)
    assert found.value == pytest.approx(np.mean(cosines))
    assert found.n == 7
    assert found.low <= found.value <= found.high


@given(st.integers(0, 100), st.floats(1e-3, 1e3))
def test_the_accuracy_knows_no_scale_and_is_one_for_the_truth_itself(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    truth, said = rng.normal(size=(5, 6)), rng.normal(size=(5, 6))
    assert explanation_accuracy(truth, factor * truth, resamples=10).value == pytest.approx(1)
    one, other = (explanation_accuracy(truth, each, resamples=10).value for each in (said, factor * said))
    assert one == pytest.approx(other)
    assert explanation_accuracy(truth, -truth, resamples=10).value == pytest.approx(-1)


def test_explanations_that_say_nothing_count_as_zero() -> None:
    assert explanation_accuracy([[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]).value == 0.5


def test_the_interval_covers_the_mean_of_images_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = []
    for seed in range(150):
        cosines = rng.uniform(0.2, 0.8, size=60)
        said = np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1)
        found = explanation_accuracy(np.tile([1.0, 0.0], (60, 1)), said, resamples=300, seed=seed)
        covered.append(found.low <= 0.5 <= found.high)
    assert 0.88 <= np.mean(covered) <= 0.99


def test_the_pointing_game_shares_out_ties() -> None:
    assert pointing_game([[1, 0, 0, 0]], [[5.0, 5.0, 0.0, 5.0]]).value == pytest.approx(1 / 3)
    assert pointing_game([[1, 1, 0, 0]], [[1.0, 1.0, 1.0, 1.0]]).value == 0.5


@pytest.mark.parametrize(
    ("truth", "said", "message"),
    [
        (np.zeros((3, 2)), np.ones((3, 2)), "truth must mark something in at least one sample, got zeros alone"),
        (
            np.ones((3, 2)),
            np.ones((3, 3)),
            "explanations must have the shape of truth, (n, ...), got (3, 3) for (3, 2)",
        ),
        (np.ones(3), np.ones(3), "explanations must have the shape of truth, (n, ...), got (3,) for (3,)"),
        (np.zeros((0, 4)), np.zeros((0, 4)), "truth must mark something in at least one sample, got zeros alone"),
        (np.ones((1, 2)), [[np.nan, 1.0]], "explanations must be finite, got 1 values that are not"),
        (np.full((1, 2), np.inf), np.ones((1, 2)), "truth must be finite, got 2 values that are not"),
    ],
)
@pytest.mark.parametrize("figure", [explanation_accuracy, pointing_game])
def test_what_cannot_be_judged_is_refused_in_words(figure, truth, said, message) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        figure(truth, said)


def test_the_clever_hans_score_is_the_difference_and_knows_per_cent() -> None:
    assert clever_hans_score(0.7, -0.2) == pytest.approx(0.9)
    with pytest.raises(InputError, match="auroc must be from 0 to 1, got 97.0; divide per cent by 100"):
        clever_hans_score(97.0, 0.4)
    with pytest.raises(InputError, match="accuracy must be from -1 to 1, got 40.0"):
        clever_hans_score(0.97, 40.0)

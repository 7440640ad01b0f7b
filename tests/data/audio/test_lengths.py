"""Clips brought to one rate and one length."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reprq.data.audio.decoding import Clip
from reprq.data.audio.lengths import LONG, SHORT, Lengths, resampled
from reprq.errors import InputError, ReprqError

Tone = Callable[..., NDArray[np.float32]]


def clip(n: int, rate: int = 10) -> Clip:
    return Clip(np.arange(1, n + 1, dtype=np.float32), rate)


def test_a_short_clip_is_padded_or_repeated_and_a_long_one_cut() -> None:
    lengths = Lengths(sample_rate=10, seconds=0.5)
    assert lengths.windows(clip(3)).tolist() == [[1, 2, 3, 0, 0]]
    assert Lengths(10, 0.5, short="loop").windows(clip(3)).tolist() == [[1, 2, 3, 1, 2]]
    assert lengths.windows(clip(9)).tolist() == [[3, 4, 5, 6, 7]]
    assert Lengths(10, 0.5, long="start").windows(clip(9)).tolist() == [[1, 2, 3, 4, 5]]
    assert lengths.windows(clip(5)).tolist() == [[1, 2, 3, 4, 5]]


@given(st.integers(1, 60), st.integers(1, 20), st.sampled_from(SHORT), st.sampled_from(LONG))
def test_windows_have_one_size_and_cover_all_where_asked(n: int, size: int, short: str, long: str) -> None:
    found = Lengths(10, size / 10, short, long).windows(clip(n))
    assert found.shape[1] == size
    assert found.dtype == np.float32
    assert len(found) == (max(1, -(-n // size)) if long == "windows" else 1)
    if long == "windows":
        assert set(found.ravel()) - {0} == set(clip(n).values)


@pytest.mark.parametrize(("rate", "target"), [(8000, 16000), (44100, 16000), (16000, 22050), (8000, 8000)])
def test_a_resampled_tone_is_that_tone(rate: int, target: int, tone: Tone) -> None:
    found = resampled(tone(440, 0.5, rate), rate, target)
    assert len(found) == -(-rate // 2 * target // rate)
    inside = slice(target // 50, -target // 50)
    np.testing.assert_allclose(found[inside], tone(440, 0.5, target)[inside], atol=2e-3)


def test_what_a_lower_rate_cannot_hold_is_taken_out(tone: Tone) -> None:
    found = resampled(tone(3000, 0.5, 8000), 8000, 4000)
    assert np.abs(found[100:-100]).max() < 0.01


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"seconds": 0}, "preprocessing seconds must be a number of seconds above 0, got 0"),
        ({"seconds": float("nan")}, "got nan"),
        ({"seconds": True}, "got True"),
        ({"seconds": 1e-9}, "must make from 1 to 2\\^28 values"),
        ({"seconds": 1e9}, "must make from 1 to 2\\^28 values"),
        ({"sample_rate": 0}, "sample_rate must be a whole number of values a second, got 0"),
        ({"sample_rate": 8e3}, "got 8000.0"),
        ({"short": "repeat"}, "unknown value of preprocessing short 'repeat'"),
        ({"long": "middle"}, "unknown value of preprocessing long 'middle'"),
    ],
)
def test_what_cannot_be_is_told(how: dict[str, object], sentence: str) -> None:
    with pytest.raises((InputError, ReprqError), match=sentence):
        Lengths(**how)  # type: ignore[arg-type]

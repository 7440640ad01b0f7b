"""Marked texts: every letter is drawn once, dark on light, with one scale of colors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.plots.texts import INK, MarkedText, color_of, key_of, text_gallery

SHIP = MarkedText(
    "The ship, sunk <b> & $5_x$.", [(4, 8), (10, 14), (0, 0)], [0.5, -0.25, 0.1], "a: 1", ["ship", "sunk", "[SEP]"]
)


def luminance(color: str) -> float:
    """As WCAG 2.2 defines it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@given(value=st.floats(-2, 2))
def test_letters_are_read_on_every_color(value: float) -> None:
    light, dark = luminance(color_of(value, 1.0)), luminance(INK)
    assert (light + 0.05) / (dark + 0.05) >= 7


def test_colors_grow_with_the_value_and_differ_by_sign() -> None:
    shades = [luminance(color_of(value, 1.0)) for value in (0.0, 0.2, 0.5, 1.0)]
    assert shades == sorted(shades, reverse=True)
    assert color_of(0.5, 1.0) != color_of(-0.5, 1.0)
    assert key_of([SHIP]) == (-0.5, 0.25, 0.5)
    assert key_of([MarkedText("a", [(0, 1)], [2.0])]) == (0.5, 1.0, 2.0)


def test_pieces_are_the_text_with_its_values() -> None:
    pieces = list(SHIP.pieces())
    assert "".join(part for part, _ in pieces) == SHIP.text
    assert [(part, value) for part, value in pieces if value is not None] == [("ship", 0.5), ("sunk", -0.25)]
    assert SHIP.strongest(3) == [("ship", 0.5), ("sunk", -0.25), ("[SEP]", 0.1)]


def test_the_picture_has_every_letter_and_of_a_long_text_those_around_the_strongest(monkeypatch) -> None:
    monkeypatch.setattr("reprq.plots.fonts._held", lambda letters: {})  # no font of East Asia
    word = "strange"
    long = "word " * 300 + word + " word" * 300
    at = long.index(word)
    fig = text_gallery(
        [SHIP, MarkedText(long, [(0, 4), (at, at + 7)], [0.1, 0.9], "b"), MarkedText("\u4e2d x", [(0, 1)], [0.0])]
    )
    fig.canvas.draw()
    drawn = [text.get_text() for text in fig.axes[0].texts]
    assert "ship" in drawn
    assert "strange" in drawn
    assert "".join(drawn).count("word") < 100
    assert "..." in drawn
    assert "\N{WHITE SQUARE}" in drawn  # what the font lacks
    right = max(text.get_window_extent().x1 for text in fig.axes[0].texts)
    assert right <= fig.bbox.width


@pytest.mark.parametrize(
    ("spans", "values", "said"),
    [([(0, 1)], [1.0, 2.0], "one a token"), ([(0, 1)], [np.nan], "finite"), ([(0, 1)], [[1.0]], "one a token")],
)
def test_values_that_do_not_fit_are_refused(spans: list[tuple[int, int]], values: list[float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        MarkedText("a", spans, values)
    with pytest.raises(InputError, match="at least one"):
        text_gallery([])

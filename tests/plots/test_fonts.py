"""Letters that the first font lacks are found in others, and what none has is known."""

import pytest
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from reprq.plots.fonts import fonts_for
from reprq.plots.texts import MarkedText, text_gallery

MONO = "DejaVu Sans Mono"
QUADRUPLE = "\N{QUADRUPLE INTEGRAL OPERATOR}"  # in the STIX fonts that come with matplotlib
NOBODY = "\u4e2d"  # in none of those that do


@pytest.fixture(autouse=True)
def bundled(monkeypatch) -> None:
    """The fonts that come with matplotlib, and no others."""
    fonts = [each for each in font_manager.fontManager.ttflist if "mpl-data" in each.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts)


def has(family: str, letter: str) -> bool:
    return bool(FT2Font(font_manager.findfont(family)).get_char_index(ord(letter)))


def test_a_font_that_has_the_letter_fills_in() -> None:
    found = fonts_for({"a", QUADRUPLE, NOBODY}, MONO)
    assert found.families[0] == MONO
    assert found.filled == {QUADRUPLE}
    assert found.missing == {NOBODY}
    (other,) = found.families[1:]
    assert has(other, QUADRUPLE)
    assert not has(MONO, QUADRUPLE)
    assert "Last Resort" not in other


def test_what_the_first_font_has_asks_no_other(monkeypatch) -> None:
    monkeypatch.setattr("reprq.plots.fonts._held", lambda letters: 1 / 0)
    assert fonts_for("abc é", MONO) == ((MONO,), frozenset(), frozenset())


def test_a_font_that_is_gone_is_passed_over(monkeypatch, tmp_path) -> None:
    entry = font_manager.FontEntry(str(tmp_path / "gone.ttf"), "A Gone", "normal", "normal", 400, "normal", "scalable")
    (tmp_path / "text.ttf").write_text("no font")
    other = font_manager.FontEntry(str(tmp_path / "text.ttf"), "A Text", "normal", "normal", 400, "normal", "scalable")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [entry, other, *font_manager.fontManager.ttflist])
    assert not {"A Gone", "A Text"} & set(fonts_for({QUADRUPLE}, MONO).families)


def test_a_picture_has_the_letters_of_other_fonts_in_the_place_of_two_and_says_what_is_missing() -> None:
    text = f"ab{QUADRUPLE}c {NOBODY}"
    fig = text_gallery([MarkedText(text, [(0, 4)], [1.0], "title")])
    fig.canvas.draw()
    drawn = {each.get_text(): each.get_position()[0] for each in fig.axes[0].texts}
    assert drawn["ab"] == 0
    assert drawn[QUADRUPLE] == 3  # the middle of places 2 and 3
    assert drawn["c"] == 4
    (said,) = [each for each in drawn if "no installed font" in each]
    assert said.startswith("a box stands for 1 letter ")
    assert any("\N{WHITE SQUARE}" in each for each in drawn)
    assert NOBODY not in "".join(drawn)
    marked = fig.axes[0].patches[-1]
    assert marked.get_width() == 5  # a, b, two for the filled in, c
    plain = text_gallery([MarkedText("ab", [(0, 1)], [1.0])])
    assert not any("no installed font" in each.get_text() for each in plain.axes[0].texts)

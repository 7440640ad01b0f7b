"""Texts whose tokens are marked by a value each: attention, or what a token adds to a score."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from reprq.errors import InputError, counted
from reprq.plots.fonts import Fonts, fonts_for
from reprq.plots.styles import plain

PAPER, MORE, LESS, INK = (255, 255, 255), (245, 150, 60), (110, 170, 225), "#111111"
_WIDE, _LONG = 100, 420  # characters of a line, and of a text that is cut
_CHARACTER, _LINE = 0.08, 0.19  # inches; whole pixels, to which a letter's width is rounded
_MONO, _TITLES = "DejaVu Sans Mono", "DejaVu Sans"
_REST, _BOX = "\0", "\N{WHITE SQUARE}"  # after a letter that takes two places; what no font has
_SIZE = 72 * _CHARACTER / 0.602  # points, of DejaVu Sans Mono, whose letters are .602 em wide


@dataclass(frozen=True)
class MarkedText:
    """A text with a value for each of its tokens.

    Attributes:
        text: The text.
        spans: Where each token begins and ends in it; (0, 0) for one that does not stand there.
        values: (L,) of each token.
        title: What stands above it.
        tokens: What each token is called; by default what stands at its span.
    """

    text: str
    spans: Sequence[tuple[int, int]]
    values: ArrayLike
    title: str = ""
    tokens: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if values.shape != (len(self.spans),) or not np.isfinite(values).all():
            raise InputError(f"values must be finite and one a token, got shape {values.shape} for {len(self.spans)}")
        if self.tokens and len(self.tokens) != len(values):
            raise InputError(f"tokens must be one a value, got {len(self.tokens)} for {len(values)}")

    def pieces(self) -> Iterator[tuple[str, float | None]]:
        """Yield the text part by part, with the value of those that are tokens."""
        at = 0
        for (start, end), value in sorted(zip(self.spans, np.asarray(self.values).tolist(), strict=True)):
            if start < at or end <= start:
                continue
            if start > at:
                yield self.text[at:start], None
            yield self.text[start:end], value
            at = end
        if at < len(self.text):
            yield self.text[at:], None

    def strongest(self, count: int = 6) -> list[tuple[str, float]]:
        """Return the tokens of largest absolute value, each once, with their values."""
        values = np.asarray(self.values, dtype=np.float64)
        names = list(self.tokens) or [self.text[start:end] for start, end in self.spans]
        found: dict[str, float] = {}
        for i in np.argsort(-np.abs(values), kind="stable"):
            found.setdefault(names[i], float(values[i]))
        return list(found.items())[:count]


def scale_of(texts: Sequence[MarkedText]) -> float:
    """Return the absolute value that has the full color: the largest of all, or 1 where all are 0."""
    return max((float(np.abs(np.asarray(each.values)).max(initial=0.0)) for each in texts), default=0.0) or 1.0


def key_of(texts: Sequence[MarkedText]) -> tuple[float, float, float]:
    """Return three values that a key shows: of both signs where a token has a negative value."""
    scale = scale_of(texts)
    signed = any(np.min(each.values, initial=0.0) < 0 for each in texts)
    return (-scale, scale / 2, scale) if signed else (scale / 4, scale / 2, scale)


def color_of(value: float, scale: float) -> str:
    """Return the color behind a token: paper for 0, orange for `scale`, blue for what lowers a score as much.

    Dark letters are read on each of them: the contrast is above 7, as WCAG's level AAA asks.

    Example:
        >>> color_of(0.0, 1.0), color_of(2.0, 1.0), color_of(-0.5, 1.0)
        ('#ffffff', '#f5963c', '#b6d4f0')
    """
    share = min(1.0, abs(value) / scale)
    end = MORE if value > 0 else LESS
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(PAPER, end, strict=True))


def text_gallery(texts: Sequence[MarkedText], *, label: str = "what a token adds to the score") -> Figure:
    """Draw texts with a color behind each token, one scale for all; of a long one what is around its strongest token.

    Letters that DejaVu Sans Mono lacks are of whatever installed font has them, each in the place of two; where none
    has, a box stands for each, and a line below says so.

    Args:
        texts: What is drawn, from above.
        label: What the values are; "" where no token has one.

    Raises:
        InputError: No text.
    """
    if not texts:
        raise InputError("texts must be at least one, got none")
    scale = scale_of(texts)
    written = {letter for each in texts for letter in each.text + each.title if letter.isprintable()}
    fonts = fonts_for(written, _MONO)
    weight = "bold" if not fonts.filled else "normal"  # what fills in may have no bold letters
    laid = [_lines(each, fonts) for each in texts]
    rows = sum(len(lines) + 1.6 for lines in laid) + (1.4 if label else 0) + bool(fonts.missing)
    fig = Figure(figsize=((_WIDE + 6) * _CHARACTER, rows * _LINE))
    ax = fig.add_axes((0, 0, 1, 1), xlim=(-1, _WIDE + 5), ylim=(rows, 0))
    ax.axis("off")
    if label:
        _key(ax, key_of(texts), label)
    y = 2.2 if label else 0.8
    for each, lines in zip(texts, laid, strict=True):
        title = "".join(_BOX if letter in fonts.missing else letter for letter in plain(each.title))
        ax.text(
            0, y, title, family=[_TITLES, *fonts.families[1:]], fontsize=9, fontweight=weight, color=INK, va="center"
        )
        for line in lines:
            y += 1
            _draw(ax, line, y, scale, fonts)
        y += 1.6
    if fonts.missing:
        said = (
            f"a box stands for {counted(len(fonts.missing), 'letter')} that no installed font has; the page shows them"
        )
        ax.text(0, y, said, family=_TITLES, fontsize=8, color=INK, va="center")
    return fig


def _key(ax: Axes, values: Sequence[float], label: str) -> None:
    """Patches that say what the colors mean."""
    x = 0.0
    for value in values:
        ax.add_patch(Rectangle((x, 0.4), 9, 1, color=color_of(value, values[-1]), linewidth=0))
        ax.text(x + 0.5, 0.9, f"{value:+.2g}", fontsize=8, color=INK, va="center")
        x += 10
    ax.text(x + 0.5, 0.9, label, fontsize=9, color=INK, va="center")


def _draw(ax: Axes, line: list[tuple[str, float | None]], y: float, scale: float, fonts: Fonts) -> None:
    how: dict[str, Any] = {"family": list(fonts.families), "fontsize": _SIZE, "color": INK, "va": "center"}
    x = 0
    for part, value in line:
        if value is not None:
            ax.add_patch(Rectangle((x, y - 0.5), len(part), 0.96, color=color_of(value, scale), linewidth=0))
        for run in re.findall(rf".{_REST}|{_REST}|[^{_REST}]+(?!{_REST})", part):
            if run.endswith(_REST):  # in the middle of its place
                ax.text(x + 1, y, run.rstrip(_REST), ha="center", **how)
            else:
                ax.text(x, y, run.replace("$", r"\$"), **how)
            x += len(run)


def _lines(text: MarkedText, fonts: Fonts) -> list[list[tuple[str, float | None]]]:
    """The excerpt of a text in lines of parts."""
    letters, marks = _letters(text, fonts)
    start = max(0, int(np.nanargmax(np.abs(marks))) - _LONG // 2) if len(letters) > _LONG and not _blank(marks) else 0
    start = letters.rfind(" ", 0, start) + 1
    shown = letters[start : start + _LONG]
    found, at = [], start
    wrapped = textwrap.wrap(shown, _WIDE, drop_whitespace=False, replace_whitespace=False) or [""]
    for number, line in enumerate(wrapped):
        before = "..." if number == 0 and start else ""
        after = "..." if number == len(wrapped) - 1 and start + _LONG < len(letters) else ""
        parts: list[tuple[str, float | None]] = [(before, None)] if before else []
        for i, letter in enumerate(line):
            value = None if np.isnan(marks[at + i]) else float(marks[at + i])
            if parts and parts[-1][1] == value and (i or before == ""):
                parts[-1] = (parts[-1][0] + letter, value)
            else:
                parts.append((letter, value))
        if number and parts[0][0].startswith(" "):
            parts[0] = (parts[0][0][1:], parts[0][1])
        found.append([*parts, *([(after, None)] if after else [])])
        at += len(line)
    return found


def _letters(text: MarkedText, fonts: Fonts) -> tuple[str, np.ndarray]:
    """The letters of a text, a blank for each run of space and a box for what fonts lack, and the value of each.

    One of a font that fills in, whose letters are of any width, takes the place of two.
    """
    letters: list[str] = []
    marks: list[float] = []
    for part, value in text.pieces():
        for letter in part:
            if letter.isspace() and letters and letters[-1] == " ":
                continue
            shown = " " if letter.isspace() else _BOX if letter in fonts.missing or not letter.isprintable() else letter
            letters.append(shown)
            if shown in fonts.filled:
                letters.append(_REST)
            marks += [np.nan if value is None else value] * (len(letters) - len(marks))
    return "".join(letters), np.array(marks)


def _blank(marks: np.ndarray) -> bool:
    return bool(np.isnan(marks).all())

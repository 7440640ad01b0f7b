"""Which installed fonts have the letters of a text."""

from collections.abc import Iterable
from typing import NamedTuple

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

_NO_GLYPHS = "last resort"  # a font that has a box for every letter


class Fonts(NamedTuple):
    """The fonts of some letters.

    Attributes:
        families: Their names, in the order in which matplotlib tries them.
        filled: The letters that the first has not, and another has.
        missing: The letters that none has.
    """

    families: tuple[str, ...]
    filled: frozenset[str]
    missing: frozenset[str]


def fonts_for(letters: Iterable[str], first: str) -> Fonts:
    """Return the installed families that have some letters between them, as few as are found by taking the best first.

    Args:
        letters: Distinct or not.
        first: The family that is used for all that it has.

    Example:
        >>> fonts_for("ab", "DejaVu Sans Mono")
        Fonts(families=('DejaVu Sans Mono',), filled=frozenset(), missing=frozenset())
    """
    own = FT2Font(font_manager.findfont(first))
    others = {letter for letter in letters if not own.get_char_index(ord(letter))}
    families, missing = [first], set(others)
    held = _held(missing) if missing else {}
    while missing and held:
        best = max(held, key=lambda name: len(held[name] & missing))
        if not held[best] & missing:
            break
        families.append(best)
        missing -= held.pop(best)
    return Fonts(tuple(families), frozenset(others - missing), frozenset(missing))


def _held(letters: set[str]) -> dict[str, set[str]]:
    """Which of some letters each installed family has, in the order of their names."""
    found: dict[str, set[str]] = {}
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda each: (each.name, each.fname)):
        plain = entry.style == "normal" and entry.variant == "normal" and entry.weight in (400, "normal", "regular")
        if not plain or _NO_GLYPHS in entry.name.lower() or entry.name in found:
            continue
        try:
            font = FT2Font(entry.fname)
        except (OSError, RuntimeError):  # removed since matplotlib listed it, or no font that it reads
            continue
        if there := {letter for letter in letters if font.get_char_index(ord(letter))}:
            found[entry.name] = there
    return found

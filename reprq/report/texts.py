"""Texts with marked tokens as one HTML page that needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from reprq.plots.texts import INK, MarkedText, color_of, key_of, scale_of

_MOST = 6000  # characters of a text that are shown
_STYLE = f"""
body {{ font: 1rem/1.6 system-ui, sans-serif; color: {INK}; background: #fff; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.2rem; margin-top: 2.5rem; }}
h3 {{ font-size: 1rem; margin: 1.5rem 0 0; }}
article p {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; }}
mark {{ color: inherit; border-radius: .15rem; padding: 0 .05rem; }}
mark.strong {{ text-decoration: underline; text-decoration-thickness: .15rem; }}
.said {{ color: #444; font-size: .9rem; }}
.key mark {{ padding: .1rem .5rem; margin-right: .3rem; }}
"""


@dataclass(frozen=True)
class TextSection:
    """Some texts under a heading.

    Attributes:
        heading: It.
        texts: They; one scale of colors for all.
        label: What the values are; "" where no token has one.
        said: A sentence below the heading.
    """

    heading: str
    texts: Sequence[MarkedText]
    label: str
    said: str = ""


def text_page(title: str, sections: Sequence[TextSection]) -> str:
    """Return a page of HTML: every text with its tokens marked, the strongest underlined and named with their values.

    Colors are not the only sign: a token's value is its tooltip, what has more than half of the largest value is
    underlined, and the strongest tokens stand in words below each text. Of a text 6,000 characters are shown.

    Args:
        title: Of the page.
        sections: What it shows.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    for section in sections:
        scale = scale_of(section.texts)
        parts.append(f"<section><h2>{escape(section.heading)}</h2>")
        if section.said:
            parts.append(f'<p class="said">{escape(section.said)}</p>')
        if section.texts and section.label:
            marks = "".join(_mark(f"{value:+.2g}", value, scale, "") for value in key_of(section.texts))
            parts.append(f'<p class="key">{marks} {escape(section.label)}</p>')
        parts += [_article(each, scale) for each in section.texts]
        parts.append("</section>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _article(text: MarkedText, scale: float) -> str:
    shown, left = [], _MOST
    for part, value in text.pieces():
        cut = part[:left]
        shown.append(escape(cut) if value is None else _mark(cut, value, scale, f"{value:+.3g}"))
        left -= len(cut)
        if left <= 0:
            break
    more = f" ... ({len(text.text) - _MOST:,} more characters)" if len(text.text) > _MOST else ""
    strongest = ", ".join(f"{escape(word or '(none)')} {value:+.3g}" for word, value in text.strongest())
    said = f'<p class="said">strongest: {strongest}</p>' if strongest else ""
    return f'<article><h3>{escape(text.title)}</h3><p dir="auto">{"".join(shown)}{more}</p>{said}</article>'


def _mark(word: str, value: float, scale: float, said: str) -> str:
    strong = ' class="strong"' if abs(value) > scale / 2 else ""
    title = f' title="{said}"' if said else ""
    return f'<mark{strong} style="background:{color_of(value, scale)}"{title}>{escape(word)}</mark>'

"""Texts with marked tokens, as a page and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ADDED = "what a token adds to the score"
_NEAREST = 3  # texts of a context


def marked(transform: Any, data: Any, row: int, values: Any, title: str) -> Any:
    """Return a text with its tokens as a transform finds them."""
    from reprq.plots.texts import MarkedText

    text = data.item(row)
    return MarkedText(text, transform.spans_of(text), values, title, transform.words_of(text))


def unmarked(data: Any, row: int, title: str) -> Any:
    """Return a text of whose tokens nothing is known."""
    from reprq.plots.texts import MarkedText

    return MarkedText(data.item(row), [], [], title)


def contexts(detector: Any, data: Any) -> list[Any]:
    """Return a section a context of a detector that has some: its words, and its attention over the nearest texts."""
    from reprq.report.texts import TextSection

    if not callable(getattr(detector, "top_words", None)):
        return []
    distances, words = detector.context_scores(data), detector.top_words(data)
    found = []
    for number, (column, each) in enumerate(zip(distances.T, words, strict=True)):
        near = data.select(np.argsort(column, kind="stable")[:_NEAREST])
        weights = [attention[number] for attention in detector.attention_weights(near)]
        titles = [f"{name}: distance {value:.3g}" for name, value in zip(near.ids, np.sort(column), strict=False)]
        texts = [
            marked(detector.transform_, near, i, values, title)
            for i, (values, title) in enumerate(zip(weights, titles, strict=True))
        ]
        said = "words of highest attention in the texts that are nearest: " + ", ".join(each)
        found.append(TextSection(f"Context {number + 1}", texts, "attention, whose sum over a text is 1", said))
    return found


def write(folder: Path, name: str, title: str, sections: Sequence[Any]) -> Path:
    """Write NAME.html with all sections and NAME.png with the texts of the first; return the page."""
    from reprq.plots import render
    from reprq.plots.texts import text_gallery
    from reprq.report.texts import text_page
    from reprq.storage import make_folder, write_text, write_whole

    make_folder(folder)
    page, picture = folder / f"{name}.html", folder / f"{name}.png"
    write_text(page, text_page(title, sections))
    figure = text_gallery(sections[0].texts, label=sections[0].label)
    write_whole(picture, lambda temporary: temporary.write_bytes(render(figure, "png")))
    return page

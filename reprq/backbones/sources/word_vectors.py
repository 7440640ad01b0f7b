"""Vectors of words in the text formats of GloVe, word2vec and fastText, as `words:FILE`."""

import bz2
import gzip
import itertools
import lzma
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reprq.backbones.assembly import assemble
from reprq.backbones.backbone import Backbone
from reprq.backbones.layers.selection import Layer
from reprq.data.text.words import Words
from reprq.errors import InputError, WeightsError
from reprq.seeding import seeded

PREFIX = "words:"
_OPENED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_LAYER = Layer(0, "words", "vectors", layout="NLD", varying=True)


class WordVectors(nn.Module):
    """The vectors of the words of a text: (N, L) numbers of words to (N, L, d); of word 0 they are zero."""

    def __init__(self, vectors: torch.Tensor) -> None:
        super().__init__()
        nothing = vectors.new_zeros(1, vectors.shape[1])
        self.vectors = nn.Embedding(len(vectors) + 1, vectors.shape[1], 0, _weight=torch.cat([nothing, vectors]))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the vectors; the mask is for what pools them."""
        return self.vectors(input_ids)  # type: ignore[no-any-return]


def load_words(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return `words:FILE`, whose one layer "words" holds the vectors of a text's words; see `load_backbone`.

    Args:
        name: "words:" and a text file, packed with gzip, bzip2 or xz or not, as `read_word_vectors` reads it.
        weights: "default", the file's; or "random", standard normal vectors for the same words.
        preprocessing: `max_length` and `cleaning` of `reprq.data.text.words.Words`.
        seed: Of random vectors.

    Raises:
        WeightsError: A file that is missing or holds no vectors of words.
        InputError: Other weights.
    """
    path = Path(name.removeprefix(PREFIX)).expanduser()
    if str(weights) not in ("default", "random"):
        raise InputError(f"{name} brings its own vectors, got weights {str(weights)!r}; leave them out")
    vocabulary, array = read_word_vectors(path)
    vectors, label = torch.from_numpy(array), f"default: {path.name}"
    if str(weights) == "random":
        with seeded(seed):
            vectors, label = torch.randn(vectors.shape), f"random(seed={seed})"
    words = Words(vocabulary).replace(**(preprocessing or {}))
    return assemble(name, WordVectors(vectors), words, [_LAYER], label)


def read_word_vectors(path: Path) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Read words and their vectors: a line a word, the word and its d numbers with spaces between.

    A first line of two whole numbers, how many words and how many dimensions, is that of word2vec and fastText. Of a
    word that stands twice the first vector counts, as in gensim.

    Returns:
        n words, and (n, d) float32.

    Raises:
        WeightsError: The file cannot be read, is empty or cut short, or a line has another number of numbers.
    """
    words: dict[str, None] = {}
    rows: list[NDArray[np.float32]] = []
    try:
        with _opened(path) as file:
            stated, lines = _header(file)
            for number, line in lines:
                word, row = _entry(path, number, line, len(rows[0]) if rows else stated and stated[1])
                if word not in words:
                    words[word] = None
                    rows.append(row)
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"the vectors of words in {path} cannot be read: {reason}; give a text file") from error
    if not rows:
        raise WeightsError(f"{path} must hold a word and its vector a line, got no line; give another file")
    if stated and number - 1 < stated[0]:
        raise WeightsError(
            f"{path} must hold {stated[0]} words, as its first line says, got {number - 1}; fetch it anew"
        )
    return tuple(words), np.stack(rows)


def _opened(path: Path) -> TextIO:
    opened: TextIO = _OPENED.get(path.suffix.lower(), open)(path, "rt", encoding="utf-8", newline="\n")
    return opened


def _header(file: TextIO) -> tuple[tuple[int, int] | None, Iterator[tuple[int, str]]]:
    """What word2vec's first line states, and the numbered lines of words."""
    numbered = enumerate(file, 1)
    first = next(numbered, None)
    if first is None:
        return None, iter(())
    parts = first[1].split()
    if len(parts) == 2 and all(part.isdecimal() for part in parts):
        return (int(parts[0]), int(parts[1])), numbered
    return None, itertools.chain([first], numbered)


def _entry(path: Path, number: int, line: str, width: int | None) -> tuple[str, NDArray[np.float32]]:
    """The word of a line, which may hold spaces where the width is known, and its vector."""
    parts = line.rstrip().split(" ")
    split = 1 if width is None else len(parts) - width
    word = " ".join(parts[:split])
    try:
        row = np.array(parts[split:], dtype=np.float32)
    except ValueError:
        row = np.empty(0, np.float32)
    if split < 1 or not word or not len(row) or not np.isfinite(row).all():
        shown = "numbers" if width is None else f"{width} finite numbers"
        raise WeightsError(f"{path} must hold a word and {shown} a line, got {line.strip()[:40]!r} in line {number}")
    return word, row

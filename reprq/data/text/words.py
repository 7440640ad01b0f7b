"""From a text to the words of a vocabulary."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from reprq.data.dataset import Dataset
from reprq.data.modality import Seen
from reprq.errors import InputError, UnknownNameError, counted

_IDS, _MASK = "input_ids", "attention_mask"  # as Tokenization names them
_WORD = re.compile(r"[^\W_]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_LEAST = 3  # letters of a word, by Ruff (2021)
_NOISE = (5, 12)  # words of a random text, at least and at most

WordBatch = Mapping[str, torch.Tensor]


def _all(word: str) -> bool:
    return True


def _kept_by_ruff(word: str) -> bool:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # here: most texts are read without scikit-learn

    return len(word) >= _LEAST and word not in ENGLISH_STOP_WORDS


@dataclass(frozen=True)
class Cleaning:
    """How a text is cut into words.

    Attributes:
        pattern: What a word is.
        lower: Whether it is looked for in the text in lower case.
        keep: Which words are kept.
    """

    pattern: re.Pattern[str]
    lower: bool = False
    keep: Callable[[str], bool] = _all

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text."""
        return [word for word in self.pattern.findall(text.lower() if self.lower else text) if self.keep(word)]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where in the text each of those words begins and ends."""
        # a letter in lower case may be two characters
        places = [i for i, letter in enumerate(text) for _ in (letter.lower() if self.lower else letter)]
        found = self.pattern.finditer(text.lower() if self.lower else text)
        return [(places[word.start()], places[word.end() - 1] + 1) for word in found if self.keep(word[0])]


CLEANINGS: Mapping[str, Cleaning] = {
    "none": Cleaning(_WORD),
    "ruff2021": Cleaning(_LETTERS, lower=True, keep=_kept_by_ruff),
}
"""How a text is cut into words, by name."""


@dataclass(frozen=True, eq=False)
class Words:
    """Cut a text into words, and keep the first `max_length` of those that a vocabulary has.

    A word is looked up as it is written, else in lower case; one that the vocabulary lacks is passed over. A text of
    which no word is known becomes word 0, which stands for nothing. In a batch shorter texts are padded on the right
    with word 0, which the mask marks with 0.

    Args:
        vocabulary: The known words; word i of them is i + 1.
        max_length: The most words of a text.
        cleaning: "none" takes all runs of letters and digits. "ruff2021" follows section 3.2.3 of Ruff (2021): lower
            case, letters alone, words of three letters and more, without stop words; those are scikit-learn's 318, as
            the thesis lists none.

    Example:
        >>> words = Words(("a", "cat", "sat"))
        >>> words("A cat, two dogs")["input_ids"].tolist(), words("???")["input_ids"].tolist()
        ([1, 2], [0])
    """

    vocabulary: Sequence[str] = field(repr=False)
    max_length: int = 10_000
    cleaning: str = "none"

    modality = "text"
    class_token = False

    def __post_init__(self) -> None:
        if type(self.max_length) is not int or self.max_length < 1:
            raise InputError(f"preprocessing max_length must be a whole number of words, got {self.max_length!r}")
        if self.cleaning not in CLEANINGS:
            raise UnknownNameError("cleaning of texts", str(self.cleaning), CLEANINGS)

    def __call__(self, text: str) -> WordBatch:
        """Return the words of a text: (L,) int64, 1 <= L <= `max_length`, and a mask of ones."""
        return self._sample((self._known(text) or [0])[: self.max_length])

    def words_of(self, text: str) -> list[str]:
        """Return the words that `__call__` numbers; an empty one for a text of which none is known."""
        return ["" if number == 0 else self.vocabulary[number - 1] for number in self(text)[_IDS].tolist()]

    def spans_of(self, text: str) -> list[tuple[int, int]]:
        """Return where in a text each of those words begins and ends; (0, 0) for a text of which none is known."""
        cut = CLEANINGS[self.cleaning]
        pairs = zip(cut(text), cut.spans(text), strict=True)
        return [span for word, span in pairs if self._number(word)][: self.max_length] or [(0, 0)]

    def collate(self, samples: Sequence[WordBatch]) -> WordBatch:
        """Return the batch of n texts, both tensors (n, L) with L the longest, padded on the right."""
        return {
            name: torch.nn.utils.rnn.pad_sequence([sample[name] for sample in samples], batch_first=True)
            for name in (_IDS, _MASK)
        }

    def blank(self, n: int) -> WordBatch:
        """Return the batch of n texts of six times the first word."""
        return self.collate([self._sample([1] * min(6, self.max_length))] * n)

    def noise(self, n: int, seed: int) -> WordBatch:
        """Return the batch of n texts of random words, of different lengths."""
        rng = np.random.default_rng(seed)
        sizes = np.minimum(rng.integers(_NOISE[0], _NOISE[1] + 1, n), self.max_length)
        return self.collate([self._sample(rng.integers(1, len(self.vocabulary) + 1, size)) for size in sizes])

    def altered(self, sample: WordBatch) -> WordBatch:
        """Return a text twice as long, up to `max_length`: the words backwards, then in their order."""
        ids = sample[_IDS]
        return self._sample(torch.cat([ids.flip(0), ids])[: self.max_length])

    def seen(self, data: Dataset) -> Seen:
        """Return what of some documents reaches the network; every one is read and cut into words.

        The record's "words" holds `max_length`, `unknown`, the share of all words that the vocabulary lacks,
        `wordless`, the number of documents of which no word is known, and `truncated`, of those that have more.
        """
        cut = CLEANINGS[self.cleaning]
        words = np.array([len(cut(data.item(i))) for i in range(len(data))])
        known = np.array([len(self._known(data.item(i))) for i in range(len(data))])
        unknown = round(1 - float(known.sum() / max(words.sum(), 1)), 4)
        wordless, truncated = int((known == 0).sum()), int((known > self.max_length).sum())
        of = f"of {counted(len(data), 'document')} of {data.name} {data.split}"
        notes = [*data.notes, f"{100 * unknown:.0f} % of the words {of} are not in the vocabulary and passed over"]
        if wordless:
            notes.append(f"{wordless} {of} have no word of the vocabulary and are zero")
        if truncated:
            notes.append(f"{truncated} {of} have more than {self.max_length} words, of which the first count")
        record = {"max_length": self.max_length, "unknown": unknown, "wordless": wordless, "truncated": truncated}
        return Seen({"words": record}, notes)

    def replace(self, **overrides: Any) -> "Words":
        """Return a copy with another `max_length` or `cleaning`.

        Raises:
            InputError: Another key, or a value that cannot be used.
        """
        for key in overrides:
            if key not in ("max_length", "cleaning"):
                raise InputError(f"preprocessing of words has no key {key!r}; valid are max_length and cleaning")
        return replace(self, **overrides)

    def overrides(self) -> dict[str, Any]:
        """Return the number of words and the cleaning, as `replace` takes them; the vocabulary comes with a network."""
        return {"max_length": self.max_length, "cleaning": self.cleaning}

    def describe(self) -> str:
        """Return what a network gets of a text."""
        return f"at most {self.max_length} of {len(self.vocabulary)} known words"

    def to_dict(self) -> dict[str, Any]:
        """Return the modality, a digest of the vocabulary (SHA-256, 16 digits), and how a text is cut."""
        vocabulary = hashlib.sha256("\n".join(self.vocabulary).encode()).hexdigest()[:16]
        return {"modality": self.modality, "vocabulary": vocabulary, **self.overrides()}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.vocabulary, 1)}

    def _known(self, text: str) -> list[int]:
        found = map(self._number, CLEANINGS[self.cleaning](text))
        return [number for number in found if number is not None]

    def _number(self, word: str) -> int | None:
        return self._numbers.get(word) or self._numbers.get(word.lower())

    def _sample(self, ids: Any) -> WordBatch:
        words = torch.as_tensor(ids, dtype=torch.int64)
        return {_IDS: words, _MASK: torch.ones_like(words)}

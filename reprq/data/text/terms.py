"""From a text to how often it has each term of a vocabulary."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from reprq.data.dataset import Dataset
from reprq.data.modality import Seen
from reprq.errors import InputError, counted

_MOST = 100_000  # columns of a dense row
_NOISE = 4  # the highest count of a random text, and one more


@dataclass(frozen=True, eq=False)
class Terms:
    """Count the terms of a text, as scikit-learn's `CountVectorizer` cuts them: words of two characters, lower case.

    Args:
        options: Those of the following that `replace` takes.
        max_features: The most terms: those that the benign training texts have most often. It bounds the columns.
        stop_words: "english" leaves out scikit-learn's 318; None keeps all words.
        ngram_range: The fewest and most words of a term.
        sublinear_tf: Whether 1 + ln(count) stands for a count.
        components: The most columns after the truncated singular value decomposition; for `lsa`.
        vocabulary: The terms, in the order of their columns; empty before they are learned.

    Example:
        >>> Terms(vocabulary=("cat", "sat"))("The cat, the CAT!").tolist()
        [2.0, 0.0]
    """

    options: tuple[str, ...] = ("max_features", "stop_words", "ngram_range")
    max_features: int = 2000
    stop_words: str | None = None
    ngram_range: Sequence[int] = (1, 1)
    sublinear_tf: bool = False
    components: int = 100
    vocabulary: Sequence[str] = field(default=(), repr=False)

    modality = "text"
    class_token = None

    def __post_init__(self) -> None:
        for name in ("max_features", "components"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= _MOST:
                raise InputError(f"preprocessing {name} must be a whole number from 1 to {_MOST}, got {value!r}")
        if self.stop_words not in (None, "english"):
            raise InputError(f"preprocessing stop_words must be 'english' or None, got {self.stop_words!r}")
        if type(self.sublinear_tf) is not bool:
            raise InputError(f"preprocessing sublinear_tf must be true or false, got {self.sublinear_tf!r}")
        given = self.ngram_range
        pair = isinstance(given, list | tuple) and len(given) == 2 and all(type(n) is int for n in given)
        if not pair or not 1 <= given[0] <= given[1]:
            raise InputError(f"preprocessing ngram_range must be the fewest and most words of a term, got {given!r}")

    @property
    def shape(self) -> tuple[int, ...] | None:
        """(V,) the number of terms; None before they are learned."""
        return (len(self.vocabulary),) if self.vocabulary else None

    def __call__(self, text: str) -> torch.Tensor:
        """Return the counts of a text: (V,) float32."""
        return self._counts(self._analyze(text))

    def collate(self, samples: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the batch of n texts, (n, V)."""
        return torch.stack(list(samples))

    def blank(self, n: int) -> torch.Tensor:
        """Return the batch of n texts that have each term once."""
        return torch.ones(n, len(self.vocabulary))

    def noise(self, n: int, seed: int) -> torch.Tensor:
        """Return the batch of n texts of random counts."""
        counts = np.random.default_rng(seed).integers(0, _NOISE, (n, len(self.vocabulary)))
        return torch.from_numpy(counts.astype(np.float32))

    def altered(self, sample: torch.Tensor) -> torch.Tensor:
        """Return the text with the counts of its terms in reverse order beside its own."""
        return sample + sample.flip(0)

    def seen(self, data: Dataset) -> Seen:
        """Return what of some documents reaches the network; every one is read and cut into terms.

        The record's "terms" holds `unknown`, the share of all terms that the vocabulary lacks, and `termless`, the
        number of documents that have none of it. Nothing is known before the vocabulary is learned.
        """
        if not self.vocabulary:
            return Seen({}, data.notes)
        known, total, termless = 0, 0, 0
        for row in range(len(data)):
            terms = self._analyze(data.item(row))
            own = sum(term in self._columns for term in terms)
            known, total, termless = known + own, total + len(terms), termless + (own == 0)
        unknown = round(1 - known / max(total, 1), 4)
        of = f"of {counted(len(data), 'document')} of {data.name} {data.split}"
        notes = list(data.notes)
        if unknown:
            notes.append(f"{100 * unknown:.0f} % of the terms {of} are not in the vocabulary and passed over")
        if termless:
            notes.append(f"{termless} {of} have no term of the vocabulary and are zero")
        return Seen({"terms": {"unknown": unknown, "termless": termless}}, notes)

    def replace(self, **overrides: Any) -> "Terms":
        """Return a copy with other options.

        Raises:
            InputError: Another key, or a value that cannot be used.
        """
        for key in overrides:
            if key not in self.options:
                raise InputError(f"preprocessing of terms has no key {key!r}; valid are {', '.join(self.options)}")
        return replace(self, **overrides)

    def overrides(self) -> dict[str, Any]:
        """Return the options, as `replace` takes them; the vocabulary is learned."""
        found = {name: getattr(self, name) for name in self.options}
        return {name: list(x) if isinstance(x, tuple) else x for name, x in found.items()}

    def describe(self) -> str:
        """Return what a network gets of a text."""
        return f"counts of {len(self.vocabulary) or f'at most {self.max_features}'} terms"

    def to_dict(self) -> dict[str, Any]:
        """Return the modality and the options; what was learned is in the digest of the backbone."""
        return {"modality": self.modality, "terms": self.overrides()}

    def vectorizer_options(self) -> dict[str, Any]:
        """Return what scikit-learn's vectorizers take."""
        return {
            "max_features": self.max_features,
            "stop_words": self.stop_words,
            "ngram_range": tuple(self.ngram_range),
        }

    @cached_property
    def _analyze(self) -> Callable[[str], list[str]]:
        from sklearn.feature_extraction.text import CountVectorizer  # here: most texts are read without scikit-learn

        analyze: Callable[[str], list[str]] = CountVectorizer(**self.vectorizer_options()).build_analyzer()
        return analyze

    @cached_property
    def _columns(self) -> Mapping[str, int]:
        return {term: column for column, term in enumerate(self.vocabulary)}

    def _counts(self, terms: Sequence[str]) -> torch.Tensor:
        found = [column for term in terms if (column := self._columns.get(term)) is not None]
        return torch.from_numpy(np.bincount(found, minlength=len(self.vocabulary)).astype(np.float32))

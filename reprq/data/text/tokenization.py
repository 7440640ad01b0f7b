"""From a text to the tokens that a network was trained on."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.data.dataset import Dataset
from reprq.data.modality import Seen
from reprq.errors import DataError, InputError, counted

_IDS, _MASK, _TYPES = "input_ids", "attention_mask", "token_type_ids"
_BLANK = "a " * 6
_AT_A_TIME = 256  # documents whose tokens are counted together
_NOISE = (5, 12)  # tokens of a random text, at least and at most
_BESIDE_TEXT = ("truncation", "padding")  # what a tokenizer was last asked for

Tokens = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Tokenization:
    """Cut a text into tokens, with the tokenizer's own special ones, and keep the first `max_length` of them.

    In a batch shorter texts are padded on the right, which the mask marks with 0: no row may depend on it.

    Args:
        tokenizer: One of transformers.
        max_length: The most tokens of a text, special ones included.
        limit: The most that the network takes.
        arguments: What the network takes of "input_ids", "attention_mask" and "token_type_ids".
    """

    tokenizer: Any
    max_length: int
    limit: int
    arguments: tuple[str, ...] = (_IDS, _MASK)
    _lock: Any = field(default_factory=threading.Lock, repr=False)  # a tokenizer serves one thread at a time

    def __post_init__(self) -> None:
        least = 1 + len(self._encoded("", None)[_IDS])
        if type(self.max_length) is not int or not least <= self.max_length <= self.limit:
            raise InputError(
                f"preprocessing max_length must be a whole number of tokens from {least} to {self.limit}, what the"
                f" network takes, got {self.max_length!r}"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        for name, value in {**state, "_lock": threading.Lock()}.items():
            object.__setattr__(self, name, value)

    @property
    def modality(self) -> str:
        """The kind of data that it takes."""
        return "text"

    @property
    def class_token(self) -> bool:
        """Whether the tokenizer puts a class token before every text."""
        first = self._encoded("", None)[_IDS][:1]
        known = (self.tokenizer.cls_token_id, self.tokenizer.bos_token_id)
        return bool(first) and first[0] in known

    def __call__(self, text: str) -> Tokens:
        """Return the tokens of a text: (L,) int64 by the names of the network's arguments, 1 <= L <= `max_length`.

        Raises:
            DataError: A text of which the tokenizer makes no token.
        """
        found = self._encoded(text, self.max_length)
        if not found[_IDS]:
            raise DataError(f"a document must have a token, got none of {text[:40]!r}; leave it out")
        return {name: torch.tensor(found[name]) for name in self.arguments}

    def words_of(self, text: str) -> list[str]:
        """Return the tokens that `__call__` numbers, as the tokenizer writes them."""
        return list(self.tokenizer.convert_ids_to_tokens(self(text)[_IDS].tolist()))

    def spans_of(self, text: str) -> list[tuple[int, int]]:
        """Return where in a text each of those tokens begins and ends.

        (0, 0) for a special token, and for all tokens of a tokenizer that does not know it, which no fast one is.
        """
        if not getattr(self.tokenizer, "is_fast", False):
            return [(0, 0)] * len(self(text)[_IDS])
        with self._lock:
            how = {"truncation": True, "max_length": self.max_length, "verbose": False}
            found = self.tokenizer(text, return_offsets_mapping=True, **how)
        return [(int(start), int(end)) for start, end in found["offset_mapping"]]

    def collate(self, samples: Sequence[Tokens]) -> Tokens:
        """Return the batch of n texts, each tensor (n, L) with L the longest, padded on the right."""
        pad = {_IDS: int(self.tokenizer.pad_token_id or 0)}
        return {
            name: torch.nn.utils.rnn.pad_sequence(
                [sample[name] for sample in samples], batch_first=True, padding_value=pad.get(name, 0)
            )
            for name in self.arguments
        }

    def blank(self, n: int) -> Tokens:
        """Return the batch of n times one short text that says nothing."""
        return self.collate([self(_BLANK)] * n)

    def noise(self, n: int, seed: int) -> Tokens:
        """Return the batch of n texts of random tokens, of different lengths."""
        rng = np.random.default_rng(seed)
        special = set(self.tokenizer.all_special_ids)
        known = np.array([token for token in range(int(self.tokenizer.vocab_size)) if token not in special] or [0])
        most = min(_NOISE[1], self.max_length)
        sizes = rng.integers(min(_NOISE[0], most), most + 1, n)
        return self.collate([self._sample(torch.from_numpy(rng.choice(known, size))) for size in sizes])

    def altered(self, sample: Tokens) -> Tokens:
        """Return a text twice as long, up to `max_length`: the tokens backwards, then in their order."""
        ids = sample[_IDS]
        return self._sample(torch.cat([ids.flip(0), ids])[: self.max_length])

    def seen(self, data: Dataset) -> Seen:
        """Return what of some documents reaches the network; every one is read and cut into tokens.

        The record's "truncated" holds `max_length`, `documents`, the number that have more tokens, and `share`, that of
        all tokens that are cut off.
        """
        lengths = self._lengths(data)
        beyond = np.maximum(lengths - self.max_length, 0)
        many, share = int((beyond > 0).sum()), round(float(beyond.sum() / lengths.sum()), 4)
        notes = list(data.notes)
        if many:
            more = "; --max-length N (preprocessing max_length) keeps more" if self.max_length < self.limit else ""
            notes.append(
                f"{many} of {counted(len(data), 'document')} of {data.name} {data.split} have more than"
                f" {self.max_length} tokens, of which the first count: {100 * share:.0f} % of all tokens are cut{more}"
            )
        record = {"max_length": self.max_length, "documents": many, "share": share}
        return Seen({"truncated": record}, notes)

    def replace(self, **overrides: Any) -> "Tokenization":
        """Return a copy with another `max_length`.

        Raises:
            InputError: Another key, or a length that the network does not take.
        """
        for key in overrides:
            if key != "max_length":
                raise InputError(f"preprocessing of texts has no key {key!r}; valid is max_length")
        return replace(self, **overrides)

    def overrides(self) -> dict[str, Any]:
        """Return the number of tokens, as `replace` takes it; the tokenizer comes with a network."""
        return {"max_length": self.max_length}

    def describe(self) -> str:
        """Return what a network gets of a text."""
        return f"at most {self.max_length} tokens"

    def to_dict(self) -> dict[str, Any]:
        """Return the modality, a digest of the tokenizer, and the number of tokens."""
        return {"modality": self.modality, "tokenizer": _digest(self.tokenizer), "max_length": self.max_length}

    def _encoded(self, text: Any, max_length: int | None) -> Any:
        how = {"truncation": max_length is not None, "max_length": max_length}
        with self._lock:
            return self.tokenizer(
                text, return_attention_mask=True, return_token_type_ids=_TYPES in self.arguments, verbose=False, **how
            )

    def _sample(self, ids: torch.Tensor) -> Tokens:
        made = {_IDS: ids, _MASK: torch.ones_like(ids), _TYPES: torch.zeros_like(ids)}
        return {name: made[name] for name in self.arguments}

    def _lengths(self, data: Dataset) -> NDArray[np.int64]:
        def counts() -> Iterator[int]:
            for start in range(0, len(data), _AT_A_TIME):
                texts = [data.item(i) for i in range(start, min(start + _AT_A_TIME, len(data)))]
                yield from map(len, self._encoded(texts, None)[_IDS])

        return np.fromiter(counts(), np.int64, len(data))


def _digest(tokenizer: Any) -> str:
    """SHA-256 (hex, 16 digits) of what decides the tokens of a text."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is None:
        made: Any = [type(tokenizer).__name__, sorted(tokenizer.get_vocab().items())]
    else:
        made = {name: value for name, value in json.loads(fast.to_str()).items() if name not in _BESIDE_TEXT}
    special = {name: str(token) for name, token in sorted(tokenizer.special_tokens_map.items())}
    return hashlib.sha256(json.dumps([made, special], sort_keys=True).encode()).hexdigest()[:16]

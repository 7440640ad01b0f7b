"""Words of texts: cut, looked up, padded, counted, and told apart from others by their address."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reprq.data import as_dataset
from reprq.data.text.words import Words
from reprq.errors import ReprqError

VOCABULARY = ("the", "cat", "sat", "Paris", "cats", "3d")


@pytest.fixture
def words() -> Words:
    return Words(VOCABULARY)


def ids(words: Words, text: str) -> list[int]:
    found: list[int] = words(text)["input_ids"].tolist()
    return found


def test_a_word_is_looked_up_as_it_is_written_and_else_in_lower_case(words: Words) -> None:
    assert ids(words, "The CAT -- sat, (in) Paris' 3D paris cinema.") == [1, 2, 3, 4, 6]


@pytest.mark.parametrize("text", ["", "...", "dogs bark", "ΩΩ"])
def test_a_text_without_a_known_word_is_word_zero(words: Words, text: str) -> None:
    assert ids(words, text) == [0]


def test_the_thesis_leaves_out_numbers_short_words_and_stop_words() -> None:
    words = Words(("the", "cat", "at", "sat", "3d", "isn"), cleaning="ruff2021")
    assert ids(words, "The cat's 3d cat sat at... Cat2cat") == [2, 2, 4, 2, 2]  # "the" is a stop word, "at" is short


@pytest.mark.parametrize("cleaning", ["none", "ruff2021"])
@given(text=st.text(max_size=60))
def test_what_stands_at_a_span_is_its_word(cleaning: str, text: str) -> None:
    text = f"{text} The cat's 3D PARIS \u0130sat, catsat cats{text}"
    words = Words((*VOCABULARY, "paris", "\u0130sat"), cleaning=cleaning)
    found, spans = words.words_of(text), words.spans_of(text)
    assert len(found) == len(spans) >= 2
    assert [text[start:end].lower() for start, end in spans] == [word.lower() for word in found]
    assert spans == sorted(spans)


def test_spans_are_of_the_words_that_count(words: Words) -> None:
    assert words.spans_of("dogs, the Cat sat") == [(6, 9), (10, 13), (14, 17)]
    assert words.replace(max_length=1).spans_of("dogs, the Cat sat") == [(6, 9)]
    assert words.spans_of("dogs") == [(0, 0)]


def test_a_batch_is_padded_on_the_right_and_masked(words: Words) -> None:
    batch = words.collate([words("cat"), words("the cat sat")])
    assert batch["input_ids"].tolist() == [[2, 0, 0], [1, 2, 3]]
    assert batch["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]


def test_blank_noise_and_altered_are_of_the_same_kind(words: Words) -> None:
    noise = words.noise(5, seed=1)
    assert len(words.blank(3)["input_ids"]) == 3
    assert torch.equal(noise["input_ids"], words.noise(5, seed=1)["input_ids"])
    assert len(set(noise["attention_mask"].sum(1).tolist())) > 1
    assert int(noise["input_ids"].max()) <= len(VOCABULARY)
    assert words.altered(words("the cat"))["input_ids"].tolist() == [2, 1, 1, 2]


def test_what_is_not_seen_is_counted() -> None:
    words = Words(VOCABULARY, max_length=2)
    seen = words.seen(as_dataset({"text": ["the cat sat", "dogs bark", "a cat"]}, "train"))
    assert seen.record == {"words": {"max_length": 2, "unknown": round(3 / 7, 4), "wordless": 1, "truncated": 1}}
    assert [note.partition(" of ")[0] for note in seen.notes[-3:]] == ["43 %", "1", "1"]


def test_its_address_follows_vocabulary_cleaning_and_length(words: Words) -> None:
    others = [Words(VOCABULARY[:-1]), words.replace(max_length=5), words.replace(cleaning="ruff2021")]
    addresses = [str(each.to_dict()) for each in (words, *others)]
    assert len(set(addresses)) == 4
    assert words.replace(**words.overrides()).to_dict() == words.to_dict()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_length": 0}, "preprocessing max_length must be a whole number of words, got 0"),
        ({"max_length": 2.5}, "got 2.5"),
        ({"cleaning": "ruff"}, "unknown cleaning of texts 'ruff'"),
        ({"size": 3}, "preprocessing of words has no key 'size'; valid are max_length and cleaning"),
    ],
)
def test_what_it_cannot_do_is_said(words: Words, wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ReprqError, match=said):
        words.replace(**wrong)

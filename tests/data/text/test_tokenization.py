"""Tokens of texts: cut, padded, counted, and told apart from others by their address."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reprq.data import as_dataset, load_dataset
from reprq.data.text.tokenization import Tokenization
from reprq.errors import InputError

transformers: Any = pytest.importorskip("transformers", reason="transformers is an optional extra")


@pytest.fixture
def transform(bert: Path) -> Tokenization:
    names = ("input_ids", "attention_mask", "token_type_ids")
    return Tokenization(transformers.AutoTokenizer.from_pretrained(bert), 8, 24, names)


def test_a_text_is_cut_and_a_batch_is_padded_on_the_right(transform: Tokenization) -> None:
    short, long = transform("ba be"), transform("ba be bi bo bu da de di do du")
    assert short["input_ids"].tolist() == [2, 5, 6, 3]  # [CLS] ba be [SEP]
    assert long["input_ids"].tolist() == [2, 5, 6, 7, 8, 9, 10, 3]
    batch = transform.collate([short, long])
    assert batch["input_ids"][0].tolist() == [2, 5, 6, 3, 0, 0, 0, 0]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0, 0, 0, 0], [1] * 8]
    assert batch["token_type_ids"].shape == (2, 8)
    assert transform.class_token
    assert transform("words that nobody knows")["input_ids"].tolist() == [2, 1, 1, 1, 1, 3]


def test_spans_are_where_tokens_stand_and_special_ones_stand_nowhere(transform: Tokenization) -> None:
    text = "ba, be  bi bo bu da de di"
    spans = transform.spans_of(text)
    assert len(spans) == len(transform.words_of(text)) == transform.max_length
    assert [text[start:end] for start, end in spans] == ["", "ba", ",", "be", "bi", "bo", "bu", ""]


def test_blank_noise_and_altered_are_batches_of_the_same_kind(transform: Tokenization) -> None:
    blank, noise = transform.blank(3), transform.noise(4, seed=1)
    assert {name: len(tensor) for name, tensor in blank.items()} == dict.fromkeys(noise, 3)
    assert len({tuple(row) for row in noise["input_ids"].tolist()}) == 4
    assert torch.equal(noise["input_ids"], transform.noise(4, seed=1)["input_ids"])
    sample = transform("ba be")
    other = transform.altered(sample)
    assert other["input_ids"].tolist() == [3, 6, 5, 2, 2, 5, 6, 3]
    assert len(transform.altered(other)["input_ids"]) == transform.max_length


def test_what_is_cut_and_in_which_encoding_files_are_is_said(transform: Tokenization, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "short").write_text("ba be")
    (tmp_path / "a" / "long").write_bytes(b"ba " * 18 + b"caf\xe9")
    data = load_dataset(f"text:{tmp_path}", whole=True)
    seen = transform.seen(data)
    assert seen.record == {"truncated": {"max_length": 8, "documents": 1, "share": round(13 / 25, 4)}}
    where = f"text:{tmp_path} train"
    where = f"text:{tmp_path} train"
    assert data.notes[1:] == (f"not all documents of {where} are UTF-8: 1 as cp1252 were read so",)
    assert [note for note in seen.notes if note not in data.notes] == [
        f"1 of 2 documents of {where} have more than 8 tokens, of which the first count: 52 % of all tokens are cut;"
        " --max-length N (preprocessing max_length) keeps more",
    ]
    assert transform.replace(max_length=24).seen(data).record["truncated"]["documents"] == 0
    assert transform.seen(as_dataset({"text": ["ba"]})).notes == []


def test_the_address_tells_the_tokenizer_and_the_length_and_nothing_else(transform: Tokenization, bert: Path) -> None:
    transform("ba " * 30)  # asks the tokenizer to truncate, which is a state of it
    again = Tokenization(transformers.AutoTokenizer.from_pretrained(bert), 8, 20, ("input_ids",))
    assert transform.to_dict() == again.to_dict()
    assert set(transform.to_dict()) == {"modality", "tokenizer", "max_length"}
    assert transform.to_dict() != transform.replace(max_length=9).to_dict()
    grown = transformers.AutoTokenizer.from_pretrained(bert)
    grown.add_tokens(["zz"])
    assert Tokenization(grown, 8, 24).to_dict() != transform.to_dict()


def test_threads_and_processes_share_it(transform: Tokenization) -> None:
    texts = [" ".join(np.random.default_rng(i).choice(["ba", "be", "bi"], 1 + i % 9)) for i in range(200)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(transform, texts))
    copied = pickle.loads(pickle.dumps(transform))
    assert all(torch.equal(x["input_ids"], copied(text)["input_ids"]) for x, text in zip(found, texts, strict=True))


def test_a_length_that_leaves_no_room_for_a_word_is_refused(transform: Tokenization) -> None:
    with pytest.raises(InputError, match="from 3 to 24, what the network takes, got 2"):
        transform.replace(max_length=2)

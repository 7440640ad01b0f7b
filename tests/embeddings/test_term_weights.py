"""The pooling "tfidf": tokens weighed by how few of the benign training texts have them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from reprq.backbones import load_backbone
from reprq.data import as_dataset
from reprq.embeddings import extract
from reprq.embeddings.pooling import pool
from reprq.errors import InputError, WeightsError

BENIGN = ["a cat sat", "a cat", "a dog; a dog", "a"]
NEW = ["cat sat sat a", "bird a", "a a a a cat"]
VECTORS = {"a": [1.0, 0.0], "cat": [0.0, 2.0], "sat": [3.0, 3.0], "dog": [5.0, 1.0], "bird": [7.0, 7.0]}


@pytest.fixture
def words(tmp_path: Path) -> str:
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in VECTORS.items()))
    return f"words:{path}"


def literal(text: str) -> np.ndarray:
    """Weigh the words of a text one by one."""
    total, rows = 0.0, np.zeros(2)
    for word in text.split():
        having = sum(word in benign.replace(";", "").split() for benign in BENIGN)
        weight = np.log((1 + len(BENIGN)) / (1 + having)) + 1
        total, rows = total + weight, rows + weight * np.array(VECTORS[word])
    return rows / total


@pytest.mark.parametrize("batch_size", [1, 3])
def test_rows_are_those_of_a_loop_whatever_the_batch(words: str, batch_size: int, tmp_path: Path) -> None:
    fitted = load_backbone(words).fit(as_dataset(BENIGN))
    how = {"pooling": "tfidf,mean", "batch_size": batch_size, "cache_dir": tmp_path / "cache", "progress": False}
    cache = extract(fitted, NEW, split="test", **how)
    np.testing.assert_allclose(cache["words@tfidf"].array, [literal(text) for text in NEW], rtol=1e-6)
    assert not np.allclose(cache["words"].array, cache["words@tfidf"].array)
    assert cache.provenance["weights"].endswith("; term weights fitted on 4 documents of python:list train")


def test_a_model_of_tokens_learns_them_too(bert: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is an optional extra")
    fresh = load_backbone(f"hf:{bert}")
    texts = ["ba be bi", "ba", "ba be", "da do"]
    fitted = fresh.fit(as_dataset(texts))
    how = {"cache_dir": tmp_path, "progress": False, "pooling": "tfidf"}
    cache = extract(fitted, texts, "stem", **how)
    with torch.inference_mode():
        for text, row in zip(texts, cache["stem@tfidf"].array, strict=True):
            inputs = fresh.preprocessing.collate([fresh.preprocessing(text)])
            ids = inputs["input_ids"]
            table = fitted.term_weights
            assert table is not None
            weights = torch.from_numpy(table)[ids.clamp(max=len(table) - 1)][0]
            tokens = fresh.network.embeddings(input_ids=ids)[0]
            torch.testing.assert_close(torch.from_numpy(row), weights @ tokens / weights.sum(), rtol=1e-5, atol=1e-6)
    assert fitted.network is fresh.network
    assert extract(fresh, texts, "stem", **how).path == cache.path  # a training side is learned from


def test_what_needs_weights_and_has_none_says_so(words: str, tmp_path: Path) -> None:
    how = {"cache_dir": tmp_path / "cache", "progress": False, "pooling": "tfidf"}
    with pytest.raises(InputError, match="^pooling .*tfidf.* learns from benign training documents"):
        extract(words, NEW, split="test", **how)
    with pytest.raises(InputError, match="needs the weights of terms"):
        pool(torch.ones(1, 2, 3), "tfidf", layout="NLD", mask=torch.ones(1, 2))
    with pytest.raises(InputError, match="needs layers of the tokens of texts, got maps"):
        pool(torch.ones(1, 2, 3, 3), "tfidf")
    learned = load_backbone("bow").fit(as_dataset(BENIGN)).learned
    assert learned is not None
    with pytest.raises(WeightsError, match="cannot use what another backbone learned"):
        load_backbone(words).with_learned(learned)
    with pytest.raises(InputError, match="at least one benign document, got none"):
        load_backbone(words).fit(as_dataset(BENIGN).select(np.array([], dtype=np.int64)))

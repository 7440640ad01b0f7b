"""Counts of terms: what scikit-learn computes, learned from the texts that are given and from no others."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from reprq.backbones import Backbone, load_backbone
from reprq.data import as_dataset
from reprq.embeddings import extract
from reprq.errors import InputError, WeightsError

BENIGN = ["The cat sat on the mat", "a dog sat", "cats and dogs; a cat, the cat", "Rain on the roof", "the dog barks"]
NEW = ["the cat barks at an alien", "zzz", "a dog, a dog"]


def rows(backbone: Backbone, texts: list[str]) -> NDArray[np.floating[Any]]:
    with torch.inference_mode():
        batch = backbone.preprocessing.collate([backbone.preprocessing(text) for text in texts])
        return backbone.network(batch).numpy()


@pytest.mark.parametrize("how", [{}, {"max_features": 4}, {"stop_words": "english", "ngram_range": [1, 2]}])
def test_rows_are_those_of_scikit_learn(how: dict[str, Any]) -> None:
    options = {**how, "ngram_range": tuple(how.get("ngram_range", (1, 1)))}
    counts = load_backbone("bow", preprocessing=how).fit(as_dataset(BENIGN))
    expected = CountVectorizer(**options).fit(BENIGN)
    np.testing.assert_array_equal(rows(counts, NEW), expected.transform(NEW).toarray())
    for sublinear in (False, True):
        weighted = load_backbone("tfidf", preprocessing={**how, "sublinear_tf": sublinear}).fit(as_dataset(BENIGN))
        vectorizer = TfidfVectorizer(**options, sublinear_tf=sublinear).fit(BENIGN)
        np.testing.assert_allclose(rows(weighted, NEW), vectorizer.transform(NEW).toarray(), atol=1e-6)
        projected = load_backbone("lsa", preprocessing={**how, "sublinear_tf": sublinear, "components": 2})
        svd = TruncatedSVD(2, random_state=0).fit(vectorizer.transform(BENIGN))
        found = rows(projected.fit(as_dataset(BENIGN)), NEW)
        np.testing.assert_allclose(found, svd.transform(vectorizer.transform(NEW)), atol=1e-5)


def test_rows_are_no_wider_than_asked_for_and_than_the_texts_allow() -> None:
    data = as_dataset(BENIGN)
    assert rows(load_backbone("tfidf", preprocessing={"max_features": 3}).fit(data), NEW).shape == (3, 3)
    assert rows(load_backbone("lsa").fit(data), NEW).shape == (3, len(BENIGN))
    assert rows(load_backbone("lsa").fit(as_dataset(["only", "only only"])), NEW).shape == (3, 1)
    assert rows(load_backbone("lsa").fit(as_dataset(["one ship alone"])), NEW).shape == (3, 1)  # and no warning


def test_only_the_texts_given_count_and_the_address_says_which(tmp_path: Path) -> None:
    fresh = load_backbone("tfidf")
    assert not fresh.is_fitted
    first, again = (fresh.fit(as_dataset(BENIGN[:2])) for _ in range(2))
    other = fresh.fit(as_dataset(BENIGN[:3]))
    assert set(first.preprocessing.vocabulary) == {"the", "cat", "sat", "on", "mat", "dog"}  # type: ignore[attr-defined]
    assert first.weights == "fitted on 2 documents of python:list train"
    assert first.weights_digest == again.weights_digest
    assert len({fresh.weights_digest, first.weights_digest, other.weights_digest}) == 3
    shorter = load_backbone("tfidf", preprocessing={"max_features": 5}).fit(as_dataset(BENIGN[:2]))
    assert shorter.weights_digest != first.weights_digest
    caches = [extract(each, NEW[:1], cache_dir=tmp_path, progress=False).path for each in (first, again, other)]
    assert caches[0] == caches[1] != caches[2]
    lsa = [load_backbone("lsa", seed=seed).weights_digest for seed in (0, 1)]
    assert lsa[0] != lsa[1]


def test_a_training_side_is_learned_from_and_a_test_side_is_not(tmp_path: Path) -> None:
    how: dict[str, Any] = {"cache_dir": tmp_path, "progress": False}
    cache = extract("tfidf", BENIGN, **how)
    fitted = load_backbone("tfidf").fit(as_dataset(BENIGN))
    np.testing.assert_array_equal(cache["weighted"].array, rows(fitted, BENIGN))
    with pytest.raises(InputError, match="^tfidf learns from benign training documents before it embeds any"):
        extract("tfidf", NEW, split="test", **how)
    test = extract(fitted, NEW, split="test", **how)
    assert test.provenance["weights"] == "fitted on 5 documents of python:list train"
    assert test.provenance["terms"] == {"unknown": 0.4444, "termless": 1}
    assert any("1 of 3 documents of python:list test have no term" in note for note in test.notes)
    assert not test["weighted"].array[1].any()


def test_what_was_learned_is_read_back_in_another_process(tmp_path: Path) -> None:
    fitted = load_backbone("lsa", preprocessing={"components": 2}).fit(as_dataset(BENIGN))
    fitted.save_learned(tmp_path / "lsa.safetensors")
    code = (
        "import sys, torch; from reprq.backbones import load_backbone\n"
        "b = load_backbone('lsa', sys.argv[1], preprocessing={'components': 2})\n"
        "x = b.preprocessing.collate([b.preprocessing(t) for t in sys.argv[2:]])\n"
        "print(b.weights_digest); print(b.network(x).tolist())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lsa.safetensors"), *NEW]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    digest, found = ran.stdout.splitlines()
    assert digest == fitted.weights_digest
    np.testing.assert_allclose(json.loads(found), rows(fitted, NEW), atol=1e-6)


def test_foreign_files_and_wrong_words_are_one_sentence(tmp_path: Path) -> None:
    load_backbone("bow").fit(as_dataset(BENIGN)).save_learned(tmp_path / "bow.safetensors")
    save_file({"x": torch.ones(2)}, tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "bow.safetensors").read_bytes()[:40])
    with pytest.raises(WeightsError, match="tfidf cannot use what another backbone learned"):
        load_backbone("tfidf", tmp_path / "bow.safetensors")
    with pytest.raises(WeightsError, match="must hold what a backbone learned from benign samples"):
        load_backbone("tfidf", tmp_path / "other.safetensors")
    for name in ("cut", "missing"):
        with pytest.raises(WeightsError, match=r"\.safetensors (is|does)"):
            load_backbone("tfidf", tmp_path / f"{name}.safetensors")
    with pytest.raises(InputError, match="tfidf has no random weights"):
        load_backbone("tfidf", "random")
    with pytest.raises(InputError, match="bow must find a term in 2 benign documents of python:list, got none"):
        load_backbone("bow").fit(as_dataset(["a b c", "? !"]))
    for how, said in (
        ({"max_features": 0}, "max_features must be a whole number from 1"),
        ({"stop_words": "german"}, "stop_words must be 'english' or None"),
        ({"ngram_range": [2, 1]}, "ngram_range must be the fewest and most words"),
        ({"sublinear_tf": 1}, "sublinear_tf must be true or false"),
        ({"components": 3}, "has no key 'components'; valid are max_features"),
    ):
        with pytest.raises(InputError, match=said):
            load_backbone("tfidf", preprocessing=how)
    fitted = load_backbone("tfidf").fit(as_dataset(BENIGN))
    with pytest.raises(InputError, match="was fitted on 5 documents .* already"):
        fitted.fit(as_dataset(BENIGN))
    with pytest.raises(InputError, match="has learned nothing"):
        load_backbone("tfidf").save_learned(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="backbone tfidf takes documents"):
        load_backbone("tfidf").fit(as_dataset(np.zeros((2, 8, 8), np.uint8)))

"""Folders of sentence-transformers: their own pooling is the last layer, and its rows are those of the library."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reprq.backbones import load_backbone
from reprq.embeddings import extract
from reprq.errors import WeightsError

pytest.importorskip("transformers", reason="transformers is an optional extra")

TEXTS = ["ba be bi bo", "ba", "da do ba be bi da"]
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def write(
    folder: Path, bert: Path, pooling: dict[str, Any], kinds: tuple[str, ...] = ("Transformer", "Pooling")
) -> str:
    """The files of the tiny BERT, and beside them what sentence-transformers writes."""
    shutil.copytree(bert, folder)
    modules = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16, **pooling}))
    return f"hf:{folder}"


def literal(tokens: np.ndarray, mode: str) -> np.ndarray:
    """Pool the (L, d) tokens of one text."""
    if mode in ("cls", "lasttoken"):
        return tokens[0 if mode == "cls" else -1]
    if mode == "max":
        return tokens.max(0)
    weights = np.arange(1, len(tokens) + 1) if mode == "weightedmean" else np.ones(len(tokens))
    mean = (weights[:, None] * tokens).sum(0) / weights.sum()
    return mean * np.sqrt(len(tokens)) if mode == "mean_sqrt_len_tokens" else mean


@pytest.mark.parametrize("mode", MODES)
def test_rows_are_those_of_a_text_alone(mode: str, bert: Path, tmp_path: Path) -> None:
    name = write(tmp_path / "model", bert, {"pooling_mode": mode})
    backbone = load_backbone(name)
    assert [layer.name for layer in backbone.layers][-2:] == ["encoder.layer.2", "sentence"]
    rows = extract(backbone, TEXTS, -1, cache_dir=tmp_path / "cache", progress=False)["sentence"].array
    with torch.inference_mode():
        for text, row in zip(TEXTS, rows, strict=True):
            inputs = backbone.preprocessing.collate([backbone.preprocessing(text)])
            tokens = backbone.network(**inputs)["last_hidden_state"][0].numpy()
            np.testing.assert_allclose(row, literal(tokens, mode), rtol=1e-4, atol=1e-6)


def test_switches_stand_side_by_side_and_rows_are_normalized(bert: Path, tmp_path: Path) -> None:
    switches = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}
    name = write(tmp_path / "model", bert, switches, ("Transformer", "Pooling", "Normalize"))
    plain = write(tmp_path / "plain", bert, switches)
    both = [load_backbone(each) for each in (name, plain)]
    assert both[0].weights_digest != both[1].weights_digest
    rows, others = (
        extract(each, TEXTS, -1, cache_dir=tmp_path / "cache", progress=False)["sentence"].array for each in both
    )
    assert rows.shape == (3, 32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(rows, others / np.linalg.norm(others, axis=1, keepdims=True), rtol=1e-5)


def test_they_are_the_rows_of_the_library(bert: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    name = write(tmp_path / "model", bert, {"pooling_mode_mean_tokens": True}, ("Transformer", "Pooling", "Normalize"))
    rows = extract(name, TEXTS, -1, cache_dir=tmp_path / "cache", progress=False)["sentence"].array
    expected = library.SentenceTransformer(str(tmp_path / "model"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_what_is_not_computed_is_a_note_and_what_is_damaged_one_sentence(bert: Path, tmp_path: Path) -> None:
    dense = write(tmp_path / "dense", bert, {}, ("Transformer", "Pooling", "Dense"))
    other = write(tmp_path / "other", bert, {"pooling_mode": "attention"})
    prompted = write(tmp_path / "prompted", bert, {})
    (tmp_path / "prompted" / "config_sentence_transformers.json").write_text('{"default_prompt_name": "query"}')
    for name, said in ((dense, "the model has Dense"), (other, "pools by 'attention'"), (prompted, "puts a prompt")):
        backbone = load_backbone(name)
        assert backbone.layers[-1].name == "pooled"
        assert said in backbone.notes[-1]
    broken = write(tmp_path / "broken", bert, {})
    for content in ("[", '{"a": 1}', "[3]"):
        (tmp_path / "broken" / "modules.json").write_text(content)
        with pytest.raises(WeightsError, match="is not a whole folder of sentence-transformers"):
            load_backbone(broken)
    (tmp_path / "broken" / "modules.json").write_text(
        (tmp_path / "dense" / "modules.json").read_text().replace("Dense", "Normalize")
    )
    (tmp_path / "broken" / "1_Pooling" / "config.json").unlink()
    with pytest.raises(WeightsError, match="is not a whole folder of sentence-transformers"):
        load_backbone(broken)

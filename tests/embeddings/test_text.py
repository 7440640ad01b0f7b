"""Texts through a small random BERT: every layer in a cache that is found again, and the refusals that images have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from reprq.backbones import Backbone, Tokenization, as_backbone, load_backbone
from reprq.data import Dataset, as_dataset, load_dataset
from reprq.detectors import KNN
from reprq.detectors.deep.distillation import Distillation
from reprq.embeddings import EmbeddingCache, extract
from reprq.embeddings.repeats import repeated_on_noise
from reprq.errors import DataError, InputError, UnknownNameError
from reprq.metrics import measure

transformers: Any = pytest.importorskip("transformers", reason="transformers is an optional extra")
WriteDocuments = Callable[..., Path]
LAYERS = ["stem", "encoder.layer.0", "encoder.layer.1", "encoder.layer.2", "pooled"]


@pytest.fixture
def documents(write_documents: WriteDocuments, tmp_path: Path) -> Dataset:
    return load_dataset(f"text:{write_documents(tmp_path / 'docs')}", whole=True)


@pytest.fixture
def backbone(bert: Path) -> Backbone:
    return load_backbone(f"hf:{bert}")


def _extract(backbone: Any, data: Any, tmp_path: Path, **how: Any) -> EmbeddingCache:
    return extract(backbone, data, cache_dir=tmp_path / "cache", progress=False, **how)


def test_every_layer_is_cached_measured_detected_and_found_again(
    backbone: Backbone, documents: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = _extract(backbone, documents, tmp_path, pooling="mean,max,cls")
    assert list(cache) == [f"{name}{how}" for name in LAYERS for how in ("", "@max", "@cls")]
    assert set(cache.widths().values()) == {16}
    assert cache.provenance["preprocessing"] == backbone.preprocessing.to_dict()
    assert cache.provenance["truncated"] == {"max_length": 24, "documents": 0, "share": 0.0}
    assert measure(cache["encoder.layer.2"], metrics=["rankme"])["rankme"].n == 24
    scores = KNN(k=1).fit(cache["encoder.layer.2"].array[:12]).anomaly_score(cache["encoder.layer.2"].array)
    assert scores[12:].min() > scores[:12].max() == pytest.approx(0)  # no word of the second class is in the first
    ran: list[int] = []
    backbone.network.register_forward_pre_hook(lambda module, inputs: ran.append(1))
    again = _extract(backbone, documents, tmp_path, pooling="mean,max,cls")
    assert (again.path, len(ran)) == (cache.path, 1)  # the few rows by which the network is known again
    assert _extract(backbone, documents, tmp_path).path == cache.path
    shorter = load_backbone(backbone.name, preprocessing={"max_length": 8})
    assert _extract(shorter, documents, tmp_path).path != cache.path


@pytest.mark.parametrize("batch_size", [1, 5, 24])
def test_the_batch_and_its_padding_do_not_change_the_rows(
    batch_size: int, backbone: Backbone, documents: Dataset, tmp_path: Path
) -> None:
    expected = _extract(backbone, documents, tmp_path / "a", pooling="mean,max")
    found = _extract(backbone, documents, tmp_path / "b", pooling="mean,max", batch_size=batch_size, workers=2)
    for name in expected:
        np.testing.assert_allclose(found[name].array, expected[name].array, rtol=1e-5, atol=2e-6)


def test_rows_of_the_same_documents_are_taken_from_another_cache(
    backbone: Backbone, documents: Dataset, tmp_path: Path
) -> None:
    _extract(backbone, documents, tmp_path, layers="pooled")
    ran: list[int] = []
    backbone.network.register_forward_pre_hook(
        lambda module, inputs, named: ran.append(len(named["input_ids"])), with_kwargs=True
    )
    _extract(backbone, documents.restrict(["class1"]), tmp_path, layers="pooled")
    assert max(ran) <= 4  # those that are compared


def test_what_python_holds_gives_the_rows_of_the_same_files(
    backbone: Backbone, documents: Dataset, tmp_path: Path
) -> None:
    import pandas as pd

    few = documents.select(range(0, 24, 4))
    texts = [few.item(i) for i in range(len(few))]
    expected = _extract(backbone, few, tmp_path)["pooled"].array
    files = [str(tmp_path / "docs" / name) for name in few.ids]
    for held in (texts, {"text": texts}, pd.DataFrame({"text": texts, "label": few.labels}), files):
        np.testing.assert_allclose(_extract(backbone, held, tmp_path)["pooled"].array, expected, rtol=1e-5, atol=2e-6)


class Own(nn.Module):
    """A network of tokens; `spoil` changes what it makes of a batch."""

    def __init__(self, spoil: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.words = nn.Embedding(70, 8)
        self.spoil = spoil

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.spoil(self.words(input_ids))


def _own(spoil: Callable[[torch.Tensor], torch.Tensor], bert: Path) -> Backbone:
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    return as_backbone(Own(spoil), preprocessing=Tokenization(tokenizer, 24, 24), layers="")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda x: functional.dropout(x, 0.5), "must put out the same for the same documents"),
        (lambda x: x - x.mean(0), "must depend on each document alone"),
        (lambda x: x - x.mean(1, keepdim=True), r"must depend on each document alone.* padding \(attention_mask\)"),
        (lambda x: x / 0 * 0, "nan"),
        (lambda x: x[:, 1:], "must put out a token for each that goes in"),
    ],
)
def test_what_is_no_function_of_its_document_is_refused(
    spoil: Callable[[torch.Tensor], torch.Tensor], said: str, bert: Path, documents: Dataset, tmp_path: Path
) -> None:
    good = _extract(_own(lambda x: x * 2, bert), documents, tmp_path)
    assert next(iter(good.values())).width == 8
    with pytest.raises(InputError, match=said):
        _extract(_own(spoil, bert), documents, tmp_path)


def test_backbones_and_data_of_other_kinds_are_told_apart(
    backbone: Backbone, documents: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="backbone lenet takes images, and text:.* holds documents; give images, or a"):
        _extract(load_backbone("lenet", "random"), documents, tmp_path)
    with pytest.raises(InputError, match="takes documents, and digits holds images; give documents, or a backbone"):
        _extract(backbone, "digits", tmp_path)
    with pytest.raises(InputError, match="'flatten' needs layers of a fixed number of tokens, got stem, encoder"):
        _extract(backbone, documents, tmp_path, pooling="flatten")
    with pytest.raises(UnknownNameError, match="unknown pooling 'median'"):
        _extract(backbone, documents, tmp_path, pooling="median")
    with pytest.raises(InputError, match="takes documents, which have no one shape; give a backbone of others"):
        _ = backbone.input_shape
    assert not (tmp_path / "cache").exists()


def test_an_empty_document_stops_the_work_before_it_starts(
    backbone: Backbone, documents: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "docs" / "class0" / "0003.txt").write_text(" ")
    with pytest.raises(DataError, match=r"the document .*class0/0003.txt is empty"):
        _extract(backbone, documents, tmp_path)
    with pytest.raises(DataError, match="the document list item 1 is empty"):
        _extract(backbone, as_dataset([("ba be", 0), (" ", 0)]), tmp_path)
    assert not (tmp_path / "cache").exists()


def test_layers_are_told_apart_by_noise(backbone: Backbone) -> None:
    assert repeated_on_noise(backbone, "cls") == {}


def test_a_student_learns_what_a_teacher_makes_of_texts(backbone: Backbone, documents: Dataset) -> None:
    detector = Distillation(backbone, layers="encoder.layer.1", pooling="mean", epochs=2, batch_size=4)
    scores = detector.fit(documents.restrict(["class0"])).anomaly_score(documents)
    assert scores.shape == (24,)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[3:5], detector.anomaly_score(documents.select([3, 4])), rtol=1e-4)


def test_a_network_that_takes_no_tokens_is_told_what_it_was_given(bert: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    with pytest.raises(
        InputError, match=r"run on documents given as input_ids, attention_mask, got .*arguments of these"
    ):
        as_backbone(nn.Linear(3, 2), preprocessing=Tokenization(tokenizer, 24, 24))

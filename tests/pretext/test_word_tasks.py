"""Pretext tasks of texts and the central exemplar: views against loops, teachers that learn, files that load."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reprq import extract, pretext
from reprq.backbones import load_backbone
from reprq.data import Dataset, as_dataset, load_dataset
from reprq.errors import InputError, WeightsError
from reprq.pretext.exemplar import CentralExemplar
from reprq.pretext.task import Shapes
from reprq.pretext.words import MaskedWord, NextWord
from reprq.training import Inputs

transformers: Any = pytest.importorskip("transformers", reason="transformers is an optional extra")
SaveBert = Callable[..., Path]


@pytest.fixture(scope="module")
def gpt(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random GPT-2 with the tokenizer of the BERT."""
    folder = tmp_path_factory.mktemp("gpt") / "tiny"
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    how = {"vocab_size": len(tokenizer), "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 24}
    config = transformers.GPT2Config(**how, bos_token_id=2, eos_token_id=3)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def songs() -> Dataset:
    """Texts in which a word tells those that follow: ba be bi bo bu, da de di do du, ..."""
    rng = np.random.default_rng(0)
    lines = [" ".join(a + b for a in rng.permutation(list("bdg")) for b in "aeiou") for _ in range(80)]
    return as_dataset({"text": lines})


def batch(backbone: Any, texts: list[str]) -> Any:
    transform = backbone.preprocessing
    return transform.collate([transform(text) for text in texts])


def test_masked_words_are_15_percent_of_what_is_no_special_token(bert: Path) -> None:
    backbone = load_backbone(f"hf:{bert}")
    task = MaskedWord(Shapes(16, backbone.preprocessing))
    inputs = batch(backbone, ["ba be bi bo bu da de di do du ga ge gi go gu", "ba", "ka ke ki"] * 300)
    torch.manual_seed(0)
    views, targets = task.views(inputs, torch.zeros(900))
    ids, shown, asked = inputs["input_ids"], views["input_ids"], targets != -100
    assert torch.equal(targets[asked], ids[asked])
    assert torch.equal(shown[~asked], ids[~asked])
    assert not asked[(ids == 0) | (ids == 2) | (ids == 3)].any()  # padding, [CLS], [SEP]
    assert (asked.sum(1) >= 1).all()
    long = asked[::3].sum().item() / (300 * 15)
    assert 0.14 < long < 0.20  # a text without any gets one
    masked = (shown == backbone.preprocessing.tokenizer.mask_token_id)[asked].double().mean()  # type: ignore
    kept = (shown == ids)[asked].double().mean()
    assert 0.76 < masked < 0.84
    assert 0.07 < kept < 0.15


def test_the_next_word_is_that_after_each_token(bert: Path) -> None:
    backbone = load_backbone(f"hf:{bert}")
    task = NextWord(Shapes(16, backbone.preprocessing))
    inputs = batch(backbone, ["ba be", "bi"])
    views, targets = task.views(inputs, torch.zeros(2))
    assert views is inputs
    assert inputs["input_ids"].tolist() == [[2, 5, 6, 3], [2, 7, 3, 0]]
    assert targets.tolist() == [[5, 6, 3, -100], [7, 3, -100, -100]]


def test_the_loss_is_the_cross_entropy_of_what_is_asked(bert: Path) -> None:
    task = NextWord(Shapes(16, load_backbone(f"hf:{bert}").preprocessing))
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(2, 3, 5)), np.array([[1, -100, 4], [-100, 0, -100]])
    losses = [
        math.log(np.exp(outputs[i, j]).sum()) - outputs[i, j, targets[i, j]]
        for i in range(2)
        for j in range(3)
        if targets[i, j] >= 0
    ]
    given = torch.tensor(outputs), torch.tensor(targets)
    assert float(task.loss(*given)) == pytest.approx(np.mean(losses))
    right = [outputs[i, j].argmax() == targets[i, j] for i, j in ((0, 0), (0, 2), (1, 1))]
    assert task.accuracy(*given) == pytest.approx(np.mean(right))


@pytest.mark.parametrize(("task", "network"), [("masked-word", "bert"), ("next-word", "gpt")])
def test_a_teacher_of_words_learns_and_is_a_backbone(
    task: str, network: str, songs: Dataset, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(network)
    how = {"architecture": f"hf:{folder}", "epochs": 12, "batch_size": 16, "lr": 0.01, "progress": False}
    out = pretext.train_teacher(task, songs, out=tmp_path / "t.safetensors", **how)
    teacher, fresh = load_backbone(f"teacher:{out}"), load_backbone(f"hf:{folder}", "random")
    assert [layer.name for layer in teacher.layers] == [layer.name for layer in fresh.layers]
    assert teacher.weights == "teacher:t.safetensors"
    assert f"trained on the task '{task}'" in teacher.notes[-1]
    history = pretext.teacher.json.loads(_metadata(out))["history"]
    first, best = history[0]["held_out_loss"], min(row["held_out_loss"] for row in history)
    assert best < 0.75 * first
    assert max(row["held_out_accuracy"] for row in history) > 0.4  # one in 25 by chance
    cache = extract(f"teacher:{out}", songs, cache_dir=tmp_path / "cache", progress=False)
    assert cache[teacher.layers[0].name].array.shape == (80, 16)
    again = pretext.train_teacher(task, songs, out=tmp_path / "again.safetensors", **how)
    assert again.read_bytes() == out.read_bytes()


def _metadata(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        found: str = file.metadata()["reprq"]
    return found


def test_a_network_that_sees_what_follows_cannot_guess_it(bert: Path, songs: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="next-word needs a network that reads from left to right"):
        pretext.train_teacher("next-word", songs, out=tmp_path / "t.safetensors", architecture=f"hf:{bert}")
    assert not (tmp_path / "t.safetensors").exists()


def test_words_are_of_texts_and_of_tokenizers(songs: Dataset, bert: Path, tmp_path: Path) -> None:
    digits = load_dataset("digits")
    with pytest.raises(InputError, match="task 'masked-word' must have documents, got the images of digits"):
        pretext.train_teacher("masked-word", digits, out=tmp_path / "t.safetensors")
    with pytest.raises(InputError, match="backbone lenet takes images"):
        pretext.train_teacher("masked-word", songs, out=tmp_path / "t.safetensors", architecture="lenet")


def test_another_tokenizer_is_refused(save_bert: SaveBert, songs: Dataset, tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    how = {"architecture": f"hf:{folder}", "progress": False}
    out = pretext.train_teacher("random", songs, out=tmp_path / "t.safetensors", **how)
    assert load_backbone(f"teacher:{out}").layers
    words = (folder / "words.txt").read_text().split("\n")
    (folder / "words.txt").write_text("\n".join([*words[:5], *words[:4:-1]]))
    transformers.BertTokenizer(vocab=str(folder / "words.txt")).save_pretrained(folder)
    with pytest.raises(WeightsError, match="was trained with another tokenizer"):
        load_backbone(f"teacher:{out}")


def test_the_exemplar_is_the_sample_nearest_to_the_mean() -> None:
    backbone, digits = load_backbone("lenet", "random"), load_dataset("digits").sample(30)
    inputs = Inputs(digits, backbone.preprocessing)
    task = CentralExemplar(Shapes(10, backbone.preprocessing))
    task.prepare(backbone.network, inputs)
    with torch.no_grad():
        rows = backbone.network(inputs[range(30)]).numpy()
    distances = [float(((row - rows.mean(axis=0)) ** 2).sum()) for row in rows]
    assert task.exemplar_ == int(np.argmin(distances))
    np.testing.assert_allclose(task.target_, rows[task.exemplar_], rtol=1e-5)
    batch, targets = task.views(inputs[[1, 2]], torch.zeros(2))
    assert len(batch) == len(targets) == 2
    loss = float(task.loss(torch.from_numpy(rows[[1, 2]]), targets))
    assert loss == pytest.approx(np.mean((rows[[1, 2]] - rows[task.exemplar_]) ** 2), rel=1e-4)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_embeddings_come_together_at_the_exemplar(modality: str, bert: Path, songs: Dataset, tmp_path: Path) -> None:
    data, name = (songs, f"hf:{bert}") if modality == "text" else (load_dataset("digits").sample(80), "lenet")
    how = {"architecture": name, "epochs": 6, "batch_size": 16, "progress": False}
    out = pretext.train_teacher("central-exemplar", data, out=tmp_path / "t.safetensors", **how)
    history = pretext.teacher.json.loads(_metadata(out))["history"]
    assert history[-1]["held_out_loss"] < 0.5 * history[0]["held_out_loss"]

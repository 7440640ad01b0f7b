"""VIME and SCARF: their corruption and their losses against literal loops, and teachers that come back."""

import json
import math
import wave
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import reprq
from reprq.backbones import load_backbone
from reprq.backbones.weights.files import read_metadata
from reprq.data import Dataset, as_dataset, load_dataset
from reprq.errors import InputError
from reprq.pretext import train_teacher
from reprq.pretext.rows import SCARF, VIME, RowTask
from reprq.pretext.task import Shapes

RNG = np.random.default_rng(0)
N = 60
FRAME = pd.DataFrame({"x": RNG.normal(size=N), "kind": RNG.choice(["a", "b", "c"], N), "z": RNG.exponential(1, N)})


@pytest.fixture
def data() -> Dataset:
    return as_dataset(FRAME)


def ready(kind: type[RowTask], data: Dataset) -> tuple[RowTask, torch.Tensor]:
    backbone = load_backbone("mlp").fit(data)
    task = kind(Shapes(256, backbone.preprocessing))
    task.head(data)
    return task, torch.stack([backbone.preprocessing(data.item(i)) for i in range(N)])


@pytest.mark.parametrize("kind", [VIME, SCARF])
def test_a_corrupted_column_holds_what_another_row_has_there(kind: type[RowTask], data: Dataset) -> None:
    task, x = ready(kind, data)
    assert task.columns == 3
    torch.manual_seed(0)
    mask = torch.zeros(N, 3, dtype=torch.bool)
    mask[:, 2] = True  # the category
    found = task.corrupted(x, mask)
    assert torch.equal(found[:, :2], x[:, :2])
    assert (found[:, 2:].sum(1) == 1).all()  # one-hot still
    assert not torch.equal(found[:, 2:], x[:, 2:])
    mask[:], mask[:, 0] = False, True
    found = task.corrupted(x, mask)
    assert {round(v, 5) for v in found[:, 0].tolist()} <= {round(v, 5) for v in x[:, 0].tolist()}
    assert torch.equal(found[:, 1:], x[:, 1:])


def test_vime_guesses_what_differs_and_gives_the_row_back(data: Dataset) -> None:
    task, x = ready(VIME, data)
    torch.manual_seed(1)
    views, targets = task.views(x, torch.zeros(N))
    mask, rows = targets[:, :3], targets[:, 3:]
    assert torch.equal(rows, x)
    differs = torch.stack([views[:, 0] != x[:, 0], views[:, 1] != x[:, 1], (views[:, 2:] != x[:, 2:]).any(1)], 1)
    assert torch.equal(mask, differs.float())
    assert 0.15 < float(mask.mean()) < 0.35
    outputs = torch.randn(N, 8)
    l_m = l_r = 0.0
    for i in range(N):
        for j in range(3):
            p = 1 / (1 + math.exp(-float(outputs[i, j])))
            l_m -= (math.log(p) if mask[i, j] else math.log(1 - p)) / (3 * N)
        l_r += sum((float(x[i, j]) - float(outputs[i, 3 + j])) ** 2 for j in range(5)) / (5 * N)
    assert float(task.loss(outputs, targets)) == pytest.approx(l_m + 2 * l_r, rel=1e-5)


def test_scarf_finds_the_corrupted_copy(data: Dataset) -> None:
    task, x = ready(SCARF, data)
    torch.manual_seed(1)
    views, _ = task.views(x, torch.zeros(N))
    assert torch.equal(views[:N], x)
    changed = views[N:] != x
    columns = torch.stack([changed[:, 0], changed[:, 1], changed[:, 2:].any(1)], 1).sum(1)
    assert int(columns.max()) == 1  # floor(0.6 * 3)
    z = torch.randn(2 * N, 4)
    cosine = torch.nn.functional.cosine_similarity
    total = 0.0
    for i in range(N):
        s = [float(cosine(z[i], z[N + k], dim=0)) for k in range(N)]
        total -= math.log(math.exp(s[i]) / (sum(map(math.exp, s)) / N)) / N
    assert float(task.loss(z, torch.arange(N))) == pytest.approx(total, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("task", ["vime", "scarf", "central-exemplar", "random"])
def test_a_teacher_is_the_same_again_and_gives_the_same_rows(task: str, data: Dataset, tmp_path: Path) -> None:
    how = {"architecture": "mlp", "epochs": 2, "progress": False, "seed": 3}
    paths = [train_teacher(task, data, out=tmp_path / f"{i}.safetensors", **how) for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    teacher = load_backbone(f"teacher:{paths[0]}")
    assert [layer.name for layer in teacher.layers] == ["block1", "block2", "block3", "pooled"]
    assert teacher.is_fitted
    turned = FRAME[["z", "x", "kind"]]
    cache = [reprq.extract(teacher, frame, cache_dir=tmp_path / "c", progress=False) for frame in (FRAME, turned)]
    np.testing.assert_array_equal(cache[0]["pooled"].array, cache[1]["pooled"].array)
    untrained = load_backbone("mlp", seed=3).fit(data)
    same = np.array_equal(
        reprq.extract(untrained, FRAME, "block1", cache_dir=tmp_path / "c", progress=False)["block1"].array,
        cache[0]["block1"].array,
    )
    assert same == (task == "random")
    with pytest.raises(InputError, match="rows must have the column 'kind'"):
        reprq.extract(teacher, FRAME[["x", "z"]], cache_dir=tmp_path / "c", progress=False)
    with pytest.raises(InputError, match="was trained with scaler 'standard', got 'robust'"):
        load_backbone(f"teacher:{paths[0]}", preprocessing={"scaler": "robust"})


def test_teachers_of_other_rows_have_other_digests(data: Dataset, tmp_path: Path) -> None:
    how = {"architecture": "mlp", "progress": False}
    other = as_dataset(FRAME.assign(x=FRAME["x"] * 2))
    paths = [train_teacher("random", d, out=tmp_path / f"{i}.st", **how) for i, d in enumerate((data, other))]
    digests = {load_backbone(f"teacher:{path}").weights_digest for path in paths}
    assert len(digests) == 2  # the same weights, other scales


def test_learning_lowers_the_loss(data: Dataset, tmp_path: Path) -> None:
    for task in ("vime", "scarf"):
        path = train_teacher(
            task, data, out=tmp_path / f"{task}.st", architecture="mlp", epochs=15, patience=15, progress=False
        )
        history = json.loads(read_metadata(path)["reprq"])["history"]
        assert history[-1]["loss"] < history[0]["loss"]


def test_a_task_and_a_network_of_other_data_are_refused(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="task 'rotation' must have images, got the rows of"):
        train_teacher("rotation", data, out=tmp_path / "t", architecture="mlp", progress=False)
    with pytest.raises(InputError, match="task 'vime' must have rows, got the images of digits"):
        train_teacher("vime", "digits", out=tmp_path / "t", progress=False)
    with pytest.raises(InputError, match="backbone lenet takes images, and .* holds rows"):
        train_teacher("vime", data, out=tmp_path / "t", architecture="lenet", progress=False)
    with pytest.raises(InputError, match="the task must have rows, got a network of image"):
        VIME(Shapes(8, load_backbone("lenet", "random").preprocessing))


def test_rows_are_not_augmented(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"augmentations must have images, got the rows of .*; leave them out"):
        train_teacher("vime", data, out=tmp_path / "out", augmentations=["flip"], progress=False)


def test_sounds_teach_no_task_and_the_message_says_what_to_use(tmp_path: Path) -> None:
    for name in ("hum", "click"):
        (tmp_path / name).mkdir()
        for i in range(2):
            with wave.open(str(tmp_path / name / f"{i}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(np.arange(800, dtype="<i2").tobytes())
    sounds = load_dataset(f"audio:{tmp_path}", split="train")
    with pytest.raises(InputError, match="got the clips of .*; no pretext task learns from those: use a network"):
        train_teacher("rotation", sounds, out=tmp_path / "teacher.safetensors")

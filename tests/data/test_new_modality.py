"""A modality is one file and one entry: vibrations, which reprq does not have, go the whole way without an edit."""

import hashlib
import json
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import reprq
from reprq.backbones import BACKBONES, as_backbone
from reprq.cli import main
from reprq.data import DATASETS, Asked, Dataset
from reprq.data.modality import MODALITIES, Modality, Seen
from reprq.errors import InputError
from reprq.registry import Entry
from reprq.study import run_study

RATE, LENGTH = 8000, 800


class Recordings:
    def __init__(self, root: Path, files: list[str]) -> None:
        self.root, self.files = root, files

    def item(self, i):
        with wave.open(str(self.root / self.files[i])) as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16) / 2**15

    def digest(self, i):
        return hashlib.sha256((self.root / self.files[i]).read_bytes()).digest()

    def verify(self, i):
        self.item(i)


class Waveform:
    modality, class_token = "vibration", None

    def __init__(self, length: int = LENGTH) -> None:
        self.length = length

    def __call__(self, item):
        return torch.from_numpy(np.resize(item, self.length).astype(np.float32))[None]

    def collate(self, samples):
        return torch.stack(list(samples))

    def blank(self, n):
        return torch.zeros(n, 1, self.length)

    def noise(self, n, seed):
        return torch.randn(n, 1, self.length, generator=torch.Generator().manual_seed(seed))

    def altered(self, sample):
        return sample.flip(-1)

    def seen(self, data):
        return Seen({}, ())

    def replace(self, **overrides):
        return Waveform(**{**self.overrides(), **overrides})

    def overrides(self):
        return {"length": self.length}

    def describe(self):
        return f"{self.length} values"

    def to_dict(self):
        return {"kind": "waveform", **self.overrides()}


def load_recordings(asked: Asked) -> Dataset:
    root = Path(asked.path)
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*.wav"))
    rows = np.arange(len(files)) if asked.whole else np.arange(asked.split == "test", len(files), 2)
    classes = tuple(sorted({file.split("/")[0] for file in files}))
    return Dataset(
        name=asked.name,
        split=asked.split,
        classes=classes,
        labels=np.array([classes.index(files[row].split("/")[0]) for row in rows]),
        ids=np.array(files)[rows],
        source=Recordings(root, files),
        rows=rows,
        split_info={"kind": "none"},
        modality="vibration",
    )


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    monkeypatch.setitem(MODALITIES, "vibration", Modality("vibration", "recording"))
    rng = np.random.default_rng(0)
    for name, pitch in (("high", 900), ("low", 200)):
        (tmp_path / name).mkdir()
        for i in range(20):
            tone = np.sin(2 * np.pi * (pitch + 10 * rng.normal()) * np.arange(LENGTH) / RATE)
            with wave.open(str(tmp_path / name / f"{i:02}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes((tone * 2**14).astype(np.int16).tobytes())
    DATASETS.register(Entry(name="vibration:PATH", target=load_recordings, inputs="vibration", about="in CLASS/"))
    BACKBONES.register(Entry(name="tones:NAME", target=tones, inputs="vibration", facts={"listed": False}))
    yield reprq.load_dataset(f"vibration:{tmp_path}", whole=True)
    DATASETS.remove("vibration:PATH")
    BACKBONES.remove("tones:NAME")


def tones(name="tones:a", weights="random", preprocessing=None, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Conv1d(1, 16, 64, stride=8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
        return as_backbone(nn.Sequential(*network, nn.Linear(16, 8)), preprocessing=Waveform(), name=name)


def test_a_modality_is_loaded_embedded_cached_measured_and_detected_by_an_entry(recordings, tmp_path):
    backbone = tones()
    cache = reprq.extract(backbone, recordings, layers="all", cache_dir=tmp_path / "cache", progress=False)
    rows = cache["pooled"].array
    assert rows.shape == (40, 16)
    assert 1 <= reprq.measure(rows, ["rankme"])["rankme"].value <= 16
    low = recordings.labels == recordings.classes.index("low")
    scores = reprq.detectors.KNN(k=3).fit(rows[low][:10]).anomaly_score(np.concatenate([rows[low][10:], rows[~low]]))
    assert reprq.evaluation.auroc(np.repeat([0, 1], [10, 20]), scores).value == 1
    again = reprq.extract(backbone, recordings, layers="all", cache_dir=tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(again["pooled"].array, rows)


def test_the_command_line_and_a_study_take_it(recordings, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REPRQ_CACHE", str(tmp_path / "cache"))
    asked = ["--backbone", "tones:a", "--weights", "random", "--data", recordings.name, "--layer", "pooled", "--quiet"]
    found = []
    for command in (["measure", "--metric", "rankme"], ["detect", "--detector", "knn", "--task", "unimodal:low"]):
        monkeypatch.setattr("sys.argv", ["reprq", *command, *asked, "--json"])
        main()
        said = json.loads(capsys.readouterr().out)
        found.append(next(rows[0] for rows in said.values() if isinstance(rows, list) and rows))
    measured, judged = found
    assert (measured["metric"], measured["n"]) == ("rankme", 20)
    assert (judged["n_train"], judged["n_test"], judged["auroc"]) == (10, 20, 1.0)
    study = {"data": {"name": recordings.name}, "backbones": [{"name": "tones:a", "weights": "random"}]}
    results = run_study({**study, "detectors": ["knn"], "metrics": ["rankme"]}, tmp_path / "run", progress=False)
    assert set(results.detectors["layer"]) >= {"pooled"}
    assert results.detectors["auroc"].max() == 1.0


def test_a_modality_is_told_from_other_data(recordings, tmp_path):
    assert recordings.noun == "recording"
    backbone = as_backbone(nn.Sequential(nn.Flatten(), nn.Linear(LENGTH, 4)), preprocessing=Waveform(), name="tones")
    with pytest.raises(InputError, match="backbone tones takes recordings, and digits holds images; give recordings"):
        reprq.extract(backbone, "digits", cache_dir=tmp_path / "cache", progress=False)
    with pytest.raises(InputError, match="tones takes recordings, which have no one shape"):
        _ = backbone.input_shape

"""The contract of a modality, held by every source and every transform that there is."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from reprq.backbones import Preprocessing, load_backbone
from reprq.backbones.batch import count, mapped, part, put_out
from reprq.data import (
    DATASETS,
    ArraySource,
    Asked,
    Dataset,
    FileSource,
    Transform,
    as_dataset,
    available,
    load_dataset,
    patches,
)
from reprq.data.audio.decoding import Clip
from reprq.data.audio.lengths import Lengths
from reprq.data.audio.sources import Clips, SoundFiles
from reprq.data.audio.transforms import Spectrogram, Waveform
from reprq.data.image.views import CroppedSource, ResizedSource
from reprq.data.modality import MODALITIES, Source
from reprq.data.table.encoding import Encoding
from reprq.data.table.sources import TableRows
from reprq.data.text.sources import TextFiles, Texts
from reprq.data.views import JoinedSource
from reprq.errors import InputError, UnknownNameError
from reprq.registry import Entry

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), dtype=np.uint8)
SIZES, KINDS_OF_ROWS = np.array([1.0, 2.0, 5.0, 9.0]), np.array(["a", "b", "a", "b"], dtype=object)
SOUNDS, RATE = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 900)).astype(np.float32), 1000
TEXTS = ["ba be bi", "da", "ga ge gi go gu ka", "pa"]


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Source]:
    """Every kind of source, each of four items."""
    soundfile = pytest.importorskip("soundfile", reason="sounds need soundfile, of the extra audio")
    for i in range(4):
        Image.fromarray(PIXELS[i]).save(tmp_path / f"{i}.png")
        (tmp_path / f"{i}.txt").write_text(TEXTS[i])
        soundfile.write(tmp_path / f"{i}.wav", SOUNDS[i], RATE)
    pixels = ArraySource(PIXELS)
    return {
        "array": pixels,
        "files": FileSource(tmp_path, [f"{i}.png" for i in range(4)]),
        "items": as_dataset([Image.fromarray(page) for page in PIXELS]).source,
        "resized": ResizedSource(pixels, 3),
        "cropped": CroppedSource(pixels, range(4), [(0, 0, 3, 3)] * 4),
        "joined": JoinedSource(ArraySource(PIXELS[:2]), 2, ArraySource(PIXELS[2:])),
        "text files": TextFiles(tmp_path, [f"{i}.txt" for i in range(4)]),
        "texts": Texts(TEXTS),
        "rows": TableRows({"size": SIZES, "kind": KINDS_OF_ROWS}, "toy"),
        "sound files": SoundFiles(tmp_path, [f"{i}.wav" for i in range(4)]),
        "clips": Clips([Clip(sound, RATE) for sound in SOUNDS]),
    }


KINDS = ("array", "files", "items", "resized", "cropped", "joined", "text files", "texts", "rows")
KINDS += ("sound files", "clips")


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_gives_the_same_item_and_digest_every_time(kind: str, sources: dict[str, Source]) -> None:
    assert set(sources) == set(KINDS)
    source = sources[kind]
    digests = [source.digest(i) for i in range(4)]
    assert len(set(digests)) == 4
    assert all(len(digest) == 32 for digest in digests)
    for i in range(4):
        source.verify(i)
        assert source.item(i) == source.item(i)
        assert source.digest(i) == digests[i]


SPECTROGRAM = {"sample_rate": RATE, "seconds": 0.5, "n_fft": 64, "hop": 20, "n_mels": 8}
OF_SOUND = {
    "waveform": Waveform(Lengths(sample_rate=RATE, seconds=0.5)),
    "spectrogram": Spectrogram().replace(**SPECTROGRAM),
    "spectrogram picture": Preprocessing().replace(size=8, **SPECTROGRAM),
}


@pytest.fixture(params=["image", "text", "terms", "table", *OF_SOUND])
def transform(request: pytest.FixtureRequest) -> Transform:
    if request.param == "table":
        rows = as_dataset(pd.DataFrame({"size": SIZES, "kind": KINDS_OF_ROWS}))
        return Encoding("standard", "mean").learned(rows)
    if request.param == "image":
        return Preprocessing().replace(size=8)
    if request.param == "terms":
        return load_backbone("tfidf").fit(as_dataset(TEXTS)).preprocessing
    if request.param in OF_SOUND:
        return OF_SOUND[request.param]
    return load_backbone(f"hf:{request.getfixturevalue('bert')}").preprocessing


@pytest.fixture
def data(transform: Transform, sources: dict[str, Source]) -> Dataset:
    source = sources[{"image": "array", "text": "texts", "audio": "clips", "table": "rows"}[transform.modality]]
    ids, modality = np.array(list("wxyz")), transform.modality
    return Dataset("toy", "train", ("a",), np.zeros(4, np.int64), ids, source, np.arange(4), modality=modality)


def _equal(x: Any, y: Any) -> bool:
    if isinstance(x, Mapping):
        return set(x) == set(y) and all(torch.equal(x[name], y[name]) for name in x)
    return torch.equal(x, y)


def test_a_transform_makes_batches_that_come_apart_again(transform: Transform, data: Dataset) -> None:
    samples = [transform(data.item(i)) for i in range(4)]
    batch = transform.collate(samples)
    assert count(batch) == 4
    for i, sample in enumerate(samples):
        assert _equal(part(batch, slice(i, i + 1)), transform.collate([sample]))
        assert _equal(transform(data.item(i)), sample)
    rows = torch.tensor([3, 0])
    assert _equal(part(batch, rows), transform.collate([samples[3], samples[0]]))
    for made in (transform.blank(3), transform.noise(3, 0)):
        assert count(made) == 3
        assert _equal(mapped(made, torch.Tensor.clone), made)
    assert _equal(transform.noise(3, 1), transform.noise(3, 1))
    assert not _equal(transform.noise(3, 1), transform.noise(3, 2))
    assert not _equal(transform.altered(samples[0]), samples[0])
    assert count(transform.collate([samples[0], transform.altered(samples[0])])) == 2


def test_its_values_are_of_json_and_make_another_like_it(transform: Transform, data: Dataset) -> None:
    assert json.loads(json.dumps(transform.to_dict())) == transform.to_dict()
    assert transform.replace(**transform.overrides()).to_dict() == transform.to_dict()
    with pytest.raises(InputError, match="preprocessing .* no key 'colour'"):
        transform.replace(colour=1)
    seen = transform.seen(replace(data, notes=("a note",)))
    assert json.loads(json.dumps(dict(seen.record))) == seen.record
    assert seen.notes[0] == "a note"


def test_a_network_takes_a_batch_by_place_or_by_name() -> None:
    x = torch.arange(6.0).view(2, 3)
    assert torch.equal(put_out(torch.nn.Identity(), x), x)

    class Named(torch.nn.Module):
        def forward(self, *, input_ids: torch.Tensor) -> torch.Tensor:
            return input_ids * 2

    assert torch.equal(put_out(Named(), {"input_ids": x}), 2 * x)


def test_every_data_set_by_name_has_a_modality_and_unknown_ones_are_told() -> None:
    assert {info.modality for info in available()} == set(MODALITIES)
    digits = load_dataset("digits")
    with pytest.raises(UnknownNameError, match="unknown modality 'smell'"):
        replace(digits, modality="smell")
    assert [replace(digits, modality=name).noun for name in MODALITIES] == ["image", "document", "clip", "row"]


def test_what_is_of_images_refuses_other_data() -> None:
    texts = as_dataset({"text": TEXTS})
    for cut in (lambda: patches(texts, 2, 2), lambda: texts.check_modality("image")):
        with pytest.raises(InputError, match="must hold images here, got documents"):
            cut()


class Items(torch.utils.data.Dataset[Any]):
    """A map-style data set of one's own, with features as those of Hugging Face have."""

    def __init__(self, item: Callable[[int], Any], **features: Any) -> None:
        self.item, self.features = item, features

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> Any:
        return self.item(i)


def test_other_peoples_data_sets_of_texts_are_taken(bert: Path) -> None:
    from types import SimpleNamespace

    names = SimpleNamespace(names=["ham", "spam"])
    held = {
        "torch": Items(lambda i: (f"{TEXTS[i]} .", i % 2)),
        "hugging face": Items(lambda i: {"text": TEXTS[i], "label": i % 2}, text=None, label=names),
    }
    found = {kind: as_dataset(items) for kind, items in held.items()}
    assert {kind: data.modality for kind, data in found.items()} == dict.fromkeys(held, "text")
    assert found["hugging face"].classes == ("ham", "spam")
    assert found["torch"].item(0) == "ba be bi ."
    with pytest.raises(InputError, match="data must be all texts, as its first item is, got a int at item 2"):
        as_dataset({"text": ["some words", "more words", 3]})


def test_a_data_set_of_ones_own_joins_by_its_entry() -> None:
    def load(asked: Asked) -> Any:
        if asked.path == "wrong":
            return 3
        return as_dataset({"text": [f"{asked.path} {asked.split} {i}" for i in range(4)], "label": [0, 0, 1, 1]})

    DATASETS.register(Entry(name="mails:PATH", target=load, inputs="text", about="mine"))
    try:
        data = load_dataset("mails:box", "test")
        assert (data.modality, data.item(1)) == ("text", "box test 1")
        assert "mails:PATH" in [info.name for info in available()]
        with pytest.raises(InputError, match="the loader of mails:wrong must give a reprq.data.Dataset, got a int"):
            load_dataset("mails:wrong")
    finally:
        DATASETS.remove("mails:PATH")
    with pytest.raises(UnknownNameError, match="unknown data set 'mails:box'"):
        load_dataset("mails:box")

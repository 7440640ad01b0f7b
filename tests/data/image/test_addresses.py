"""What the address of a cache of images is made of does not change: recorded values of the first release."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.backbones import load_backbone
from reprq.data import ArraySource, Dataset, ImageDataset, as_dataset, load_dataset, patches, read_as
from reprq.data.image.views import resized, without_margins
from reprq.data.views import joined
from reprq.embeddings import extraction
from reprq.embeddings.cache.writing import CacheWriter

PIXELS = np.arange(4 * 6 * 6, dtype=np.uint8).reshape(4, 6, 6)


def test_fingerprints_of_images_in_memory_are_as_recorded() -> None:
    digits = load_dataset("digits", "test")
    array = as_dataset((PIXELS, ["a", "b", "a", "b"]))
    two = digits.select([0, 1])
    found = {
        "digits": digits,
        "resized": resized(digits, 5).select([0, 1, 2]),
        "patches": patches(two, 4, 2)[0],
        "margins": without_margins(two),
        "array": array,
        "joined": joined(digits.select([0]), replace(array, name="x")),
        "list": as_dataset([Image.fromarray(page) for page in PIXELS]),
    }
    assert {name: data.fingerprint[:16] for name, data in found.items()} == {
        "digits": "46d0cf328824767e",
        "resized": "22c3e9d194f4f766",
        "patches": "fd859ce550a6d1ea",
        "margins": "9075b02786ed97a3",
        "array": "5d37c754d2211cbf",
        "joined": "a1565c1fa409e83e",
        "list": "999f0637e87f2bf9",
    }


def test_fingerprints_of_image_files_are_as_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(4):
            (tmp_path / name / f"{i}.ppm").write_bytes(b"P5 2 2 255\n" + bytes([i, i + 1, i + 2, ord(name)]))
    monkeypatch.chdir(tmp_path)
    folder = load_dataset("folder:.", "train")
    assert folder.fingerprint.startswith("8cd4a76ec13c3e79")
    assert read_as(folder, intensity_range=(0, 100)).fingerprint.startswith("2552770b2b267df6")
    assert as_dataset(["a/0.ppm", "b/1.ppm"]).fingerprint.startswith("872048bd402b93cf")


def test_the_folder_of_a_cache_of_images_is_as_recorded() -> None:
    digits = load_dataset("digits", "test")
    backbone = replace(load_backbone("lenet", "random"), weights_digest="0" * 64)
    identity = extraction._identity(backbone, digits, "float32", "float32")
    assert CacheWriter(Path("caches"), identity, {}, digits).path.name == "lenet-digits-test-fcb6b043175384e2"


def test_the_names_from_before_there_was_other_data_still_serve() -> None:
    data = ImageDataset(
        "toy", "train", ("a",), np.zeros(4, int), np.array(list("wxyz")), ArraySource(PIXELS), np.arange(4)
    )
    assert ImageDataset is Dataset
    assert data.item(1).tobytes() == data.item(1).tobytes() == ArraySource(PIXELS).image(1).tobytes()
    assert data.modality == "image"

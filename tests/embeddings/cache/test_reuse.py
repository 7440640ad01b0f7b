"""One set of photos under several names, labels and selections: each is put through a network once."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from reprq.analysis.benign import recommend_for
from reprq.backbones import Backbone, load_backbone
from reprq.data import ImageDataset, load_dataset
from reprq.embeddings import EmbeddingCache, extract, list_caches, remove_cache, verify_cache
from reprq.study import run_study


@pytest.fixture
def counted(lenet: Backbone) -> list[int]:
    """How many images each pass of the network had, by its batches."""
    ran: list[int] = []
    lenet.network.register_forward_pre_hook(lambda module, inputs: ran.append(len(inputs[0])))
    return ran


def relabelled(images: ImageDataset) -> ImageDataset:
    return dataclasses.replace(
        images,
        name="others",
        split="test",
        classes=("benign", "unused"),
        labels=np.zeros_like(images.labels),
        ids=np.array([f"photo {i}" for i in range(len(images))]),
    )


SELECTIONS = {
    "relabelled": relabelled,
    "restricted": lambda images: images.restrict(["3", "7", "1"]),
    "the first rows": lambda images: images.select(range(40)),
    "another order": lambda images: images.select(np.arange(len(images))[::-1]),
    "a sample": lambda images: images.sample(50, seed=3),
    "rows twice": lambda images: images.select([5, 5, 5, 2, 2]),
}


def many(rows: list[int]) -> int:
    """Of the images that ran, those beyond the few that a network is tried on."""
    return sum(n for n in rows if n > 16)


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_same_photos_in_another_data_set_are_not_computed_again(
    name: str, lenet: Backbone, counted: list[int], images: ImageDataset, tmp_path: Path
) -> None:
    first = extract(lenet, images, cache_dir=tmp_path, progress=False)
    other = SELECTIONS[name](images)
    before = {layer: first[layer].array for layer in first}
    counted.clear()
    found = extract(lenet, other, cache_dir=tmp_path, progress=False)
    assert many(counted) == 0
    assert (found.provenance["data"], found.provenance["split"]) == (other.name, other.split)
    assert found.provenance["data_fingerprint"] == other.fingerprint
    for cache in (found, EmbeddingCache(found.path)):
        assert cache.classes == other.classes
        assert np.array_equal(cache.labels, other.labels)
        assert np.array_equal(cache.ids, other.ids)
    row_of = {images.source.digest(int(row)): i for i, row in enumerate(images.rows)}
    rows = [row_of[other.source.digest(int(row))] for row in other.rows]
    for layer, values in before.items():
        assert np.array_equal(found[layer].array, values[rows])
    assert verify_cache(found.path) == []
    again = EmbeddingCache(first.path)
    assert again.classes == images.classes
    assert np.array_equal(again.labels, images.labels)


def test_folds_are_embedded_once(lenet: Backbone, counted: list[int], images: ImageDataset, tmp_path: Path) -> None:
    few, rows = images.select(range(160)), np.arange(160)
    sides = [few.select(rows[(rows % 5 == fold) == test]) for fold in (0, 1, 2) for test in (False, True)]
    found = [extract(lenet, side, "0-1", cache_dir=tmp_path, progress=False) for side in sides]
    assert many(counted) == len(few)
    assert [len(set(np.concatenate([each.ids for each in found[i : i + 2]]))) for i in (0, 2, 4)] == [160] * 3
    fresh = extract(lenet, sides[2], "0-1", cache_dir=tmp_path / "fresh", progress=False)
    for layer in fresh:
        np.testing.assert_allclose(found[2][layer].array, fresh[layer].array, rtol=1e-5, atol=1e-6)


def test_rows_of_another_network_among_those_of_its_own_are_not_taken(
    lenet: Backbone, images: ImageDataset, tmp_path: Path
) -> None:
    few = images.select(range(60))
    extract(lenet, few.select(range(30)), 0, cache_dir=tmp_path, progress=False)
    second = extract(lenet, few.select(range(30, 60)), 0, cache_dir=tmp_path, progress=False)
    with_other_rows = zarr.open_group(second.path)["layers/conv1"]
    with_other_rows[:] = with_other_rows[:] + 1  # type: ignore[index, operator]
    found = extract(lenet, few, 0, cache_dir=tmp_path, progress=False)
    fresh = extract(lenet, few, 0, cache_dir=tmp_path / "fresh", progress=False)
    np.testing.assert_allclose(found["conv1"].array, fresh["conv1"].array, rtol=1e-5, atol=1e-6)


def test_a_shared_block_is_one_file_and_outlives_the_cache_it_came_from(
    lenet: Backbone, counted: list[int], images: ImageDataset, tmp_path: Path
) -> None:
    first = extract(lenet, images, cache_dir=tmp_path, progress=False)
    expected = first["conv1"].array
    second = extract(lenet, relabelled(images), cache_dir=tmp_path, progress=False)
    block = Path("layers/conv1/c/1/0")
    assert (first.path / block).samefile(second.path / block)
    assert all(info.shared_bytes > info.bytes / 2 for info in list_caches(tmp_path))
    remove_cache(first.path, tmp_path)
    assert np.array_equal(second["conv1"].array, expected)
    (info,) = list_caches(tmp_path)
    assert info.shared_bytes == 0


def test_without_hard_links_blocks_are_copied(
    lenet: Backbone, counted: list[int], images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = images.select(range(40))
    first = extract(lenet, few, cache_dir=tmp_path, progress=False)

    def refuse(*_: Any) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    counted.clear()
    second = extract(lenet, relabelled(few), cache_dir=tmp_path, progress=False)
    assert many(counted) == 0
    assert np.array_equal(first["conv2"].array, second["conv2"].array)
    assert not (first.path / "layers/conv2/c/0/0").samefile(second.path / "layers/conv2/c/0/0")


def test_only_what_another_cache_lacks_is_computed(
    lenet: Backbone, counted: list[int], images: ImageDataset, tmp_path: Path
) -> None:
    first = extract(lenet, images, "0-1", cache_dir=tmp_path, progress=False)
    (first.path / "layers/conv1/c/1/0").unlink()
    damaged = first.path / "layers/conv2/c/0/0"
    content = bytearray(damaged.read_bytes())
    content[200] ^= 1
    damaged.write_bytes(content)
    counted.clear()
    found = extract(lenet, relabelled(images), "0-1", cache_dir=tmp_path, progress=False)
    assert many(counted) == 1024  # blocks 0 and 1; 2 is whole in both layers
    fresh = extract(lenet, images, "0-1", cache_dir=tmp_path / "fresh", progress=False)
    for layer in fresh:
        np.testing.assert_allclose(found[layer].array, fresh[layer].array, rtol=1e-5, atol=1e-6)


def test_new_images_among_old_ones_are_computed(
    lenet: Backbone, counted: list[int], images: ImageDataset, tmp_path: Path
) -> None:
    extract(lenet, images.select(range(40)), cache_dir=tmp_path, progress=False)
    more = images.select(range(20, 60))
    found = extract(lenet, more, cache_dir=tmp_path, progress=False)
    fresh = extract(lenet, more, cache_dir=tmp_path / "fresh", progress=False)
    np.testing.assert_allclose(found["pooled"].array, fresh["pooled"].array, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "how"),
    [
        ({"seed": 1}, {}),
        ({"preprocessing": {"channels": "bgr"}}, {}),
        ({}, {"dtype": "float16"}),
        ({}, {"precision": "bfloat16"}),
        ({}, {"pooling": "max"}),
    ],
)
def test_rows_of_another_network_or_kind_are_not_taken(
    network: dict[str, Any], how: dict[str, Any], images: ImageDataset, tmp_path: Path
) -> None:
    few = images.select(range(20))
    extract(load_backbone("lenet", "random"), few, 0, cache_dir=tmp_path, progress=False)
    other = load_backbone("lenet", "random", **network)
    ran: list[int] = []
    other.network.register_forward_pre_hook(lambda module, inputs: ran.append(len(inputs[0])))
    found = extract(other, relabelled(few), 0, cache_dir=tmp_path, progress=False, **how)
    assert many(ran) == 20
    fresh = extract(other, few, 0, cache_dir=tmp_path / "fresh", progress=False, **how)
    (layer,) = fresh
    np.testing.assert_allclose(found[layer].array, fresh[layer].array, rtol=1e-2, atol=1e-3)


def test_caches_without_digests_of_images_and_foreign_folders_are_passed_over(
    lenet: Backbone, counted: list[int], images: ImageDataset, tmp_path: Path
) -> None:
    few = images.select(range(20))
    old = extract(lenet, few, cache_dir=tmp_path, progress=False)
    shutil.rmtree(old.path / "content")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "zarr.json").write_text("[]")
    (tmp_path / "file").write_text("")
    counted.clear()
    extract(lenet, relabelled(few), cache_dir=tmp_path, progress=False)
    assert many(counted) == 20
    assert np.array_equal(EmbeddingCache(old.path)["conv1"].array, old["conv1"].array)
    assert verify_cache(old.path) == []


def test_recommend_and_a_study_put_the_same_photos_through_a_network_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load_dataset("digits")
    folder = tmp_path / "photos"
    for split, rows in (("train", range(40)), ("test", range(40, 80))):
        for row in rows:
            place = folder / split / digits.classes[digits.labels[row] % 2]
            place.mkdir(parents=True, exist_ok=True)
            digits.item(row).save(place / f"{row}.png")
    from reprq.embeddings.forward import Forward

    ran: list[int] = []
    original = Forward.fill

    def fill(self: Forward, *arguments: Any, **named: Any) -> None:
        ran.append(1)
        original(self, *arguments, **named)

    monkeypatch.setattr(Forward, "fill", fill)
    how = {"cache_dir": tmp_path / "caches", "progress": False}
    photos = load_dataset(f"folder:{folder}").restrict(["1", "0"])
    recommend_for(photos, ["lenet"], weights="random", **how)  # type: ignore[arg-type]
    assert len(ran) == 1
    config = {
        "data": {"name": f"folder:{folder}"},
        "backbones": [{"name": "lenet", "weights": "random"}],
        "tasks": "unimodal",
        "metrics": ["rankme"],
        "detectors": ["knn"],
    }
    results = run_study(config, tmp_path / "out", **how)  # type: ignore[arg-type]
    assert len(ran) == 2  # of the test images; those of training are the photos of before, in another order
    assert set(results.metrics["task"]) == {"unimodal:0", "unimodal:1"}
    names = {info.name for info in list_caches(tmp_path / "caches")}
    assert len(names) == 3
    found = [json.loads((tmp_path / "caches" / n / "zarr.json").read_text())["attributes"]["classes"] for n in names]
    assert sorted(found) == [["0", "1"], ["0", "1"], ["1", "0"]]

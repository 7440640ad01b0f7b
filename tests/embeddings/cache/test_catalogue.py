import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import Crc32cCodec

from reprq.backbones import Backbone
from reprq.data import ImageDataset
from reprq.embeddings import EmbeddingCache, extract, find_cache, list_caches, remove_cache, verify_cache
from reprq.embeddings.cache.catalogue import CacheInfo, pick_layer
from reprq.errors import CacheError, UnknownNameError


@pytest.fixture(scope="session")
def pristine(images: ImageDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole cache of three blocks a layer, that nobody may change."""
    root = tmp_path_factory.mktemp("pristine")
    return extract("lenet", images, ["conv1", "conv2"], weights="random", cache_dir=root, progress=False).path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def cache(pristine: Path, root: Path) -> Path:
    """A copy of the whole cache, to be broken."""
    shutil.copytree(pristine, root / "one")
    return root / "one"


def header(cache: Path, change: Callable[[dict[str, Any]], object], name: str = "zarr.json") -> None:
    content = json.loads((cache / name).read_text())
    change(content)
    (cache / name).write_text(json.dumps(content))


def block(cache: Path, number: int, layer: str = "conv1") -> Path:
    return cache / "layers" / layer / "c" / str(number) / "0"


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def rewrite(cache: Path, name: str, values: np.ndarray[Any, Any]) -> None:
    """Put other values in place of an array of one block, with a right checksum."""
    attributes = dict(zarr.open_group(cache, mode="r")[name].attrs)
    shutil.rmtree(cache / name)
    array = zarr.open_group(cache, mode="r+").create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=values.shape,
        compressors=Crc32cCodec(),
        attributes=attributes,
    )
    array[...] = values


def only(root: Path) -> CacheInfo:
    (info,) = list_caches(root)
    return info


# Listing


def test_a_whole_cache_is_listed_with_what_it_holds(cache: Path, root: Path, images: ImageDataset) -> None:
    info = only(root)
    assert (info.name, info.path, info.backbone, info.data) == ("one", cache, "lenet", "digits")
    assert (info.rows, info.complete_layers, info.layers, info.complete, info.problem) == (
        len(images),
        2,
        2,
        True,
        None,
    )
    files = [file for file in cache.rglob("*") if file.is_file()]
    assert info.bytes == sum(file.stat().st_size for file in files)
    assert info.split == EmbeddingCache(cache).provenance["split"]


def test_the_newest_is_listed_first(cache: Path, root: Path) -> None:
    for name, age in (("old", 9e8), ("new", -100), ("middle", 100)):
        shutil.copytree(cache, root / name)
        for file in (root / name, *(root / name).rglob("*")):
            os.utime(file, (cache.stat().st_mtime - age,) * 2)
    assert [info.name for info in list_caches(root)] == ["new", "one", "middle", "old"]


def test_a_cache_that_lacks_a_block_is_incomplete(cache: Path, root: Path) -> None:
    block(cache, 1).unlink()
    info = only(root)
    assert (info.complete_layers, info.layers, info.complete, info.problem) == (1, 2, False, None)


def test_a_cache_without_a_layer_is_incomplete(cache: Path, root: Path) -> None:
    shutil.rmtree(cache / "layers")
    assert (only(root).complete, only(root).layers) == (False, 0)


def break_(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda cache: header(cache, change)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "foreign": (lambda cache: [shutil.rmtree(cache), cache.mkdir()], "is not an embedding cache"),
    "newer": (break_(lambda h: h["attributes"].update(reprq_format=99)), "embedding cache of format 1, got 99"),
    "another zarr group": (break_(lambda h: h.pop("attributes")), "embedding cache of format 1, got None"),
    "truncated header": (lambda cache: (cache / "zarr.json").write_text('{"zarr'), "is not an embedding cache"),
    "no provenance": (break_(lambda h: h["attributes"].pop("provenance")), "is damaged (KeyError: 'provenance')"),
    "odd provenance": (break_(lambda h: h["attributes"].update(provenance=3)), "is damaged"),
    "chunks of no rows": (
        lambda cache: header(
            cache, lambda h: h["chunk_grid"]["configuration"].update(chunk_shape=[0]), "labels/zarr.json"
        ),
        "is damaged",
    ),
    "no labels": (lambda cache: shutil.rmtree(cache / "labels"), "has no array 'labels'"),
    "flipped ids": (lambda cache: flip(cache / "ids" / "c" / "0"), "ids of the cache"),
    "truncated layer header": (lambda cache: (cache / "layers/conv1/zarr.json").write_text("{"), "is damaged"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_folder_is_listed_and_verified_with_its_problem(kind: str, cache: Path, root: Path) -> None:
    damage, sentence = BROKEN[kind]
    damage(cache)
    info = only(root)
    assert info.problem is not None
    assert sentence in info.problem
    assert "\n" not in info.problem
    assert not info.complete
    assert info.name == "one"
    assert verify_cache(cache) == [info.problem]


def test_rows_are_read_without_ids_and_a_layer_is_not(cache: Path) -> None:
    whole = EmbeddingCache(cache)["conv1"].array
    flip(cache / "ids" / "c" / "0")
    opened = EmbeddingCache(cache)
    np.testing.assert_array_equal(opened.rows("conv1"), whole)
    assert f"{len(whole)} rows" in repr(opened)
    with pytest.raises(CacheError, match="ids of the cache .* is damaged"):
        opened["conv1"]
    with pytest.raises(UnknownNameError, match="layer of the cache"):
        opened.rows("conv9")


def test_files_and_hidden_folders_are_not_listed_and_a_missing_root_is_named(root: Path) -> None:
    (root / "note.txt").write_text("")
    (root / ".trash").mkdir()
    assert list_caches(root) == []
    (root.parent / "file").touch()
    with pytest.raises(CacheError, match="the folder of the caches .*file is a file; give its folder"):
        list_caches(root.parent / "file")
    with pytest.raises(CacheError, match="the folder of the caches .*none does not exist; check the path"):
        list_caches(root / "none")


# Finding


def test_a_cache_is_found_by_its_name_and_by_its_path(cache: Path, root: Path, tmp_path: Path) -> None:
    assert find_cache("one", root) == find_cache(str(cache), root) == find_cache(str(cache), tmp_path) == cache
    with pytest.raises(UnknownNameError, match=r"unknown cache in .*root 'onee': did you mean 'one'\? Valid: one"):
        find_cache("onee", root)


def test_a_layer_is_picked_by_name_number_or_from_the_end(cache: Path) -> None:
    for layer, name in (("conv1", "conv1"), (0, "conv1"), ("1", "conv2"), (-1, "conv2")):
        assert pick_layer(cache, layer).layer == name
    for layer in ("conv3", 7, -9):
        with pytest.raises(UnknownNameError, match=f"unknown layer of one '{layer}'.*Valid: 0 conv1, 1 conv2"):
            pick_layer(cache, layer)


def test_a_number_means_the_plain_layer_where_it_was_pooled_in_several_ways(
    lenet: Backbone, images: ImageDataset, root: Path
) -> None:
    few = images.select(range(4))
    for pooling in ("avg", "max"):
        path = extract(lenet, few, [0, 1], pooling=pooling, cache_dir=root, progress=False).path
    assert list(EmbeddingCache(path)) != ["conv1", "conv2"]
    assert pick_layer(path, 1).layer == "conv2"
    assert pick_layer(path, "conv2@max").layer == "conv2@max"


# Verifying


def test_a_whole_cache_has_no_problem(cache: Path) -> None:
    assert verify_cache(cache) == []


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_flipped_byte_is_found_in_whatever_block_it_is(layer: str, number: int, cache: Path) -> None:
    flip(block(cache, number, layer))
    (problem,) = verify_cache(cache)
    folder = block(cache, number, layer).parent
    expected = f"{layer} block {number} is damaged (its checksum is wrong); delete {folder} and extract again"
    assert problem == expected
    with pytest.raises(CacheError, match=f"block {number} of the cache .* wrong.; delete {folder} and extract again"):
        EmbeddingCache(cache)[layer].array  # noqa: B018


@pytest.mark.parametrize("left", [0, 3, 100, -1])
def test_a_truncated_block_is_found(left: int, cache: Path) -> None:
    file = block(cache, 2)
    file.write_bytes(file.read_bytes()[:left])
    (problem,) = verify_cache(cache)
    assert problem.startswith("conv1 block 2 is damaged (")


def test_missing_and_extra_blocks_are_counted(cache: Path) -> None:
    block(cache, 0).unlink()
    block(cache, 2).unlink()
    shutil.copytree(block(cache, 1).parent, block(cache, 7).parent)
    missing, extra = verify_cache(cache)
    assert missing == "conv1 lacks 2 of 3 blocks (0, 2); run the extraction again"
    assert extra.startswith("conv1 has a block 7 and should have 3 blocks")


def test_a_repaired_block_is_extracted_again_to_the_same_bytes(
    cache: Path, pristine: Path, root: Path, images: ImageDataset
) -> None:
    cache = cache.rename(root / pristine.name)
    flip(block(cache, 1))
    shutil.rmtree(block(cache, 1).parent)  # as the problem says
    extract("lenet", images, ["conv1", "conv2"], weights="random", cache_dir=root, progress=False)
    assert verify_cache(cache) == []
    assert block(cache, 1).read_bytes() == block(pristine, 1).read_bytes()


def test_labels_ids_and_rows_that_disagree_are_found(cache: Path, images: ImageDataset) -> None:
    rewrite(cache, "ids", np.frombuffer(json.dumps(["a", "b"]).encode(), np.uint8))
    assert verify_cache(cache) == [f"ids must be as many as the {len(images)} labels, got 2"]
    rewrite(cache, "labels", np.full(len(images), 12))
    assert verify_cache(cache)[1] == "labels must be 0 to 9, one a class, got 12 to 12"
    rewrite(cache, "labels", np.ones(2, np.int64))
    assert verify_cache(cache)[0].startswith(f"conv1 must be 2 rows of float32, got float32 of shape ({len(images)}, ")


def test_a_lacking_provenance_and_a_wrong_dtype_are_found(cache: Path, images: ImageDataset) -> None:
    header(cache, lambda h: h["attributes"]["provenance"].pop("weights_digest"))
    assert verify_cache(cache) == ["the provenance lacks 'weights_digest'"]
    header(cache, lambda h: h["attributes"]["provenance"].update(dtype="float16"))
    assert verify_cache(cache)[1].startswith(f"conv1 must be {len(images)} rows of float16, got float32")


def test_a_nan_with_a_right_checksum_is_found(cache: Path, images: ImageDataset) -> None:
    rewrite(cache, "layers/conv1", np.full((len(images), 3), np.nan, np.float32))
    (problem,) = verify_cache(cache)
    assert problem.startswith("conv1 block 0 holds a nan or an inf; delete ")


def test_a_cache_without_layers_is_a_problem(cache: Path) -> None:
    shutil.rmtree(cache / "layers")
    assert verify_cache(cache) == ["there is no layer; run the extraction again"]


# Removing


def test_a_cache_is_removed_and_its_neighbour_stays(cache: Path, root: Path) -> None:
    shutil.copytree(cache, root / "two")
    (cache / ".lock").write_text("")
    (cache / "layers" / "conv1" / "c" / "left.partial").write_text("")
    remove_cache(cache, root)
    assert [info.name for info in list_caches(root)] == ["two"]
    assert verify_cache(root / "two") == []


def test_a_newer_and_a_damaged_cache_can_be_removed(cache: Path, root: Path) -> None:
    header(cache, lambda h: h["attributes"].update(reprq_format=99))
    shutil.rmtree(cache / "labels")
    remove_cache(cache, root)
    assert not cache.exists()


def test_what_is_not_a_cache_is_never_removed(cache: Path, root: Path, tmp_path: Path) -> None:
    holiday = root / "holiday"
    holiday.mkdir()
    (holiday / "photo.jpg").write_text("precious")
    zarr.create_group(root / "other", attributes={"mine": 1})
    for folder in (holiday, root / "other", root, tmp_path):
        with pytest.raises(CacheError, match=f"{folder.name} is not an embedding cache, so it stays"):
            remove_cache(folder, root)
    (cache / "notes.md").write_text("precious")
    with pytest.raises(CacheError, match=r"one holds 'notes.md', which is no part of a cache, so it stays"):
        remove_cache(cache, root)
    assert verify_cache(cache) == []
    assert (holiday / "photo.jpg").read_text() == "precious"
    assert (root / "other" / "zarr.json").exists()


def test_a_symbolic_link_is_never_followed(cache: Path, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = cache.rename(outside / "one")
    (root / "link").symlink_to(target)
    with pytest.raises(CacheError, match="link is a symbolic link, which removal never follows; name the folder"):
        remove_cache(root / "link", root)
    (root / "way").symlink_to(outside)
    with pytest.raises(CacheError, match=r"way/one leads out of .*root to .*outside/one by a symbolic link"):
        remove_cache(root / "way" / "one", root)
    with pytest.raises(CacheError, match="leads out of"):
        remove_cache(root / ".." / "root" / "way" / "one", root)
    assert verify_cache(target) == []


def test_a_link_inside_a_cache_is_removed_and_not_what_it_points_to(cache: Path, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (cache / "layers" / "conv1").rename(outside)
    (cache / "layers" / "conv1").symlink_to(outside)
    remove_cache(cache, root)
    assert not cache.exists()
    assert (outside / "zarr.json").exists()


def test_a_cache_given_by_its_path_outside_the_root_is_removed(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    remove_cache(cache, tmp_path / "elsewhere")
    assert not cache.exists()


def test_a_cache_that_is_being_written_is_not_removed(cache: Path, root: Path) -> None:
    with (cache / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with pytest.raises(CacheError, match="one is being written, so it is not removed; wait or stop that"):
            remove_cache(cache, root)
        assert verify_cache(cache) == []
    remove_cache(cache, root)
    assert not cache.exists()


def test_a_removal_that_was_interrupted_is_repeated(cache: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(path: Path) -> None:
        if path.name == "layers":
            raise PermissionError(13, "Permission denied")
        genuine(path)

    genuine = shutil.rmtree
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stop)
        with pytest.raises(CacheError, match="one cannot be removed: Permission denied; remove it again"):
            remove_cache(cache, root)
    assert not (cache / "labels").exists()
    remove_cache(cache, root)
    assert not cache.exists()

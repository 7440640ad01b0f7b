import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from reprq.embeddings import EmbeddingCache, Embeddings, export, extract, load_embeddings
from reprq.errors import CacheError, InputError, OutputExistsError, ReprqError, UnknownNameError

X, Y = np.arange(12, dtype=np.float32).reshape(4, 3), np.array([0, 1, 0, 2])
IDS = np.array(["a", "b", "ü", "c/d"])
FORMATS = (".npy", ".npz", ".safetensors", ".parquet")


def csv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def shards(folder: Path, arrays: dict[int, np.ndarray[Any, Any]], kind: str = "img_emb") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, array in arrays.items():
        np.save(folder / f"{kind}_{number}.npy", array)
    return folder


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


# Arrays


def test_an_npy_file_is_mapped_and_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "big.npy", X)
    x = load_embeddings(tmp_path / "big.npy")
    assert np.array_equal(x.array, X)
    assert isinstance(x.array.base, np.memmap)
    assert (x.layer, x.labels, x.provenance["file"]) == ("big", None, "big.npy")


def test_an_npy_file_larger_than_memory_is_still_an_array(tmp_path: Path) -> None:
    rows = 3 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 // 4096
    header = np.lib.format.header_data_from_array_1_0(np.empty((0, 1024), np.float32)) | {"shape": (rows, 1024)}
    with (tmp_path / "huge.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * 4096)
    from reprq.embeddings.formats.arrays import mapped

    array = mapped(tmp_path / "huge.npy")
    assert array.shape == (rows, 1024)
    assert array[-1, -1] == 0


def test_fortran_order_and_foreign_byte_order_are_the_same_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", np.asfortranarray(X))
    np.save(tmp_path / "b.npy", X.astype(">f4"))
    assert np.array_equal(load_embeddings(tmp_path / "f.npy").array, X)
    swapped = load_embeddings(tmp_path / "b.npy").array
    assert swapped.dtype == np.float32
    assert np.array_equal(swapped, X)


@pytest.mark.parametrize("name", ["y", "labels", "label"])
def test_the_labels_of_an_npz_file_are_found_by_their_usual_names(name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"emb": X, name: Y.astype(np.float64)[:, None], "ids": IDS})  # type: ignore[arg-type]
    x = load_embeddings(tmp_path / "a.npz")
    assert np.array_equal(x.array, X)
    assert x.labels is not None
    assert x.labels.dtype == np.int64
    assert np.array_equal(x.labels, Y)
    assert np.array_equal(x.ids, IDS)


def test_an_npz_with_several_matrices_is_read_by_the_usual_name_or_asks_which(tmp_path: Path) -> None:
    np.savez(tmp_path / "usual.npz", X=X, other=np.eye(4))
    assert np.array_equal(load_embeddings(tmp_path / "usual.npz").array, X)
    np.savez(tmp_path / "two.npz", a=np.eye(2), b=np.eye(3))
    with pytest.raises(
        InputError, match=r"two.npz must hold one \(n, d\) array, got a \(2, 2\), b \(3, 3\); name one as key"
    ):
        load_embeddings(tmp_path / "two.npz")
    assert len(load_embeddings(tmp_path / "two.npz", "b")) == 3
    with pytest.raises(UnknownNameError, match=r"unknown array of .*two.npz 'bb': did you mean 'b'\? Valid: a, b"):
        load_embeddings(tmp_path / "two.npz", "bb")
    np.savez(tmp_path / "none.npz", a=np.ones(3), b=np.ones((2, 2, 2)))
    with pytest.raises(InputError, match=r"got a \(3\), b \(2, 2, 2\)"):
        load_embeddings(tmp_path / "none.npz")


def test_labels_are_read_by_the_name_given(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=X, y=Y, target=np.array(["dog", "cat", "dog", "eel"]))
    x = load_embeddings(tmp_path / "a.npz", labels="target")
    assert x.labels is not None
    assert x.labels.tolist() == [1, 0, 1, 2]
    assert x.provenance["classes"] == ["cat", "dog", "eel"]
    with pytest.raises(UnknownNameError, match="unknown array of .*a.npz 'targets': did you mean 'target'"):
        load_embeddings(tmp_path / "a.npz", labels="targets")


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (
            np.array([0, 0.5, 1, 1]),
            "a.npz: labels 'y' must be whole numbers or text in every row, got 1 .* 0.5 in row 1",
        ),
        (np.array([0, np.nan, 1, 1]), "whole numbers or text in every row, got 1 missing, the first in row 1"),
        (np.array([0, np.inf, 1, 1]), "whole numbers or text in every row, got 1 that are not, the first inf in row 1"),
        (np.array([0, 1, 1]), r"labels must have shape \(4,\), one a row, got \(3,\)"),
    ],
)
def test_labels_that_are_none_are_named(labels: np.ndarray[Any, Any], sentence: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=X, y=labels)
    with pytest.raises(InputError, match=sentence):
        load_embeddings(tmp_path / "a.npz")


def test_an_array_nobody_asked_for_is_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", allow_pickle=True, X=X, paths=np.array([{"pickled": 1}], dtype=object))
    assert np.array_equal(load_embeddings(tmp_path / "a.npz").array, X)


def test_a_safetensors_file_is_read_with_labels_and_bfloat16(tmp_path: Path) -> None:
    save_file({"X": X, "y": Y}, tmp_path / "a.safetensors", {"ids": json.dumps(IDS.tolist())})
    x = load_embeddings(tmp_path / "a.safetensors")
    assert np.array_equal(x.array, X)
    assert x.labels is not None
    assert np.array_equal(x.labels, Y)
    assert np.array_equal(x.ids, IDS)
    save_torch_file({"emb": torch.from_numpy(X).bfloat16()}, tmp_path / "b.safetensors")
    assert np.array_equal(load_embeddings(tmp_path / "b.safetensors").array, X)


# Tables


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 3)])
def test_a_list_column_of_a_parquet_file_is_the_matrix(kind: Any, tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "a.parquet", emb=pa.array(X.tolist(), kind), label=Y, id=IDS, width=[1, 2, 3, 4], url=["u"] * 4
    )
    x = load_embeddings(path)
    assert x.array.dtype == np.float32
    assert np.array_equal(x.array, X)
    assert x.labels is not None
    assert np.array_equal(x.labels, Y)
    assert np.array_equal(x.ids, IDS)


def test_a_parquet_file_of_several_row_groups_keeps_the_row_order(tmp_path: Path) -> None:
    table = pa.table({"emb": pa.array(X.tolist()), "y": Y})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1)
    assert np.array_equal(load_embeddings(tmp_path / "a.parquet").array, X)


def test_the_numeric_columns_of_a_parquet_file_are_the_matrix(tmp_path: Path) -> None:
    columns = {f"f{i}": X[:, i] for i in range(3)}
    x = load_embeddings(parquet(tmp_path / "a.parquet", **columns, y=["n", "a", "n", "n"], caption=["c"] * 4))
    assert np.array_equal(x.array, X)
    assert x.labels is not None
    assert x.labels.tolist() == [1, 0, 1, 1]
    assert x.provenance["classes"] == ["a", "n"]


def test_a_parquet_file_with_two_list_columns_asks_which(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", image=X.tolist(), text=X[:, :2].tolist())
    with pytest.raises(InputError, match=r"must hold one \(n, d\) array, got image \(n, d\), text \(n, d\)"):
        load_embeddings(path)
    assert load_embeddings(path, "text").width == 2


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"emb": [[1.0, 2.0], [3.0]]}, r"lists in column 'emb' of .*a.parquet must have one length, got 1 and 2"),
        ({"emb": [[1.0, 2.0], None]}, r"column 'emb' of .*a.parquet must have a value in every row, got 1 missing"),
        ({"emb": [[1.0, None], [1.0, 2.0]]}, r"lists in column 'emb' of .*a.parquet must be whole, got 1 nulls"),
        ({"f": [1.0, None]}, r"column 'f' of .*a.parquet must have a value in every row, got 1 missing"),
        (
            {"url": ["a", "b"]},
            r"a.parquet must hold a column of lists or .* besides .*, got url \(text\)",
        ),
        ({"emb": [["a"], ["b"]]}, "must be real numbers"),
    ],
)
def test_parquet_columns_that_are_no_matrix_are_named(columns: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        load_embeddings(parquet(tmp_path / "a.parquet", **columns))


def test_parquet_without_pyarrow_says_which_extra_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "a.parquet", f=[1.0])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    missing = r"a.parquet needs pyarrow, which is not installed; run pip install 'reprq\[parquet\]'"
    with pytest.raises(CacheError, match=missing):
        load_embeddings(path)


@pytest.mark.parametrize(
    ("text", "expected", "labels", "ids"),
    [
        ("0.5,1\n2,3\n", [[0.5, 1], [2, 3]], None, ["0", "1"]),
        ("f1,f2\n0.5,1\n2,3\n", [[0.5, 1], [2, 3]], None, ["0", "1"]),
        ("0,1\n0.5,1.5\n2.5,3\n", [[0.5, 1.5], [2.5, 3]], None, ["0", "1"]),  # columns counted by pandas
        (",0,1\n7,0.5,1\n8,2,3\n", [[0.5, 1], [2, 3]], None, ["7", "8"]),  # and its index
        ("id,0,1,y\n007,0.5,1,1\n8,2,3,0\n", [[0.5, 1], [2, 3]], [1, 0], ["007", "8"]),
        ("\ufefff1,label\n1e-3,b\n-2,a\n", [[1e-3], [-2]], [1, 0], ["0", "1"]),
        ('f1, "a,b"\n1,2\n', [[1, 2]], None, ["0"]),
        ("0,1\n1,0\n", [[0, 1], [1, 0]], None, ["0", "1"]),  # whole numbers below 0, 1: data
    ],
)
def test_csv_files_with_and_without_a_header(
    text: str, expected: Any, labels: Any, ids: list[str], tmp_path: Path
) -> None:
    x = load_embeddings(csv(tmp_path / "a.csv", text))
    assert x.array.tolist() == expected
    assert (None if x.labels is None else x.labels.tolist()) == labels
    assert list(x.ids) == ids


def test_a_column_of_a_csv_file_without_a_header_is_named_by_its_number(tmp_path: Path) -> None:
    x = load_embeddings(csv(tmp_path / "a.csv", "0.5,1.5,cat\n2.5,3.5,dog\n"), labels="2")
    assert x.array.shape == (2, 2)
    assert x.labels is not None
    assert x.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("a,b\n1,2\n3,n/b\n", InputError, r"column 'b' of .*a.csv must hold numbers, got 'n/b' in row 1"),
        ("a,b\n", InputError, "must hold at least one row of numbers, got a header alone"),
        ("y\n1\n", InputError, "must hold a column of lists or columns of numbers besides labels and ids, got y"),
        (
            "a,b\n1,2\n3\n",
            InputError,
            "column 'b' of .* must have a value in every row, got 1 missing, the first",
        ),
        ("a,b\n1,2\n3,4,5\n", InputError, r"line 3 of .*a.csv must have 2 cells as the lines before it, got 3"),
        ("# by\n\na,b\n1,2\n\n3,4,5\n", InputError, r"line 6 of .*a.csv must have 2 cells as .*, got 3; repair or"),
        ("a,b\n1,2,3\n3,4,5\n", InputError, r"the rows of .*a.csv must have 2 cells as the first line, got more"),
        ("\x00\x01\n", ReprqError, "a.csv"),
        ("\n\n", ReprqError, "a.csv"),
    ],
)
def test_csv_files_that_are_no_matrix_are_named(
    text: str, error: type[Exception], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=sentence):
        load_embeddings(csv(tmp_path / "a.csv", text))


def test_key_and_labels_that_a_table_does_not_have(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "a,kind\n1,2\n")
    with pytest.raises(InputError, match="column 'a' of .*a.csv is one number a row, no vector; choose with columns"):
        load_embeddings(path, "a")
    with pytest.raises(UnknownNameError, match=r"unknown column of .*a.csv 'kinds': did you mean 'kind'\?"):
        load_embeddings(path, labels="kinds")


# Folders


def test_shards_are_joined_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    blocks = {i: np.full((2, 3), i, np.float16) for i in range(11)}
    folder = shards(tmp_path / "img_emb", blocks)
    (tmp_path / "metadata").mkdir()
    for given_path in (folder, tmp_path):
        x = load_embeddings(given_path)
        assert x.array.dtype == np.float16
        assert np.array_equal(x.array, np.concatenate([blocks[i] for i in range(11)]))


def test_one_shard_stays_mapped(tmp_path: Path) -> None:
    x = load_embeddings(shards(tmp_path / "img_emb", {0: X}))
    assert isinstance(x.array.base, np.memmap)


def test_a_folder_of_two_kinds_of_shards_asks_which(tmp_path: Path) -> None:
    shards(tmp_path / "img_emb", {0: X, 1: X})
    shards(tmp_path / "text_emb", {0: X + 1, 1: X}, "text_emb")
    with pytest.raises(InputError, match=r"must hold one \(n, d\) array, got img_emb \(8, 3\), text_emb \(8, 3\)"):
        load_embeddings(tmp_path)
    assert np.array_equal(load_embeddings(tmp_path, "text_emb").array, np.concatenate([X + 1, X]))


def test_the_labels_of_shards_are_shards_or_a_column_of_the_metadata(tmp_path: Path) -> None:
    folder = shards(tmp_path / "img_emb", {0: X, 1: X})
    (tmp_path / "metadata").mkdir()
    for i in range(2):
        parquet(tmp_path / "metadata" / f"metadata_{i}.parquet", kind=Y + 4 * i, caption=["c"] * 4)
    for given_path in (folder, tmp_path):
        x = load_embeddings(given_path, labels="kind")
        assert x.labels is not None
        assert x.labels.tolist() == [*Y, *(Y + 4)]
    with pytest.raises(UnknownNameError, match=r"unknown column of .*metadata_0.parquet 'kin': did you mean 'kind'"):
        load_embeddings(folder, labels="kin")
    shards(folder, {0: Y, 1: Y}, "labels")
    found = load_embeddings(folder).labels
    assert found is not None
    assert found.tolist() == [*Y, *Y]


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({0: X, 1: X[:, :2]}, r"img_emb_1.npy must have rows of shape \(3,\) as img_emb_0.npy has, got \(2,\)"),
        ({0: X, 2: X}, r"img_emb_0.npy to img_emb_2.npy must be numbered without gaps, got none with the number 1"),
        ({0: X[0], 1: X[1]}, r"must hold one \(n, d\) array, got img_emb \(6\)"),
    ],
)
def test_shards_that_do_not_fit_together_are_named(arrays: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        load_embeddings(shards(tmp_path / "img_emb", arrays))


def test_a_truncated_shard_two_of_one_number_and_no_shards_are_named(tmp_path: Path) -> None:
    folder = shards(tmp_path / "img_emb", {0: X, 1: X})
    np.save(folder / "img_emb_01.npy", X)
    with pytest.raises(InputError, match=r"img_emb_1.npy must have a number of its own, got that of .*img_emb_01.npy"):
        load_embeddings(folder)
    (folder / "img_emb_01.npy").unlink()
    (folder / "img_emb_1.npy").write_bytes((folder / "img_emb_1.npy").read_bytes()[:-1])
    with pytest.raises(CacheError, match=r"img_emb_1.npy cannot be read as a .npy array \(.*\); save or copy it again"):
        load_embeddings(folder)
    (tmp_path / "none").mkdir()
    with pytest.raises(
        CacheError, match="none holds no .npy shards, no .parquet files and no zarr array, and is no embedding cache"
    ):
        load_embeddings(tmp_path / "none")


def test_what_does_not_fit_into_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "a.npz", X=X)
    save_file({"X": X}, tmp_path / "a.safetensors")
    shards(tmp_path / "img_emb", {0: X, 1: X})
    monkeypatch.setattr(os, "sysconf", lambda name: 4)
    for name in ("a.npz", "a.safetensors", "img_emb"):
        with pytest.raises(
            CacheError, match=f"{name} holds .* GB and this machine has .* GB of memory; save the array"
        ):
            load_embeddings(tmp_path / name)


def test_a_cache_is_read_by_its_folder_and_layer(lenet: Any, images: Any, tmp_path: Path) -> None:
    cache = extract(lenet, images.select(range(5)), cache_dir=tmp_path, progress=False)
    x = load_embeddings(cache.path, "conv2")
    assert x.layer == "conv2"
    assert np.array_equal(x.array, cache["conv2"].array)
    assert np.array_equal(x.ids, cache.ids)
    assert x.provenance["weights_digest"] == lenet.weights_digest
    with pytest.raises(InputError, match="must have one complete layer, got conv1, .*; name a layer"):
        load_embeddings(cache.path)
    with pytest.raises(InputError, match="is an embedding cache with its own labels, got labels='y'; leave it out"):
        load_embeddings(cache.path, "conv2", "y")


# Files that are none


def test_a_header_that_cannot_be_parsed_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content.replace(b"}", b"(", 1))
    with pytest.raises(CacheError, match="x.npy cannot be read as a .npy array"):
        load_embeddings(tmp_path / "x.npy")


def test_a_missing_a_foreign_and_an_empty_file_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"the embeddings file .*none.npy does not exist; check the path"):
        load_embeddings(tmp_path / "none.npy")
    (tmp_path / "x.txt").write_text("1 2")
    with pytest.raises(
        CacheError, match=r"x.txt must be a .npy, .* file, a zarr array or a folder of shards, got a '.txt' file"
    ):
        load_embeddings(tmp_path / "x.txt")
    for ending in (*FORMATS, ".csv"):
        (tmp_path / f"x{ending}").write_bytes(b"")
        with pytest.raises(CacheError, match=f"x{ending} is empty; save the embeddings again"):
            load_embeddings(tmp_path / f"x{ending}")
        (tmp_path / f"x{ending}").write_bytes(b"\x80\x04\xff a file of another program\n")
        with pytest.raises(CacheError, match=f"x{ending} cannot be read as"):
            load_embeddings(tmp_path / f"x{ending}")


@settings(max_examples=40, deadline=None)
@given(ending=st.sampled_from(FORMATS), place=st.floats(0, 1), byte=st.integers(0, 255), from_end=st.booleans())
def test_whatever_byte_is_overwritten_the_file_is_read_or_named(
    ending: str, place: float, byte: int, from_end: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = export(Embeddings(X, labels=Y), tmp_path_factory.mktemp("bytes") / f"x{ending}")
    content = bytearray(path.read_bytes())
    span = min(len(content) - 1, 300)  # the headers, which are at either end
    content[(-1 - int(place * span)) if from_end else int(place * span)] = byte
    path.write_bytes(content)
    try:
        assert load_embeddings(path).array.ndim == 2
    except ReprqError as error:
        assert f"x{ending}" in str(error)  # noqa: PT017


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_file_is_named_wherever_it_was_cut(ending: str, share: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = export(Embeddings(rng.normal(size=(50, 20)), labels=np.arange(50)), tmp_path / f"x{ending}")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CacheError, match=f"x{ending} cannot be read as"):
        load_embeddings(path)


def test_a_flipped_byte_in_a_compressed_file_is_named(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", X=np.random.default_rng(0).normal(size=(50, 50)))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(CacheError, match="a.npz cannot be read as embeddings"):
        load_embeddings(tmp_path / "a.npz")


class Bomb:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return pytest.fail, ("unpickled",)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    pickled = np.empty((2, 2), dtype=object)
    pickled[:] = Bomb()
    np.save(tmp_path / "a.npy", pickled, allow_pickle=True)
    np.savez(tmp_path / "b.npz", allow_pickle=True, X=pickled)
    (tmp_path / "c.npy").write_bytes(pickle.dumps(Bomb()))
    for name in ("a.npy", "c.npy"):
        with pytest.raises(CacheError, match=f"{name} cannot be read .* or holds pickled objects, which are never"):
            load_embeddings(tmp_path / name)
    with pytest.raises(CacheError, match=r"b.npz cannot be read as embeddings \(Object arrays cannot be loaded"):
        load_embeddings(tmp_path / "b.npz")


def test_a_nan_and_an_array_of_another_shape_are_named_with_the_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0.0], [np.nan]]))
    with pytest.raises(
        InputError, match="a.npy: the embeddings of layer 'a' must be finite, got nan at row 1, column 0"
    ):
        load_embeddings(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.ones(3))
    with pytest.raises(InputError, match=r"b.npy: .* must be an \(n, d\) array, got shape \(3,\)"):
        load_embeddings(tmp_path / "b.npy")
    with pytest.raises(InputError, match="b.npy holds one array without a name, got 'X' to look for; save an .npz"):
        load_embeddings(tmp_path / "b.npy", "X")


# Export


@settings(max_examples=15, deadline=None)
@given(
    array=st.sampled_from([np.float16, np.float32, np.float64]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
            elements=hnp.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False),
        )
    ),
    labelled=st.booleans(),
    ending=st.sampled_from(FORMATS),
)
def test_a_round_trip_through_a_file_is_exact(
    array: np.ndarray[Any, Any], labelled: bool, ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    n = len(array)
    x = Embeddings(array, "layer1", np.array([f"ä/{i}" for i in range(n)]), np.arange(n) if labelled else None)
    path = export(x, tmp_path_factory.mktemp("export") / f"x{ending}")
    back = load_embeddings(path)
    assert back.array.dtype == array.dtype
    assert back.array.tobytes() == array.tobytes()
    if ending != ".npy":
        assert np.array_equal(back.ids, x.ids)
        assert (back.labels is None) is not labelled
        assert not labelled or np.array_equal(back.labels, x.labels)  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_layer_of_a_cache_is_exported_exactly(
    ending: str, dtype: str, lenet: Any, images: Any, tmp_path: Path
) -> None:
    cache = extract(lenet, images.select(range(9)), cache_dir=tmp_path, dtype=dtype, progress=False)
    expected = cache["conv2"]
    back = load_embeddings(export(cache, tmp_path / f"x{ending}", "conv2"))
    assert back.array.dtype == dtype
    assert np.array_equal(back.array, expected.array)
    if ending in (".safetensors", ".parquet"):
        assert back.layer == "conv2"
        assert back.provenance["weights_digest"] == lenet.weights_digest
    if ending != ".npy":
        assert np.array_equal(back.ids, expected.ids)
        assert back.labels is not None
        assert np.array_equal(back.labels, cache.labels)


@pytest.mark.parametrize("ending", FORMATS[1:])
def test_numbers_of_classes_keep_their_names_through_a_file(ending: str, tmp_path: Path) -> None:
    x = Embeddings(X, labels=np.array([0, 1, 1, 0]), provenance={"classes": ["defect", "good"]})
    path = export(x, tmp_path / f"x{ending}")
    assert load_embeddings(path).provenance["classes"] == ["defect", "good"]
    judged = load_embeddings(path, benign="good")
    assert judged.labels is not None
    assert judged.labels.tolist() == [1, 0, 0, 1]
    assert "classes" not in judged.provenance
    again = load_embeddings(export(judged, tmp_path / f"again{ending}"))
    assert again.labels is not None
    assert again.labels.tolist() == [1, 0, 0, 1]
    assert "classes" not in again.provenance


def test_a_layer_is_exported_by_its_number(lenet: Any, images: Any, tmp_path: Path) -> None:
    cache = extract(lenet, images.select(range(4)), cache_dir=tmp_path, progress=False)
    for layer, name in ((0, "conv1"), ("1", "conv2"), (-1, "pooled")):
        assert np.array_equal(np.load(export(cache, tmp_path / f"{name}.npy", layer)), cache[name].array)
    with pytest.raises(UnknownNameError, match=r"unknown layer of .* 'conv9'.*Valid: 0 conv1, 1 conv2"):
        export(cache, tmp_path / "x.npy", "conv9")
    with pytest.raises(InputError, match="must have one complete layer, got conv1, conv2"):
        export(cache, tmp_path / "x.npy")


def test_an_export_replaces_nothing_unless_forced_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, path = Embeddings(X), tmp_path / "x.npy"
    path.write_text("precious")
    with pytest.raises(OutputExistsError, match="x.npy exists already; give another path, or force \\(--force\\)"):
        export(x, path)
    assert path.read_text() == "precious"

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(CacheError, match="x.npy cannot be written: No space left on device; nothing was left"):
            export(x, path, force=True)
    assert path.read_text() == "precious"
    assert np.array_equal(np.load(export(x, path, force=True)), X)
    assert [file.name for file in tmp_path.iterdir()] == ["x.npy"]


def test_an_export_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"path must end in .npy, .npz, .safetensors, .parquet, got 'x.h5'"):
        export(Embeddings(X), tmp_path / "x.h5")
    with pytest.raises(InputError, match="layer must be left out for the embeddings of one layer, got 3"):
        export(Embeddings(X), tmp_path / "x.npy", 3)
    with pytest.raises(CacheError, match="x.npy cannot be written: No such file or directory"):
        export(Embeddings(X), tmp_path / "none" / "x.npy")
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(OutputExistsError, match="folder.npy exists already; give the path of a file"):
        export(Embeddings(X), tmp_path / "folder.npy", force=True)
    assert [file.name for file in tmp_path.iterdir()] == ["folder.npy"]


def test_embeddings_of_a_mapped_file_can_be_exported(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    x = load_embeddings(tmp_path / "a.npy")
    for ending in FORMATS:
        assert np.array_equal(load_embeddings(export(x, tmp_path / f"b{ending}")).array, X)


@pytest.mark.shared_data
def test_every_adbench_file_goes_straight_in(shared_data: Path) -> None:
    files = sorted((shared_data / "embeddings").rglob("*.npz"))
    assert len(files) > 10
    for file in files:
        x = load_embeddings(file)
        assert x.labels is not None
        assert set(x.labels) == {0, 1}
        assert x.width in (512, 768)


def test_a_cache_written_by_extract_is_still_a_mapping_after_export(lenet: Any, images: Any, tmp_path: Path) -> None:
    cache = extract(lenet, images.select(range(3)), "conv1", cache_dir=tmp_path, progress=False)
    export(cache, tmp_path / "one.npy")
    assert list(EmbeddingCache(cache.path)) == ["conv1"]

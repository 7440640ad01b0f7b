"""Files of several arrays: PyTorch's, MATLAB's, HDF5, zarr."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
import torch
import zarr

from reprq.embeddings import load_embeddings
from reprq.errors import CacheError, InputError

from .conftest import check


class Bomb:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return pytest.fail, ("unpickled",)


def tensor(array: Any) -> Any:
    return torch.tensor(array)


@pytest.mark.parametrize(
    ("content", "labelled", "how"),
    [
        (lambda x, y: tensor(x), False, {}),
        (lambda x, y: tensor(x).requires_grad_(), False, {}),
        (lambda x, y: torch.nn.Parameter(tensor(x)), False, {}),
        (lambda x, y: [tensor(row) for row in x], False, {}),
        (lambda x, y: [tensor(row)[None] for row in x], False, {}),
        (lambda x, y: {f"{i}.png": tensor(row) for i, row in enumerate(x)}, False, {}),
        (lambda x, y: {"features": tensor(x), "labels": tensor(y)}, True, {}),
        (lambda x, y: {"features": tensor(x), "labels": y.tolist()}, True, {}),
        (lambda x, y: {"train": {"features": tensor(x), "labels": tensor(y)}}, True, {}),
        (lambda x, y: x, False, {}),
        (lambda x, y: list(x), False, {}),
        (lambda x, y: {"features": x, "labels": y, "made": Path("by/me")}, True, {}),
        (lambda x, y: {"emb": tensor(x), "y": tensor(y)[:, None], "epoch": 3}, True, {}),
        (lambda x, y: (tensor(x), tensor(y)), True, {"labels": "1"}),
    ],
)
def test_what_torch_saves(content: Any, labelled: bool, how: Any, x: Any, y: Any, tmp_path: Path) -> None:
    for ending in ("pt", "pth"):
        torch.save(content(x, y), tmp_path / f"t.{ending}")
        check(tmp_path / f"t.{ending}", x, y if labelled else None, **how)


def test_names_of_a_mapping_of_vectors_are_ids_and_half_precision_is_read(x: Any, tmp_path: Path) -> None:
    torch.save({f"{i}.png": tensor(row) for i, row in enumerate(x)}, tmp_path / "t.pt")
    assert load_embeddings(tmp_path / "t.pt").ids[3] == "3.png"
    torch.save(tensor(x).bfloat16(), tmp_path / "b.pt")
    np.testing.assert_allclose(load_embeddings(tmp_path / "b.pt").array, x, rtol=0.01)


def test_no_pickle_is_run(tmp_path: Path) -> None:
    torch.save({"x": Bomb()}, tmp_path / "t.pt")
    with pytest.raises(CacheError, match=r"t.pt holds pickled objects, which are never loaded; save its tensors alone"):
        load_embeddings(tmp_path / "t.pt")
    (tmp_path / "t.pt").write_bytes(b"PK of no archive")
    with pytest.raises(CacheError, match=r"t.pt cannot be read as embeddings \(it is damaged or no file of torch.save"):
        load_embeddings(tmp_path / "t.pt")
    for ending in ("pkl", "pickle", "joblib"):
        (tmp_path / f"t.{ending}").write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(CacheError, match=rf"t.{ending} is a pickle, which may run code when it is read; save the"):
            load_embeddings(tmp_path / f"t.{ending}")


@pytest.mark.parametrize(
    ("content", "labelled"),
    [
        (lambda x, y: {"X": x, "y": y[:, None].astype(float)}, True),
        (lambda x, y: {"feats": x, "label": y}, True),
        (lambda x, y: {"X": scipy.sparse.csc_matrix(x), "y": y}, True),
        (lambda x, y: {"data": {"X": x, "y": y}}, True),
        (lambda x, y: {"x": x}, False),
    ],
)
def test_what_matlab_saves(content: Any, labelled: bool, x: Any, y: Any, tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "t.mat", content(x, y))
    check(tmp_path / "t.mat", x, y if labelled else None)


def test_text_in_a_cell_array_is_a_label(x: Any, y: Any, tmp_path: Path) -> None:
    names = np.array([["good", "bad"][i] for i in y], dtype=object)
    scipy.io.savemat(tmp_path / "t.mat", {"X": x, "label": names})
    check(tmp_path / "t.mat", x, y, benign="good")


def test_hdf5(x: Any, y: Any, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is an optional extra")
    with h5py.File(tmp_path / "flat.h5", "w") as file:
        file["embeddings"], file["labels"] = x, y
    check(tmp_path / "flat.h5", x, y)
    with h5py.File(tmp_path / "groups.hdf5", "w") as file:
        for split in ("train", "test"):
            file[f"{split}/features"], file[f"{split}/labels"] = x, y
            file[f"{split}/names"] = [f"{i}.png".encode() for i in range(len(x))]
    with pytest.raises(InputError, match=r"must hold one \(n, d\) array, got test/features .*; name one as key"):
        load_embeddings(tmp_path / "groups.hdf5")
    check(tmp_path / "groups.hdf5", x, y, key="train/features")
    with h5py.File(tmp_path / "bytes.h5", "w") as file:
        file["embeddings"], file["labels"] = x, [[b"good", b"bad"][i] for i in y]
    check(tmp_path / "bytes.h5", x, y, benign="good")


def test_matlab_of_version_7_3_has_its_axes_in_the_other_order(x: Any, y: Any, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is an optional extra")
    path = tmp_path / "t.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["X"], file["y"] = x.T, y[None].astype(float)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    check(path, x, y)


def test_hdf5_without_h5py_says_which_extra_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    (tmp_path / "t.h5").write_bytes(b"\x89HDF")
    with pytest.raises(CacheError, match=r"t.h5 needs h5py, which is not installed; run pip install 'reprq\[hdf5\]'"):
        load_embeddings(tmp_path / "t.h5")


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_arrays_and_groups(version: Any, x: Any, y: Any, tmp_path: Path) -> None:
    zarr.create_array(store=str(tmp_path / "a.zarr"), data=x, zarr_format=version)
    check(tmp_path / "a.zarr", x)
    with pytest.raises(InputError, match="holds one array without a name, got 'X' to look for; leave it out"):
        load_embeddings(tmp_path / "a.zarr", "X")
    group = zarr.create_group(store=str(tmp_path / "g.zarr"), zarr_format=version)
    group.create_array("train/features", data=x)
    group.create_array("train/labels", data=y)
    check(tmp_path / "g.zarr", x, y)


@pytest.mark.parametrize("unread", ["truth", "split_of_two"])
def test_an_array_that_could_be_labels_is_refused_until_it_is_named(
    unread: str, x: Any, y: Any, tmp_path: Path
) -> None:
    np.savez(tmp_path / "t.npz", X=x, **{unread: y})
    with pytest.raises(InputError, match=rf"'{unread}' of .*t.npz could be labels \(0, 1\); name it as labels"):
        load_embeddings(tmp_path / "t.npz")
    check(tmp_path / "t.npz", x, y, labels=unread)
    check(tmp_path / "t.npz", x, key="X")


def test_arrays_of_several_splits_keep_their_own_labels(x: Any, y: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X_train=x, y_train=y, X_test=x[:8], y_test=1 - y[:8])
    check(tmp_path / "t.npz", x, y, key="X_train")
    check(tmp_path / "t.npz", x[:8], 1 - y[:8], key="X_test")


def test_one_hot_labels_are_the_numbers_of_their_columns(x: Any, y: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", emb=x, y=np.eye(2)[y])
    check(tmp_path / "t.npz", x, y)
    np.savez(tmp_path / "t.npz", emb=x, y=np.full((len(x), 2), 0.5))
    with pytest.raises(InputError, match=r"labels must be one a row, or one 1 a row among zeros, got shape \(60, 2\)"):
        load_embeddings(tmp_path / "t.npz")


@pytest.mark.parametrize("name", ["t.npy.gz", "t.parquet.zip", "t.xlsx", "t"])
def test_other_files_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(CacheError, match=f"{name} must be a .npy, .*, a zarr array or a folder of shards, got a"):
        load_embeddings(tmp_path / name)


def test_a_zarr_array_of_pickles_is_refused(tmp_path: Path) -> None:
    header = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "compressor": None, "fill_value": None}
    header |= {"order": "C", "filters": [{"id": "pickle", "protocol": 5}]}
    (tmp_path / ".zarray").write_text(json.dumps(header))
    (tmp_path / "0").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CacheError, match="holds pickled objects, which are never loaded; save the array as numbers"):
        load_embeddings(tmp_path)


def test_a_sparse_matrix_is_named(x: Any, tmp_path: Path) -> None:
    scipy.sparse.save_npz(tmp_path / "t.npz", scipy.sparse.csr_matrix(x))
    with pytest.raises(InputError, match=r"t.npz holds a sparse matrix; save its toarray\(\) by numpy.save"):
        load_embeddings(tmp_path / "t.npz")


def test_labels_that_differ_in_spaces_and_composition_are_the_same(x: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=x[:3], y=np.array(["caf\u00e9", "cafe\u0301 ", "d"]))
    check(tmp_path / "t.npz", x[:3], [0, 0, 1], benign="cafe\u0301")

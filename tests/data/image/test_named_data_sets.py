import bz2
import hashlib
import pickle
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reprq.data import available, load_dataset
from reprq.errors import DataError, UnknownNameError


def test_digits_are_all_there_once() -> None:
    from sklearn.datasets import load_digits

    train, test = load_dataset("digits"), load_dataset("digits", "test")
    assert len(train) + len(test) == 1797
    assert not set(train.ids) & set(test.ids)
    assert train.split_info == {"kind": "stratified", "seed": 0, "test_fraction": 0.3}
    original = load_digits()
    for i in (0, 100, 538):
        row = int(test.ids[i].removeprefix("digits/"))
        assert test.labels[i] == original.target[row]
        grey = np.asarray(test.item(i))
        assert np.array_equal(grey[..., 0], grey[..., 2])
        assert np.abs(grey[..., 0] - original.images[row] * 255 / 16).max() <= 0.5


def test_the_seed_moves_the_digits_split() -> None:
    assert load_dataset("digits", seed=1).fingerprint != load_dataset("digits", seed=0).fingerprint
    assert load_dataset("digits", seed=1).fingerprint == load_dataset("digits", seed=1).fingerprint


def test_available_is_honest_about_digits_and_names_what_loads() -> None:
    infos = {info.name: info for info in available()}
    images = [name for name, info in infos.items() if info.modality == "image"]
    joint = ["svhn", "stl10", "drawn_digits", "joint_digits", "joint_digits_drawn"]
    assert images == [
        "digits",
        "cifar10",
        "cifar100",
        "mnist",
        "mnist_c",
        "emnist_letters",
        "usps",
        *joint,
        "folder:PATH",
    ]
    assert (infos["digits"].train, infos["digits"].test) == tuple(
        len(load_dataset("digits", split)) for split in ("train", "test")
    )
    assert all("--download" in infos[name].obtain for name in ("cifar10", "cifar100", "mnist", "usps"))


def test_listing_and_digits_need_no_torch() -> None:
    code = "import sys, reprq.data as d; d.available(); d.load_dataset('digits'); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown data set 'cifar': did you mean 'cifar10'"):
        load_dataset("cifar")
    with pytest.raises(UnknownNameError, match="unknown split 'val'. Valid: train, test"):
        load_dataset("digits", "val")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
        ("mnist", "MNIST/raw/train-images-idx3-ubyte, .*, MNIST/raw/t10k-labels-idx1-ubyte"),
        ("emnist_letters", "EMNIST/raw/emnist-letters-train-images-idx3-ubyte, EMNIST/.*-labels-idx1-ubyte"),
        ("usps", "usps.bz2"),
        ("svhn", "train_32x32.mat"),
        ("stl10", "stl10_binary/train_X.bin, stl10_binary/train_y.bin, stl10_binary/class_names.txt"),
    ],
)
def test_absent_files_are_named_with_the_root_and_the_switch(
    name: str, files: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = f"{name} is not in {re.escape(str(tmp_path))}, which has no {files};"
    message += r" download it with --download or point --root or \$REPRQ_DATA to its files"
    with pytest.raises(DataError, match=message):
        load_dataset(name, root=tmp_path)
    with pytest.raises(DataError, match=message):  # as data of one's own is written
        load_dataset(name, root=f"folder:{tmp_path}")
    monkeypatch.setenv("REPRQ_DATA", str(tmp_path))
    with pytest.raises(DataError, match=message):
        load_dataset(name)


@pytest.mark.parametrize("name", ["cifar10", "mnist", "usps", "svhn", "stl10"])
def test_a_failed_download_is_one_line_and_leaves_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        DataError, match=f"{name} could not be downloaded to .*; put its files there yourself"
    ) as caught:
        load_dataset(name, root=tmp_path / "data", download=True)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "data").iterdir()) == []
    assert capsys.readouterr().out == ""


def _idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def test_mnist_is_read_from_its_files(tmp_path: Path) -> None:
    images = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 251
    for side in ("train", "t10k"):
        _idx(tmp_path / f"MNIST/raw/{side}-images-idx3-ubyte", images)
        _idx(tmp_path / f"MNIST/raw/{side}-labels-idx1-ubyte", np.array([7, 2, 9]))
    data = load_dataset("mnist", "test", root=tmp_path)
    assert data.labels.tolist() == [7, 2, 9]
    assert data.classes == tuple("0123456789")
    assert data.ids.tolist() == ["test/00000", "test/00001", "test/00002"]
    assert np.array_equal(np.asarray(data.item(2))[..., 0], images[2])
    assert data.split_info == {"kind": "official"}


def test_letters_of_emnist_are_turned_upright_and_numbered_from_a(tmp_path: Path) -> None:
    images = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 251
    _idx(tmp_path / "EMNIST/raw/emnist-letters-test-images-idx3-ubyte", images.transpose(0, 2, 1))
    _idx(tmp_path / "EMNIST/raw/emnist-letters-test-labels-idx1-ubyte", np.array([1, 26, 3]))
    data = load_dataset("emnist_letters", "test", root=tmp_path)
    assert [data.classes[label] for label in data.labels] == ["A", "Z", "C"]
    assert np.array_equal(np.asarray(data.item(1))[..., 0], images[1])
    with pytest.raises(DataError, match="emnist_letters is not in"):
        load_dataset("emnist_letters", "train", root=tmp_path)


def _usps_file(path: Path) -> None:
    pixels = " ".join(f"{i}:{v}" for i, v in enumerate(np.linspace(-1, 1, 256), start=1))
    path.write_bytes(bz2.compress(f"10 {pixels}\n1 {pixels}\n".encode()))


def test_usps_is_read_from_its_file(tmp_path: Path) -> None:
    _usps_file(tmp_path / "usps.bz2")
    data = load_dataset("usps", root=tmp_path)
    assert data.labels.tolist() == [9, 0]
    grey = np.asarray(data.item(0))[..., 0]
    assert grey.shape == (16, 16)
    assert (grey[0, 0], grey[15, 15]) == (0, 255)


def test_a_download_lands_in_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _usps_file(tmp_path / "served.bz2")

    def serve(url: str, root: str, filename: str, md5: str) -> None:
        shutil.copy(tmp_path / "served.bz2", Path(root) / filename)

    monkeypatch.setattr("torchvision.datasets.usps.download_url", serve)
    data = load_dataset("usps", "test", root=tmp_path / "data", download=True)
    assert len(data) == 2
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["usps.t.bz2"]
    assert load_dataset("usps", "test", root=tmp_path / "data").fingerprint == data.fingerprint


def test_damaged_files_say_so(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "usps.bz2").write_bytes(b"not bz2")
    for name in ("cifar10", "usps"):
        with pytest.raises(DataError, match=f"the files of {name} in .* are damaged: .*; delete them"):
            load_dataset(name, root=tmp_path)


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "side", "count"), [("mnist", 28, 10000), ("usps", 16, 2007)])
def test_the_real_files(shared_data: Path, name: str, side: int, count: int) -> None:
    root = shared_data / "torchvision"
    if not root.is_dir():
        pytest.skip(f"needs {root}")
    data = load_dataset(name, "test", root=root)
    assert len(data) == count == {info.name: info.test for info in available()}[name]
    assert set(data.labels) == set(range(10))
    assert data.item(0).size == (side, side)
    assert len(data.sample(per_class=20).fingerprint) == 64


def test_cifar10_is_read_from_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    contents = {
        "data_batch_1": {"data": pixels.reshape(2, -1), "labels": [3, 0]},
        "batches.meta": {"label_names": [f"class {i}" for i in range(10)]},
    }
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    sums = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr("torchvision.datasets.CIFAR10.train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr("torchvision.datasets.CIFAR10.test_list", [])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    monkeypatch.setattr("torchvision.datasets.CIFAR10.meta", meta)
    data = load_dataset("cifar10", root=tmp_path)
    assert data.labels.tolist() == [3, 0]
    assert data.classes[3] == "class 3"
    assert np.array_equal(np.asarray(data.item(1)), pixels[1].transpose(1, 2, 0))
    (folder / "data_batch_1").write_bytes(b"another pickle")
    with pytest.raises(DataError, match="the files of cifar10 in .* are damaged"):
        load_dataset("cifar10", root=tmp_path)


def test_cifar100_is_read_from_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="cifar100 is not in .*; download it with --download"):
        load_dataset("cifar100", root=tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    contents = {
        "train": {"data": pixels.reshape(2, -1), "fine_labels": [99, 3], "coarse_labels": [1, 1]},
        "meta": {"fine_label_names": [f"class {i}" for i in range(100)]},
    }
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    sums = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr("torchvision.datasets.CIFAR100.train_list", [["train", sums["train"]]])
    monkeypatch.setattr("torchvision.datasets.CIFAR100.test_list", [])
    meta = {"filename": "meta", "key": "fine_label_names", "md5": sums["meta"]}
    monkeypatch.setattr("torchvision.datasets.CIFAR100.meta", meta)
    data = load_dataset("cifar100", root=tmp_path)
    assert (len(data.classes), data.labels.tolist()) == (100, [99, 3])
    assert np.array_equal(np.asarray(data.item(1)), pixels[1].transpose(1, 2, 0))


def test_sizes_that_are_stated_are_those_that_are_had():
    (digits,) = (info for info in available() if info.name == "digits")
    sides = [load_dataset("digits", split) for split in ("train", "test")]
    assert (digits.classes, digits.train, digits.test) == (len(sides[0].classes), *map(len, sides))


def _write_stl10(root: Path, n: int = 4) -> np.ndarray:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (n, 96, 96, 3), dtype=np.uint8)
    pixels.transpose(0, 3, 2, 1).tofile(folder / "test_X.bin")  # column by column, as its makers say
    np.arange(1, n + 1, dtype=np.uint8).tofile(folder / "test_y.bin")
    (folder / "class_names.txt").write_text("airplane\nbird\ncar\ncat\n")
    return pixels


@pytest.mark.parametrize("file", ["test_y.bin", "class_names.txt"])
def test_a_file_of_stl10_that_alone_is_missing_is_named(file: str, tmp_path: Path) -> None:
    _write_stl10(tmp_path)
    (tmp_path / "stl10_binary" / file).unlink()
    with pytest.raises(DataError, match=f"which has no stl10_binary/{file}; download it"):
        load_dataset("stl10", "test", root=tmp_path)


def test_stl10_is_read_from_its_files_column_by_column(tmp_path: Path) -> None:
    pixels = _write_stl10(tmp_path)
    data = load_dataset("stl10", "test", root=tmp_path)
    assert data.classes == ("airplane", "bird", "car", "cat")
    assert data.labels.tolist() == [0, 1, 2, 3]
    assert np.array_equal(np.asarray(data.item(2)), pixels[2])
    torchvision = np.fromfile(tmp_path / "stl10_binary/test_X.bin", np.uint8).reshape(-1, 3, 96, 96)
    assert np.array_equal(np.asarray(data.item(1)), torchvision.transpose(0, 3, 2, 1)[1])


@pytest.mark.parametrize(("file", "content"), [("test_X.bin", b"123"), ("test_y.bin", b"\x09\x01\x01\x01")])
def test_damaged_files_of_stl10_say_so(file: str, content: bytes, tmp_path: Path) -> None:
    _write_stl10(tmp_path)
    (tmp_path / "stl10_binary" / file).write_bytes(content)
    with pytest.raises(DataError, match="the files of stl10 in .* are damaged: .*; delete them and use --download"):
        load_dataset("stl10", "test", root=tmp_path)

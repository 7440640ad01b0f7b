"""Data sets that come as one array: scikit-learn's digits, and torchvision's CIFAR, MNIST, USPS, SVHN and STL-10."""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.image.sources import ArraySource
from reprq.data.stratified import split_info, stratified_rows
from reprq.errors import DataError, one_line
from reprq.progress import bars_of_others


def load_digits(split: str, seed: int) -> Dataset:
    """Return one side of a seeded, stratified split of scikit-learn's 1,797 digits, 8 x 8, scaled from 16 to 255."""
    from sklearn.datasets import load_digits as bundled

    digits = bundled()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    labels = digits.target.astype(np.int64)
    rows = stratified_rows(labels, split, seed)
    return Dataset(
        name="digits",
        split=split,
        classes=tuple(str(name) for name in digits.target_names),
        labels=labels[rows],
        ids=np.array([f"digits/{row:05d}" for row in rows]),
        source=ArraySource(pixels),
        rows=rows,
        split_info=split_info(seed),
    )


def data_root(root: Path | str | None) -> Path:
    """Return where downloaded data sets live: `root`, else `$REPRQ_DATA`, else `~/.cache/reprq/data`.

    A folder may be written as data of one's own is, "folder:PATH".

    Example:
        >>> str(data_root("folder:parts/screw"))
        'parts/screw'
    """
    given = str(root or os.environ.get("REPRQ_DATA") or "~/.cache/reprq/data")
    return Path(given.removeprefix("folder:")).expanduser()


def load_torchvision(name: str, split: str, root: Path | str | None, download: bool) -> Dataset:
    """Return one official split of a data set that torchvision reads.

    Args:
        name: "cifar10", "cifar100", "mnist", "emnist_letters" or "usps".
        split: "train" or "test".
        root: The folder that torchvision calls `root`; see `data_root`.
        download: Whether to fetch the files when they are not there.

    Raises:
        DataError: The files are not there and `download` is off, they are damaged, or the download failed.
    """
    from torchvision import datasets

    kinds: dict[str, Any] = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100, "mnist": datasets.MNIST}
    kinds |= {"usps": datasets.USPS, "emnist_letters": partial(datasets.EMNIST, split="letters")}
    kind = kinds[name]
    folder = data_root(root)
    _fetch_missing(kind, name, split, folder, download)
    try:
        data = kind(folder, train=split == "train", download=False)
    except Exception as error:  # torchvision lets its parsers' own errors through
        said = one_line(getattr(error, "reason", error))
        message = f"the files of {name} in {folder} are damaged: {said}; delete them and use --download"
        raise DataError(message) from error
    labels, pixels = np.asarray(data.targets, dtype=np.int64), np.asarray(data.data, dtype=np.uint8)
    classes = data.classes if name.startswith("cifar") else [str(digit) for digit in range(10)]
    if name == "emnist_letters":  # numbered from 1, and stored column by column
        labels, pixels, classes = labels - 1, pixels.transpose(0, 2, 1), list(ascii_uppercase)
    return Dataset(
        name=name,
        split=split,
        classes=tuple(classes),
        labels=labels,
        ids=np.array([f"{split}/{row:05d}" for row in range(len(labels))]),
        source=ArraySource(np.ascontiguousarray(pixels)),
        rows=np.arange(len(labels)),
    )


def load_svhn(split: str, root: Path | str | None, download: bool) -> Dataset:
    """Return one official split of SVHN's cropped digits, from the files that torchvision has; their label 10 is a 0.

    Args:
        split: "train" or "test": `train_32x32.mat` or `test_32x32.mat`.
        root: As in `load_torchvision`.
        download: Likewise.

    Raises:
        DataError: Likewise.
    """
    from scipy.io import loadmat  # here: only who asks for SVHN waits for it

    file = data_root(root) / f"{split}_32x32.mat"
    _fetch_missing(_svhn_of_torchvision, "svhn", split, file.parent, download)
    try:
        held = loadmat(file)
        pixels, labels = held["X"].transpose(3, 0, 1, 2).astype(np.uint8), held["y"].ravel().astype(np.int64)
    except Exception as error:  # whatever SciPy's parser says
        message = f"the files of svhn in {file.parent} are damaged: {one_line(error)}; delete them and use --download"
        raise DataError(message) from error
    if len(pixels) != len(labels) or not set(labels.tolist()) <= set(range(1, 11)):
        raise DataError(f"the files of svhn in {file.parent} are damaged: labels must be 1 to 10, one an image")
    return Dataset(
        name="svhn",
        split=split,
        classes=tuple(str(digit) for digit in range(10)),
        labels=labels % 10,
        ids=np.array([f"{split}/{row:05d}" for row in range(len(labels))]),
        source=ArraySource(np.ascontiguousarray(pixels)),
        rows=np.arange(len(labels)),
    )


def load_stl10(split: str, root: Path | str | None, download: bool) -> Dataset:
    """Return the labelled images of one official split of STL-10, 96 x 96, from the files that torchvision has.

    Args:
        split: "train" (5,000 images) or "test" (8,000): `stl10_binary/train_X.bin` and `train_y.bin`, or those of test,
            and `class_names.txt`. The pixels are read where they are asked for.
        root: As in `load_torchvision`.
        download: Likewise.

    Raises:
        DataError: Likewise.
    """
    root = data_root(root)
    folder = root / "stl10_binary"
    images, labels = folder / f"{split}_X.bin", folder / f"{split}_y.bin"
    _fetch_missing(_stl10_of_torchvision, "stl10", split, root, download)
    damaged = f"the files of stl10 in {folder} are damaged"
    try:
        classes = (folder / "class_names.txt").read_text(encoding="utf-8").split()
        numbers = np.fromfile(labels, dtype=np.uint8).astype(np.int64) - 1
        pixels = np.memmap(images, dtype=np.uint8, mode="r").reshape(-1, 3, 96, 96)
    except (OSError, ValueError) as error:
        raise DataError(f"{damaged}: {one_line(error)}; delete them and use --download") from error
    if len(pixels) != len(numbers) or not set(numbers.tolist()) <= set(range(len(classes))):
        raise DataError(
            f"{damaged}: {len(pixels)} images need as many labels from 1 to {len(classes)}; delete them and use"
            " --download"
        )
    return Dataset(
        name="stl10",
        split=split,
        classes=tuple(classes),
        labels=numbers,
        ids=np.array([f"{split}/{row:05d}" for row in range(len(numbers))]),
        source=ArraySource(pixels.transpose(0, 3, 2, 1)),  # stored column by column
        rows=np.arange(len(numbers)),
    )


def _stl10_of_torchvision(folder: str, *, train: bool, download: bool) -> Any:
    from torchvision.datasets import STL10

    return STL10(folder, split="train" if train else "test", download=download)


def _svhn_of_torchvision(folder: str, *, train: bool, download: bool) -> Any:
    from torchvision.datasets import SVHN

    return SVHN(folder, split="train" if train else "test", download=download)


def _missing(name: str, split: str, folder: Path) -> list[str]:
    """Return the files and folders of a data set that are not there."""
    raw = "images-idx3-ubyte", "labels-idx1-ubyte"
    needed = {
        "cifar10": ["cifar-10-batches-py"],
        "cifar100": ["cifar-100-python"],
        "usps": ["usps.bz2" if split == "train" else "usps.t.bz2"],
        "emnist_letters": [f"EMNIST/raw/emnist-letters-{split}-{part}" for part in raw],
        "mnist": [f"MNIST/raw/{side}-{part}" for side in ("train", "t10k") for part in raw],  # both to read either
        "svhn": [f"{split}_32x32.mat"],
        "stl10": [f"stl10_binary/{file}" for file in (f"{split}_X.bin", f"{split}_y.bin", "class_names.txt")],
    }
    return [file for file in needed[name] if not (folder / file).exists()]


def _fetch_missing(kind: Any, name: str, split: str, folder: Path, download: bool) -> None:
    missing = _missing(name, split, folder)
    if missing and not download:
        raise DataError(
            f"{name} is not in {folder}, which has no {', '.join(missing)}; download it with --download or point --root"
            " or $REPRQ_DATA to its files"
        )
    if missing:
        _download(kind, name, split, folder)


def _download(kind: Any, name: str, split: str, folder: Path) -> None:
    """Fetch into a temporary folder first: an interrupted download must not look like a data set."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as fresh, bars_of_others():
            kind(fresh, train=split == "train", download=True)
            for entry in Path(fresh).iterdir():  # not the temporary folder itself, which is closed to others
                if entry.is_dir():
                    shutil.copytree(entry, folder / entry.name, dirs_exist_ok=True)
                else:
                    shutil.copy(entry, folder)
    except Exception as error:  # whatever urllib, the archive or the disk said
        said = one_line(getattr(error, "reason", error))
        message = f"{name} could not be downloaded to {folder}: {said}; put its files there yourself"
        raise DataError(message) from error

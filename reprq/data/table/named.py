"""Data sets of rows by name, from ADBench's files: cardio, satellite and thyroid."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.image.named import data_root
from reprq.data.table.files import read_columns
from reprq.data.table.sources import TableRows
from reprq.errors import DataError

CLASSES = ("benign", "anomalous")
_FOLDERS = (".", "tabular", "Classical")


class _Set(NamedTuple):
    """A file of ADBench (Han et al. 2022), from ODDS, and how many of its rows train and are scored."""

    file: str
    train: int
    test: int


SETS = {
    "cardio": _Set("6_cardio.npz", 827, 1004),
    "satellite": _Set("30_satellite.npz", 2199, 4236),
    "thyroid": _Set("38_thyroid.npz", 1839, 1933),
}


def load_half(name: str, split: str, seed: int, root: Path | str | None) -> Dataset:
    """Return one side of a set: a seeded half of the benign rows trains, all other rows are scored.

    It is the protocol of one-class detection on these sets (Zong et al. 2018): no anomaly is in training.

    Args:
        name: "cardio", "satellite" or "thyroid".
        split: "train" or "test".
        seed: Of the half.
        root: The folder of ADBench's files, or one with `Classical/` that holds them; see `data_root`.

    Raises:
        DataError: The file is not there, or holds other rows.
    """
    where, file = data_root(root), SETS[name].file
    path = next((where / folder / file for folder in _FOLDERS if (where / folder / file).is_file()), None)
    if path is None:
        raise DataError(
            f"{name} is not in {where}, which must hold {file}, or Classical/{file}; download it from Minqi824/ADBench,"
            " or point --root or $REPRQ_DATA to it"
        )
    columns = read_columns(path)
    y = columns.pop("y", None)
    if y is None or set(np.unique(y).tolist()) != {0.0, 1.0}:
        raise DataError(f"{path} must hold y, 0 for benign and 1 for anomalous rows, got others; download it anew")
    labels = y.astype(np.int64)
    benign = np.random.default_rng(seed).permutation(np.flatnonzero(labels == 0))
    train = np.sort(benign[: len(benign) // 2])
    rows = train if split == "train" else np.setdiff1d(np.arange(len(labels)), train)
    return Dataset(
        name=name,
        split=split,
        classes=CLASSES,
        labels=labels[rows],
        ids=np.array([f"{name}/{row:05d}" for row in rows]),
        source=TableRows(columns, name),
        rows=rows,
        split_info={"kind": "half of the benign rows", "seed": seed},
        modality="table",
    )

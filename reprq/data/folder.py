"""Image folders: `train/` and `test/` with a folder a class, or a folder a class and a split of our own."""

import os
from pathlib import Path

import numpy as np

from reprq.data.dataset import ImageDataset
from reprq.data.sources import FileSource
from reprq.data.splits import split_info, stratified_rows
from reprq.errors import DataError, InputError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".pbm", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
SPLITS = ("train", "test")
_EXPECTED = "expected train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png"


def load_folder(path: str | Path, split: str, seed: int) -> ImageDataset:
    """Return one split of an image folder.

    Hidden files and files without an image's extension are passed over; links are followed; folders inside a class
    folder belong to the class. Nothing is decoded here.

    Args:
        path: A folder with `train/` and `test/`, a folder a class in each, or with a folder a class and no split, which
            is then made here, seeded and stratified. Classes that only `test/` has, such as kinds of defects (the
            layout of MVTec AD), have no training images.
        split: "train" or "test".
        seed: Seed of the split where the folder has none.

    Raises:
        DataError: No such folder, no classes, no images, a class of `train/` that `test/` has not, or a class with too
            few images.
    """
    if not str(path):
        raise InputError("folder: needs a path, as in folder:/data/flowers")
    root = Path(path).expanduser()
    if not root.is_dir():
        raise DataError(f"the image folder {root} does not exist or is not a folder; {_EXPECTED}")
    folders = _folders(root)
    official = set(SPLITS) <= set(folders)
    if not official and folders in (["train"], ["test"]):
        absent = "test" if folders == ["train"] else "train"
        raise DataError(f"the image folder {root} has {folders[0]}/ but no {absent}/; {_EXPECTED}")
    classes = _all_classes(root) if official else folders
    base = root / split if official else root
    files, labels = _list_images(base, classes, at_least=1 if official else 2)
    source = FileSource(root, [f"{split}/{name}" for name in files] if official else files)
    rows = np.arange(len(files)) if official else stratified_rows(labels, split, seed)
    return ImageDataset(
        name=f"folder:{path}",
        split=split,
        classes=tuple(classes),
        labels=labels[rows],
        ids=np.array(source.files)[rows],
        source=source,
        rows=rows,
        split_info={"kind": "official"} if official else split_info(seed),
    )


def _folders(path: Path) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _all_classes(root: Path) -> list[str]:
    """The classes of `test/`, among them all of `train/`: kinds of anomalies have no training images."""
    train, test = (_folders(root / split) for split in SPLITS)
    if unscored := [repr(name) for name in train if name not in test]:
        raise DataError(f"train/ of {root} has classes that test/ has not, {', '.join(unscored[:4])}; add test images")
    return test


def _list_images(base: Path, classes: list[str], at_least: int) -> tuple[list[str], np.ndarray]:
    present = set(_folders(base))
    found = [
        [f"{name}/{file}" for file in _images_below(base / name, frozenset())] if name in present else []
        for name in classes
    ]
    if not any(found):
        what = "no class folders" if not classes else f"{len(classes)} class folders and no images in them"
        raise DataError(f"{base} has {what}; {_EXPECTED} (images end in {', '.join(EXTENSIONS)})")
    for name, files in zip(classes, found, strict=True):
        if name in present and len(files) < at_least:
            why = "" if at_least == 1 else " to be split into train and test"
            raise DataError(f"class {name!r} in {base} has {len(files)} images, it needs at least {at_least}{why}")
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in found])
    return [file for files in found for file in files], labels


def _images_below(folder: Path, above: frozenset[str]) -> list[str]:
    """Return the images below `folder`, sorted, as relative paths; `above` stops links that lead back up."""
    above = above | {os.path.realpath(folder)}
    files = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if os.path.realpath(entry.path) not in above:
                    files += [f"{entry.name}/{name}" for name in _images_below(Path(entry.path), above)]
            elif entry.name.lower().endswith(EXTENSIONS):
                files.append(entry.name)
    return sorted(files)

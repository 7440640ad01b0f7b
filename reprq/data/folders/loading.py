"""Folders of files: one reader for every command and modality, whichever layout it is."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.folders.layout import Classes, FolderLayout, extensions, is_benign_name, read_layout
from reprq.data.folders.listing import FileKind, Folder
from reprq.data.folders.masks import paired_masks
from reprq.data.modality import Source
from reprq.data.names import readable
from reprq.data.stratified import split_info, stratified_rows
from reprq.errors import DataError, InputError, bounded, counted, listed

SPLITS = ("train", "test")


def load_files(
    path: str | Path,
    kind: FileKind,
    source: Callable[[Path, Sequence[str], Mapping[str, tuple[str, ...]]], Source],
    split: str,
    seed: int,
    *,
    whole: bool = False,
) -> Dataset:
    """Return one split of a folder of files.

    Understood are `train/` and `test/` (or `val/`), however they are spelled, with a folder a class in each; a folder a
    class with `train/` and `test/` in it; a folder a class, which is split here, seeded and stratified; items without
    class folders, which are one class; and one side of a split whose other side stands beside it. One folder around all
    of that is gone into. Masks, in folders of their own or beside their images, belong to images by name (see
    `paired_masks`). Hidden files and what file systems leave behind are passed over; links are followed; folders inside
    a class folder belong to the class. Nothing is decoded here. `notes` of the data set say what was read and what was
    passed over.

    Args:
        path: The folder. Classes that only the test side has, such as kinds of defects (the layout of MVTec AD), have
            no training items.
        kind: Which files are items.
        source: Makes the source of the files that are, from the folder, their relative paths and the masks of those
            that have one.
        split: "train" or "test".
        seed: Seed of the split where the folder has none.
        whole: Whether to take all items, not one side of a split made here, where the folder has none.

    Raises:
        DataError: No such folder, a layout that is not known or not clear, no items, a training class that the test
            side has not, or a class with too few items.
    """
    root = _root(path, kind)
    shown = readable(str(root))
    folder = Folder(root, kind)
    layout = read_layout(folder)
    if split in layout.missing:
        raise DataError(layout.missing[split])
    official = split in layout.sides
    found = layout.sides[split if official else "all"]
    classes = _all_classes(shown, layout, kind) if official else sorted(found)
    _check_counts(shown, found, kind, official or whole)
    files = [file for name in classes for file in found.get(name, ())]
    labels = np.repeat(np.arange(len(classes)), [len(found.get(name, ())) for name in classes])
    masks = paired_masks(folder, _scored_first(layout)) if kind.masks else {}
    rows = np.arange(len(files)) if official or whole else stratified_rows(labels, split, seed)
    made = {"kind": "official"} if official else {"kind": "whole"} if whole else split_info(seed)
    return Dataset(
        name=readable(f"{kind.prefix}{path}"),
        split=split,
        classes=tuple(classes),
        labels=labels[rows],
        ids=np.array([readable(file) for file in files], dtype=np.str_)[rows],
        source=source(root, files, masks),
        rows=rows,
        split_info=made,
        notes=_notes(shown, folder, layout, whole, sum(map(len, masks.values()))),
        modality=kind.modality,
    )


def _root(path: str | Path, kind: FileKind) -> Path:
    """The folder, if there is one."""
    if not str(path):
        raise InputError(f"{kind.prefix} needs a path, as in {kind.prefix}/data/flowers")
    try:
        root = Path(path).expanduser()
        if root.is_dir():
            return root
        reason = "is a file; unpack an archive, and give the folder" if root.is_file() else "does not exist"
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such user, a zero byte
        reason = f"cannot be: {getattr(error, 'strerror', None) or error}"
    raise DataError(f"the {kind.modality} folder {readable(bounded(str(path)))} {reason}; {kind.expected}")


def _all_classes(root: str, layout: FolderLayout, kind: FileKind) -> list[str]:
    """The classes of both sides; kinds of anomalies have no training items, but what trains must be scored."""
    train, test = (layout.sides.get(side, {}) for side in SPLITS)
    if "train" in layout.missing or "test" in layout.missing or not (train and test):
        return sorted({*train, *test})
    noun = kind.noun
    if unscored := [name for name in train if name not in test]:
        other = [name for name in test if name.lower() == unscored[0].lower()]
        advice = f"{unscored[0]!r} is {other[0]!r} there: give both one spelling" if other else f"add test {noun}s"
        some = ", ".join(map(repr, unscored[:4]))
        raise DataError(f"the training {noun}s of {root} have classes that the test {noun}s have not, {some}; {advice}")
    return sorted(test)


def _check_counts(root: str, found: Classes, kind: FileKind, official: bool) -> None:
    at_least = 1 if official else 2
    for name, files in found.items():
        if len(files) < at_least:
            why = "" if official else " to be split into train and test"
            raise DataError(
                f"class {name!r} in {root} has {counted(len(files), kind.noun)}, it needs at least {at_least}{why}"
            )


def _scored_first(layout: FolderLayout) -> list[str]:
    """The items of all sides: where two are called alike, a mask is of the one that is scored and not benign."""
    classes = [
        (side == "train", is_benign_name(name), items)
        for side, found in layout.sides.items()
        for name, items in found.items()
    ]
    return [item for _, _, items in sorted(classes) for item in items]


def _notes(root: str, folder: Folder, layout: FolderLayout, whole: bool, masks: int) -> tuple[str, ...]:
    """What was read, and what was passed over."""
    sides = [f"{_counted(found)}{'' if side == 'all' else f' to {side}'}" for side, found in layout.sides.items()]
    own = ", split here" if "all" in layout.sides and not whole else ""
    note = f"{root} was read as {layout.pattern}{own}: {'; '.join(sides)}"
    note += f"; with {counted(masks, 'mask')}" if masks else ""
    alone, others = len(folder.all_masks()) - masks, folder.all_others()
    passed = [*layout.passed, *([f"{counted(alone, 'mask')} of no image"] if alone else [])]
    passed += [extensions(others)] if others else []
    return (f"{note}; passed over: {', '.join(passed)}" if passed else note,)


def _counted(found: Classes) -> str:
    return listed([f"{name} {len(files)}" for name, files in sorted(found.items())])

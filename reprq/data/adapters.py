"""What Python programs hold as data sets: arrays, lists, tables, torch's and Hugging Face's data sets, data loaders."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reprq.data.arrays import as_numpy, is_array
from reprq.data.classes import class_names, labelled
from reprq.data.columns import TEXT_NAMES, are_texts, columns_of, is_image_file, is_text_file, item_columns, item_of
from reprq.data.dataset import Dataset
from reprq.data.image.items import ItemSource
from reprq.data.image.pixels import as_batch
from reprq.data.image.sources import ArraySource, FileSource
from reprq.data.modality import Source
from reprq.data.registry import UNNAMED, load_dataset
from reprq.data.table.files import check_names
from reprq.data.table.loading import rows_of_frame
from reprq.data.text.sources import TextFiles, Texts
from reprq.errors import DataError, InputError

_ACCEPTED = (
    "a name such as 'digits' or 'folder:PATH', a Path, a torch Dataset or DataLoader, a Hugging Face Dataset, a uint8"
    " array or tensor of images, a list of paths, PIL images or texts, or a DataFrame of paths, texts or variables"
)


def as_dataset(
    data: Any, split: str = "train", *, root: Path | str | None = None, download: bool = False, seed: int = 0
) -> Dataset:
    """Return what a Python program holds as a data set of images, texts or rows, with labels where it has some.

    The backbone's preprocessing starts from 8-bit images. So the items of a torch `Dataset` may be PIL images, paths,
    uint8, or what `ToTensor()` alone makes of them, which is taken back exactly; floats that were normalized or
    interpolated are refused, because nothing tells how to undo that. Every item is read once here, and again when its
    embedding is computed; a transform that draws at random gives another image then, and is refused too. Of a
    `DataLoader` the data set counts, in its own order, not the batches.

    A text is a string under a key or column called text, document, sentence, ...; or of a list that names no files,
    by their endings or by being there, of which one of several words is enough. Texts are held in memory.

    Args:
        data: A `Dataset`; a name or folder as in `load_dataset`; a torch `Dataset` with a length, or a
            `DataLoader` of all its rows; a Hugging Face `Dataset`; a mapping of splits to such; images as an array or
            tensor (n, H, W), (n, H, W, 3) or (n, 3, H, W), uint8 or whole 255ths, alone or as `(images, labels)`; a
            sequence of paths, PIL images, arrays or texts, alone or each in a pair with its label; a DataFrame with a
            column of them, or where there is none of numbers and categories, and one of labels. Columns and keys are
            found by name (image, path, file, ..., text, document, ...; label, class, target, ...).
        split: "train" or "test": which side of named data or of a mapping, and what to call any other.
        root: Where named data is, and where relative paths start.
        download: Whether named data may be downloaded.
        seed: Of the split of named data that comes without one.

    Returns:
        The data set; without labels it has the one class "unlabelled".

    Raises:
        InputError: an object of another kind, pixels that are not 8-bit, or labels that are no classes.
        DataError: a file or an item that cannot be read.
        UnknownNameError: no such named data set or split.

    Example:
        >>> images = as_dataset((np.zeros((4, 8, 8), np.uint8), ["cat", "dog", "cat", "cat"]))
        >>> len(images), images.classes, images.labels.tolist()
        (4, ('cat', 'dog'), [0, 1, 0, 0])
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | Path):
        name = f"folder:{data}" if isinstance(data, Path) else data
        return load_dataset(name, split, root=root, download=download, seed=seed)
    if isinstance(data, Mapping) and split in data:
        return as_dataset(data[split], split, root=root, download=download, seed=seed)
    rows, labels, names = _parts(data, root)
    values, classes = labelled(labels, names, len(rows))
    return Dataset(
        name=f"{UNNAMED}{type(_inside_loader(data)).__name__}",
        split=split,
        classes=classes,
        labels=values,
        ids=rows.ids,
        source=rows.source,
        rows=np.arange(len(rows)),
        split_info={"kind": "given"},
        modality=rows.modality,
    )


class _Rows:
    """A source with the names of its rows."""

    def __init__(self, source: Source, ids: Sequence[str] | int, modality: str = "image") -> None:
        names = [f"{row:05d}" for row in range(ids)] if isinstance(ids, int) else list(ids)
        self.source, self.ids, self.modality = source, np.array(names, dtype=np.str_), modality

    def __len__(self) -> int:
        return len(self.ids)


Parts = tuple[_Rows, Sequence[Any] | None, Sequence[str] | None]


def _parts(data: Any, root: Path | str | None) -> Parts:
    """Rows, labels or None, and the names of the classes or None."""
    data = _inside_loader(data)
    if hasattr(data, "iloc"):
        return _of_table(data, root)
    if isinstance(data, Mapping):
        return _of_columns(data, root)
    if isinstance(data, tuple) and len(data) == 2 and np.ndim(data[0]) > 2 and np.ndim(data[1]) in (1, 2):
        return _parts(data[0], root)[0], list(data[1]), None
    if is_array(data):
        if as_numpy(data).dtype.kind in "OU":
            return _of_items(list(as_numpy(data)), root)
        pixels = as_batch(data, "data")
        return _Rows(ArraySource(pixels), len(pixels)), None, None
    if isinstance(data, Image.Image):
        raise InputError("data must be a data set, got one PIL image; give a list of images, as in [image]")
    if not hasattr(type(data), "__getitem__"):
        hint = "; make a list of it first" if isinstance(data, Iterable) else ""
        raise InputError(f"data must be {_ACCEPTED}, got {type(data).__name__}{hint}")
    return _of_items(data, root)


def _inside_loader(data: Any) -> Any:
    """The data set of a data loader, if it visits every row once; anything else as it is."""
    if not (hasattr(data, "dataset") and hasattr(data, "batch_size") and hasattr(data, "sampler")):
        return data
    kind = type(data.sampler).__name__
    whole = kind == "SequentialSampler" or (kind == "RandomSampler" and not data.sampler.replacement)
    if (not whole and kind != "_InfiniteConstantSampler") or (whole and len(data.sampler) != len(data.dataset)):
        raise InputError(
            f"a DataLoader with a {kind} visits other rows than its data set; give the data set itself, such as"
            " torch.utils.data.Subset(dataset, rows)"
        )
    return data.dataset


def _of_items(items: Any, root: Path | str | None) -> Parts:
    """Read every item once, so that labels are known and a bad one stops the work before it starts."""
    what = type(items).__name__
    try:
        count = len(items)
    except (TypeError, NotImplementedError):
        raise InputError(f"data must have a length, a {what} has none; make a list of its items first") from None
    if count == 0:
        raise InputError(f"data must hold at least one image or text, got an empty {what}")
    first = item_of(items, 0, what)
    held = isinstance(items, list | tuple)
    if first.is_text or (first.is_path and (held or not first.name)):
        entries = [item_of(items, i, what) for i in range(count)]
        labels = _column([entry.label for entry in entries])
        if are_texts(entries, root):
            return _of_texts([entry.value for entry in entries], what), labels, class_names(items)
        if held and all(isinstance(entry.value, str | Path) for entry in entries):
            return _of_paths([entry.value for entry in entries], root), labels, None
    source = ItemSource(items, what, root)
    labels = _column([source.read(i) for i in range(count)])
    return _Rows(source, count), labels, class_names(items)


def _of_texts(texts: Sequence[Any], what: str) -> _Rows:
    """Documents, all there and none empty."""
    if others := [i for i, text in enumerate(texts) if not isinstance(text, str)]:
        kind = type(texts[others[0]]).__name__
        raise InputError(f"data must be all texts, as its first item is, got a {kind} at item {others[0]}")
    return _Rows(Texts(texts, f"{what} item"), len(texts), "text")


def _of_paths(paths: Sequence[Any], root: Path | str | None) -> _Rows:
    files = [str(path) for path in paths]
    base = Path(root or "").expanduser().resolve()
    if missing := [file for file in files if not (base / file).is_file()]:
        kind = "text" if is_text_file(files[0]) else "image"
        raise DataError(f"{len(missing)} of {len(files)} {kind} files do not exist, the first is {missing[0]}")
    if all(map(is_text_file, files)):
        return _Rows(TextFiles(base, files), files, "text")
    return _Rows(FileSource(base, files), files)


def _of_table(table: Any, root: Path | str | None) -> Parts:
    """A DataFrame or a Series."""
    if not hasattr(table, "columns"):
        return _of_items(table.tolist(), root)
    check_names(list(map(str, table.columns)), "the DataFrame")
    columns = {name: table[name].tolist() for name in table.columns}
    files = [name for name, values in columns.items() if values and all(map(is_image_file, values))]
    named = item_columns(list(columns))
    if not (named or files):
        found = rows_of_frame(table)
        return _Rows(found.source, found.ids or len(table), "table"), found.labels, None
    item, label = columns_of(list(columns), "the DataFrame", named if len(named) == 1 else files)
    rows, _, _ = _of_items([{item: value} for value in columns[item]] if item in named else columns[item], root)
    return rows, None if label is None else columns[label], None


def _of_columns(columns: Mapping[Any, Any], root: Path | str | None) -> Parts:
    """A mapping of names to arrays or lists."""
    item, label = columns_of(list(columns), "the mapping")
    held = columns[item]
    of_texts = str(item).lower() in TEXT_NAMES and not hasattr(held, "dtype")
    rows = _of_texts(list(held), "mapping") if of_texts else _parts(held, root)[0]
    return rows, None if label is None else list(columns[label]), None


def _column(labels: list[Any]) -> list[Any] | None:
    return None if all(label is None for label in labels) else labels

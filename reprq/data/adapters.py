"""What Python programs hold as data sets: arrays, lists, tables, torch's and Hugging Face's data sets, data loaders."""

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reprq.data.classes import class_names, labelled
from reprq.data.dataset import Dataset
from reprq.data.image.decoding import Header
from reprq.data.image.folder import EXTENSIONS
from reprq.data.image.pixels import as_batch, as_image, as_numpy, is_array
from reprq.data.image.sources import ArraySource, FileSource, ImageSource
from reprq.data.registry import load_dataset
from reprq.errors import DataError, InputError

IMAGE_NAMES = ("image", "images", "img", "pixel_values", "path", "paths", "file", "files", "filename", "file_name")
PATH_NAMES = ("filepath", "file_path", "image_path", "img_path", "image_file")
LABEL_NAMES = ("class", "class_name", "target", "targets", "y", "category")  # and what ends in "label" or "labels"
_LABELS = ("label", "labels")
_ACCEPTED = (
    "a name such as 'digits' or 'folder:PATH', a Path, a torch Dataset or DataLoader, a Hugging Face Dataset, a uint8"
    " array or tensor of images, a list of paths or PIL images, or a DataFrame of paths"
)


def as_dataset(
    data: Any, split: str = "train", *, root: Path | str | None = None, download: bool = False, seed: int = 0
) -> Dataset:
    """Return what a Python program holds as a data set of images, with labels where it has some.

    The backbone's preprocessing starts from 8-bit images. So the items of a torch `Dataset` may be PIL images, paths,
    uint8, or what `ToTensor()` alone makes of them, which is taken back exactly; floats that were normalised or
    interpolated are refused, because nothing tells how to undo that. Every item is read once here, and again when its
    embedding is computed; a transform that draws at random gives another image then, and is refused too. Of a
    `DataLoader` the data set counts, in its own order, not the batches.

    Args:
        data: An `Dataset`; a name or folder as in `load_dataset`; a torch `Dataset` with a length, or a
            `DataLoader` of all its rows; a Hugging Face `Dataset`; a mapping of splits to such; images as an array or
            tensor (n, H, W), (n, H, W, 3) or (n, 3, H, W), uint8 or whole 255ths, alone or as `(images, labels)`; a
            sequence of paths, PIL images or arrays, alone or each in a pair with its label; a DataFrame with a column
            of them, and one of labels. Columns and keys are found by name (image, path, file, ...; label, class,
            target, ...).
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
    images, labels, names = _parts(data, root)
    values, classes = labelled(labels, names, len(images))
    return Dataset(
        name=f"python:{type(_inside_loader(data)).__name__}",
        split=split,
        classes=classes,
        labels=values,
        ids=images.ids,
        source=images.source,
        rows=np.arange(len(images)),
        split_info={"kind": "given"},
    )


class _Images:
    """A source with the names of its rows."""

    def __init__(self, source: ImageSource, ids: Iterable[str]) -> None:
        self.source, self.ids = source, np.array(list(ids), dtype=np.str_)

    def __len__(self) -> int:
        return len(self.ids)


Parts = tuple[_Images, Sequence[Any] | None, Sequence[str] | None]


def _parts(data: Any, root: Path | str | None) -> Parts:
    """Images, labels or None, and the names of the classes or None."""
    data = _inside_loader(data)
    if hasattr(data, "iloc"):
        return _of_table(data, root)
    if isinstance(data, Mapping):
        return _of_columns(data, root)
    if isinstance(data, tuple) and len(data) == 2 and np.ndim(data[0]) > 2 and np.ndim(data[1]) in (1, 2):
        return _parts(data[0], root)[0], list(data[1]), None
    if is_array(data):
        if as_numpy(data).dtype == object:
            return _of_items(list(as_numpy(data)), root)
        pixels = as_batch(data, "data")
        return _Images(ArraySource(pixels), map(_numbered, range(len(pixels)))), None, None
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
        raise InputError(f"data must hold at least one image, got an empty {what}")
    first = _split_item(_item(items, 0, what), what)
    if isinstance(first[0], str | Path) and isinstance(items, list | tuple):
        pairs = [_split_item(item, what) for item in items]
        if all(isinstance(image, str | Path) for image, _ in pairs):
            return _of_paths([image for image, _ in pairs], root), _column([label for _, label in pairs]), None
    source = ItemSource(items, what, root)
    labels = _column([source.read(i) for i in range(count)])
    return _Images(source, map(_numbered, range(count))), labels, class_names(items)


class ItemSource(ImageSource):
    """The items of somebody else's data set, each read when it is asked for, by one thread at a time.

    Args:
        items: Anything with `[i]`, giving an image, an image and its label, or a mapping with one.
        what: What to call it in an error.
        root: Where relative paths start.
    """

    def __init__(self, items: Any, what: str, root: Path | str | None) -> None:
        self._items, self._what, self._root = items, what, root
        self._digests: dict[int, bytes] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def read(self, i: int) -> Any:
        """Read item `i` for the first time, and return its label or None."""
        image, label = self._read(i)
        self._digests[i], self._sizes[i] = _digest(image), image.size
        return label

    def item(self, i: int) -> Image.Image:
        """Return item `i` as an RGB image; an `InputError` if it is another image than at the first time."""
        image, _ = self._read(i)
        if _digest(image) != self._digests[i]:
            raise InputError(
                f"item {i} of the {self._what} is another image each time it is read, so its embedding would be one of"
                " many; take transforms that draw at random out of it"
            )
        return image

    def header(self, i: int) -> Header:
        """Return the size of item `i`."""
        return Header(self._sizes[i])

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of the size and the pixels of item `i`."""
        return self._digests[i]

    def verify(self, i: int) -> None:
        """Read item `i` again; an `InputError` or `DataError` if that fails or gives another image."""
        self.item(i)

    def _read(self, i: int) -> tuple[Image.Image, Any]:
        with self._lock:
            image, label = _split_item(_item(self._items, i, self._what), self._what)
            return as_image(image, f"item {i} of the {self._what}", self._root), label


def _digest(image: Image.Image) -> bytes:
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()


def _item(items: Any, i: int, what: str) -> Any:
    try:
        return items[i]
    except Exception as error:  # other people's code
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"item {i} of the {what} cannot be read: {said}") from error


def _split_item(item: Any, what: str) -> tuple[Any, Any]:
    """The image and the label, or None, of one item."""
    if isinstance(item, Mapping):
        image, label = _named(list(item), f"the items of the {what}")
        return item[image], None if label is None else item[label]
    if isinstance(item, tuple | list) and item:
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _of_paths(paths: Sequence[Any], root: Path | str | None) -> _Images:
    files = [str(path) for path in paths]
    base = Path(root or "").expanduser().resolve()
    if missing := [file for file in files if not (base / file).is_file()]:
        raise DataError(f"{len(missing)} of {len(files)} image files do not exist, the first is {missing[0]}")
    return _Images(FileSource(base, files), files)


def _of_table(table: Any, root: Path | str | None) -> Parts:
    """A DataFrame or a Series."""
    if not hasattr(table, "columns"):
        return _of_items(table.tolist(), root)
    columns = {name: table[name].tolist() for name in table.columns}
    files = [name for name, values in columns.items() if values and all(map(_is_image_file, values))]
    named = [name for name in columns if str(name).lower() in (*IMAGE_NAMES, *PATH_NAMES)]
    image, label = _named(list(columns), "the DataFrame", named if len(named) == 1 else files)
    images, _, _ = _of_items(columns[image], root)
    return images, None if label is None else columns[label], None


def _of_columns(columns: Mapping[Any, Any], root: Path | str | None) -> Parts:
    """A mapping of names to arrays or lists."""
    image, label = _named(list(columns), "the mapping")
    images, _, _ = _parts(columns[image], root)
    return images, None if label is None else list(columns[label]), None


def _named(names: Sequence[Any], what: str, images: Sequence[Any] | None = None) -> tuple[Any, Any]:
    """The names of the images and of the labels, or None, among columns or keys."""
    images = [name for name in names if str(name).lower() in (*IMAGE_NAMES, *PATH_NAMES)] if images is None else images
    labels = [name for name in names if str(name).lower() in LABEL_NAMES or str(name).lower().endswith(_LABELS)]
    listed = ", ".join(map(repr, islice(names, 10)))
    if len(images) != 1:
        raise InputError(f"{what} must have one column of images, called 'image' or 'path', got {listed}")
    if len(labels) > 1:
        raise InputError(
            f"{what} must have at most one column of labels, got {', '.join(map(repr, labels))}; drop some"
        )
    return images[0], labels[0] if labels else None


def _is_image_file(value: Any) -> bool:
    return isinstance(value, str | Path) and str(value).lower().endswith(EXTENSIONS)


def _column(labels: list[Any]) -> list[Any] | None:
    return None if all(label is None for label in labels) else labels


def _numbered(row: int) -> str:
    return f"{row:05d}"

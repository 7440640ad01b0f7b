"""Items and columns of other people's data sets: which is the image or the text, and which the label."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from reprq.data.image.folder import EXTENSIONS
from reprq.errors import DataError, InputError, one_line

_IMAGE_NAMES = ("image", "images", "img", "pixel_values", "path", "paths", "file", "files", "filename", "file_name")
_PATH_NAMES = ("filepath", "file_path", "image_path", "img_path", "image_file")
TEXT_NAMES = ("text", "texts", "document", "documents", "content", "body", "message", "sentence", "review", "sms")
_LABEL_NAMES = ("class", "class_name", "target", "targets", "y", "category")  # and what ends in "label" or "labels"
_LABELS = ("label", "labels")
_TEXT_FILES = (".txt", ".text", ".md", ".rst", ".eml")


class Item(NamedTuple):
    """One item, with its label or None, under the name of its key where it has one."""

    value: Any
    label: Any
    name: str = ""

    @property
    def is_path(self) -> bool:
        """Whether it names a file."""
        return isinstance(self.value, str | Path) and not self.is_text

    @property
    def is_text(self) -> bool:
        """Whether it is a text, and not the name of a file."""
        if not isinstance(self.value, str):
            return False
        words = len(self.value.split()) > 1 and not self.value.lower().endswith((*EXTENSIONS, *_TEXT_FILES))
        return self.name.lower() in TEXT_NAMES or (not self.name and words)


def are_texts(entries: Sequence[Item], root: Path | str | None = None) -> bool:
    """Whether entries without names are texts, some of which may be of one word or empty, and not names of files.

    A file is told by a known ending, a slash in what has no space, or by being there.

    Args:
        entries: All that there are.
        root: Where relative paths start.

    Example:
        >>> are_texts([Item("", None), Item("ok", None)]), are_texts([Item("a.png", None), Item("b.png", None)])
        (True, False)
    """
    if entries[0].name or not all(isinstance(entry.value, str) for entry in entries):
        return entries[0].is_text
    words = [entry.value for entry in entries if not _is_file(entry.value, root)]
    return len(words) == len(entries) or any(len(text.split()) > 1 for text in words)


def _is_file(value: str, root: Path | str | None) -> bool:
    if value.lower().endswith((*EXTENSIONS, *_TEXT_FILES)):
        return True
    if not value or len(value.split()) > 1:
        return False
    with suppress(OSError, ValueError):  # a name that is too long, or holds what no name can
        return ("/" in value and "://" not in value) or (Path(root or "").expanduser() / value).is_file()
    return False


def item_of(items: Any, i: int, what: str) -> Item:
    """Return one item of a data set.

    Raises:
        DataError: It cannot be read.
        InputError: A mapping without an image or a text, or with several.
    """
    try:
        item = items[i]
    except Exception as error:  # other people's code
        said = one_line(error, kind=True)
        raise DataError(f"item {i} of the {what} cannot be read: {said}") from error
    if isinstance(item, Mapping):
        name, label = columns_of(list(item), f"the items of the {what}")
        return Item(item[name], None if label is None else item[label], str(name))
    if isinstance(item, tuple | list) and item:
        return Item(item[0], item[1] if len(item) > 1 else None)
    return Item(item, None)


def columns_of(names: Sequence[Any], what: str, items: Sequence[Any] | None = None) -> tuple[Any, Any]:
    """Return the name of the column of items, and of that of labels or None.

    Args:
        names: The columns or keys.
        what: Whose they are, for an error.
        items: What may be the column of items; by default those of images or paths, and where there is none of texts.
    """
    if items is None:
        items = item_columns(names)
    labels = label_columns(names)
    listed = ", ".join(map(repr, islice(names, 10)))
    if len(items) != 1:
        raise InputError(
            f"{what} must have one column of images, called 'image' or 'path', or of texts, called 'text', got {listed}"
        )
    if len(labels) > 1:
        raise InputError(
            f"{what} must have at most one column of labels, got {', '.join(map(repr, labels))}; drop some"
        )
    return items[0], labels[0] if labels else None


def item_columns(names: Sequence[Any]) -> list[Any]:
    """Return the columns that are called as images or paths are; where there is none, as texts are."""
    images = [name for name in names if str(name).lower() in (*_IMAGE_NAMES, *_PATH_NAMES)]
    return images or [name for name in names if str(name).lower() in TEXT_NAMES]


def label_columns(names: Sequence[Any]) -> list[Any]:
    """Return the columns that are called as labels are."""
    return [name for name in names if str(name).lower() in _LABEL_NAMES or str(name).lower().endswith(_LABELS)]


def is_image_file(value: Any) -> bool:
    """Whether a value is the name of an image file."""
    return isinstance(value, str | Path) and str(value).lower().endswith(EXTENSIONS)


def is_text_file(value: Any) -> bool:
    """Whether a value is the name of a file of text."""
    return str(value).lower().endswith(_TEXT_FILES)

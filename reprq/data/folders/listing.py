"""What a folder holds: items of one kind, folders with such, masks of images, and files that are none of these."""

import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from reprq.data.modality import modality_named
from reprq.data.names import class_name, readable
from reprq.errors import DataError

_OF_SYSTEMS = {"@eadir", "#recycle", "@recycle", "#snapshot", "__macosx", "$recycle.bin", "lost+found", "__pycache__"}
_OF_SYSTEMS |= {"system volume information"}
_OF_SYSTEMS |= {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
_MASK_WORDS = {"groundtruth", "gt", "mask", "masks", "segmentation", "segmentations", "annotation", "annotations"}
_MASK_WORDS |= {"labels", "trimaps"}
_BESIDE_MASK_WORDS = {"defect", "anomaly", "pixel", "binary", "images", "image", "img", "png", "dir", "folder"}
_MASK_ENDING = re.compile(r"[_-](masks?|gt|labels?|seg|segmentation|ground_?truth|annotation)$", re.IGNORECASE)
_LOSSLESS = (".png", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".pbm")


@dataclass(frozen=True)
class FileKind:
    """Which files are the items of a data set.

    Attributes:
        modality: "image".
        prefix: How such a folder is named, "folder:".
        example: "*.png".
        described: How the files are told, to follow "images".
        extensions: Those of the items; none where every file is one, but what is foreign.
        foreign: Extensions that are no items where every other file is one.
        unread: Extensions of files that a person may take for items, and that are not read.
        masks: Whether there may be masks beside the items.
    """

    modality: str
    prefix: str
    example: str
    described: str
    extensions: tuple[str, ...] = ()
    foreign: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()
    masks: bool = False

    @property
    def noun(self) -> str:
        """What an item is: "image"."""
        return modality_named(self.modality).item

    @property
    def expected(self) -> str:
        """Which layouts are known, in a few words."""
        return f"expected train/CLASS/{self.example} and test/CLASS/{self.example}, or CLASS/{self.example}"

    def holds(self, name: str) -> bool:
        """Whether a file of this name is an item."""
        if self.extensions:
            return name.lower().endswith(self.extensions)
        return PurePath(name).suffix.lower() not in self.foreign | self.unread


class Folder:
    """A folder that is read when it is asked for; links are followed, hidden entries and those of systems are not.

    Args:
        path: Where it is.
        kind: Which of its files are items.
        name: Its path relative to the data set's root; "" for the root.
        above: The real paths of the folders that it is in, so that a link that leads back up ends.
    """

    def __init__(self, path: Path, kind: FileKind, name: str = "", above: frozenset[str] = frozenset()) -> None:
        self.path, self.kind, self.name = path, kind, name
        self._above = above | {os.path.realpath(path)}

    @property
    def label(self) -> str:
        """Its own name as a class."""
        return class_name(PurePath(self.name).name or self.path.resolve().name)

    @cached_property
    def _entries(self) -> tuple[list["Folder"], list[str]]:
        folders, files = [], []
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name.lower() in _OF_SYSTEMS:
                        continue
                    if not entry.is_dir():
                        if entry.is_file() or entry.is_symlink():  # a link that leads nowhere is named when it is read
                            files.append(entry.name)
                    elif os.path.realpath(entry.path) not in self._above:
                        folders.append(Folder(Path(entry.path), self.kind, self._inside(entry.name), self._above))
        except OSError as error:
            raise DataError(
                f"the folder {readable(str(self.path))} cannot be read: {error.strerror or error}"
            ) from None
        return sorted(folders, key=lambda folder: folder.name), sorted(files)

    def _inside(self, name: str) -> str:
        return f"{self.name}/{name}" if self.name else name

    @cached_property
    def masks(self) -> list["Folder"]:
        """The folders of masks and annotations; where a class is called "no_mask", masks are a class, too."""
        found = self._entries[0] if self.kind.masks else []
        named = [folder for folder in found if is_mask_folder(folder.label)]
        if any("mask" in folder.label.lower() for folder in found if folder not in named):
            return [folder for folder in named if "mask" not in folder.label.lower()]
        return named

    @cached_property
    def folders(self) -> list["Folder"]:
        """All other folders in it, in the order of their names."""
        return [folder for folder in self._entries[0] if folder not in self.masks]

    @cached_property
    def classes(self) -> list["Folder"]:
        """The folders in it that have items, in themselves or in their folders."""
        return [folder for folder in self.folders if folder.has_items]

    @cached_property
    def items(self) -> list[str]:
        """The items that are in it and in none of its folders, as paths relative to the root."""
        found = [name for name in self._entries[1] if self.kind.holds(name)]
        masks = _masks_among(found) if self.kind.masks else set()
        return [self._inside(name) for name in found if name not in masks]

    @cached_property
    def has_items(self) -> bool:
        """Whether there is an item in it or in one of its folders."""
        return bool(self.items) or any(folder.has_items for folder in self.folders)

    def all_items(self) -> list[str]:
        """Return the items in it and in its folders, sorted."""
        return sorted([*self.items, *(name for folder in self.folders for name in folder.all_items())])

    def all_masks(self) -> list[str]:
        """Return the items in it and in its folders that were taken for masks."""
        items = set(self.items)
        found = [name for name in map(self._inside, filter(self.kind.holds, self._entries[1])) if name not in items]
        found += [name for folder in self.masks for name in folder.all_items()]
        return found + [name for folder in (*self.masks, *self.folders) for name in folder.all_masks()]

    @cached_property
    def others(self) -> list[str]:
        """The files in it and in none of its folders that are no items, as paths relative to the root."""
        return [self._inside(name) for name in self._entries[1] if not self.kind.holds(name)]

    def all_others(self) -> Counter[str]:
        """Return how many files of which extensions, in it and in its folders, are no items that are read."""
        found = Counter(readable(PurePath(name).suffix.lower()) or "no extension" for name in self.others)
        return sum((folder.all_others() for folder in (*self.folders, *self.masks)), found)


def is_mask_folder(label: str) -> bool:
    """Whether a folder is called ground_truth, masks, GT, defect_masks and the like."""
    words = set(re.findall(r"[^\W_]+", label.lower().replace("ground_truth", "gt").replace("ground truth", "gt")))
    return bool(words & _MASK_WORDS) and words <= _MASK_WORDS | _BESIDE_MASK_WORDS


def _masks_among(files: list[str]) -> set[str]:
    """Which images of a folder are masks of others in it: named "1_mask.png" beside "1.png", or "1.png" beside "1.jpg".

    The latter counts where every lossless image has a lossy one of its name.
    """
    stems = {_stem(name) for name in files}
    lossless = {name for name in files if name.lower().endswith(_LOSSLESS)}
    lossy = {_stem(name) for name in files if name not in lossless}
    paired = len(lossless) > 1 and all(_stem(name) in lossy for name in lossless)
    return {name for name in files if _says_mask(_stem(name), stems)} | (lossless if paired else set())


def without_mask_ending(stem: str) -> str:
    """Return the name of a mask without what says that it is one.

    Example:
        >>> without_mask_ending("001_mask"), without_mask_ending("001")
        ('001', '001')
    """
    return _MASK_ENDING.sub("", stem)


def _says_mask(stem: str, stems: set[str]) -> bool:
    plain = without_mask_ending(stem)
    return plain != stem and plain in stems


def _stem(name: str) -> str:
    return name.rpartition(".")[0]

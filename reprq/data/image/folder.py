"""Folders of images: which files are images, and how they are read."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from reprq.data.dataset import Dataset
from reprq.data.folders.listing import FileKind
from reprq.data.folders.loading import load_files
from reprq.data.image.sources import FileSource

# Of the formats that are decoded (see `reprq.data.image.decoding`).
EXTENSIONS: tuple[str, ...] = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".pbm")
EXTENSIONS += (".pgm", ".ppm", ".pnm", ".mpo", ".tif", ".tiff", ".webp")
UNREAD_IMAGES = {".heic", ".heif", ".hif", ".jxl", ".jp2", ".j2k", ".tga", ".dng", ".cr2", ".cr3", ".nef", ".arw"}
UNREAD_IMAGES |= {".orf", ".rw2", ".raw", ".psd", ".exr", ".hdr", ".svg", ".dcm", ".nii", ".npy", ".avi", ".mp4"}
if find_spec("PIL.AvifImagePlugin"):  # from Pillow 11.3 on
    EXTENSIONS += (".avif",)
else:
    UNREAD_IMAGES |= {".avif"}
IMAGES = FileKind(
    "image",
    "folder:",
    "*.png",
    f"end in {', '.join(EXTENSIONS)}",
    extensions=EXTENSIONS,
    unread=frozenset(UNREAD_IMAGES),
    masks=True,
)


def load_folder(path: str | Path, split: str, seed: int, *, whole: bool = False) -> Dataset:
    """Return one split of a folder of images, which are decoded when they are asked for; see `load_files`."""

    def source(root: Path, files: Sequence[str], masks: Mapping[str, tuple[str, ...]]) -> FileSource:
        return FileSource(root, files, masks=masks)

    return load_files(path, IMAGES, source, split, seed, whole=whole)

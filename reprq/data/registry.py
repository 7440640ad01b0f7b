"""Data sets by name."""

from dataclasses import dataclass
from pathlib import Path

from reprq.data.dataset import Dataset
from reprq.data.folders.loading import SPLITS
from reprq.data.image.folder import load_folder
from reprq.data.image.named import load_digits, load_torchvision
from reprq.data.reading import read_as
from reprq.data.text.folder import load_text
from reprq.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class DatasetInfo:
    """What can be said of a data set without loading it; None where it depends on the files."""

    name: str
    classes: int | None
    train: int | None
    test: int | None
    obtain: str


_INFOS = (
    DatasetInfo("digits", 10, 1258, 539, "part of scikit-learn"),
    DatasetInfo("cifar10", 10, 50000, 10000, "--download (170 MB)"),
    DatasetInfo("cifar100", 100, 50000, 10000, "--download (169 MB)"),
    DatasetInfo("mnist", 10, 60000, 10000, "--download (12 MB)"),
    DatasetInfo("usps", 10, 7291, 2007, "--download (8 MB)"),
    DatasetInfo("folder:PATH", None, None, None, "your own: train/CLASS/ and test/CLASS/, CLASS/, or images alone"),
    DatasetInfo("text:PATH", None, None, None, "your own: documents in CLASS/, or a table with a column 'text'"),
)


def available() -> list[DatasetInfo]:
    """Return what `load_dataset` knows, with sizes and where the files come from.

    Example:
        >>> [info.name for info in available()]
        ['digits', 'cifar10', 'cifar100', 'mnist', 'usps', 'folder:PATH', 'text:PATH']
    """
    return list(_INFOS)


def load_dataset(
    name: str | Path,
    split: str = "train",
    *,
    root: Path | str | None = None,
    download: bool = False,
    seed: int = 0,
    whole: bool = False,
    intensity_range: tuple[float, float] | None = None,
    skip_broken: bool = False,
) -> Dataset:
    """Return one split of a data set.

    Args:
        name: "digits", "cifar10", "cifar100", "mnist", "usps", "folder:PATH" of images or "text:PATH" of documents;
            a `Path` is a folder of images.
        split: "train" or "test".
        root: Where torchvision's data sets live; None means `$REPRQ_DATA`, else `~/.cache/reprq/data`.
        download: Whether torchvision's data sets may be fetched when they are not there.
        seed: Seed of the split where the data comes without one (digits, a folder without `train/` and `test/`).
        whole: Whether to take all images of a folder that comes without a split, not one side of a split made here.
        intensity_range: The stored values that become black and white, for image files of more than 8 bits a channel.
        skip_broken: Whether files that do not decode are left out, and listed in `reading` and `notes`.

    Raises:
        UnknownNameError: No such data set or split.
        DataError: The data is missing, damaged, empty or too small.

    Example:
        >>> data = load_dataset("digits", "test")
        >>> len(data), data.classes[3], data.image(0).size, data.split_info["kind"]
        (539, '3', (8, 8), 'stratified')
    """
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    if isinstance(name, Path):
        name = f"folder:{name}"
    if not isinstance(name, str):
        raise InputError(
            f"name must be the name of a data set, got a {type(name).__name__}; `reprq.data.as_dataset` takes data"
        )
    data = _load(name, split, root, download, seed, whole)
    return read_as(data, intensity_range=intensity_range, skip_broken=skip_broken)


def _load(name: str, split: str, root: Path | str | None, download: bool, seed: int, whole: bool) -> Dataset:
    if name.startswith("folder:"):
        return load_folder(name.removeprefix("folder:"), split, seed, whole=whole)
    if name.startswith("text:"):
        return load_text(name.removeprefix("text:"), split, seed, whole=whole)
    if name == "digits":
        return load_digits(split, seed)
    if name in ("cifar10", "cifar100", "mnist", "usps"):
        return load_torchvision(name, split, root, download)
    if Path(name).is_dir():
        raise InputError(f"{name!r} is a folder and no name of a data set; write 'folder:{name}'")
    raise UnknownNameError("data set", name, (info.name for info in _INFOS))

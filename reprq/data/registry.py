"""Data sets by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from reprq.data.audio.folder import load_audio
from reprq.data.audio.named import load_esc10
from reprq.data.dataset import Dataset
from reprq.data.folders.layout import NoItemsError
from reprq.data.folders.loading import SPLITS
from reprq.data.image.folder import load_folder
from reprq.data.image.named import load_digits, load_stl10, load_svhn, load_torchvision
from reprq.data.reading import read_as
from reprq.data.table.loading import load_rows
from reprq.data.table.named import SETS, load_half
from reprq.data.text.folder import load_text
from reprq.data.text.named import load_newsgroups, load_reuters, load_sms
from reprq.errors import DataError, InputError, UnknownNameError, counted
from reprq.registry import Entry, Registry

UNNAMED = "python:"  # how the name of data begins that a program holds


@dataclass(frozen=True)
class DatasetInfo:
    """What can be said of a data set without loading it; None where it depends on the files."""

    name: str
    classes: int | None
    train: int | None
    test: int | None
    obtain: str
    modality: str = "image"


class Asked(NamedTuple):
    """What is asked of a data set, as `load_dataset` takes it; `path` is what follows the colon of the name."""

    name: str
    path: str
    split: str
    seed: int
    root: Path | str | None
    download: bool
    whole: bool


def _digits(asked: Asked) -> Dataset:
    return load_digits(asked.split, asked.seed)


def _torchvision(asked: Asked) -> Dataset:
    return load_torchvision(asked.name, asked.split, asked.root, asked.download)


def _folder(asked: Asked) -> Dataset:
    return load_folder(asked.path, asked.split, asked.seed, whole=asked.whole)


def _text(asked: Asked) -> Dataset:
    return load_text(asked.path, asked.split, asked.seed, whole=asked.whole)


def _newsgroups(asked: Asked) -> Dataset:
    return load_newsgroups(asked.name, asked.split, asked.seed, asked.root)


def _reuters(asked: Asked) -> Dataset:
    return load_reuters(asked.name, asked.split, asked.root)


def _rows(asked: Asked) -> Dataset:
    return load_rows(asked.path, asked.split, asked.seed, whole=asked.whole)


def _half(asked: Asked) -> Dataset:
    return load_half(asked.name, asked.split, asked.seed, asked.root)


def _sms(asked: Asked) -> Dataset:
    return load_sms(asked.name, asked.split, asked.seed, asked.root)


def _audio(asked: Asked) -> Dataset:
    return load_audio(asked.path, asked.split, asked.seed, whole=asked.whole)


def _esc10(asked: Asked) -> Dataset:
    return load_esc10(asked.name, asked.split, asked.seed, asked.root)


def _mnist_c(asked: Asked) -> Dataset:
    from reprq.data.image.mnist_c import load_mnist_c  # only who asks for it loads SciPy's filters

    return load_mnist_c(asked.split, asked.root, asked.download)


def _svhn(asked: Asked) -> Dataset:
    return load_svhn(asked.split, asked.root, asked.download)


def _stl10(asked: Asked) -> Dataset:
    return load_stl10(asked.split, asked.root, asked.download)


def _drawn_digits(asked: Asked) -> Dataset:
    from reprq.data.image.drawn_digits import load_drawn

    return load_drawn(asked.split)


def _joint_digits(asked: Asked) -> Dataset:
    from reprq.data.image.joint_digits import load_joint

    return load_joint(asked.name, asked.split, asked.root, asked.download)


def _named(name: str, target: Callable[[Asked], Dataset], about: str, **sizes: int) -> Entry:
    return Entry(name=name, target=target, inputs="image", about=about, facts=sizes)


DATASETS = Registry(
    "data set",
    [
        _named("digits", _digits, "part of scikit-learn", classes=10, train=1258, test=539),
        _named("cifar10", _torchvision, "--download (170 MB)", classes=10, train=50000, test=10000),
        _named("cifar100", _torchvision, "--download (169 MB)", classes=100, train=50000, test=10000),
        _named("mnist", _torchvision, "--download (12 MB)", classes=10, train=60000, test=10000),
        _named("mnist_c", _mnist_c, "MNIST and its 15 corruptions", classes=16, train=60000, test=160000),
        _named(
            "emnist_letters",
            _torchvision,
            "--download (562 MB); both cases of a letter are one class",
            **{"classes": 26, "train": 124800, "test": 20800},
        ),
        _named("usps", _torchvision, "--download (8 MB)", classes=10, train=7291, test=2007),
        _named("svhn", _svhn, "--download (246 MB)", classes=10, train=73257, test=26032),
        _named("stl10", _stl10, "--download (2.6 GB)", classes=10, train=5000, test=8000),
        _named("drawn_digits", _drawn_digits, "drawn here, from fonts", classes=10, train=6000, test=2000),
        _named(
            "joint_digits",
            _joint_digits,
            "--download; mnist, usps and svhn in one format",
            classes=10,
            train=140548,
            test=38039,
        ),
        _named(
            "joint_digits_drawn",
            _joint_digits,
            "--download; mnist, usps and drawn_digits in one format",
            **{"classes": 10, "train": 73291, "test": 14007},
        ),
        Entry(
            name="20newsgroups",
            target=_newsgroups,
            inputs="text",
            about="--root FOLDER with 20news-bydate or 20_newsgroups; six groups, no headers, footers and quotes",
            facts={"classes": 6},
        ),
        Entry(
            name="20newsgroups-whole",
            target=_newsgroups,
            inputs="text",
            about="the same with headers, footers and quotes",
            facts={"classes": 6},
        ),
        Entry(
            name="reuters",
            target=_reuters,
            inputs="text",
            about="--root FOLDER with reut2-*.sgm; seven topics of Reuters-21578, ModApte's split",
            facts={"classes": 7, "train": 5444, "test": 2179},
        ),
        Entry(
            name="sms",
            target=_sms,
            inputs="text",
            about="--root FOLDER with SMSSpamCollection; ham, which is benign, and spam",
            facts={"classes": 2},
        ),
        *(
            Entry(
                name=name,
                target=_half,
                inputs="table",
                about=f"--root FOLDER with ADBench's {each.file}; half of the benign rows trains",
                facts={"classes": 2, "train": each.train, "test": each.test},
            )
            for name, each in SETS.items()
        ),
        Entry(
            name="esc10",
            target=_esc10,
            inputs="audio",
            about="--root FOLDER with ESC-10's CLASS/FOLD-*.ogg, or ESC-50's audio; the seed says which fold is scored",
            facts={"classes": 10, "train": 320, "test": 80},
        ),
        Entry(
            name="folder:PATH",
            target=_folder,
            inputs="image",
            about="your own: train/CLASS/ and test/CLASS/, CLASS/, or images alone",
        ),
        Entry(
            name="text:PATH",
            target=_text,
            inputs="text",
            about="your own: documents in CLASS/, or a table with a column 'text'",
        ),
        Entry(
            name="table:PATH",
            target=_rows,
            inputs="table",
            about="your own: a file with a column a variable; PATH#COLUMN says which is the class",
        ),
        Entry(
            name="audio:PATH",
            target=_audio,
            inputs="audio",
            about="your own: WAV, FLAC or Ogg files, laid out as folder:PATH",
        ),
    ],
    group="reprq.datasets",
)
"""What `load_dataset` knows by name. A target takes an `Asked` and gives a `Dataset`; `inputs` is its modality."""


def available() -> list[DatasetInfo]:
    """Return what `load_dataset` knows, with sizes and where the files come from.

    Example:
        >>> [info.name for info in available() if info.modality == "text"]
        ['20newsgroups', '20newsgroups-whole', 'reuters', 'sms', 'text:PATH']
    """
    return [_info(entry) for entry in DATASETS]


def names() -> tuple[str, ...]:
    """Return the names that `load_dataset` knows.

    Example:
        >>> names()[:3]
        ('digits', 'cifar10', 'cifar100')
    """
    return DATASETS.names()


def _info(entry: Entry) -> DatasetInfo:
    classes, train, test = (entry.facts.get(size) for size in ("classes", "train", "test"))
    return DatasetInfo(entry.name, classes, train, test, entry.about, entry.inputs or "image")


def load_dataset(
    name: str | Path,
    split: str = "train",
    *,
    root: Path | str | None = None,
    download: bool = False,
    seed: int = 0,
    whole: bool = False,
    skip_broken: bool = False,
    **reading: Any,
) -> Dataset:
    """Return one split of a data set.

    Args:
        name: "digits", "cifar10", "cifar100", "mnist", "mnist_c", "emnist_letters", "usps", "svhn", "stl10",
            "drawn_digits", "joint_digits", "joint_digits_drawn" or "folder:PATH" of images; "20newsgroups",
            "20newsgroups-whole", "reuters", "sms" or "text:PATH" of documents; "esc10" or "audio:PATH" of sounds;
            "cardio", "satellite", "thyroid" or "table:PATH" of rows of numbers and categories; a `Path` is a folder of
            images.
        split: "train" or "test".
        root: Where torchvision's data sets live; None means `$REPRQ_DATA`, else `~/.cache/reprq/data`.
        download: Whether torchvision's data sets may be fetched when they are not there.
        seed: Seed of the split where the data comes without one (digits, a folder without `train/` and `test/`).
        whole: Whether to take all items of a folder that comes without a split, not one side of a split made here.
        skip_broken: Whether files that do not decode are left out, and listed in `reading` and `notes`.
        **reading: How the files of its modality are read, such as `intensity_range`; see `read_as`.

    Raises:
        UnknownNameError: No such data set or split.
        DataError: The data is missing, damaged, empty or too small.

    Example:
        >>> data = load_dataset("digits", "test")
        >>> len(data), data.classes[3], data.item(0).size, data.split_info["kind"]
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
    prefix, colon, path = name.partition(":")
    known = f"{prefix}:PATH" if colon else name
    if known not in DATASETS:
        if Path(name).is_dir():
            raise InputError(f"{name!r} is a folder and no name of a data set; write 'folder:{name}'")
        if Path(name).is_file():
            raise InputError(
                f"{name!r} is a file and no name of a data set; put it into a folder, and write 'folder:' and its path"
            )
        raise UnknownNameError("data set", name, DATASETS.names())
    entry = DATASETS.find(known)
    load = entry.load() if DATASETS.is_built_in(entry.name) else entry.call
    try:
        data = load(Asked(name, path, split, seed, root, download, whole))
    except NoItemsError as error:
        raise DataError(_elsewhere(error, path) or str(error)) from None
    if not isinstance(data, Dataset):
        raise InputError(f"the loader of {name} must give a reprq.data.Dataset, got a {type(data).__name__}")
    if data.name.startswith(UNNAMED):
        data = replace(data, name=name)
    return read_as(data, skip_broken=skip_broken, **reading)


def _elsewhere(error: NoItemsError, path: str) -> str:
    """How a folder is named whose files are mostly of another modality than was asked for; "" where they are not."""
    from reprq.data.audio.folder import SOUNDS
    from reprq.data.columns import is_text_file
    from reprq.data.image.folder import IMAGES

    kinds = (("folder", "image", IMAGES.holds), ("audio", "sound", SOUNDS.holds), ("text", "document", is_text_file))
    for prefix, noun, holds in kinds:
        many = sum(count for extension, count in error.others.items() if holds(f"file{extension}"))
        if 2 * many > error.others.total():
            return f"{path} has no {error.noun}s, and holds {counted(many, noun)}; name it {prefix}:{path}"
    return ""

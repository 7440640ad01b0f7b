"""Published one-class protocols over folders that the user has.

After Mai (2021), chapter 3; what that chapter leaves open is stated where it was decided here.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.image import mpi3d
from reprq.data.image.folder import EXTENSIONS
from reprq.data.image.named import data_root
from reprq.data.image.sources import FileSource
from reprq.data.image.views import patches, resized, without_margins
from reprq.data.oneclass import OneClassSplit, one_class_split
from reprq.data.tasks import Task
from reprq.errors import DataError, InputError
from reprq.registry import Entry, Registry


def cats_vs_dogs(
    root: Path | str, *, seed: int = 0, train: int = 10_000, test: int = 2_500, size: int = 32
) -> list[OneClassSplit]:
    """Either animal benign in turn: 10,000 images a class to train, 2,500 to test, 32 x 32 pixels.

    Args:
        root: Kaggle's "Dogs vs. Cats": `train/cat.0.jpg`, ..., `train/dog.12499.jpg`.
        seed: Which images train.
        train: Training images a class.
        test: Test images a class.
        size: Side in pixels that images are resized to.

    Raises:
        DataError: the folder is not there, or a class has fewer than `train` + `test` images.
    """
    folder = _folder(root, "train", "cats-vs-dogs")
    rng = np.random.default_rng(seed)
    chosen: dict[str, list[list[str]]] = {"train": [], "test": []}
    for name in ("cat", "dog"):
        files = [file for file in _images(folder) if file.startswith(f"{name}.")]
        if len(files) < train + test:
            raise _wrong("cats-vs-dogs", f"{folder} has {len(files)} images {name}.N.jpg, {train + test} are needed")
        order = rng.permutation(len(files))
        chosen["train"].append([files[i] for i in np.sort(order[:train])])
        chosen["test"].append([files[i] for i in np.sort(order[train : train + test])])
    fitted, scored = (
        resized(_files("cats-vs-dogs", split, ("cat", "dog"), folder, files, seed), size)
        for split, files in chosen.items()
    )
    tasks = [Task(f"unimodal:{name}", "unimodal", name, frozenset({i})) for i, name in enumerate(("cat", "dog"))]
    return [one_class_split(fitted, scored, task, seed=seed) for task in tasks]


_PLANT_CLASSES = ("healthy", "multiple_diseases", "rust", "scab")


def plant_pathology(root: Path | str, *, seed: int = 0, size: int = 224) -> list[OneClassSplit]:
    """Healthy leaves against diseased ones: 80 % of the healthy train, the others and as many diseased are scored.

    Args:
        root: Kaggle's "Plant Pathology 2020": `train.csv` with image_id,healthy,multiple_diseases,rust,scab (0 or 1)
            and `images/IMAGE_ID.jpg`.
        seed: Which healthy leaves train and which diseased ones are scored.
        size: Side in pixels that images are resized to.

    Raises:
        DataError: the folder, table or an image is not there, the table has other columns, or too few leaves.
    """
    name = "plant-pathology-2020"
    folder = _folder(root, "images", name)
    labels = _plant_table(Path(root) / "train.csv", name)
    files = {Path(file).stem: file for file in _images(folder)}
    if missing := [image for image in labels if image not in files]:
        raise _wrong(name, f"{folder} has no image {missing[0]} ({len(missing)} of {len(labels)} missing)")
    rng = np.random.default_rng(seed)
    healthy = rng.permutation([image for image, label in labels.items() if label == 0])
    diseased = rng.permutation([image for image, label in labels.items() if label])
    count = round(0.8 * len(healthy))
    rest = len(healthy) - count
    if not 0 < rest <= len(diseased) or not count:
        raise _wrong(name, f"{root}/train.csv has {len(healthy)} healthy and {len(diseased)} other leaves")

    def dataset(split: str, images: Iterable[str]) -> Dataset:
        by_class = [sorted(files[i] for i in images if labels[i] == label) for label in range(len(_PLANT_CLASSES))]
        return resized(_files(name, split, _PLANT_CLASSES, folder, by_class, seed), size)

    sides = dataset("train", healthy[:count]), dataset("test", [*healthy[count:], *diseased[:rest]])
    return [one_class_split(*sides, Task("unimodal:healthy", "unimodal", "healthy", frozenset({0})), seed=seed)]


def xray_parcels(root: Path | str, *, seed: int = 0, size: int = 224, stride: int = 112) -> list[OneClassSplit]:
    """Parcels by their patches: only patches of benign parcels train, a parcel scores the maximum over both views.

    The air around a parcel (near-white margins) is cropped. 80 % of the benign parcels train, the others and all
    threats are scored; that share is a choice made here. `groups` numbers the parcels of the test side.

    Args:
        root: `benign/PARCEL_VIEW.png` and `threat/PARCEL_VIEW.png`: what follows the last underscore of a file's name
            is the view, and every parcel has two.
        seed: Which benign parcels train.
        size: Side of a patch in pixels.
        stride: Pixels from one patch to the next, at most half a patch.

    Raises:
        DataError: a folder is not there, a parcel without two views, fewer than two benign parcels, or an image smaller
            than a patch.
        InputError: a stride above half of `size`.
    """
    name = "xray-parcels"
    if not 0 < 2 * stride <= size:
        raise InputError(f"stride must be positive and at most half of size, got {stride} for patches of {size}")
    parcels = [_parcels(_folder(root, kind, name), kind) for kind in ("benign", "threat")]
    if len(parcels[0]) < 2 or not parcels[1]:
        raise _wrong(name, f"{root} has {len(parcels[0])} benign and {len(parcels[1])} threat parcels")
    order = np.random.default_rng(seed).permutation(sorted(parcels[0]))
    count = min(max(1, round(0.8 * len(order))), len(order) - 1)
    fitted, held = ({parcel: parcels[0][parcel] for parcel in sorted(part)} for part in np.split(order, [count]))

    def cut(split: str, benign: dict[str, list[str]], threat: dict[str, list[str]]) -> tuple[Dataset, np.ndarray]:
        files = [[view for parcel in kind.values() for view in parcel] for kind in (benign, threat)]
        whole = _files(name, split, ("benign", "threat"), Path(root), files, seed)
        found, image_of = patches(without_margins(whole, at_least=size), size, stride)
        return found, image_of // 2  # two views follow each other

    (train, _), (test, groups) = cut("train", fitted, {}), cut("test", held, parcels[1])
    task = Task("unimodal:benign", "unimodal", "benign", frozenset({0}))
    split = one_class_split(train, test, task, seed=seed)
    return [OneClassSplit(split.name, split.train, test, split.labels, None, groups, split.made)]


def _by_reading(root: Path | str, *, seed: int = 0, reading: str) -> list[OneClassSplit]:
    from reprq.data.image.readings import robledo2023

    _folder(root, "MNIST", f"robledo2023-{reading}")
    return robledo2023(root, reading, seed=seed)


def _mpi3d(root: Path | str, *, seed: int = 0, kind: str) -> list[OneClassSplit]:
    folder = _folder(root, ".", f"mpi3d-{kind}")
    made: list[OneClassSplit] = getattr(mpi3d, kind)(folder, seed=seed)
    return made


def _protocol(name: str, what: str, layout: str, load: Callable[..., list[OneClassSplit]]) -> Entry:
    return Entry(name=name, target=load, inputs="image", about=what, facts={"layout": layout}, citation="Mai 2021")


PROTOCOLS = Registry(
    "protocol",
    (
        _protocol(
            "cats-vs-dogs", "either animal benign", "train/cat.0.jpg, ..., train/dog.12499.jpg (Kaggle)", cats_vs_dogs
        ),
        _protocol(
            "plant-pathology-2020",
            "healthy leaves against diseased ones",
            "train.csv (image_id,healthy,multiple_diseases,rust,scab) and images/IMAGE_ID.jpg (Kaggle)",
            plant_pathology,
        ),
        _protocol(
            "xray-parcels",
            "patches of X-rayed parcels in two views",
            "benign/PARCEL_VIEW.png and threat/PARCEL_VIEW.png, two views a parcel",
            xray_parcels,
        ),
        *(
            Entry(
                name=f"robledo2023-{reading}",
                target=partial(_by_reading, reading=reading),
                inputs="image",
                about=f"each digit of three sets in one format benign; {tested} are scored",
                facts={
                    "layout": "MNIST/raw/*, usps.bz2, usps.t.bz2, and *_32x32.mat of SVHN or, without, drawn digits"
                },
                citation="Robledo Díaz 2023",
            )
            for reading, tested in (
                ("report", "test images, and the training images of other digits,"),
                ("official", "test images alone"),
            )
        ),
        *(
            Entry(
                name=f"mpi3d-{kind}",
                target=partial(_mpi3d, kind=kind),
                inputs="image",
                about=about,
                facts={"layout": mpi3d.LAYOUT},
                citation="Deecke et al. 2021",
            )
            for kind, about in (
                ("interventions", "red small cones against one other color, shape or size; with a corpus"),
                ("shifts", "cones of more and more colors against cubes; with a corpus"),
            )
        ),
    ),
    group="reprq.protocols",
)
"""What `load_protocol` knows by name. A target takes a folder and a seed, and gives a list of `OneClassSplit`."""


def load_protocol(name: str, root: Path | str | None = None, *, seed: int = 0) -> list[OneClassSplit]:
    """Return the one-class splits of a named protocol.

    Args:
        name: One of `PROTOCOLS.names()`.
        root: The folder of its images; None means the folder of that name in `$REPRQ_DATA`, else in
            `~/.cache/reprq/data`.
        seed: Of its draws.

    Raises:
        UnknownNameError: no such protocol.
        DataError: the folder is not laid out as expected; the message says how.
    """
    folder = data_root(root) if root else data_root(None) / name
    splits: list[OneClassSplit] = PROTOCOLS.find(name).call(folder, seed=seed)
    return splits


def _wrong(protocol: str, found: str) -> DataError:
    return DataError(f"{found}; {protocol} expects {PROTOCOLS.find(protocol).facts['layout']}")


def _folder(root: Path | str, inside: str, protocol: str) -> Path:
    folder = Path(root) / inside
    if not folder.is_dir():
        raise _wrong(protocol, f"{folder} is not a folder")
    return folder


def _images(folder: Path) -> list[str]:
    names = (path.name for path in folder.iterdir() if path.is_file())
    return sorted(name for name in names if name.lower().endswith(EXTENSIONS) and not name.startswith("."))


def _files(
    name: str, split: str, classes: Sequence[str], folder: Path, by_class: Sequence[Sequence[str]], seed: int
) -> Dataset:
    files = [file for of_class in by_class for file in of_class]
    return Dataset(
        name=name,
        split=split,
        classes=tuple(classes),
        labels=np.repeat(np.arange(len(by_class)), [len(of_class) for of_class in by_class]),
        ids=np.array(files, dtype=np.str_),
        source=FileSource(folder, files),
        rows=np.arange(len(files)),
        split_info={"kind": "protocol", "seed": seed},
    )


def _plant_table(path: Path, name: str) -> dict[str, int]:
    """The class of every image in the table; the first column that holds a 1."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {
                row["image_id"]: [float(row[kind]) for kind in _PLANT_CLASSES].index(1.0)
                for row in csv.DictReader(file)
            }
    except OSError as error:
        raise _wrong(name, f"{path} cannot be read: {error.strerror}") from None
    except (KeyError, ValueError, TypeError) as error:
        raise _wrong(name, f"{path} has a row that does not name one class ({error})") from None


def _parcels(folder: Path, kind: str) -> dict[str, list[str]]:
    """The two files of every parcel, relative to the folder above."""
    views: dict[str, list[str]] = defaultdict(list)
    for file in _images(folder):
        views[Path(file).stem.rpartition("_")[0]].append(f"{kind}/{file}")
    for parcel, files in views.items():
        if not parcel or len(files) != 2:
            raise _wrong("xray-parcels", f"{folder} has {len(files)} views of parcel {parcel!r}, such as {files[0]}")
    return dict(views)

"""MPI3D's photos of one object in all combinations of seven factors, and the protocols of Deecke et al. 2021, 5.1."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.data.dataset import Dataset
from reprq.data.image.sources import ArraySource
from reprq.data.oneclass import OneClassSplit
from reprq.errors import DataError, one_line

FACTORS: dict[str, tuple[str, ...]] = {
    "color": ("white", "green", "red", "blue", "brown", "olive"),
    "shape": ("cone", "cube", "cylinder", "hexagonal", "pyramid", "sphere"),
    "size": ("small", "large"),
}
NORMAL = {"color": "red", "shape": "cone", "size": "small"}
LAYOUT = "mpi3d_real.npy, (1036800, 64, 64, 3) uint8, unpacked from mpi3d_real.npz by python -m zipfile -e"
HELD_OUT = 0.2  # of the normal images, which are scored
_KINDS = [(color, shape, size) for color in range(6) for shape in range(6) for size in range(2)]
Ints = NDArray[np.int64]


def load_mpi3d(root: Path | str) -> Dataset:
    """Return all photos, mapped and not read: a class for each color, shape and size, in all views.

    Args:
        root: A folder with one of `mpi3d_real.npy`, `mpi3d_realistic.npy` and `mpi3d_toy.npy`, the array "images" of
            the file of that name: its axes are color, shape, size, camera, background and two joints, or these as one.

    Raises:
        DataError: The file is not there, or holds another array.
    """
    folder = Path(root).expanduser()
    names = [f"mpi3d_{kind}.npy" for kind in ("real", "realistic", "toy")]
    file = next((folder / name for name in names if (folder / name).is_file()), None)
    if file is None:
        raise DataError(f"{folder} has none of {', '.join(names)}; mpi3d expects {LAYOUT}")
    try:
        pixels = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        said = one_line(error) if isinstance(error, OSError) else "it is no array of numbers"
        raise DataError(f"{file} cannot be read: {said}; mpi3d expects {LAYOUT}") from error
    if pixels.dtype != np.uint8 or pixels.ndim < 4 or pixels.shape[-1] != 3 or not pixels.size:
        raise DataError(f"{file} holds {pixels.dtype} {pixels.shape}; mpi3d expects {LAYOUT}")
    pixels = pixels.reshape(-1, *pixels.shape[-3:])
    if len(pixels) % len(_KINDS):
        raise DataError(f"{file} has {len(pixels)} images, no multiple of {len(_KINDS)}; mpi3d expects {LAYOUT}")
    rows = np.arange(len(pixels))
    return Dataset(
        name="mpi3d",
        split="all",
        classes=tuple(" ".join(named(kind).values()) for kind in _KINDS),
        labels=rows // (len(pixels) // len(_KINDS)),
        ids=np.char.add("mpi3d/", np.char.zfill(rows.astype(np.str_), 7)),
        source=ArraySource(pixels),
        rows=rows,
    )


def named(kind: Sequence[int]) -> dict[str, str]:
    """Return the values of the factors of a class.

    Example:
        >>> named((2, 0, 0))
        {'color': 'red', 'shape': 'cone', 'size': 'small'}
    """
    return {factor: values[i] for (factor, values), i in zip(FACTORS.items(), kind, strict=True)}


def interventions(root: Path | str, *, seed: int = 0, images: int = 4000) -> list[OneClassSplit]:
    """Red small cones are benign, and anomalies have one other color, shape or size: eleven splits.

    Four fifths of the benign views train, a seeded draw. The others are scored beside `images` of the class that
    differs in one factor. The corpus is `images` of all classes but the benign one and every class with the anomalous
    value: no corpus shows what is looked for.

    Args:
        root: As in `load_mpi3d`.
        seed: Of the draws.
        images: At most so many anomalies, and so many of the corpus.

    Raises:
        DataError: As `load_mpi3d`.
    """
    whole, made = load_mpi3d(root), []
    rng = np.random.default_rng(seed)
    train, held_out = _divided(_rows(whole, [_index(NORMAL)]), rng)
    for factor, values in FACTORS.items():
        for value in (each for each in values if each != NORMAL[factor]):
            anomalies = _rows(whole, [_index({**NORMAL, factor: value})])
            shown = [k for k, kind in enumerate(_KINDS) if named(kind) != NORMAL and named(kind)[factor] != value]
            name = f"red small cone vs {factor} {value}"
            parts = [_some(rows, images, rng) for rows in (anomalies, _rows(whole, shown))]
            how = {"factor": factor, "value": value, "seed": seed}
            made.append(_split(whole, name, (train, held_out, *parts), how))
    return made


def shifts(root: Path | str, *, seed: int = 0, images: int = 4000) -> list[OneClassSplit]:
    """Cones of a growing number of colors train, and cones of all colors stand against cubes of all: six splits.

    The color is no sign of an anomaly, the shape is. The corpus has other shapes than cones and cubes in the colors
    that train. The paper does not say how many images are scored; here they are `images` benign ones, held out, in
    equal parts of every color, and as many cubes.

    Args:
        root: As in `load_mpi3d`.
        seed: Of the draws.
        images: At most so many benign images, anomalies and images of the corpus.

    Raises:
        DataError: As `load_mpi3d`.
    """
    whole, rng = load_mpi3d(root), np.random.default_rng(seed)
    colors = FACTORS["color"]
    sides = [_divided(_rows(whole, _with(color=[c], shape=["cone"])), rng) for c in colors]
    benign = np.sort(np.concatenate([_some(held_out, images // len(colors), rng) for _, held_out in sides]))
    cubes = _some(_rows(whole, _with(color=colors, shape=["cube"])), images, rng)
    others = [shape for shape in FACTORS["shape"] if shape not in ("cone", "cube")]
    made = []
    for count in range(1, len(colors) + 1):
        train = np.sort(np.concatenate([fitted for fitted, _ in sides[:count]]))
        corpus = _some(_rows(whole, _with(color=colors[:count], shape=others)), images, rng)
        name = f"cones of {'-'.join(colors[:count])} vs cubes"
        made.append(_split(whole, name, (train, benign, cubes, corpus), {"colors": count, "seed": seed}))
    return made


def _with(**wanted: Sequence[str]) -> list[int]:
    return [k for k, kind in enumerate(_KINDS) if all(named(kind)[f] in values for f, values in wanted.items())]


def _index(values: dict[str, str]) -> int:
    return next(k for k, kind in enumerate(_KINDS) if named(kind) == values)


def _rows(whole: Dataset, kinds: Sequence[int]) -> Ints:
    return np.flatnonzero(np.isin(whole.labels, kinds))


def _some(rows: Ints, count: int, rng: np.random.Generator) -> Ints:
    return np.sort(rng.permutation(rows)[: max(count, 1)])


def _divided(rows: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The rows that train and those that are held out, at least one of either."""
    order = rng.permutation(rows)
    held_out = min(max(1, round(HELD_OUT * len(rows))), len(rows) - 1)
    if held_out < 1:
        raise DataError("mpi3d has one view of each object; the protocols need two or more")
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def _split(whole: Dataset, name: str, rows: Sequence[Ints], made: dict[str, Any]) -> OneClassSplit:
    """The split of rows that train, that are benign and anomalous at test, and of the corpus."""
    train, benign, anomalies, corpus = rows
    labels = np.repeat([0, 1], [len(benign), len(anomalies)])
    test = whole.select(np.concatenate([benign, anomalies]))
    return OneClassSplit(name, whole.select(train), test, labels, corpus=whole.select(corpus), made=made)

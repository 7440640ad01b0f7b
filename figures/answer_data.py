"""Lay out the photos of the study of studies, as `answer.py` reads them: copies, the same ones every time.

    python figures/answer_data.py SOURCES OUT

SOURCES holds what was downloaded and unpacked; what is missing is named and left out:
    tiles/      magnetic tiles: good/, blowhole/, ..., ground_truth/. Every fifth tile of good/ is held out
    apple/      apple leaves: healthy/, scab/, ... As they are
    cifar/      JPEG CIFAR-10: train/CLASS/, test/CLASS/. The first 100 and 50 of each class
    fashion/    the four files of Fashion-MNIST. The first 100 and 50 of each class
    tiny/       Tiny ImageNet, a folder a synset. Twenty of each synset that `answer/superclasses.csv` names

`OUT/superclasses/` is of the last, SUPERCLASS/WNID_NNN.jpg; the others keep their names. The first in the order of
their names are taken, and nothing is drawn.
"""

import argparse
import csv
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.datasets.mnist import read_image_file, read_label_file

TABLE = Path(__file__).parent / "answer" / "superclasses.csv"
COUNTS = {"train": 100, "test": 50}  # of a class of CIFAR-10 and Fashion-MNIST
OF_SYNSET = 20
FASHION = ("top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
FILES = {"train": "train", "test": "t10k"}


def main() -> None:
    """Copy what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    laid: dict[str, Callable[[Path, Path], None]] = {
        "tiles": tiles,
        "apple": shutil.copytree,
        "cifar": cifar,
        "fashion": fashion,
        "tiny": superclasses,
    }
    for name, lay_out in laid.items():
        source, target = asked.sources / name, asked.out / ("superclasses" if name == "tiny" else name)
        if not source.is_dir():
            print(f"{source} is not there and is left out", file=sys.stderr)
        elif target.exists():
            print(f"{target} is there already and is left as it is", file=sys.stderr)
        else:
            lay_out(source, target)


def tiles(source: Path, target: Path) -> None:
    """Magnetic tiles in the layout of MVTec AD."""
    good = sorted((source / "good").iterdir())
    held_out = good[4::5]
    copied(sorted(set(good) - set(held_out)), target / "train" / "good")
    copied(held_out, target / "test" / "good")
    for folder in sorted(source.iterdir()):
        if folder.is_dir() and folder.name not in ("good", "ground_truth"):
            shutil.copytree(folder, target / "test" / folder.name)
    shutil.copytree(source / "ground_truth", target / "ground_truth")


def cifar(source: Path, target: Path) -> None:
    """The first of each class."""
    for split, count in COUNTS.items():
        for folder in sorted((source / split).iterdir()):
            copied(sorted(folder.iterdir())[:count], target / split / folder.name)


def fashion(source: Path, target: Path) -> None:
    """The first of each class, as PNG files."""
    for split, count in COUNTS.items():
        pixels = read_image_file(str(source / f"{FILES[split]}-images-idx3-ubyte")).numpy()
        labels = read_label_file(str(source / f"{FILES[split]}-labels-idx1-ubyte")).numpy()
        for k, name in enumerate(FASHION):
            folder = target / split / name
            folder.mkdir(parents=True)
            for row in np.flatnonzero(labels == k)[:count]:
                Image.fromarray(pixels[row]).save(folder / f"{row:05d}.png")


def superclasses(source: Path, target: Path) -> None:
    """Tiny ImageNet by superclass."""
    with TABLE.open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    for row in table:
        for synset in row["wnids"].split():
            images = sorted((source / synset).iterdir())[:OF_SYNSET]
            copied(images, target / row["superclass"], prefix=f"{synset}_")


def copied(files: Sequence[Path], folder: Path, prefix: str = "") -> None:
    """Copy files into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder / f"{prefix}{file.name}")


if __name__ == "__main__":
    main()

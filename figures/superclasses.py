"""Lay Tiny ImageNet out by superclass, for `answer.py`: OUT/SUPERCLASS/WNID_NNN.jpg.

    python figures/superclasses.py TINY OUT

TINY holds a folder of images a synset; `answer/superclasses.csv` says which synsets make a superclass.
"""

import argparse
import csv
import shutil
from pathlib import Path

TABLE = Path(__file__).parent / "answer" / "superclasses.csv"


def main() -> None:
    """Copy the images of the synsets that are named, twenty of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiny", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=20, help="of each synset")
    asked = parser.parse_args()
    with TABLE.open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    for row in table:
        folder = asked.out / row["superclass"]
        folder.mkdir(parents=True, exist_ok=True)
        for synset in row["wnids"].split():
            images = sorted((asked.tiny / synset).iterdir())[: asked.images]
            if not images:
                parser.error(f"{asked.tiny / synset} holds no image; give the folder of Tiny ImageNet")
            for image in images:
                shutil.copy(image, folder / f"{synset}_{image.name}")


if __name__ == "__main__":
    main()

"""Which width the published columns of KDE and SVDD on MNIST-C have (Ruff 2021, Table 4.2): widths beside both columns.

Usage: python figures/unifying_widths.py --root DATA --out figures/ruff2021-unifying

The digits of the preset `cpu`, first seed. Writes `widths.csv`: for every detector its mean AUROC over corruptions, and
beside either column the mean absolute difference and how many of the fifteen corruptions are within 3 points.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprq.data.image.mnist_c import load_mnist_c
from reprq.detectors import create
from reprq.evaluation import auroc
from reprq.papers.ruff2021 import unifying


def detectors(scale: float) -> dict[str, Any]:
    """Return the detectors by what they are called; bandwidths are in pixels of [0, 1]."""
    kde = {f"KDE, h = {h}": {"name": "kde", "bandwidth": h / scale} for h in (1, 2, 4, 8)}
    svdd = {f"SVDD, gamma = {g}": {"name": "ocsvm", "nu": 0.05, "gamma": g} for g in (0.01, 0.1, 0.3)}
    return {"squared distance to the mean": "centroid", **kde, **svdd}


def main() -> None:
    """Write the table and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="the folder with MNIST/raw")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    how = unifying.PRESETS["cpu"]
    train, test = (load_mnist_c(side, asked.root, download=False) for side in ("train", "test"))
    benign, judged = unifying._samples(train, test, how, 0)
    x, z = unifying._pixels(benign), unifying._pixels(judged)
    kinds = np.array(judged.classes)[judged.labels]
    rows = []
    for name, spec in detectors(create("kde").fit(x[:2000]).scale_).items():
        scores = create(spec).fit(x).anomaly_score(z)
        clean = scores[kinds == "clean"]
        found = {
            kind: 100 * auroc(np.repeat([0, 1], len(clean)), np.concatenate([clean, scores[kinds == kind]])).value
            for kind in how.corruptions
        }
        row = {"detector": name, "mean": np.mean(list(found.values()))}
        for column in ("KDE", "SVDD"):
            apart = np.abs([found[kind] - unifying.PUBLISHED[column][kind] for kind in found])
            row |= {f"{column}: mean absolute difference": apart.mean(), f"{column}: within 3": int((apart <= 3).sum())}
        rows.append(row)
    table = pd.DataFrame(rows).round(1)
    table.to_csv(asked.out / "widths.csv", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()

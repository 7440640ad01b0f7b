"""Which width the published columns of KDE and SVDD on MNIST-C have (Ruff 2021, Table 4.2): widths beside both columns.

Usage: python figures/unifying_widths.py --root DATA --out figures/ruff2021-unifying

The digits of the preset `cpu`, first seed. Writes `readings.csv`: cosines of the explanation of the squared distance to
the mean and of its root with the change of pixels, read in four ways, beside those that the published AUROC and
Clever-Hans scores of KDE imply (Table 4.4). And writes `widths.csv`: for every detector its mean AUROC over
corruptions, and beside either column the mean absolute difference and how many of the fifteen are within 3 points.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprq.data.image.mnist_c import changes, load_mnist_c
from reprq.detectors import create
from reprq.evaluation import auroc, explanation_accuracy
from reprq.explain import relevance
from reprq.papers.ruff2021 import unifying, unifying_tables


def detectors(scale: float) -> dict[str, Any]:
    """Return the detectors by what they are called; bandwidths are in pixels of [0, 1]."""
    kde = {f"KDE, h = {h}": {"name": "kde", "bandwidth": h / scale} for h in (1, 2, 4, 8)}
    svdd = {f"SVDD, gamma = {g}": {"name": "ocsvm", "nu": 0.05, "gamma": g} for g in (0.01, 0.1, 0.3)}
    return {"squared distance to the mean": "centroid", **kde, **svdd}


def readings(x: Any, judged: Any, kinds: Any) -> pd.DataFrame:
    """Return the cosines, in per cent, a row a corruption of which the thesis prints KDE's score."""
    detector = create("centroid").fit(x)
    rows = []
    for kind, printed in unifying_tables.CLEVER_HANS["KDE"].items():
        some = judged.select(np.flatnonzero(kinds == kind))
        change = changes(some)
        said = relevance(detector, unifying._pixels(some)).reshape(change.shape)
        row = {"corruption": kind, "implied": unifying_tables.PUBLISHED["KDE"][kind] - printed}
        truths = {"absolute": np.abs(change), "squared": change**2, "signed": change, "mask": (change != 0) * 1.0}
        for name, truth in truths.items():
            row[name] = 100 * explanation_accuracy(truth, said, resamples=1).value
            row[f"{name}, root"] = 100 * explanation_accuracy(truth, np.sqrt(said), resamples=1).value
        rows.append(row)
    return pd.DataFrame(rows).round(1)


def main() -> None:
    """Write the tables and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="the folder with MNIST/raw")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    how = unifying.PRESETS["cpu"]
    train, test = (load_mnist_c(side, asked.root, download=False) for side in ("train", "test"))
    benign, judged = unifying._samples(train, test, how, 0)
    x, z = unifying._pixels(benign), unifying._pixels(judged)
    kinds = np.array(judged.classes)[judged.labels]
    of_explanations = readings(x, judged, kinds)
    of_explanations.to_csv(asked.out / "readings.csv", index=False)
    print(of_explanations.to_string(index=False))
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
            apart = np.abs([found[kind] - unifying_tables.PUBLISHED[column][kind] for kind in found])
            row |= {f"{column}: mean absolute difference": apart.mean(), f"{column}: within 3": int((apart <= 3).sum())}
        rows.append(row)
    table = pd.DataFrame(rows).round(1)
    table.to_csv(asked.out / "widths.csv", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()

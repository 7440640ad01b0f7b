"""Write AUROC of every representation of ESC-10 by fold, at the best and the last layer, with its mean and interval.

    python figures/esc10_folds.py RUN --out figures/esc10

RUN is the folder of `reprq study esc10.toml`, whose seeds are folds. `folds.csv` has the mean of the ten tasks in each
fold and of the folds, and Student's 95 % interval over folds. The best layer is that of the folds' mean.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

from reprq.study import StudyResults
from reprq.study.tables import write_table


def main() -> None:
    """Read the study, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    results = StudyResults.load(asked.run)
    numbers = results.detectors.groupby(["backbone", "layer"])["layer_number"].first()
    keys = ["detector", "backbone", "layer"]
    means = results.detectors.groupby([*keys, "seed"], sort=False)["auroc"].mean().unstack("seed")
    rows = []
    for (detector, backbone), table in means.groupby(["detector", "backbone"], sort=False):
        layers = table.index.get_level_values("layer")
        last = max(layers, key=lambda layer, of=backbone: numbers[of, layer])
        best = layers[int(np.argmax(table.mean(axis=1)))]
        for which, layer in (("best", best), ("last", last)):
            folds = table.loc[(detector, backbone, layer)]
            half = t.ppf(0.975, len(folds) - 1) * folds.std(ddof=1) / np.sqrt(len(folds))
            of_folds = {f"fold {(seed - 1) % 5 + 1}": value for seed, value in folds.items()}
            known = {"detector": detector, "backbone": backbone, "which": which, "layer": layer}
            mean = folds.mean()
            rows.append({**known, **of_folds, "mean": mean, "low": mean - half, "high": mean + half})
    write_table(pd.DataFrame(rows).round(4), asked.out / "folds.csv")


if __name__ == "__main__":
    main()

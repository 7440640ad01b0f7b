"""Do metrics say on which task detection will work? ADBench's embeddings by class, for `figures/answer`.

    python figures/answer_embeddings.py EMBEDDINGS --out figures/answer

EMBEDDINGS holds ADBench's CV_by_ResNet18/*.npz, NLP_by_BERT/*.npz and NLP_by_RoBERTa/*.npz. They have one layer of one
network each, so that there is no layer to choose; the question left is between tasks. 70 % of the benign rows are
measured and fitted on, the rest and all anomalies are scored, three seeds. `embeddings.csv` has Spearman's coefficient
over the sets of ResNet18 of each metric with the AUROC of each detector, its interval from resampled sets, and
the coefficient with the number of benign rows given, by which sets differ too; p-values of a detector are Holm's.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from reprq import measure
from reprq.data import Split
from reprq.data.stratified import benign_to_fit
from reprq.evaluation import correlation, holm
from reprq.evaluation.detection import evaluate
from reprq.study.tables import write_table

IMAGES = "CV_by_ResNet18"
TEXTS = ("NLP_by_BERT", "NLP_by_RoBERTa")
DETECTORS = ("knn", "mahalanobis", "centroid")
METRICS = (
    *("alpha_req", "rankme", "aucev", "cosine_compactness", "participation_ratio", "effective_rank", "stable_rank"),
    *("nesum", "isoscore", "trace", "uniformity", "twonn", "mean_knn_distance", "self_cluster", "coherence"),
    *("local_dimension", "hubness"),
)
SEEDS = 3


def main() -> None:
    """Write the table, and print what the two networks of texts say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    files = [path for folder in (IMAGES, *TEXTS) for path in sorted((asked.embeddings / folder).glob("*.npz"))]
    if not files:
        parser.error(f"{asked.embeddings} holds no {IMAGES}/*.npz; give the folder of ADBench's embeddings")
    sets = pd.concat([judged(path) for path in files], ignore_index=True)
    means = sets.groupby(["network", "set"], sort=False).mean(numeric_only=True).reset_index()
    asked.out.mkdir(parents=True, exist_ok=True)
    write_table(between_tasks(means[means["network"] == IMAGES]).round(4), asked.out / "embeddings.csv")
    print(means[means["network"] != IMAGES].round(3).to_string())


def judged(path: Path) -> pd.DataFrame:
    """Return one row a seed: every metric of the benign rows that are fitted on, and the AUROC of every detector."""
    with np.load(path, allow_pickle=False) as file:
        x, y = file["X"].astype(np.float32), file["y"].astype(np.int64)
    rows = []
    for seed in range(SEEDS):
        train = np.sort(benign_to_fit(np.flatnonzero(y == 0), np.random.default_rng(seed)))
        test = np.setdiff1d(np.arange(len(x)), train)
        split = Split("benign against the rest", train, test, y[test])
        scores = {name: evaluate(name, split, x, x, seed=seed).auroc.value for name in DETECTORS}
        values = {name: metric.value for name, metric in measure(x[train], METRICS).items()}
        rows.append(
            {"network": path.parent.name, "set": path.stem, "seed": seed, "rows": len(train), **values, **scores}
        )
    return pd.DataFrame(rows)


def between_tasks(sets: pd.DataFrame) -> pd.DataFrame:
    """Return one row a detector and metric: coefficient, low, high, p_value, p_holm, given_rows, n."""
    found = []
    for detector in DETECTORS:
        own = []
        for metric in METRICS:
            known = sets[[metric, detector, "rows"]].dropna()
            said = correlation(known[metric], known[detector])
            given = correlation(known[metric], known[detector], given=known["rows"])
            row = {"detector": detector, "metric": metric, "coefficient": said.coefficient, "low": said.low}
            row |= {"high": said.high, "p_value": said.p_value, "given_rows": given.coefficient, "n": said.n}
            own.append(row)
        found.append(pd.DataFrame(own).assign(p_holm=lambda table: holm(table["p_value"].astype(float))))
    return pd.concat(found, ignore_index=True)


if __name__ == "__main__":
    main()

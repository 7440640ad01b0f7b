"""The best layer in hindsight, chosen on some test rows and judged on others.

The largest of many noisy scores is largest in part by its noise: among 112 layers of one true AUROC the best seems .01
to .04 better than the mean. Chosen by rows that do not judge it, its score has no such excess: in expectation it is at
most that of the truly best layer, and the regret at most the true one.
"""

import numpy as np
from numpy.typing import NDArray

from reprq.analysis.complete import Complete, Laid, over_seeds
from reprq.study.results import HALVES, StudyResults

Floats = NDArray[np.float64]
HALF_OF_ROWS, SEEDS, SAME_ROWS = "half of the rows", "seeds", "same rows"


def hindsight_folds(laid: Laid, found: Complete, detector: str, score: str) -> tuple[Floats, str]:
    """Return (F, 2, P, T) scores to choose by and to judge by, means over seeds, and what tells the two apart.

    Studies store the AUROC of either half of the test rows. Where one lacks them but has seeds that draw test rows of
    their own, the other seeds choose and each seed judges; without either, the same scores do both.

    Args:
        laid: A study.
        found: Its complete scores.
        detector: The detector's definition.
        score: The column of the scores.
    """
    names = [f"{score}{half}" for half in HALVES]
    if set(names) <= set(laid.results.detectors):
        halves = [over_seeds(found.same_cells(laid.scores(detector, name))).to_numpy() for name in names]
        if np.isfinite(halves).all():
            return np.stack([halves, halves[::-1]]), HALF_OF_ROWS
    seeds = found.values.columns.get_level_values("seed")
    if seeds.nunique() > 1 and _own_test_samples(laid.results):
        parts = [(found.values.loc[:, seeds != seed], found.values.loc[:, seeds == seed]) for seed in seeds.unique()]
        means = [[over_seeds(part) for part in pair] for pair in parts]
        if all(len(table.columns) == len(means[0][0].columns) for pair in means for table in pair):
            return np.array([[table.to_numpy() for table in pair] for pair in means]), SEEDS
    every = over_seeds(found.values).to_numpy()
    return np.stack([every, every])[None], SAME_ROWS


def _own_test_samples(results: StudyResults) -> bool:
    """Whether every seed drew other test samples."""
    prints = results.study.get("data_fingerprints", {})
    test = [value for name, value in prints.items() if not str(name).startswith("train")]
    return len(test) > 1 and len(set(test)) == len(test)

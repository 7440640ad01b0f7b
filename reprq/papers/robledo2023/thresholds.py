"""What a detector does at a threshold that held-out benign images set, over both kinds of images and over anomalies."""

import math

import numpy as np
from numpy.typing import ArrayLike

from reprq.evaluation import at_threshold
from reprq.study.cells import Row

RATE = 0.1


def at_benign_threshold(labels: ArrayLike, scores: ArrayLike, held: ArrayLike, rate: float = RATE) -> Row:
    """Return recall and precision at the threshold that a new benign image exceeds at most at a rate.

    It is the ceil((n + 1) (1 - rate))-th smallest of the n scores of benign images that did not train, or the largest.
    "recall" and "precision" are those of anomalies. "macro_recall" is the mean of the recall of anomalies and of benign
    images, which is the AUROC of the labels that are called, and "macro_precision" that of their precisions, 0 where
    none is called.

    Args:
        labels: (n,) 1 is anomalous.
        scores: (n,) higher is more anomalous.
        held: Scores of benign images that neither trained nor are tested.
        rate: Of false alarms.

    Example:
        >>> at_benign_threshold([0, 0, 1, 1], [1, 4, 3, 5], [1, 2])
        {'recall': 1.0, 'precision': 0.6666666666666666, 'macro_recall': 0.75, 'macro_precision': 0.8333333333333333}
    """
    benign = np.sort(np.asarray(held, dtype=np.float64))
    place = min(math.ceil((len(benign) + 1) * (1 - rate)), len(benign)) - 1
    point = at_threshold(labels, scores, float(benign[place]))
    anomalous = np.asarray(labels) == 1
    kept = np.asarray(scores) <= benign[place]
    recalls = point.true_positive_rate, 1 - point.false_positive_rate
    called = point.precision if not kept.all() else 0.0
    passed = float((~anomalous)[kept].mean()) if kept.any() else 0.0
    return {
        "recall": recalls[0],
        "precision": called,
        "macro_recall": (recalls[0] + recalls[1]) / 2,
        "macro_precision": (called + passed) / 2,
    }

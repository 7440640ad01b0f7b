"""What a detector does at a threshold, and at all of them: rates, precision, curves."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError
from reprq.evaluation.roc import placements
from reprq.validation import as_labels, as_scores


@dataclass(frozen=True)
class OperatingPoint:
    """What happens when rows with a score over a threshold are called anomalous.

    Args:
        threshold: The score; a row that has just this one is benign.
        true_positive_rate: Share of the anomalous rows that are called so (recall).
        false_positive_rate: Share of the benign rows that are called anomalous (false alarms).
        precision: Share of the rows called anomalous that are; 1 where none is called.
    """

    threshold: float
    true_positive_rate: float
    false_positive_rate: float
    precision: float


@dataclass(frozen=True, eq=False)
class Curves:
    """Every operating point of a detector, from the threshold that no score exceeds down to the one that all do.

    Args:
        thresholds: (t + 1,) the t different scores, descending, then -inf; rows with a score over it are called
            anomalous.
        true_positive_rate: (t + 1,) recall.
        false_positive_rate: (t + 1,).
        precision: (t + 1,), 1 at the first point, where no row is called.
    """

    thresholds: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    false_positive_rate: NDArray[np.float64]
    precision: NDArray[np.float64]


def curves(labels: ArrayLike, scores: ArrayLike) -> Curves:
    """ROC and precision-recall curve in one: an operating point for every distinct score, none left out.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous.

    Raises:
        InputError: shapes that differ, labels other than 0 and 1, a nan or inf, or a class without a row.

    Example:
        >>> curves([0, 1, 1], [1.0, 1.0, 2.0]).true_positive_rate
        array([0. , 0.5, 1. ])
    """
    placements(labels, scores)  # says what is wrong with them
    values = as_scores(scores)
    anomalous = as_labels(labels, len(values))
    order = np.argsort(-values, kind="stable")
    last = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)  # of each run of equal scores
    called = np.concatenate([[0.0], last + 1.0])
    hits = np.concatenate([[0.0], np.cumsum(anomalous[order])[last]])
    p = hits[-1]
    return Curves(
        thresholds=np.append(values[order][last], -np.inf),
        true_positive_rate=hits / p,
        false_positive_rate=(called - hits) / (len(values) - p),
        precision=np.divide(hits, called, out=np.ones_like(hits), where=called > 0),
    )


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve as the sum of precision times the step of recall, no interpolation.

    Tied scores are one step. By chance it is `average_precision_chance`, more than the share of anomalous rows.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous.

    Raises:
        InputError: shapes that differ, labels other than 0 and 1, a nan or inf, or a class without a row.

    Example:
        >>> round(average_precision([0, 1, 0, 1], [1, 2, 3, 4]), 4)
        0.8333
    """
    found = curves(labels, scores)
    return float(np.sum(found.precision[1:] * np.diff(found.true_positive_rate)))


def average_precision_chance(labels: ArrayLike) -> float:
    """Return the mean average precision of scores that are drawn without looking at the labels.

    ((p - 1) (n - H) / (n - 1) + H) / n for p anomalous among n rows, H = 1 + 1/2 + ... + 1/n (Bestgen 2015). With few
    anomalies it is well over their share p / n, which it approaches with many.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.

    Raises:
        InputError: labels other than 0 and 1, or a class without a row.

    Example:
        >>> round(average_precision_chance([1] * 5 + [0] * 50), 3), round(5 / 55, 3)
        (0.151, 0.091)
    """
    anomalous = placements(labels, np.zeros(np.size(labels))).anomalous
    p, n = len(anomalous), np.size(labels)
    harmonic = float(np.sum(1.0 / np.arange(1, n + 1)))
    return ((p - 1) * (n - harmonic) / (n - 1) + harmonic) / n


def fpr_at_tpr(
    labels: ArrayLike, scores: ArrayLike, tpr: float = 0.95, positive: Literal["anomalous", "benign"] = "anomalous"
) -> float:
    """False positive rate at the first threshold whose true positive rate reaches `tpr` ("FPR95").

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous.
        tpr: The true positive rate to reach, in (0, 1].
        positive: The class to find. "anomalous": the share of benign rows flagged when 95 % of the anomalies are.
            "benign": the share of anomalies that pass when 95 % of the benign rows do, as in the out-of-distribution
            literature (Liang et al. 2018).

    Returns:
        The rate in [0, 1], lower is better; no interpolation between thresholds.

    Raises:
        InputError: as `curves`, or `tpr` outside (0, 1], or another word for `positive`.

    Example:
        >>> labels, scores = [0, 0, 0, 0, 1, 1, 1, 1], [1, 2, 3, 5, 4, 6, 7, 8]
        >>> fpr_at_tpr(labels, scores), fpr_at_tpr(labels, scores, tpr=0.75)
        (0.25, 0.0)
    """
    if not 0.0 < tpr <= 1.0:
        raise InputError(f"tpr must be in (0, 1], got {tpr!r}; 0.95 is usual")
    if positive not in ("anomalous", "benign"):
        raise InputError(f"positive must be anomalous or benign, got {positive!r}")
    found = curves(labels, scores)
    if positive == "benign":  # the same thresholds, read from below: what is not flagged passes
        rates = 1.0 - found.false_positive_rate[::-1], 1.0 - found.true_positive_rate[::-1]
    else:
        rates = found.true_positive_rate, found.false_positive_rate
    first = int(np.argmax(rates[0] >= tpr - 1e-12))
    return float(rates[1][first])


def at_threshold(labels: ArrayLike, scores: ArrayLike, threshold: float) -> OperatingPoint:
    """Rates and precision when rows with a score over `threshold` are called anomalous, as detectors' `predict` does.

    Args:
        labels: (n,) 1 is anomalous, 0 is benign.
        scores: (n,) anomaly scores, higher is more anomalous.
        threshold: Any number; it must not have been chosen on these labels.

    Raises:
        InputError: shapes that differ, labels other than 0 and 1, a nan or inf, or a class without a row.

    Example:
        >>> at_threshold([0, 1, 0, 1], [1, 2, 3, 4], 2.5)
        OperatingPoint(threshold=2.5, true_positive_rate=0.5, false_positive_rate=0.5, precision=0.5)
    """
    found = curves(labels, scores)
    point = int(np.searchsorted(-found.thresholds, -threshold))  # the number of scores over it
    return OperatingPoint(
        threshold=float(threshold),
        true_positive_rate=float(found.true_positive_rate[point]),
        false_positive_rate=float(found.false_positive_rate[point]),
        precision=float(found.precision[point]),
    )

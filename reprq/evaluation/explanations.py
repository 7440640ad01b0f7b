"""How well explanations of anomaly scores point at what is anomalous, and the score that warns where they do not."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError
from reprq.evaluation.roc import critical_value
from reprq.statistics.estimate import Estimate

Floats = NDArray[np.float64]


def explanation_accuracy(
    truth: ArrayLike, explanations: ArrayLike, confidence: float = 0.95, *, resamples: int = 1000, seed: int = 0
) -> Estimate:
    """Return the mean cosine of explanations and the truth, over the samples that have one (Ruff 2021, section 4.4).

    The cosine of sample i is t_i . e_i / (|t_i| |e_i|), over all its values. It is as an explanation that says nothing,
    all zeros, were at a right angle to the truth: 0. Signs count; give absolute values where only the place matters.

    Args:
        truth: (n, ...) what was done to each value; samples with zeros alone are benign and passed over.
        explanations: (n, ...) how much each value adds to the score.
        confidence: The level of the interval, inside (0, 1).
        resamples: Of samples, for the interval.
        seed: The same seed, the same interval.

    Returns:
        Inside [-1, 1], 1 is best, with the percentile interval of a bootstrap over samples.

    Raises:
        InputError: Other shapes, a value that is not finite, or no sample with anything to find.

    Example:
        >>> truth = [[0.0, 0.0, 2.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
        >>> explanations = [[0.0, 0.0, 0.5], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
        >>> round(explanation_accuracy(truth, explanations).value, 4)
        0.8536
    """
    there, said = _pairs(truth, explanations)
    lengths = np.linalg.norm(there, axis=1) * np.linalg.norm(said, axis=1)
    products = np.einsum("ij,ij->i", there, said)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return _mean(cosines, confidence, resamples, seed)


def pointing_game(
    truth: ArrayLike, explanations: ArrayLike, confidence: float = 0.95, *, resamples: int = 1000, seed: int = 0
) -> Estimate:
    """Return the share of samples whose highest explanation lies where something was done (Zhang et al. 2018).

    Of several values that are highest alike, the share that lie there counts, so that a constant explanation has the
    share of changed values. No margin around them is allowed.

    Args:
        truth: (n, ...) not 0 at the values to be found; samples with zeros alone are passed over.
        explanations: (n, ...) how much each value adds to the score.
        confidence: The level of the interval, inside (0, 1).
        resamples: Of samples, for the interval.
        seed: The same seed, the same interval.

    Returns:
        Inside [0, 1], 1 is best.

    Raises:
        InputError: as `explanation_accuracy`.

    Example:
        >>> pointing_game([[0, 0, 1], [1, 1, 0]], [[0.1, 0.2, 0.9], [0.1, 0.2, 0.9]]).value
        0.5
    """
    there, said = _pairs(truth, explanations)
    highest = said == said.max(axis=1, keepdims=True)
    hits = (highest & (there != 0)).sum(axis=1) / highest.sum(axis=1)
    return _mean(hits, confidence, resamples, seed)


def clever_hans_score(auroc: float, accuracy: float) -> float:
    """Return AUROC minus explanation accuracy: high where a detector is right for the wrong reason (Ruff 2021, 4.4).

    Args:
        auroc: Inside [0, 1].
        accuracy: Of `explanation_accuracy`, inside [-1, 1].

    Returns:
        Inside [-1, 2]; near 0 where both agree. The thesis prints a hundred times as much.

    Raises:
        InputError: A number outside its range.

    Example:
        >>> round(clever_hans_score(0.97, 0.4), 2)
        0.57
    """
    for name, value, least in (("auroc", auroc, 0.0), ("accuracy", accuracy, -1.0)):
        if not least <= value <= 1.0:
            raise InputError(f"{name} must be from {least:g} to 1, got {value}; divide per cent by 100")
    return auroc - accuracy


def _pairs(truth: ArrayLike, explanations: ArrayLike) -> tuple[Floats, Floats]:
    """Both as rows, of the samples that have something to find."""
    there, said = (np.asarray(each, dtype=np.float64) for each in (truth, explanations))
    if there.shape != said.shape or there.ndim < 2:
        raise InputError(
            f"explanations must have the shape of truth, (n, ...), got {said.shape} for {there.shape}; give one"
            " for each value"
        )
    for name, values in (("truth", there), ("explanations", said)):
        if not np.isfinite(values).all():
            raise InputError(f"{name} must be finite, got {int((~np.isfinite(values)).sum())} values that are not")
    changed = (there != 0).any(axis=tuple(range(1, there.ndim)))
    if not changed.any():
        raise InputError("truth must mark something in at least one sample, got zeros alone; give anomalous ones")
    return there[changed].reshape(changed.sum(), -1), said[changed].reshape(changed.sum(), -1)


def _mean(values: Floats, confidence: float, resamples: int, seed: int) -> Estimate:
    critical_value(confidence)
    if resamples < 1:
        raise InputError(f"resamples must be at least 1, got {resamples}; 1000 is usual")
    rng = np.random.default_rng(seed)
    drawn = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(resamples)]
    low, high = np.quantile(drawn, [0.5 - confidence / 2.0, 0.5 + confidence / 2.0])
    mean = float(values.mean())
    return Estimate(
        mean,
        min(float(low), mean),
        max(float(high), mean),
        n=len(values),
        method="bootstrap-percentile",
        confidence=confidence,
    )

"""What metrics have to beat: choices of a layer without any metric, by position, by other data sets, or by scores."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.analysis.depth import relative_depth
from reprq.analysis.rules import Floats, StudyArrays, elsewhere, picks
from reprq.errors import InputError
from reprq.evaluation import auroc
from reprq.evaluation.detection import halves_of
from reprq.statistics.ranks import midranks
from reprq.validation import as_classes

LAST, FIXED, DEPTH, RANDOM = "last layer", "fixed ranking", "most frequent depth", "random layer"
_DEPTHS = 5  # to which the depths of best layers are rounded: 0, 1/4, ..., 1
FEW_SHOT = "few-shot, k = {}"
FEW_LABELS = "{}, k = {}"
AGREEMENT, SYNTHETIC = "agreement of detectors", "synthetic anomalies"
_DRAWS = 20  # of the few anomalies


def dull_rules(studies: Sequence[StudyArrays]) -> list[dict[str, Floats]]:
    """Return what the dull rules say of every point in every task, (P, T), higher is better: by data set.

    "last layer" takes the last of each network; "random layer" all alike; "fixed ranking" what did best on the other
    data sets, by the mean of its ranks there (`reprq.analysis.rules.elsewhere`); "most frequent depth" the layers
    nearest to the relative depth at which other networks have their best layer most often, on the other data sets.
    """
    fixed, depth = elsewhere(studies), _frequent_depths(studies)
    found = []
    for d, study in enumerate(studies):
        same = np.ones((1, len(study.tasks)))
        said = {LAST: study.last[:, None] * same, RANDOM: np.ones((len(study.points), 1)) * same}
        if fixed:
            said[FIXED] = fixed[d]
        found.append(said | {DEPTH: depth[d]})
    return found


def frequent_depth(studies: Sequence[StudyArrays]) -> float | None:
    """Return the relative depth, in fourths, at which networks have their best layer most often; None without any.

    Tasks count as shares of a network's vote on a data set, and networks of one layer have none.
    """
    votes = _votes(studies).sum((0, 1))
    return float(votes.argmax() / (_DEPTHS - 1)) if votes.any() else None


def _frequent_depths(studies: Sequence[StudyArrays]) -> list[Floats]:
    """Minus the distance of each layer from the depth that is best most often elsewhere, (P, T)."""
    depths = [relative_depth(study.points).to_numpy() for study in studies]
    clusters, counts = _clusters(studies), _votes(studies)
    found = []
    for d, study in enumerate(studies):
        others = counts.sum(0) - counts[d] if len(studies) > 1 else counts[d]
        votes = others.sum(0) - others  # without the networks of each cluster
        best = votes.argmax(1) / (_DEPTHS - 1)
        distance = np.abs(depths[d] - best[np.searchsorted(clusters, study.clusters)])
        found.append(np.repeat(-distance[:, None].round(9), len(study.tasks), axis=1))
    return found


def _clusters(studies: Sequence[StudyArrays]) -> NDArray[np.str_]:
    return np.unique(np.concatenate([study.clusters for study in studies]))


def _votes(studies: Sequence[StudyArrays]) -> Floats:
    """The shares of tasks whose best layer lies at each depth, (data sets, clusters, depths)."""
    depths, clusters = [relative_depth(study.points).to_numpy() for study in studies], _clusters(studies)
    counts = np.zeros((len(studies), len(clusters), _DEPTHS))
    for d, study in enumerate(studies):
        for name in np.unique(study.backbones):
            own = np.flatnonzero(study.backbones == name)
            if len(own) < 2:
                continue
            often = picks(study.scores[own]).mean(1)
            place = np.rint(depths[d][own] * (_DEPTHS - 1)).astype(int)
            cluster = np.searchsorted(clusters, study.clusters[own[0]])
            counts[d, cluster] += np.bincount(place, often, minlength=_DEPTHS)
    return counts


def few_shot(
    scores: ArrayLike, labels: ArrayLike, classes: ArrayLike, k: int, draws: int = _DRAWS, seed: int = 0
) -> Floats:
    """Return the AUROC that k labelled anomalies give each layer, on the half of the test rows that chooses.

    In each draw k anomalies are set against the benign rows of one half (`reprq.evaluation.detection.halves_of`); what
    is chosen by them is judged on the other half.

    Args:
        scores: (P, m) of a detector on the test rows of a task, in each of P layers.
        labels: (m,) 1 is anomalous.
        classes: (m,) class numbers, which tell the halves.
        k: Anomalies, at least 1; where a half has fewer, all of them.
        draws: How often they are drawn.
        seed: Seeds the draws, which are the same for all layers.

    Returns:
        (2, draws, P): AUROC in either half.

    Raises:
        InputError: k or draws below 1, another number of classes than labels, or a half without benign or anomalous
            rows.

    Example:
        >>> scores = [[0.1, 0.2, 0.9, 0.8], [0.9, 0.8, 0.1, 0.2]]
        >>> few_shot(scores, [0, 0, 1, 1], [0, 0, 1, 1], k=1, draws=1).tolist()
        [[[1.0, 0.0]], [[1.0, 0.0]]]
    """
    _check_draws(k, draws, seed)
    values, anomalous = np.asarray(scores, dtype=np.float64), np.asarray(labels) == 1
    rng, found = np.random.default_rng(seed), []
    for half in _halves(anomalous, classes):
        benign, known = np.flatnonzero(half & ~anomalous), np.flatnonzero(half & anomalous)
        ranked = np.sort(values[:, benign], axis=1)
        shares = np.stack([_below(own, row) for own, row in zip(ranked, values[:, known], strict=True)])
        drawn = [rng.choice(len(known), min(k, len(known)), replace=False) for _ in range(draws)]
        found.append([shares[:, chosen].mean(1) for chosen in drawn])
    return np.array(found)


def few_labels(
    rows: ArrayLike,
    labels: ArrayLike,
    classes: ArrayLike,
    k: int,
    measure: Callable[[Floats, Floats], float],
    draws: int = _DRAWS,
    seed: int = 0,
) -> Floats:
    """Return what a metric of labelled rows says of a layer, given k anomalies and the benign rows of one half.

    An upper rival of metrics of benign rows, and a rival of `few_shot`, which it shares its halves and draws with: it
    asks the rows, not a detector. Rows of a half are turned into as many coordinates as they need, so the metric must
    not depend on a rotation: `reprq.metrics.logme`, `h_score` and `probe_auroc` do not.

    Args:
        rows: (m, d) the test rows of a task in a layer.
        labels: (m,) 1 is anomalous.
        classes: (m,) class numbers, which tell the halves.
        k: Anomalies, at least 1; where a half has fewer, all of them.
        measure: From (n, d') rows and their (n,) labels, 0 and 1, to a number, higher is better.
        draws: How often the anomalies are drawn.
        seed: Seeds the draws, which are the same for all layers.

    Returns:
        (2, draws) of either half.

    Raises:
        InputError: k or draws below 1, another number of classes than labels, a half without benign or anomalous rows,
            a metric that gives no finite number, or what it raises.

    Example:
        >>> from reprq.metrics import h_score
        >>> rows = np.array([[0.0], [0.1], [0.2], [0.3], [5.0], [5.1]])
        >>> few_labels(rows, [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1], k=1, measure=h_score, draws=1).round(3).tolist()
        [[0.999], [0.999]]
    """
    _check_draws(k, draws, seed)
    values, anomalous = np.asarray(rows, dtype=np.float64), np.asarray(labels) == 1
    rng, found = np.random.default_rng(seed), []
    for half in _halves(anomalous, classes):
        own, known = _turned(values[half]), anomalous[half]
        benign, others = np.flatnonzero(~known), np.flatnonzero(known)
        drawn = [rng.choice(len(others), min(k, len(others)), replace=False) for _ in range(draws)]
        chosen = [np.concatenate([benign, others[each]]) for each in drawn]
        found.append([_number(measure(own[each], known[each].astype(np.float64))) for each in chosen])
    return np.array(found)


def _check_draws(k: Any, draws: Any, seed: Any) -> None:
    for name, value, least in (("k", k, 1), ("draws", draws, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")


def _number(value: Any) -> float:
    if np.ndim(value) != 0 or not np.isfinite(value):
        raise InputError(f"measure must give one finite number, got {value!r}; take another metric, or more anomalies")
    return float(value)


def _turned(rows: Floats) -> Floats:
    """Rows in no more columns than there are rows, with the same lengths and angles."""
    if len(rows) >= rows.shape[1]:
        return rows
    triangle: Floats = np.linalg.qr(rows.T).R
    return triangle.T


def agreement(scores: ArrayLike, labels: ArrayLike, classes: ArrayLike) -> Floats:
    """Return how well detectors agree on unlabelled test rows in each layer: their mean rank correlation, (2, 1, P).

    It takes the rows of one half, as `few_shot` does, benign and anomalous ones, and not their labels.

    Args:
        scores: (D, P, m) of at least two detectors.
        labels: (m,) which check that both halves can judge.
        classes: (m,) class numbers.

    Raises:
        InputError: fewer than two detectors, or a half without benign or anomalous rows.

    Example:
        >>> agreement([[[1, 2, 3, 4]], [[1, 2, 3, 9]]], [0, 0, 1, 1], [0, 0, 1, 1]).tolist()
        [[[1.0]], [[1.0]]]
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 3 or len(values) < 2:
        raise InputError(f"scores must be (D, P, m) of at least 2 detectors, got shape {values.shape}")
    return np.stack([[_agreeing(values[:, :, half])] for half in _halves(np.asarray(labels) == 1, classes)])


def against_synthetic(benign: ArrayLike, synthetic: ArrayLike) -> Floats:
    """Return the AUROC of each layer for benign rows against made anomalies, (P,).

    Args:
        benign: (P, m) of a detector on benign rows that it was not fitted on.
        synthetic: (P, q) of the same detector on the made anomalies.

    Example:
        >>> against_synthetic([[0.1, 0.2]], [[0.3, 0.15]]).tolist()
        [0.75]
    """
    kept, made = np.asarray(benign, dtype=np.float64), np.asarray(synthetic, dtype=np.float64)
    labels = np.repeat([0, 1], [kept.shape[1], made.shape[1]])
    return np.array([auroc(labels, np.concatenate(pair)).value for pair in zip(kept, made, strict=True)])


def _halves(anomalous: NDArray[np.bool_], classes: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    first = halves_of(as_classes(classes, len(anomalous), "classes"))
    for half in (first, ~first):
        if not 0 < int((half & anomalous).sum()) < int(half.sum()):
            raise InputError("labels must have a benign and an anomalous row in either half of each class, got fewer")
    return first, ~first


def _below(benign: Floats, values: Floats) -> Floats:
    """The share of sorted benign scores below each value; ties count half."""
    left, right = np.searchsorted(benign, values, "left"), np.searchsorted(benign, values, "right")
    found: Floats = (left + right) / (2 * len(benign))
    return found


def _agreeing(scores: Floats) -> Floats:
    """The mean over pairs of detectors of Spearman's rho, (P,); 0 where one scores all rows alike."""
    count, layers, rows = scores.shape
    ranks = midranks(scores.reshape(-1, rows).T).T.reshape(count, layers, rows)
    ranks = ranks - ranks.mean(-1, keepdims=True)
    length = np.linalg.norm(ranks, axis=-1, keepdims=True)
    total = (np.divide(ranks, length, out=np.zeros_like(ranks), where=length > 0)).sum(0)
    own = (length[..., 0] > 0).sum(0)
    found: Floats = (np.square(total).sum(-1) - own) / (count * (count - 1))
    return found.round(9)

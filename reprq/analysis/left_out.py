"""What rules say of layers that they were not fitted on: without one cluster and one class, or data set, each."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from reprq.analysis.placements import Ints, Placed, networks_of, placed
from reprq.analysis.rules import (
    COMBINATION,
    CURVED,
    DECIMALS,
    PENALTY,
    Floats,
    StudyArrays,
    alike_groups,
    held_out,
    scaled_ranks,
    shares_of,
    squares,
)
from reprq.numerics.small_systems import TOGETHER, solve_leading

_BLOCK = 2**23  # entries of the largest arrays
_NO_ROW = 1e-6  # rows, whose sums are rounded


class FitWithout(NamedTuple):
    """All rules without one class, in B ways to place the metrics and for D detectors.

    Attributes:
        tasks: The tasks of that class on each data set.
        ways: (U, K, D, B) without each cluster the sign of every metric.
        weights: (U, k, D, B) likewise the weights of each combination.
    """

    tasks: list[Ints]
    ways: Floats
    weights: dict[str, Floats]


class LeftOut:
    """The fits of all rules without one cluster and one class, or data set, each, for metrics wherever they are placed.

    What is said of a point in a task comes from the other clusters alone, and from the tasks of the other data sets; of
    one data set, from the tasks of other classes; of one class, from its own tasks. A rule is a metric with a sign, or
    the ridge combination of all; the curved combination has the squares of their ranks too, so that it finds a best
    value in the middle. A combination that nothing is left to fit on has no weights. Sums of products over a network
    are computed once for each of its placements, so that those of any way to place all are one matrix product.

    Args:
        studies: The study on each data set; their scores are what the rules are fitted to.
        others: The same of other detectors, `alike` in all but scores.

    Attributes:
        networks: What gets values and gives them, by number.
        of_cluster: (V,) the number of the cluster of each.
    """

    def __init__(self, studies: Sequence[StudyArrays], others: Sequence[Sequence[StudyArrays]] = ()) -> None:
        self.networks = networks_of(studies)
        clusters, self.of_cluster = np.unique([each.cluster for each in self.networks], return_inverse=True)
        targets = [held_out(study, studies) for study in studies]
        names = np.unique(np.concatenate(targets))
        self._tasks = [[np.flatnonzero(own == name) for own in targets] for name in names]
        self._apart = float(len(names) > 1)  # a single class cannot be left out
        self._shares = shares_of(studies)
        self._values = [np.concatenate([study.ranks, squares(study.ranks)], axis=-1) for study in studies]
        own = [np.searchsorted(clusters, study.clusters) for study in studies]
        self._scores = [
            np.stack([_ranked(each[d], codes, len(clusters)) for each in (studies, *others)], axis=-1)
            for d, codes in enumerate(own)
        ]
        sizes = np.stack([np.bincount(codes, minlength=len(clusters)) for codes in own], axis=1) * self._shares
        of_class = np.array([[len(tasks) for tasks in by_dataset] for by_dataset in self._tasks])
        self._rows = _without(of_class @ sizes.T, self._apart)  # (C, U) that are left to fit on

    @property
    def together(self) -> int:
        """How many ways to place metrics are best fitted at once: more where networks have fewer placements."""
        clusters, n, detectors = self._rows.shape[1], self._values[0].shape[-1], self._scores[0].shape[-1]
        of_way = n * max(n, len(self._tasks) * clusters * detectors)
        of_placements = len(self.networks) * n * n + sum(values.size for values in self._values)
        distinct = _BLOCK // of_placements
        found: int = _BLOCK // of_way if distinct >= len(self.networks) else min(distinct, _BLOCK // of_way)
        return max(1, found)

    def places(self, givers: Ints) -> list[Placed]:
        """Return the metrics, and their squares, of every network in B ways to place them: (V, B) networks."""
        k = self._values[0].shape[-1] // 2
        nothing = np.concatenate([np.zeros(k), squares(np.zeros(k))])
        return placed(self._values, self.networks, givers, nothing)

    def fits(self, places: Sequence[Placed]) -> Iterator[FitWithout]:
        """Yield the fits without each class; metrics come first among the columns of the combinations."""
        n = self._values[0].shape[-1]
        sizes, cross = [place.values[0].shape[-1] for place in places], self._cross(places)
        bounds = np.cumsum([0, *np.bincount(self.of_cluster, sizes).astype(int)])  # of each cluster's placements
        chosen = _chosen(sizes, [place.given for place in places])
        every = self._grams(places, [np.arange(values.shape[1]) for values in self._values])
        for tasks, rows, right in zip(self._tasks, self._rows, cross, strict=True):
            grams = every - self._grams(places, tasks) if self._apart else every
            solved = [np.empty((len(rows), size, *right.shape[2:])) for size in (n // 2, n)]
            whole, together = grams @ chosen, max(1, TOGETHER // chosen.shape[1])
            for start in range(0, len(rows), together):
                some = range(start, min(start + together, len(rows)))
                parts = [(slice(*bounds[u : u + 2]), rows[u]) for u in some]
                matrices = np.stack([_matrix(whole, grams[:, own], chosen[own], left) for own, left in parts], axis=2)
                own = np.ascontiguousarray(right[some].transpose(1, 2, 0, 3))
                shape = (n, own.shape[1], -1)
                made = solve_leading(matrices.reshape(n, n, -1), own.reshape(shape), (n // 2, n))
                for found, each in zip(solved, made, strict=True):
                    found[some] = each.reshape(len(each), *own.shape[1:]).transpose(2, 0, 1, 3)
            ways = np.sign(right[:, : n // 2].round(DECIMALS))
            yield FitWithout(tasks, ways, dict(zip((COMBINATION, CURVED), solved, strict=True)))

    def _cross(self, places: Sequence[Placed]) -> Floats:
        """The products of metrics and scores without each class and cluster, (C, U, n, D, B)."""
        _, clusters, _, detectors = self._scores[0].shape
        n, draws = self._values[0].shape[-1], len(places[0].given)
        found = np.zeros((len(self._tasks), clusters * detectors, n * draws))
        for of_class, by_dataset in zip(found, self._tasks, strict=True):
            for d, tasks in enumerate(by_dataset):
                values = np.concatenate([place.values[d][:, tasks][..., place.given] for place in places])
                order = np.concatenate([network.points[d] for network in self.networks])
                scores = self._shares[d] * self._scores[d][tasks][:, :, order].transpose(1, 3, 2, 0)  # (U, D, P, T)
                rows = len(order) * len(tasks)
                of_class += scores.reshape(len(of_class), rows) @ values.reshape(rows, n * draws)
        left: Floats = found.sum(0) - self._apart * found
        return left.reshape(len(found), clusters, detectors, n, draws).swapaxes(2, 3)

    def _grams(self, places: Sequence[Placed], tasks: Sequence[Ints]) -> Floats:
        """The products of metrics over some tasks, (n n, Q), of every placement."""
        found = []
        for place in places:
            _, _, n, placements = place.values[0].shape
            products = np.zeros((placements, n, n))
            for share, values, own in zip(self._shares, place.values, tasks, strict=True):
                rows = values[:, own].transpose(3, 2, 0, 1).reshape(placements, n, len(values) * len(own))
                products += share * (rows @ rows.swapaxes(1, 2))
            found.append(products.reshape(placements, n * n))
        return np.ascontiguousarray(np.concatenate(found).T)


def _ranked(study: StudyArrays, codes: Ints, clusters: int) -> Floats:
    """The ranks of scores without each cluster, (T, U, P); 0 of what is left out."""
    found = np.zeros((clusters, *study.scores.shape))
    for left_out, ranks in enumerate(found):
        known = codes != left_out
        ranks[known] = scaled_ranks(study.scores[known])
    return found.transpose(2, 0, 1)


def _without(sizes: Floats, apart: float) -> Floats:
    """Sums over all classes and clusters but one of each, (C, U)."""
    found: Floats = sizes.sum() - sizes.sum(0) - apart * (sizes.sum(1, keepdims=True) - sizes)
    return found


def _chosen(sizes: Sequence[int], given: Sequence[Ints]) -> Floats:
    """Whether each placement of each network is taken in each way to place all, (Q, B): 1 or 0."""
    starts = np.cumsum([0, *sizes[:-1]])
    found = np.zeros((sum(sizes), len(given[0])))
    for start, own in zip(starts, given, strict=True):
        found[start + own, np.arange(len(own))] = 1.0
    return found


def _matrix(whole: Floats, grams: Floats, chosen: Floats, rows: float) -> Floats:
    """The matrices of `weights`, (n, n, B), of the whole sums, (n n, B), without those of a cluster's placements."""
    n = round(len(whole) ** 0.5)
    found = (whole - grams @ chosen).reshape(n, n, -1)
    if rows < _NO_ROW:  # nothing to fit on: no weight
        found[:] = np.eye(n)[..., None]
    else:
        found[np.arange(n), np.arange(n)] += rows * PENALTY / 12
    return found


def unfitted(studies: Sequence[StudyArrays]) -> list[str]:
    """Return a note on the layers of which rules say nothing, since no other cluster is on another data set."""
    notes = []
    for study in studies if len(studies) > 1 else []:
        elsewhere = {name for other in studies if other is not study for name in other.clusters.tolist()}
        notes += [
            f"rules say nothing of the layers of {name} on {study.dataset}, and these tie: without both, no layer is"
            " left to fit rules on"
            for name in sorted(set(study.clusters.tolist()))
            if elsewhere <= {name}
        ]
    return notes


def predictions(studies: Sequence[StudyArrays]) -> list[dict[str, Floats]]:
    """Return what each rule says of every point in every task where it is measured, by data set: see `LeftOut`."""
    return predictions_of_detectors([studies])[0]


def predictions_of_detectors(detectors: Sequence[Sequence[StudyArrays]]) -> list[list[dict[str, Floats]]]:
    """Return the `predictions` of several detectors; those on the same points and tasks are fitted at once."""
    found: dict[int, list[dict[str, Floats]]] = {}
    for group in alike_groups(detectors):
        own = [detectors[number] for number in group]
        found |= zip(group, _said(LeftOut(own[0], own[1:]), own), strict=True)
    return [found[number] for number in range(len(detectors))]


def _said(fits: LeftOut, detectors: Sequence[Sequence[StudyArrays]]) -> list[list[dict[str, Floats]]]:
    """What each rule says, (P, T), by detector and data set, with every network in its own place."""
    places, studies = fits.places(np.arange(len(fits.networks))[:, None]), detectors[0]
    rules, metrics = studies[0].rules, len(studies[0].metrics)
    found = [np.empty((len(detectors), len(rules), *study.scores.shape)) for study in studies]
    for fit in fits.fits(places):
        for network, place, cluster in zip(fits.networks, places, fits.of_cluster, strict=True):
            for d, (points, tasks) in enumerate(zip(network.points, fit.tasks, strict=True)):
                values = place.values[d][:, tasks]  # (L, T, n, 1)
                alone = values[:, :, :metrics].round(DECIMALS) * fit.ways[cluster, :, :, 0]  # (L, T, K, D)
                both = [said[:, :, None, :, 0] for said in combinations(fit, cluster, values).values()]
                said = np.concatenate([*both, alone], axis=2)
                found[d][:, :, points[:, None], tasks] = said.transpose(3, 2, 0, 1)
    return [[dict(zip(rules, each[number], strict=True)) for each in found] for number in range(len(detectors))]


def combinations(fit: FitWithout, cluster: int, values: Floats) -> dict[str, Floats]:
    """Return what the combinations say of some points of a cluster, (L, T, D, B), by their values, (L, T, n, B)."""
    return {
        rule: np.einsum("ltkb,kdb->ltdb", values[:, :, : own.shape[1]], own[cluster]).round(DECIMALS)
        for rule, own in fit.weights.items()
    }

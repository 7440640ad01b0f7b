"""What rules would choose if metrics said nothing: their values moved between networks, and the rules fitted anew.

A rule that always names layers of one network has drawn one network: that its layers detect better than the mean in
every class is no evidence for the metric. So the networks, and not the classes, are permuted.
"""

from collections.abc import Sequence

import numpy as np

from reprq.analysis.left_out import FitWithout, LeftOut, combinations
from reprq.analysis.placements import Ints, NetworkPoints, Placed
from reprq.analysis.rules import DECIMALS, Floats, StudyArrays, alike_groups

Cluster = list[int]  # the numbers of its networks
DRAWS = 499  # the most that a recommendation takes: in each the rules are fitted anew
_TIES = 1e-6  # moved values that stand on several layers are told apart by chance, as values of their own would be


def chance_of_detectors(detectors: Sequence[Sequence[StudyArrays]], draws: int, seed: int) -> list[dict[str, Floats]]:
    """Return the `chance_scores` of several detectors; those on the same points and tasks share what is drawn."""
    found: dict[int, dict[str, Floats]] = {}
    for group in alike_groups(detectors):
        found |= dict(zip(group, _chance([detectors[number] for number in group], draws, seed), strict=True))
    return [found[number] for number in range(len(detectors))]


def chance_scores(studies: Sequence[StudyArrays], draws: int, seed: int) -> dict[str, Floats]:
    """Return the mean score of each rule's choices on each data set, (B, D), with metrics moved between networks.

    A network gets the values of another, layer by layer at the same relative depth, so that what all networks share
    along their depth stays: the test asks whether a metric tells networks apart. Whole clusters are permuted, and the
    networks inside them, on all data sets at once; clusters change places with those that are on the same data sets.
    Rules are fitted to the moved values as they were to the others.

    Args:
        studies: The study on each data set.
        draws: How many permutations.
        seed: Seeds them.
    """
    (found,) = _chance([studies], draws, seed)
    return found


def _chance(detectors: Sequence[Sequence[StudyArrays]], draws: int, seed: int) -> list[dict[str, Floats]]:
    """The `chance_scores` of detectors that differ in scores alone."""
    studies = detectors[0]
    rng, fits = np.random.default_rng(seed), LeftOut(studies, detectors[1:])
    groups, sizes = _groups(fits.networks), [len(study.points) for study in studies]
    scores = [np.stack([each[d].scores for each in detectors]) for d in range(len(studies))]  # (D, P, T)
    found = np.zeros((len(studies[0].rules), len(detectors), draws, len(studies)))
    for start in range(0, draws, fits.together):
        some = slice(start, min(start + fits.together, draws))
        givers, noise = _drawn(groups, sizes, some.stop - start, rng)
        places = fits.places(givers)
        for fit in fits.fits(places):
            for d, own in enumerate(scores):
                for task, chosen in zip(fit.tasks[d], _chosen(fits, fit, places, d, noise[d]), strict=True):
                    got = own[np.arange(len(own))[:, None], chosen, task]  # (rules, D, B)
                    found[:, :, some, d] += got / own.shape[-1]
    return [dict(zip(studies[0].rules, each, strict=True)) for each in found.swapaxes(0, 1)]


def _chosen(fits: LeftOut, fit: FitWithout, places: Sequence[Placed], d: int, noise: Floats) -> Ints:
    """The point that each rule chooses in the tasks of a class on a data set, (T, rules, D, B); noise leaves no ties.

    A metric chooses among the points of a network what its sign says: the most, the least or, without one, any.
    """
    _, metrics, detectors, draws = fit.ways.shape
    shape = (len(fit.tasks[d]), len(fit.weights) + metrics, detectors, draws)
    most, found = np.full(shape, -np.inf), np.zeros(shape, dtype=np.int64)
    for network, place, cluster in zip(fits.networks, places, fits.of_cluster, strict=True):
        points, ways = network.points[d], fit.ways[cluster]
        if not len(points) or not len(found):
            continue
        values = place.values[d][:, fit.tasks[d]][..., place.given]  # (L, T, n, B)
        small = noise[points][:, None, None]
        alone = values[:, :, :metrics].round(DECIMALS)
        up, down, neither = (_first(each + small) for each in (alone, -alone, np.zeros_like(alone[:, :1, :1])))
        of_metrics = [
            np.where(ways > 0, one[:, :, None], np.where(ways < 0, other[:, :, None], none[:, :, None]))
            for one, other, none in zip(up, down, neither, strict=True)
        ]
        combined = [_first(said + small) for said in combinations(fit, cluster, values).values()]
        said, first = (
            np.concatenate([*(own[i][:, None] for own in combined), of_metrics[i]], axis=1) for i in range(2)
        )
        better = said > most
        most[better], found[better] = said[better], points[first[better]]
    return found


def _first(said: Floats) -> tuple[Floats, Ints]:
    """The most of (L, ...), and the place of it."""
    most, place = said[0].copy(), np.zeros(said.shape[1:], dtype=np.int64)
    for number, own in enumerate(said[1:], start=1):
        place[own > most] = number
        np.maximum(most, own, out=most)
    return most, place


def two_sided(value: float, draws: Floats) -> float:
    """Return the p-value of a statistic among draws under the null: twice the smaller tail, the value counted in both.

    Example:
        >>> two_sided(3.0, np.array([0.0, 1.0, 2.0]))
        0.5
    """
    tails = [1 + np.count_nonzero(draws >= value - 1e-9), 1 + np.count_nonzero(draws <= value + 1e-9)]
    return float(min(1.0, 2 * min(tails) / (1 + len(draws))))


def _groups(networks: Sequence[NetworkPoints]) -> list[list[Cluster]]:
    """The clusters as the numbers of their networks, those on the same data sets together."""
    clusters: dict[str, Cluster] = {}
    for number, network in enumerate(networks):
        clusters.setdefault(network.cluster, []).append(number)
    groups: dict[tuple[tuple[bool, ...], ...], list[Cluster]] = {}
    for numbers in clusters.values():
        present = {tuple(len(points) > 0 for points in networks[number].points) for number in numbers}
        groups.setdefault(tuple(sorted(present)), []).append(numbers)
    return list(groups.values())


def _drawn(
    groups: list[list[Cluster]], sizes: Sequence[int], draws: int, rng: np.random.Generator
) -> tuple[Ints, list[Floats]]:
    """Several permutations: for each network that whose values it gets, (V, B), and the noise that tells ties apart.

    The noise is (P, B) by data set.
    """
    numbers = [np.concatenate(clusters) for clusters in groups]
    givers = np.empty((sum(map(len, numbers)), draws), dtype=np.int64)
    noise = [np.empty((size, draws)) for size in sizes]
    for b in range(draws):
        for clusters, own in zip(groups, numbers, strict=True):
            givers[own, b] = own[_moved(clusters, rng)]
        for small in noise:
            small[:, b] = _TIES * rng.uniform(size=len(small))
    return givers, noise


def _moved(clusters: list[Cluster], rng: np.random.Generator) -> list[int]:
    """Draw which network's values each network gets, by their numbers from the first cluster to the last."""
    starts = np.cumsum([0, *map(len, clusters)]).tolist()
    found = [0] * starts.pop()
    for to, giver in enumerate(rng.permutation(len(clusters)).tolist()):
        order = _order(len(clusters[giver]), rng)
        for i, place in enumerate(_order(len(clusters[to]), rng)):
            found[starts[to] + place] = starts[giver] + order[i % len(order)]
    return found


def _order(count: int, rng: np.random.Generator) -> list[int]:
    """A permutation; that of one network, as most clusters have, draws nothing."""
    return rng.permutation(count).tolist() if count > 1 else [0]

"""What rules would choose if metrics said nothing: their values moved between networks, and the rules fitted anew.

A rule that always names layers of one network has drawn one network: that its layers detect better than the mean in
every class is no evidence for the metric. So the networks, and not the classes, are permuted.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from reprq.analysis.depth import layer_places
from reprq.analysis.rules import Floats, LeftOut, StudyArrays, alike, picks

Ints = NDArray[np.int64]
Cluster = list[list[Ints]]  # of its networks, the points on each data set
DRAWS = 499  # the most that a recommendation takes: in each the rules are fitted anew
_BLOCK = 2**20  # entries of the ranks that are fitted together; of more, what is made of them leaves the caches
_TIES = 1e-6  # moved values that stand on several layers are told apart by chance, as values of their own would be


def chance_of_detectors(detectors: Sequence[Sequence[StudyArrays]], draws: int, seed: int) -> list[dict[str, Floats]]:
    """Return the `chance_scores` of several detectors; those on the same points and tasks share what is drawn."""
    groups: list[list[int]] = []
    for number, studies in enumerate(detectors):
        same = next((group for group in groups if alike(detectors[group[0]], studies)), None)
        groups.append([number]) if same is None else same.append(number)
    found: dict[int, dict[str, Floats]] = {}
    for group in groups:
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
    groups, sizes = _networks(studies), [len(study.points) for study in studies]
    together = max(1, _BLOCK // max(2 * study.ranks.size for study in studies))
    found: list[dict[str, list[Floats]]] = [{rule: [] for rule in studies[0].rules} for _ in detectors]
    for start in range(0, draws, together):
        sources, noise = _drawn(groups, sizes, min(together, draws - start), rng)
        moved = [_taken(study.ranks, own) for study, own in zip(studies, sources, strict=True)]
        for own, values, said in zip(detectors, found, fits.predictions(moved), strict=True):
            for rule in values:
                scores = [
                    _mean_scores(each[rule] + small[:, None], study.scores)
                    for study, each, small in zip(own, said, noise, strict=True)
                ]
                values[rule].append(np.column_stack(scores))
    return [{rule: np.concatenate(blocks) for rule, blocks in values.items()} for values in found]


def _mean_scores(said: Floats, scores: Floats) -> Floats:
    """The mean score over tasks of what is chosen by (P, T, B), (B,)."""
    got = (picks(said) * scores[..., None]).sum(0)
    means: Floats = np.ascontiguousarray(got.T).mean(1)
    return means


def two_sided(value: float, draws: Floats) -> float:
    """Return the p-value of a statistic among draws under the null: twice the smaller tail, the value counted in both.

    Example:
        >>> two_sided(3.0, np.array([0.0, 1.0, 2.0]))
        0.5
    """
    tails = [1 + np.count_nonzero(draws >= value - 1e-9), 1 + np.count_nonzero(draws <= value + 1e-9)]
    return float(min(1.0, 2 * min(tails) / (1 + len(draws))))


def _networks(studies: Sequence[StudyArrays]) -> list[list[Cluster]]:
    """The clusters, those on the same data sets together; of each network its points from first layer to last."""
    owners: dict[str, dict[str, None]] = {}
    for study in studies:
        for cluster, name in zip(study.clusters, study.backbones.astype(str), strict=True):
            owners.setdefault(str(cluster), {})[name] = None
    places = [layer_places(study.points).to_numpy() for study in studies]
    groups: dict[tuple[tuple[bool, ...], ...], list[Cluster]] = {}
    for cluster in sorted(owners):
        networks = []
        for name in sorted(owners[cluster]):
            points = [np.flatnonzero(study.backbones.astype(str) == name) for study in studies]
            networks.append([p[np.argsort(at[p], kind="stable")] for p, at in zip(points, places, strict=True)])
        present = sorted({tuple(len(points) > 0 for points in network) for network in networks})
        groups.setdefault(tuple(present), []).append(networks)
    return list(groups.values())


def _drawn(
    groups: list[list[Cluster]], sizes: Sequence[int], draws: int, rng: np.random.Generator
) -> tuple[list[Ints], list[Floats]]:
    """Several permutations: the source of each point, and the noise that tells ties apart, (P, B) by data set."""
    givers = [np.empty((sum(map(len, clusters)), draws), dtype=np.int64) for clusters in groups]
    noise = [np.empty((size, draws)) for size in sizes]
    for b in range(draws):
        for clusters, giver in zip(groups, givers, strict=True):
            giver[:, b] = _moved(clusters, rng)
        for small in noise:
            small[:, b] = _TIES * rng.uniform(size=len(small))
    sources = [np.full((size, draws), -1, dtype=np.int64) for size in sizes]
    for clusters, giver in zip(groups, givers, strict=True):
        networks = [network for cluster in clusters for network in cluster]
        for d, source in enumerate(sources):
            _fill(source, [network[d] for network in networks], giver)
    return sources, noise


def _moved(clusters: list[Cluster], rng: np.random.Generator) -> list[int]:
    """Draw which network's values each network gets, by their numbers from the first cluster to the last."""
    starts = np.cumsum([0, *map(len, clusters)]).tolist()
    found = [0] * starts.pop()
    for to, giver in enumerate(rng.permutation(len(clusters)).tolist()):
        order = _order(len(clusters[giver]), rng)
        for i, place in enumerate(_order(len(clusters[to]), rng)):
            found[starts[to] + place] = starts[giver] + order[i % len(order)]
    return found


def _fill(source: Ints, points: Sequence[Ints], giver: Ints) -> None:
    """Write which point's values each point gets, (P, B); not where the other network is not on this data set."""
    for taken, others in zip(points, giver, strict=True):
        given = [own[_same_depth(len(taken), len(own))] if len(own) else np.full(len(taken), -1) for own in points]
        source[taken] = np.stack(given)[others].T


def _order(count: int, rng: np.random.Generator) -> list[int]:
    """A permutation; that of one network, as most clusters have, draws nothing."""
    return rng.permutation(count).tolist() if count > 1 else [0]


@cache
def _same_depth(layers: int, of: int) -> Ints:
    """Which of some layers lie at the relative depth of each."""
    depth = np.arange(layers) / max(layers - 1, 1)
    return np.rint(depth * (of - 1)).astype(np.int64)


def _taken(ranks: Floats, source: Ints) -> Floats:
    """The ranks, (P, T, K), of other points, (P, B), as (P, T, B, K); 0 where there is none."""
    found = ranks[source].transpose(0, 2, 1, 3)
    return np.where((source < 0)[:, None, :, None], 0.0, found)

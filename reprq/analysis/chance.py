"""What rules would choose if metrics said nothing: their values moved between networks, and the rules fitted anew.

A rule that always names layers of one network has drawn one network: that its layers detect better than the mean in
every class is no evidence for the metric. So the networks, and not the classes, are permuted.
"""

import numpy as np
from numpy.typing import NDArray

from reprq.analysis.depth import layer_places
from reprq.analysis.rules import Floats, LeftOut, StudyArrays, picks

Ints = NDArray[np.int64]
_TIES = 1e-6  # moved values that stand on several layers are told apart by chance, as values of their own would be


def chance_scores(study: StudyArrays, draws: int, seed: int) -> dict[str, Floats]:
    """Return the mean score of each rule's choices, (B,), with the values of all metrics moved between networks.

    A network gets the values of another, layer by layer at the same relative depth, so that what all networks share
    along their depth stays: the test asks whether a metric tells networks apart. Whole clusters are permuted, and the
    networks inside them; rules are fitted to the moved values as they were to the others.

    Args:
        study: The study.
        draws: How many permutations.
        seed: Seeds them.
    """
    rng, fits = np.random.default_rng(seed), LeftOut(study)
    networks = _networks(study)
    found: dict[str, list[float]] = {rule: [] for rule in study.rules}
    for _ in range(draws):
        ranks = study.ranks[_moved(networks, len(study.points), rng)]
        noise = _TIES * rng.uniform(size=(len(study.points), 1))
        for rule, said in fits.predictions(ranks).items():
            found[rule].append(float((picks(said + noise) * study.scores).sum(0).mean()))
    return {rule: np.array(values) for rule, values in found.items()}


def two_sided(value: float, draws: Floats) -> float:
    """Return the p-value of a statistic among draws under the null: twice the smaller tail, the value counted in both.

    Example:
        >>> two_sided(3.0, np.array([0.0, 1.0, 2.0]))
        0.5
    """
    tails = [1 + np.count_nonzero(draws >= value - 1e-9), 1 + np.count_nonzero(draws <= value + 1e-9)]
    return float(min(1.0, 2 * min(tails) / (1 + len(draws))))


def _networks(study: StudyArrays) -> list[list[Ints]]:
    """The points of each network from its first layer to its last, by cluster."""
    places = layer_places(study.points).to_numpy()
    listed = []
    for cluster in np.unique(study.clusters):
        names = np.unique(study.backbones[study.clusters == cluster].astype(str))
        points = [np.flatnonzero(study.backbones.astype(str) == name) for name in names]
        listed.append([each[np.argsort(places[each], kind="stable")] for each in points])
    return listed


def _moved(networks: list[list[Ints]], n: int, rng: np.random.Generator) -> Ints:
    """Which point's values each point gets, (P,)."""
    source = np.empty(n, dtype=np.int64)
    for to, giver in zip(networks, rng.permutation(len(networks)), strict=True):
        order = rng.permutation(len(networks[giver]))
        for i, place in enumerate(rng.permutation(len(to))):
            given, taken = networks[giver][order[i % len(order)]], to[place]
            depth = np.arange(len(taken)) / max(len(taken) - 1, 1)
            source[taken] = given[np.rint(depth * (len(given) - 1)).astype(np.int64)]
    return source

"""Networks given the values of one another, layer by layer at the same relative depth."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reprq.analysis.depth import layer_places
from reprq.analysis.rules import Floats, StudyArrays

Ints = NDArray[np.int64]


class NetworkPoints(NamedTuple):
    """A network of some studies.

    Attributes:
        cluster: What it is left out, resampled and moved with.
        points: Its points on each data set, from first layer to last; none where it is not on one.
    """

    cluster: str
    points: list[Ints]


def networks_of(studies: Sequence[StudyArrays]) -> list[NetworkPoints]:
    """Return all networks, by the names of their clusters and then by their own."""
    names = [study.backbones.astype(str) for study in studies]
    owners = {
        (str(cluster), str(name))
        for study, own in zip(studies, names, strict=True)
        for cluster, name in zip(study.clusters, own, strict=True)
    }
    places = [layer_places(study.points).to_numpy() for study in studies]
    found = []
    for cluster, name in sorted(owners):
        points = [np.flatnonzero(own == name) for own in names]
        found.append(
            NetworkPoints(cluster, [p[np.argsort(at[p], kind="stable")] for p, at in zip(points, places, strict=True)])
        )
    return found


class Placed(NamedTuple):
    """A network with the values of each that gives it some.

    Attributes:
        given: (B,) which of these placements is its own in each of B ways to place all.
        values: By data set (L, T, K, W), L its layers there and W placements.
    """

    given: Ints
    values: list[Floats]


def placed(values: Sequence[Floats], networks: Sequence[NetworkPoints], givers: Ints, nothing: Floats) -> list[Placed]:
    """Return the values of every network in several ways to place them: each distinct placement is made once.

    Args:
        values: (P, T, K) of the points on each data set.
        networks: All networks.
        givers: (V, B) for each network the number of that whose values it gets.
        nothing: (K,) what a network gets from one that is not on its data set.
    """
    found = []
    for network, own in zip(networks, givers, strict=True):
        distinct, given = np.unique(own, return_inverse=True)
        made = []
        for d, each in enumerate(values):
            taken = len(network.points[d])
            moved = np.empty((taken, *each.shape[1:], len(distinct)))
            for w, giver in enumerate(distinct):
                others = networks[giver].points[d]
                moved[..., w] = each[others[_same_depth(taken, len(others))]] if len(others) else nothing
            made.append(moved)
        found.append(Placed(given, made))
    return found


@cache
def _same_depth(layers: int, of: int) -> Ints:
    """Which of some layers lie at the relative depth of each."""
    depth = np.arange(layers) / max(layers - 1, 1)
    return np.rint(depth * (of - 1)).astype(np.int64)

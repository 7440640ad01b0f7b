"""Correlation given depth, of columns that depend on depth alone, and on depth and each other."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from reprq.evaluation import correlation
from simulations.measured import Measured, Section, measured

Floats = NDArray[np.float64]

SHAPES: dict[str, Callable[[Floats], Floats]] = {
    "flat": lambda z: 0 * z,
    "line": lambda z: 3 * z,
    "U": lambda z: 12 * (z - 0.5) ** 2,
    "late peak": lambda z: 3 * np.exp(-(((z - 0.8) / 0.15) ** 2)),
    "saturating": lambda z: 3 * (1 - np.exp(-6 * z)),
    "step": lambda z: 2.0 * (z > 0.6),
    "one wave": lambda z: 1.5 * np.sin(2 * np.pi * z),
}


def by_depth(
    rng: np.random.Generator, networks: int, layers: int, shape: Callable[[Floats], Floats], rho: float = 0.0
) -> tuple[Floats, Floats, NDArray[np.int64], Floats]:
    """Draw x and y that follow a shape in depth, the networks and the depths.

    What depth leaves over is normal, half of its variance common to a network, and has the correlation rho.

    Args:
        rng: Draws the rest.
        networks: How many; they have from layers - 2 to layers + 2 layers.
        layers: Of a network, in the mean.
        shape: Of depth in [0, 1].
        rho: Between what depth leaves over of x and of y.
    """
    sizes = layers + np.arange(networks) % 5 - 2
    groups = np.repeat(np.arange(networks), sizes)
    depth = np.concatenate([np.linspace(0, 1, size) for size in sizes])
    mixing = np.linalg.cholesky(np.array([[1, rho], [rho, 1]]))
    left = rng.standard_normal((networks, 2))[groups] + rng.standard_normal((len(groups), 2))
    x, y = (left / np.sqrt(2) @ mixing.T).T + shape(depth)
    return x, y, groups, depth


def given_depth(trials: int, seed: int) -> Iterator[Measured]:
    """Given depth, tests of unrelated columns keep 5 % and intervals cover, whatever the shape in depth."""
    for networks, layers in ((8, 6), (16, 8)):
        for name, shape in SHAPES.items():
            for level, method in (
                ("pooled", "spearman"),
                ("pooled", "pearson"),
                ("pooled", "kendall"),
                ("within", "spearman"),
            ):
                rng = np.random.default_rng(seed)
                found = []
                for _ in range(trials):
                    x, y, groups, depth = by_depth(rng, networks, layers, shape)
                    found.append(correlation(x, y, groups, method, 200, level=level, given=depth))
                setting = f"{networks} networks of {layers} layers, both {name} in depth, {level} {method}"
                yield measured(
                    setting, "p <= .05", 0.05, [each.p_value is not None and each.p_value <= 0.05 for each in found]
                )
                yield measured(
                    setting,
                    "0 in the interval",
                    0.95,
                    [each.low is not None and each.low <= 0 <= each.high for each in found],
                )


def given_depth_truth(trials: int, seed: int) -> Iterator[Measured]:
    """Pearson's interval given depth covers the correlation of what depth leaves over, nominal 95 %."""
    for networks, layers in ((8, 6), (16, 8), (40, 8)):
        for name in ("line", "U", "late peak", "step"):
            for rho in (0.3, 0.7):
                rng = np.random.default_rng(seed)
                covered = []
                for _ in range(trials):
                    x, y, groups, depth = by_depth(rng, networks, layers, SHAPES[name], rho)
                    each = correlation(x, y, groups, "pearson", 400, given=depth)
                    covered.append(each.low is not None and each.low <= rho <= each.high)
                yield measured(f"{networks} networks of {layers} layers, {name}, rho {rho}", "covered", 0.95, covered)


SECTIONS: dict[str, Section] = {"given_depth": given_depth, "given_depth_truth": given_depth_truth}

"""The sign-flip test of a correlation where networks of one architecture resemble each other."""

from collections.abc import Iterator

import numpy as np

from reprq.evaluation import correlation
from simulations.measured import Measured, Section, measured

SIZES = (6, 2, 2, 2, 2, 2)  # networks an architecture of the study of JPEG CIFAR-10
LAYERS = 6


def clusters(trials: int, seed: int) -> Iterator[Measured]:
    """Rejections at 5 % of a metric and a score that are unrelated, by what is taken to be independent."""
    of_network = np.repeat(np.arange(len(SIZES)), SIZES)
    groups = np.repeat(np.arange(len(of_network)), LAYERS)
    for share in (0.0, 0.5, 1.0):
        for level in ("pooled", "between", "within"):
            rng = np.random.default_rng(seed)
            found: dict[str, list[bool]] = {"backbone": [], "architecture": []}
            for _ in range(max(1, trials // 2)):
                columns = []
                for _ in range(2):
                    own, of_architecture = (
                        rng.normal(size=(len(of_network), LAYERS + 1)),
                        rng.normal(size=(len(SIZES), LAYERS + 1)),
                    )
                    parts = np.sqrt(share) * of_architecture[of_network] + np.sqrt(1 - share) * own
                    columns.append((parts[:, :1] + 0.5 * parts[:, 1:]).ravel() + 0.3 * rng.normal(size=len(groups)))
                for name, values in found.items():
                    asked = of_network[groups] if name == "architecture" else None
                    p = correlation(*columns, groups, "spearman", 199, level=level, clusters=asked).p_value
                    values.append(p is not None and p <= 0.05)
            for name, values in found.items():
                yield measured(f"architectures carry {share:.0%}, {level}", f"p <= .05, by {name}", 0.05, values)


SECTIONS: dict[str, Section] = {"clusters": clusters}

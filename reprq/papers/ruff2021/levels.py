"""Level sets of a density (Figure 1.3): the smallest sets that hold a share alpha of a standard Gaussian.

The set {x: p(x) >= c} with probability alpha is |x| <= z in one dimension, with z the (1 + alpha) / 2 quantile, and a
disk in two, whose squared radius is the alpha quantile of chi square with two degrees of freedom. Beside them stands
the share of new draws that lies inside where `gaussian`, fitted on 1,000 draws, is cut at the alpha quantile of the
scores of 1,000 others.
"""

from typing import Any

import numpy as np
from scipy.stats import chi2, norm

from reprq.detectors import create
from reprq.study.cells import Row

ALPHAS = (0.5, 0.75, 0.95)
_DRAWS, _NEW = 1000, 20000


def level_sets(seed: int) -> list[Row]:
    """Return a row for each dimension and alpha: the level c, its radius, and the share found inside.

    Example:
        >>> row = level_sets(0)[0]
        >>> row["alpha"], round(row["radius"], 4), abs(row["found"] - row["alpha"]) < 0.05
        (0.5, 0.6745, True)
    """
    rows: list[Row] = []
    for d in (1, 2):
        rng = np.random.default_rng([seed, d])
        train, others, new = (rng.normal(size=(n, d)) for n in (_DRAWS, _DRAWS, _NEW))
        fitted = create("gaussian").fit(train)
        held_out, scores = fitted.anomaly_score(others), fitted.anomaly_score(new)
        for alpha in ALPHAS:
            radius = float(norm.ppf((1 + alpha) / 2) if d == 1 else np.sqrt(chi2.ppf(alpha, 2)))
            level = float(np.exp(-(radius**2) / 2) / (2 * np.pi) ** (d / 2))
            inside = float(np.mean(scores <= np.quantile(held_out, alpha)))
            rows.append({"dimensions": d, "alpha": alpha, "radius": radius, "level": level, "found": inside})
    return rows


def draw_level_sets(rows: list[Row], seed: int) -> Any:
    """Return a panel for each dimension, with the level of every alpha."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    fig = Figure(figsize=(8.5, 3.6), layout="constrained")
    line, disk = fig.subplots(1, 2)
    x = np.linspace(-3.5, 3.5, 400)
    line.plot(x, norm.pdf(x), color="black")
    disk.scatter(*np.random.default_rng([seed, 2]).normal(size=(_DRAWS, 2)).T, s=2, color="0.6", linewidths=0)
    for number, row in enumerate(rows):
        color = f"C{number % len(ALPHAS)}"
        said = f"alpha {row['alpha']:g}: level {row['level']:.3f}, found {row['found']:.3f}"
        if row["dimensions"] == 1:
            line.hlines(row["level"], -row["radius"], row["radius"], color=color, label=said)
            line.vlines([-row["radius"], row["radius"]], 0, row["level"], color=color, linestyle=":")
        else:
            disk.add_patch(Circle((0, 0), row["radius"], fill=False, color=color, label=said, linewidth=1.5))
    line.set_ylim(0, 0.6)
    disk.set_aspect("equal")
    disk.set_xlim(-3.6, 3.6)
    disk.set_ylim(-3.6, 5.6)
    for ax, title in ((line, "one dimension"), (disk, "two dimensions")):
        ax.set_title(f"standard Gaussian, {title}", fontsize=10)
        ax.legend(fontsize=8, loc="upper center")
    return fig

"""How a backbone looks: the same color and marker wherever it is drawn."""

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

# Okabe & Ito's colors without black and yellow, which read as axes and as paper, and two dark ones of Paul Tol.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255")
BENIGN, ANOMALOUS = "#0072B2", "#D55E00"
_LONGEST = 48
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")


def styles(backbones: Sequence[str], random: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Return the color and marker of each backbone, no two alike up to 64; random weights are hollow.

    Args:
        backbones: Distinct names.
        random: Those of them with random weights, which are drawn hollow.

    Returns:
        Keyword arguments of `Axes.plot` and `Line2D`, by name.

    Example:
        >>> styles(["lenet"], random={"lenet"})["lenet"]["markerfacecolor"]
        'none'
    """
    count = len(COLOURS)
    looks = {}
    for i, name in enumerate(backbones):
        colour, marker = COLOURS[i % count], _MARKERS[(i + 3 * (i // count)) % count]
        filled = "none" if name in random else colour
        looks[name] = {"color": colour, "marker": marker, "markerfacecolor": filled, "markeredgecolor": colour}
    return looks


def random_backbones(table: pd.DataFrame) -> set[str]:
    """Return the backbones whose weights are random, by the column `weights`; none where the table has no such column.

    Example:
        >>> random_backbones(pd.DataFrame({"backbone": ["a", "b"], "weights": ["random(seed=0)", "file:random.pt"]}))
        {'a'}
    """
    if "weights" not in table:
        return set()
    return {str(name) for name in table.loc[table["weights"].astype(str).str.startswith("random"), "backbone"]}


def legend_handles(looks: dict[str, dict[str, Any]]) -> list[Line2D]:
    """Return one legend entry a backbone."""
    return [Line2D([], [], linestyle="none", markersize=6, label=plain(name), **look) for name, look in looks.items()]


def shortened(name: str) -> str:
    """Return a name on one line, with its middle left out beyond 48 letters."""
    line = " ".join(name.split()) or "(no name)"
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2 - 1]}...{line[-(_LONGEST // 2 - 2) :]}"


def plain(name: str) -> str:
    r"""Return a name as matplotlib shows it letter by letter: no formula between dollars, one line, at most 48 letters.

    Example:
        >>> plain("net $5"), plain("a" * 60)
        ('net \\$5', 'aaaaaaaaaaaaaaaaaaaaaaa...aaaaaaaaaaaaaaaaaaaaaa')
    """
    line = shortened(name)
    escaped = line.replace("$", r"\$")
    return f"\N{ZERO WIDTH SPACE}{escaped}" if escaped.startswith("_") else escaped  # else no legend shows it


def tidy(axes: Axes) -> None:
    """Leave the axes with two spines and a faint grid behind the points."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)

"""Draw the packages of reprq and who imports whom, from the code: `python docs/packages.py FILE.png`.

A matrix, not arrows, since nineteen packages that build on one another are a tangle of arrows: what points one way is a
triangle. The order is that of the layers that import-linter holds the packages to.
"""

import sys
import tomllib
from pathlib import Path

import grimp
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from reprq.plots.save import render

ROOT = Path(__file__).parents[1]
_MOST = 3  # packages of a layer with a row each; more are single modules and share one
_SINGLE = "single modules"


def packages() -> dict[str, str]:
    """Return the row of each package, the highest layer first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    lines = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    layers = [[name.strip().removeprefix("reprq.") for name in line.split("|")] for line in lines]
    return {name: name if len(layer) <= _MOST else _SINGLE for layer in layers for name in layer}


def imports() -> pd.DataFrame:
    """Return how many modules of each row import each column: an importer a row, what is imported a column."""
    graph, row_of = grimp.build_graph("reprq"), packages()
    order = list(dict.fromkeys(row_of.values()))
    found = {(importer, imported): set[str]() for importer in order for imported in order}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            pair = tuple(row_of.get(name.split(".")[1] if "." in name else "", "") for name in (module, imported))
            if all(pair) and pair[0] != pair[1]:
                found[pair[0], pair[1]].add(module)
    counts = pd.Series({pair: len(modules) for pair, modules in found.items()})
    return counts.unstack().loc[order, order]


def draw() -> Figure:
    """Return the picture."""
    table = imports()
    figure, ax = plt.subplots(figsize=(8.6, 6.6), layout="constrained")
    sns.heatmap(
        table, mask=table == 0, annot=True, fmt="d", cmap="Blues", vmin=0, linewidths=0.5, linecolor="0.92",
        square=True, cbar=False, ax=ax,
    )  # fmt: skip
    ax.set(xlabel="is imported", ylabel="imports")
    ax.xaxis.set(ticks_position="top", label_position="top")
    ax.tick_params(axis="x", rotation=60, length=0)
    ax.tick_params(axis="y", rotation=0, length=0)
    plt.setp(ax.get_xticklabels(), ha="left", rotation_mode="anchor")
    return figure


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(render(draw(), "svg" if sys.argv[1].endswith("svg") else "png"))

"""How long a report's picture of all pairs takes, 11 metrics by 3 detectors. Run `python benchmarks/grid.py --save`.

The points are made up: layers of networks whose metrics and scores go together. Drawing, and writing as the report
does, are timed apart; the first run, which reads fonts, is not counted.
"""

import argparse
import itertools

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from recording import Record, add_option, timed

from reprq import plots
from reprq.evaluation import Correlation

METRICS = ("alpha_req", "rankme", "aucev", "cosine_compactness", "participation_ratio", "stable_rank", "nesum", "trace")
METRICS += ("effective_rank", "uniformity", "twonn")
DETECTORS = ("knn[k=5,kth,euclidean]", "mahalanobis[ledoit_wolf]", "centroid")


def made(backbones: int, layers: int) -> pd.DataFrame:
    """Points of every pair."""
    rng, tables = np.random.default_rng(0), []
    for metric, detector in itertools.product(METRICS, DETECTORS):
        quality = rng.standard_normal((backbones, layers)) + np.linspace(-1, 1, layers)
        rows = list(itertools.product(range(backbones), range(layers)))
        table = pd.DataFrame(rows, columns=["backbone", "layer_number"]).assign(detector=detector, metric=metric)
        x, y = np.exp(quality.ravel()), 1 / (1 + np.exp(-quality.ravel() - rng.standard_normal(quality.size)))
        named = {"backbone": [f"network {b}" for b in table["backbone"]], "layer": table["layer_number"].astype(str)}
        tables.append(table.assign(**named, x=x, y=y, weights=np.where(table["layer_number"] < 0, "random", "trained")))
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    """Time the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbones", type=int, default=12)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    add_option(parser)
    asked = parser.parse_args()
    record = Record("grid", {"backbones": asked.backbones, "layers": asked.layers, "repeats": asked.repeats})
    points = made(asked.backbones, asked.layers)
    n = asked.backbones * asked.layers
    found = Correlation(0.62, 0.31, 0.8, 0.004, n, asked.backbones, "spearman")
    titles = dict.fromkeys(itertools.product(DETECTORS, METRICS), found)
    figures: list[Figure] = []

    def draw() -> None:
        figures.append(plots.correlation_grid(points, "AUROC", titles))

    def write() -> None:
        plots.render(figures[-1], "svg", tight=False)

    draw()
    write()
    case = f"{len(titles)} panels, {n} points each"
    for name, call in (("draw", draw), ("write as SVG", write)):
        took = timed(call, asked.repeats)
        record.add(case, name, took)
        print(f"{case}, {name}: {took.cpu:.2f} s of the processor, {took.wall:.2f} s")
        plt.close("all")
    if asked.save:
        record.save()


if __name__ == "__main__":
    main()

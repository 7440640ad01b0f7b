"""Does a low effective rank of benign rows, relative to that of a broad reference, go with detection?

    python figures/modalities.py RUN --out figures/modalities

RUN is the folder of `reprq study figures/modalities.toml`, with the same variables set. For every task, network and
layer the effective rank of the benign training rows is divided by that of a reference in the same layer, both at the
same number of rows: of images Tiny ImageNet, of texts all groups of 20 Newsgroups, of sounds all classes of ESC-10, of
tables the benign rows with every column shuffled by itself. `points.csv` has a row a task, layer and detector,
`coefficients.csv` Spearman's coefficient within each data set and its mean with an interval over data sets, and
`relative-rank.png` draws both.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from reprq.analysis import over_datasets
from reprq.data import Dataset, load_dataset
from reprq.data.table.sources import TableRows
from reprq.embeddings import extract
from reprq.metrics import effective_rank, relative_rank
from reprq.plots import render
from reprq.plots.styles import styles, tidy
from reprq.study import StudyResults
from reprq.study.loading import load_config
from reprq.study.parts import StudyPart
from reprq.study.plan import Plan
from reprq.study.sources import Teachers, load_network
from reprq.study.tables import write_table

HERE = Path(__file__).parent
SHOWN = 600  # rows of a reference
KEYS = ["seed", "dataset", "backbone", "layer", "task"]
TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5)
NOUNS = {"audio": "sound"}
ASPECTS = ("effective_rank", "relative_rank")


def main() -> None:
    """Measure the references, join them with the study, write tables and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    config = load_config(HERE / "modalities.toml")
    plan = Plan(config, Teachers(asked.run / "teachers", config.datasets, "cpu"))
    ranks = pd.DataFrame([row for part in plan.parts for row in relative_ranks(plan, part)])
    scores = StudyResults.load(asked.run).detectors
    points = scores[[*KEYS, "detector", "auroc"]].merge(ranks, on=KEYS)
    asked.out.mkdir(parents=True, exist_ok=True)
    write_table(points.round(4), asked.out / "points.csv")
    table = coefficients(points)
    write_table(table.round(3), asked.out / "coefficients.csv")
    (asked.out / "relative-rank.png").write_bytes(render(draw(points, table), "png"))


def relative_ranks(plan: Plan, part: StudyPart) -> Iterator[dict[str, object]]:
    """Yield the ranks of every layer and task of one network on one data set."""
    network = plan.network_of(part)
    train, _ = plan.samples[part.seed, part.data.dataset]
    backbone = load_network(network.config, part.seed, plan.benign_of(part))
    named = [name for name, _ in network.layers]
    how = {"pooling": network.config.pooling, "progress": False}
    for split in plan.splits_of(part):
        benign = train.select(split.train)
        own = extract(backbone, train, named, **how)
        broad = extract(backbone, reference(benign, part.seed), named, **how)
        for name, stored, beside in zip(named, own, broad, strict=True):
            x, z = own[stored].array[split.train], broad[beside].array
            known = {"seed": part.seed, "dataset": part.data.dataset, "backbone": part.backbone.label}
            found = {"effective_rank": effective_rank(x), "relative_rank": relative_rank(x, z)}
            yield {**known, "layer": name, "task": split.name, "modality": train.modality, "n": len(x), **found}


def reference(benign: Dataset, seed: int) -> Dataset:
    """Return the broad reference set of a modality."""
    root = os.environ["REPRQ_MODALITIES"]
    if benign.modality == "image":
        return load_dataset(f"folder:{root}/tiny", whole=True, seed=seed).sample(SHOWN, seed=seed)
    if benign.modality == "text":
        return load_dataset("20newsgroups", root=f"{root}/news", seed=seed).sample(SHOWN, seed=seed)
    if benign.modality == "audio":
        return load_dataset("esc10", root=f"{root}/esc10", seed=seed)
    rng, rows = np.random.default_rng(seed), benign.rows
    columns = {name: rng.permutation(column[rows]) for name, column in benign.source.columns.items()}
    n = np.arange(len(rows))
    return Dataset(
        name=f"shuffled {benign.name}",
        split="train",
        classes=("shuffled",),
        labels=np.zeros(len(n), np.int64),
        ids=n.astype(np.str_),
        source=TableRows(columns, "shuffled"),
        rows=n,
        split_info={"kind": "shuffled", "seed": seed},
        modality="table",
    )


def coefficients(points: pd.DataFrame) -> pd.DataFrame:
    """Return the coefficients of both ranks for each detector: over all points, and over layers at the tasks' mean."""
    by_layer = points.groupby(["dataset", "modality", "backbone", "layer", "detector"], sort=False, as_index=False)
    means = by_layer[["auroc", *ASPECTS]].mean()
    tables = []
    for level, table in (("tasks and layers", points), ("layers", means)):
        for detector, rows in table.groupby("detector", sort=False):
            tables += [over_datasets(rows, each).assign(detector=detector, level=level) for each in ASPECTS]
    return pd.concat(tables, ignore_index=True)


def draw(points: pd.DataFrame, table: pd.DataFrame) -> plt.Figure:
    """Draw AUROC against the relative rank, a panel a modality, and the coefficients of each data set beside them."""
    kinds = list(dict.fromkeys(points["modality"]))
    figure, axes = plt.subplots(1, len(kinds) + 1, figsize=(4 * len(kinds) + 4.5, 4.6), layout="constrained")
    for ax, kind in zip(axes, kinds, strict=False):
        of_kind = points[(points["modality"] == kind) & (points["detector"] == "mahalanobis")]
        for name, look in styles(list(dict.fromkeys(of_kind["dataset"]))).items():
            rows = of_kind[of_kind["dataset"] == name]
            ax.plot(rows["relative_rank"], rows["auroc"], linestyle="none", markersize=3.5, label=name, **look)
        tidy(ax)
        ax.set(
            title=f"{NOUNS.get(kind, kind)}s",
            xscale="log",
            xlabel="effective rank, relative to the reference",
            ylabel="AUROC",
        )
        low, high = ax.get_xlim()
        ax.set_xticks([tick for tick in TICKS if low <= tick <= high], minor=False)
        ax.set_xticks([], minor=True)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.legend(fontsize=8, loc="best")
    shown = table[(table["x"] == "relative_rank") & (table["level"] == "layers")]
    names = list(dict.fromkeys(shown["dataset"]))
    for i, (detector, look) in enumerate(styles(list(dict.fromkeys(shown["detector"]))).items()):
        rows = shown[shown["detector"] == detector]
        y = [names.index(name) + 0.2 * (i - 0.5) for name in rows["dataset"]]
        axes[-1].hlines(y, rows["low"], rows["high"], color=look["color"])
        axes[-1].plot(rows["coefficient"], y, linestyle="none", markersize=5, label=detector, **look)
    tidy(axes[-1])
    axes[-1].axvline(0, color="0.4", linewidth=1, zorder=0)
    axes[-1].set_yticks(range(len(names)), names)
    axes[-1].set(title="over layers", xlabel="Spearman's rho; of all with its interval", xlim=(-1.05, 1.05))
    axes[-1].set_ylim(len(names) - 0.5, -0.5)
    axes[-1].legend(fontsize=8, loc="best")
    return figure


if __name__ == "__main__":
    main()

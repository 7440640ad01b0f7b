"""The tables and the picture of a finished study of texts by layer.

    reprq study figures/text_layers.toml
    python figures/text_layers.py runs/text_layers --out figures/text_layers

`layers.csv` has the mean over tasks of every metric, and of every detector's AUROC with its 95 % interval: over tasks
where there are several, by DeLong where there is one. `layers.png` shows MiniLM along its depth, the other backbones as
lines across. `last_layer.csv` says what the last layer costs beside the best one of each task, by the test labels.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from reprq.evaluation import mean_over_tasks
from reprq.plots import render
from reprq.storage import write_whole
from reprq.study import StudyResults
from reprq.study.tables import write_table

DEEP = "MiniLM"
WHERE = ["dataset", "backbone", "layer", "layer_number"]
DRAWN = {"alpha_req": "alpha-ReQ", "rankme": "RankMe", "cosine_compactness": "mean cosine"}


def main() -> None:
    """Read the study, write the tables and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    results = StudyResults.load(asked.run)
    asked.out.mkdir(parents=True, exist_ok=True)
    found = layers(results)
    write_table(found.round(4), asked.out / "layers.csv")
    write_table(last_layer(results.detectors).round(4), asked.out / "last_layer.csv")
    figure = draw(found)
    write_whole(asked.out / "layers.png", lambda file: file.write_bytes(render(figure, "png")))
    plt.close(figure)


def layers(results: StudyResults) -> pd.DataFrame:
    """Return one row a data set, layer and detector: AUROC with its interval, and the metrics."""
    scores = results.detectors.groupby([*WHERE, "detector"], sort=False).apply(_mean, include_groups=False)
    metrics = results.metrics.pivot_table(index=WHERE, columns="metric", values="value", sort=False)
    return scores.reset_index().merge(metrics.reset_index(), on=WHERE, how="left")


def _mean(rows: pd.DataFrame) -> pd.Series:
    if len(rows) == 1:
        values = rows[["auroc", "auroc_low", "auroc_high"]].iloc[0].tolist()
    else:
        mean = mean_over_tasks(rows[["task", "seed", "auroc"]])
        values = [mean.value, mean.low, mean.high]
    return pd.Series([*values, len(rows)], index=["auroc", "low", "high", "tasks"])


def last_layer(detectors: pd.DataFrame) -> pd.DataFrame:
    """Return, a data set and detector, AUROC of the best layer of each task less that of the last, over tasks."""
    deep = detectors[detectors["backbone"] == DEEP]
    rows = []
    for (dataset, detector), own in deep.groupby(["dataset", "detector"], sort=False):
        table = own.pivot_table(index="task", columns="layer_number", values="auroc")
        means = table.mean()
        rows.append(
            {
                "dataset": dataset,
                "detector": detector,
                "tasks": len(table),
                "last": means.iloc[-1],
                "best on average": means.max(),
                "layer that is best on average": int(means.idxmax()),
                "best of each task": table.max(axis=1).mean(),
                "tasks whose last layer is best": int((table.iloc[:, -1] >= table.max(axis=1)).sum()),
            }
        )
    return pd.DataFrame(rows)


def draw(found: pd.DataFrame) -> plt.Figure:
    """Draw a column a data set: AUROC of each detector along the depth above, metrics below."""
    datasets = found["dataset"].unique()
    figure, axes = plt.subplots(
        2, len(datasets), figsize=(4.6 * len(datasets), 7), squeeze=False, layout="constrained", sharex=True
    )
    for column, dataset in enumerate(datasets):
        own = found[found["dataset"] == dataset]
        deep, others = own[own["backbone"] == DEEP], own[own["backbone"] != DEEP]
        top, below = axes[:, column]
        for color, (detector, rows) in enumerate(deep.groupby("detector", sort=False)):
            top.plot(rows["layer_number"], rows["auroc"], f"C{color}o-", label=f"{DEEP}, {detector}")
            top.fill_between(rows["layer_number"], rows["low"], rows["high"], color=f"C{color}", alpha=0.12, lw=0)
        for style, (backbone, rows) in zip(
            ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1))), others.groupby("backbone", sort=False), strict=False
        ):
            best = rows.loc[rows["auroc"].idxmax()]
            top.axhline(best["auroc"], color="0.35", ls=style, lw=1.2, label=f"{backbone}, best of the three")
        top.set_title(dataset)
        top.set_ylabel("AUROC")
        once = deep.drop_duplicates("layer_number")
        for color, (metric, label) in enumerate(DRAWN.items()):
            below.plot(once["layer_number"], once[metric] / once[metric].max(), f"C{color + 3}s-", label=label)
        below.set_xlabel(f"layer of {DEEP}")
        below.set_ylabel("metric / its largest value")
    for row in (0, 1):
        axes[row, -1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    main()

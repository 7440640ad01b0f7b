"""Write what a finished study says beyond its own tables: correlations by level, regrets, and directions.

    python figures/study_tables.py runs/jpeg_cifar10_seeds --out figures/jpeg_cifar10_seeds --exclude 'cifar_*'

`correlation.csv` has Spearman's rho over all tasks, pooled, between and within networks, alone and given width and
depth; `regret.csv` what choosing a layer by each rule costs, with and without the networks that `--exclude` matches;
`choices.csv` what the combination chose in each task, and what would have been best; `layers.csv` the mean of every
metric and AUROC over tasks and seeds, one row a layer, from which `redraw.py` draws. `--directions` also writes what
the study says of each metric, in the form that `reprq recommend --data` rests on.
"""

import argparse
from pathlib import Path

import pandas as pd

from reprq.analysis import Directions, correlate, points, recommend
from reprq.study import StudyResults
from reprq.study.tables import write_table


def main() -> None:
    """Read the study, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--exclude", action="append", default=[])
    parser.add_argument("--directions", type=Path)
    asked = parser.parse_args()
    results = StudyResults.load(asked.run)
    asked.out.mkdir(parents=True, exist_ok=True)
    write_table(correlations(results).round(4), asked.out / "correlation.csv")
    write_table(layers(results).round(6), asked.out / "layers.csv")
    kept = {
        "": recommend(results),
        **({",".join(asked.exclude): recommend(results, exclude=asked.exclude)} if asked.exclude else {}),
    }
    for name in ("regret", "choices"):
        table = pd.concat([getattr(found, name).assign(without=patterns) for patterns, found in kept.items()])
        if name == "choices":
            table = table[table["rule"] == "combination"]
        write_table(table.round(4), asked.out / f"{name}.csv")
    if asked.directions is not None:
        Directions(Directions.of_study(results).table, source(results)).save(asked.directions)


def correlations(results: StudyResults) -> pd.DataFrame:
    """Return the correlations at each level, alone and given width and depth."""
    levels = ["pooled", "between", "within"]
    alone = correlate(results, method="spearman", level=levels)
    return pd.concat(
        [alone, correlate(results, method="spearman", level=["pooled", "within"], given=["width", "depth"])]
    )


def layers(results: StudyResults) -> pd.DataFrame:
    """Return one row a layer: where it lies, the mean of every metric and every detector's AUROC."""
    where = ["backbone", "layer", "layer_number", "network", "weights", "width", "depth"]
    metrics, detectors = results.metrics["metric"].unique(), results.detectors["definition"].unique()
    found = [points(results, metric, "auroc", detectors[0]).set_index(where)["x"].rename(metric) for metric in metrics]
    found += [
        points(results, metrics[0], "auroc", detector).set_index(where)["y"].rename(detector) for detector in detectors
    ]
    return pd.concat(found, axis=1).reset_index()


def source(results: StudyResults) -> str:
    """Say in words which study the directions come from."""
    table = results.metrics
    points = table[["backbone", "layer"]].drop_duplicates()
    counts = {name: table[name].nunique() for name in ("backbone", "network", "task", "seed")}
    return (
        f"one study on one data set, {results.study['config']['title']}: {counts['backbone']} networks of"
        f" {counts['network']} architectures, {len(points)} layers, {counts['task']} one-class tasks,"
        f" {counts['seed']} seed{'s' * (counts['seed'] > 1)}"
    )


if __name__ == "__main__":
    main()

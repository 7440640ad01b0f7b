"""Draw and write what the study of tables says: AUROC by rows or layer, and what teaching a perceptron adds.

    python figures/tables.py RUN --out figures/tables

RUN is the folder of `reprq study figures/tables.toml`. `layers.csv` has the mean of every metric and every detector's
AUROC over seeds, with Student's interval over seeds; `differences.csv` the differences of AUROC to the scaled rows and
to the same layer of the random perceptron, seed by seed; `auroc.png` draws the first.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from scipy import stats

from reprq.plots import render
from reprq.plots.styles import styles, tidy
from reprq.study import StudyResults
from reprq.study.tables import write_table

SCALED, RANDOM = "standard", "random perceptron"
KEYS = ["dataset", "rows", "layer"]


def main() -> None:
    """Read the study, write the tables and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    results = StudyResults.load(asked.run)
    asked.out.mkdir(parents=True, exist_ok=True)
    metrics, scores = (_named(table) for table in (results.metrics, results.detectors))
    means = metrics.pivot_table(index=KEYS, columns="metric", values="value", sort=False)
    judged = scores.groupby([*KEYS, "detector"], sort=False)["auroc"].apply(_interval).unstack()
    table = judged.reset_index().merge(means.reset_index(), on=KEYS)
    write_table(table.round(4), asked.out / "layers.csv")
    write_table(differences(scores).round(4), asked.out / "differences.csv")
    (asked.out / "auroc.png").write_bytes(render(draw(judged.reset_index()), "png"))


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """A table with what the rows went through, whichever data set a teacher is of."""
    return table.assign(rows=table["backbone"].str.split(",").str[0])


def _interval(values: pd.Series) -> pd.Series:
    """The mean over seeds and Student's interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.sem()
    return pd.Series({"auroc": values.mean(), "low": values.mean() - half, "high": values.mean() + half})


def differences(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the differences of AUROC to the scaled rows and to the random perceptron, seed by seed, with intervals."""
    keys = ["dataset", "seed", "detector"]
    found = []
    for against, on in ((SCALED, keys), (RANDOM, [*keys, "layer"])):
        base = scores[scores["rows"] == against][[*on, "auroc"]]
        both = scores[scores["rows"] != against].merge(base, on=on, suffixes=("", "_base"))
        both["difference"] = both["auroc"] - both["auroc_base"]
        table = both.groupby([*KEYS, "detector"], sort=False)["difference"].apply(_interval).unstack()
        found.append(table.rename(columns={"auroc": "difference"}).reset_index().assign(against=against))
    return pd.concat(found, ignore_index=True)


def draw(table: pd.DataFrame) -> plt.Figure:
    """Draw the AUROC of every detector by rows or layer, a panel a data set."""
    table = table.assign(called=table["rows"] + (", " + table["layer"]).where(table["layer"] != "rows", ""))
    names = list(dict.fromkeys(table["called"]))
    datasets, detectors = list(dict.fromkeys(table["dataset"])), list(dict.fromkeys(table["detector"]))
    figure, axes = plt.subplots(1, len(datasets), figsize=(11, 6), sharey=True, layout="constrained")
    for ax, dataset in zip(axes, datasets, strict=True):
        for i, (detector, look) in enumerate(styles(detectors).items()):
            rows = table[(table["dataset"] == dataset) & (table["detector"] == detector)]
            y = [names.index(name) + 0.18 * (i - (len(detectors) - 1) / 2) for name in rows["called"]]
            ax.hlines(y, rows["low"], rows["high"], color=look["color"], linewidth=1.2)
            ax.plot(rows["auroc"], y, linestyle="none", markersize=4, label=detector, **look)
        tidy(ax)
        ax.set(title=dataset, xlabel="AUROC, mean over 5 halves", ylim=(len(names) - 0.5, -0.5))
        ax.set_yticks(range(len(names)), names)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(detectors), frameon=False)
    return figure


if __name__ == "__main__":
    main()

"""Draw the pictures that follow from the tables in this folder; no study is run again.

    python figures/redraw.py

`jpeg_cifar10_seeds/coefficients.png` and `every-metric-every-detector.png` are drawn from its `correlation.csv`, its
other pictures from `layers.csv`, `magnetic_tiles_layers/auroc-of-kde-by-layer.png` from its `layers.csv`,
`esc10/auroc-of-mahalanobis-by-layer.png` likewise,
`cka_jpeg_cifar10.png` from its CSV, and the scatter plots of `mai2021/` and of
`mai2021/thirteen/` from their `means.csv`.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from cka_heatmap import draw as draw_cka

from reprq.papers.mai2021.figures import draw as draw_mai2021
from reprq.plots import depth_plot, detector_label, forest_plot, layer_heatmap, metric_label, metric_vs_score, render
from reprq.plots.study import correlation_of

HERE = Path(__file__).parent
LEVELS = {  # of the correlation table: (level, given)
    ("pooled", ""): "all layers",
    ("pooled", "width,depth"): "given width\nand depth",
    ("between", ""): "between\nnetworks",
    ("within", ""): "within\nnetworks",
    ("within", "width,depth"): "within, given\nwidth and depth",
}


def main() -> None:
    """Draw them all."""
    seeds = HERE / "jpeg_cifar10_seeds"
    table = pd.read_csv(seeds / "correlation.csv", keep_default_na=False, na_values=[""]).fillna({"given": ""})
    pooled = table[(table["level"] == "pooled") & (table["given"] == "")]
    _write(forest_plot(pooled).figure, seeds / "coefficients.png")
    _write(every_pair(table), seeds / "every-metric-every-detector.png")
    draw_layers(pd.read_csv(seeds / "layers.csv"), pooled, seeds)
    tiles = HERE / "magnetic_tiles_layers"
    layers = pd.read_csv(tiles / "layers.csv")
    heatmap = layer_heatmap(layers.assign(y=layers["kde[cv]"]), "y", "AUROC of KDE")
    _write(heatmap.figure, tiles / "auroc-of-kde-by-layer.png")
    sounds = HERE / "esc10"
    layers = pd.read_csv(sounds / "layers.csv")
    heatmap = layer_heatmap(layers.assign(y=layers["mahalanobis[ledoit_wolf]"]), "y", "AUROC of Mahalanobis")
    _write(heatmap.figure, sounds / "auroc-of-mahalanobis-by-layer.png")
    draw_cka(pd.read_csv(HERE / "cka_jpeg_cifar10.csv"), HERE / "cka_jpeg_cifar10.png", rows=2000)
    for study in (HERE / "mai2021", HERE / "mai2021" / "thirteen"):
        for name, figure in draw_mai2021(pd.read_csv(study / "means.csv")).items():
            _write(figure, study / f"{name}.png")


def draw_layers(layers: pd.DataFrame, pooled: pd.DataFrame, folder: Path) -> None:
    """Draw NESum and the AUROC of Centroid: against each other, by layer and by depth."""
    over = layers.assign(x=layers["nesum"], y=layers["centroid"])
    (row,) = pooled[(pooled["metric"] == "nesum") & (pooled["detector"] == "centroid")].to_dict("records")
    score = "AUROC of Centroid"
    scatter = metric_vs_score(over, "nesum", score, correlation_of(row))
    _write(scatter.figure, folder / "nesum-vs-auroc-of-centroid.png")
    for column, name, file in (("x", metric_label("nesum"), "nesum"), ("y", score, "auroc-of-centroid")):
        _write(layer_heatmap(over, column, name).figure, folder / f"{file}-by-layer.png")
        _write(depth_plot(over, column, name).figure, folder / f"{file}-by-depth.png")


def every_pair(table: pd.DataFrame) -> plt.Figure:
    """Draw Spearman's rho of every metric (rows) with every detector (panels) at every level (columns).

    A coefficient whose 95 % interval holds 0 stands in parentheses.
    """
    metrics, detectors = table["metric"].unique(), table["detector"].unique()
    figure, axes = plt.subplots(1, len(detectors), figsize=(15, 5.2), sharey=True, layout="constrained")
    for ax, detector in zip(axes, detectors, strict=True):
        rows = table[table["detector"] == detector].set_index(["metric", "level", "given"])
        cells = rows.loc[[(name, *level) for name in metrics for level in LEVELS]]
        shape = (len(metrics), len(LEVELS))
        sure = (cells["low"] > 0) | (cells["high"] < 0)
        said = cells["coefficient"].map("{:.2f}".format).where(sure, cells["coefficient"].map("({:.2f})".format))
        sns.heatmap(
            cells["coefficient"].to_numpy().reshape(shape), annot=said.to_numpy().reshape(shape), fmt="", ax=ax,
            cmap="PuOr", vmin=-1, vmax=1, annot_kws={"fontsize": 8}, cbar=False,
            xticklabels=list(LEVELS.values()), yticklabels=[metric_label(name) for name in metrics],
        )  # fmt: skip
        ax.set_title(detector_label(detector), fontsize=10)
        ax.tick_params(length=0, labelsize=9, rotation=0)
        ax.tick_params(axis="x", labelsize=7.5)
    bar = figure.colorbar(axes[0].collections[0], ax=axes, fraction=0.02, pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label("Spearman's rho with AUROC; in parentheses: the 95 % interval holds 0", fontsize=8)
    return figure


def _write(figure: plt.Figure, path: Path) -> None:
    path.write_bytes(render(figure, "png"))
    plt.close(figure)


if __name__ == "__main__":
    main()

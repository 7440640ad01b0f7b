"""Draw the CKA of all layers of two networks, each with itself and with the other.

Both networks are named by their labels in a study file, whose images and preprocessing they take; see there for the
environment variables it needs.

    python figures/cka_heatmap.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from networks import add_options, embeddings

from reprq.errors import ReprqError
from reprq.metrics import layer_similarity
from reprq.plots import similarity_heatmap

HERE = Path(__file__).parent


def main() -> None:
    """Draw the three pictures side by side, and write their numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--backbones", nargs=2, default=["mobilenet_v2 imagenet_tf2", "cifar_resnet56 cifar10"])
    parser.add_argument("--out", type=Path, default=HERE / "cka_jpeg_cifar10", help="path without its ending")
    options = parser.parse_args()
    first, second = (embeddings(options, label) for label in options.backbones)
    one, other = options.backbones
    long = []
    for (name, layers), (beside, others) in (
        ((one, first), (one, None)),
        ((other, second), (other, None)),
        ((other, second), (one, first)),
    ):
        table = layer_similarity(layers, others, debiased=True)
        rows = table.rename_axis("layer").reset_index().melt("layer", var_name="other_layer", value_name="cka")
        rows.insert(0, "backbone", name)
        rows.insert(1, "other_backbone", beside)
        long.append(rows)
    numbers = pd.concat(long)
    numbers.to_csv(options.out.with_suffix(".csv"), index=False, float_format="%.6f")
    draw(numbers, options.out.with_suffix(".png"), len(next(iter(first.values()))))


def draw(numbers: pd.DataFrame, path: Path, rows: int) -> None:
    """Draw the table of a pair of networks, each with itself and with the other.

    Args:
        numbers: Columns backbone, other_backbone, layer, other_layer, cka, layers in the order of depth.
        path: Of the PNG.
        rows: How many images the similarities are over.
    """
    tables = {}
    for (one, other), part in numbers.groupby(["backbone", "other_backbone"], sort=False):
        table = part.pivot(index="layer", columns="other_layer", values="cka")
        table = table.loc[part["layer"].unique(), part["other_layer"].unique()]
        table.attrs["definition"] = "cka[kernel=linear,debiased=True]"
        tables[one if one == other else f"{one} (rows)\n{other} (columns)"] = table
    widths = [len(table.columns) + 1.5 for table in tables.values()]
    figure, axes = plt.subplots(
        1, 3, figsize=(0.42 * sum(widths) + 1.5, 5.2), layout="constrained", width_ratios=widths
    )
    for ax, (name, table) in zip(axes, tables.items(), strict=True):
        similarity_heatmap(table, ax, colorbar=ax is axes[-1])
        ax.set_title(name, fontsize=9)
    figure.suptitle(f"Debiased linear CKA on {rows:,} training images of JPEG CIFAR-10", fontsize=11)
    figure.savefig(path, dpi=200)
    plt.close(figure)


if __name__ == "__main__":
    try:
        main()
    except ReprqError as error:
        raise SystemExit(f"error: {error}") from None

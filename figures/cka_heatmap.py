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
    pairs = [(first, None), (second, None), (second, first)]
    names = [*options.backbones, f"{options.backbones[1]} (rows)\n{options.backbones[0]} (columns)"]
    tables = [layer_similarity(a, b, debiased=True) for a, b in pairs]
    widths = [len(table.columns) + 1.5 for table in tables]
    figure, axes = plt.subplots(
        1, 3, figsize=(0.42 * sum(widths) + 1.5, 5.2), layout="constrained", width_ratios=widths
    )
    for ax, table, name in zip(axes, tables, names, strict=True):
        similarity_heatmap(table, ax, colorbar=ax is axes[-1])
        ax.set_title(name, fontsize=9)
    rows = len(next(iter(first.values())))
    figure.suptitle(f"Debiased linear CKA on {rows:,} training images of JPEG CIFAR-10", fontsize=11)
    figure.savefig(options.out.with_suffix(".png"), dpi=200)
    long = [
        table.rename_axis("layer").reset_index().melt("layer", var_name="other_layer", value_name="cka")
        for table in tables
    ]
    backbones = [(label, label) for label in options.backbones] + [tuple(reversed(options.backbones))]
    for table, (one, other) in zip(long, backbones, strict=True):
        table.insert(0, "backbone", one)
        table.insert(1, "other_backbone", other)
    pd.concat(long).to_csv(options.out.with_suffix(".csv"), index=False, float_format="%.6f")


if __name__ == "__main__":
    try:
        main()
    except ReprqError as error:
        raise SystemExit(f"error: {error}") from None

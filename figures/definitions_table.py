"""Write every definition of every metric side by side, on one layer of one network.

One matrix, so that whatever differs between two rows of a metric differs by definition alone. The network is named by
its label in a study file, whose images and preprocessing it takes; see there for the environment variables it needs.

    python figures/definitions_table.py
"""

import argparse
from pathlib import Path

import pandas as pd
from networks import add_options, embeddings

from reprq.errors import ReprqError
from reprq.metrics import measure, names

HERE = Path(__file__).parent


def main() -> None:
    """Measure the layer and write the table twice: to compute with, and to read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--backbone", default="mobilenet_v2 imagenet_tf2", help="its label in the study file")
    parser.add_argument("--layer", default="stage4", help="the name of the layer")
    parser.add_argument("--out", type=Path, default=HERE / "definitions_jpeg_cifar10", help="path without its ending")
    options = parser.parse_args()
    cache = embeddings(options, options.backbone)
    x = cache[options.layer]
    table = measure(x, names("all"), definitions="all", intervals=True).to_frame()
    table.to_csv(options.out.with_suffix(".csv"), index=False, float_format="%.6g")
    n, d = x.array.shape
    origin = x.provenance
    heading = [
        f"# Every definition on one matrix: `{options.layer}` of {options.backbone}",
        "",
        f"{n:,} training images of JPEG CIFAR-10 (seed {options.seed}), d = {d}; weights {origin['weights']}, sha256"
        f" {origin['weights_digest'][:12]}; images {origin['data_fingerprint'][:12]}; reprq"
        f" {origin['versions']['reprq']}. Intervals: 95 %, delete-a-group jackknife. Made by"
        " `figures/definitions_table.py`; what the identifiers mean: [docs/definitions.md](../docs/definitions.md).",
        "",
    ]
    options.out.with_suffix(".md").write_text("\n".join([*heading, *_markdown(table), ""]), encoding="utf-8")


def _markdown(table: pd.DataFrame) -> list[str]:
    lines = ["| definition | value | interval | notes |", "| --- | ---: | ---: | --- |"]
    for row in table.itertuples():
        value = "none" if pd.isna(row.value) else f"{row.value:.5g}"
        interval = "" if pd.isna(row.low) else f"{row.low:.5g} to {row.high:.5g}"
        lines.append(f"| `{row.definition}` | {value} | {interval} | {row.notes} |")
    return lines


if __name__ == "__main__":
    try:
        main()
    except ReprqError as error:
        raise SystemExit(f"error: {error}") from None

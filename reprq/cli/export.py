"""`reprq export`: a model as an ONNX file, for a line without Python."""

from pathlib import Path
from typing import Any

import click

from reprq.cli import options
from reprq.cli.groups import Command


@click.command(cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--onnx", "file", required=True, type=click.Path(path_type=Path), help="The .onnx file to write.")
@click.option("--data", metavar="NAME", help="On what both are compared.  [default: what the model was fitted on]")
@click.option("--split", default="test", show_default=True, type=click.Choice(["train", "test"]), help="Which split.")
@click.option(
    "--samples", default=64, show_default=True, type=click.IntRange(min=1), help="How many samples are compared."
)
@options.placed
@click.option("--weights", type=click.Path(path_type=Path), help="The file of the backbone's weights, if it moved.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
def export(
    model: Path, file: Path, data: str | None, split: str, samples: int, weights: Path | None, force: bool, **asked: Any
) -> None:
    """Write a MODEL that `reprq fit` wrote as one ONNX graph, from pixels to score, p_value and anomalous.

    Of images with a knn, mahalanobis, centroid, patchcore, padim or spade detector; needs reprq[onnx]. Both are run on
    samples, and where a score differs by more than 1e-4 no file is left. The graph takes what resizing and cropping
    leave of an image, in [0, 1], (n, C, H, W) float32; its metadata say how to resize, and the threshold.
    """
    from reprq.cli.sources import samples_for
    from reprq.models.files import load_model

    loaded = load_model(model, weights=weights)
    given = None if data is None else samples_for(loaded, data, {**asked, "split": split})
    click.echo(str(loaded.to_onnx(file, given, samples=samples, force=force)))

"""`reprq extract`: embeddings into a cache."""

from pathlib import Path
from typing import Any

import click

from reprq.cli import options


@click.command()
@options.network
@click.option("--layers", default="all", show_default=True, metavar="3|layer3|-1|1-4|all", help="Which layers.")
@options.images
@click.option("--split", default="train", show_default=True, type=click.Choice(["train", "test"]), help="Which split.")
@click.option("--samples", type=click.IntRange(min=1), help="A seeded stratified sample of the images; all by default.")
@click.option("--pooling", default="avg", show_default=True, metavar="avg|max|cls|flatten", help="One row an image.")
@click.option(
    "--dtype", default="float32", show_default=True, type=click.Choice(["float32", "float16"]), help="On disk."
)
@click.option(
    "--precision",
    default="float32",
    show_default=True,
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Of the forward pass; a half precision is autocast.",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Threads that decode images.")
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(min=1), help="Images a forward pass.")
@options.run
@options.output
def extract(
    backbone: str | None,
    weights: str,
    size: int | None,
    mean: Any,
    std: Any,
    channels: str | None,
    value_range: float | None,
    layers: str,
    data: str,
    quiet: bool,
    device: str,
    cache_dir: Path | None,
    form: str | None,
    **arguments: Any,
) -> None:
    """Extract the embeddings of many layers in one pass, into a cache that an interrupted run resumes.

    `torchrun --nproc-per-node=N -m reprq extract ...` shares the images over N processes.
    """
    if backbone is None:
        raise click.UsageError("Missing option '--backbone'.")
    import reprq
    from reprq.cli.output import emit
    from reprq.embeddings.ranks import Ranks

    options.check_device(device)
    cache = reprq.extract(
        backbone,
        data,
        layers,
        weights=weights,
        preprocessing=options.preprocessing(size, mean, std, channels, value_range),
        device=device,
        cache_dir=cache_dir,
        progress=not quiet,
        **arguments,
    )
    if Ranks.from_environment().rank > 0:  # torchrun starts many of us; one prints
        return
    rows = [{"layer": name, "rows": len(cache.ids), "width": width} for name, width in cache.widths().items()]
    context = {"path": str(cache.path), "provenance": cache.provenance}
    emit(form, "extract", rows, context, str(cache.path))

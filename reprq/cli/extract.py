"""`reprq extract`: embeddings into a cache."""

from typing import Any

import click

from reprq.cli import options
from reprq.cli.groups import Command
from reprq.cli.sources import extract_split, load_data, load_network, say


@click.command(cls=Command)
@options.network
@click.option("--layers", default="all", show_default=True, metavar="3|layer3|-1|1-4|all", help="Which layers.")
@options.data
@options.benign
@click.option("--split", default="train", show_default=True, type=click.Choice(["train", "test"]), help="Which split.")
@click.option("--samples", type=click.IntRange(min=1), help="A seeded stratified sample of the data; all by default.")
@options.poolings
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
@click.option(
    "--fold-batchnorm",
    is_flag=True,
    help="Fold batch normalizations into the convolutions before them: less time, other rounding.",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Threads that read the data.")
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(min=1), help="Samples a forward pass.")
@options.run
@options.output
def extract(
    benign: tuple[str, ...],
    split: str,
    samples: int | None,
    dtype: str,
    precision: str,
    fold_batchnorm: bool,
    workers: int,
    batch_size: int,
    form: str | None,
    **asked: Any,
) -> None:
    """Extract the embeddings of many layers in one pass, into a cache that an interrupted run resumes.

    All samples of the split are extracted, or with --benign those of the classes that it names.

    `torchrun --nproc-per-node=N -m reprq extract ...` shares the samples over N processes.
    """
    if asked["backbone"] is None:
        raise click.UsageError("Missing option '--backbone'.")
    from reprq.cli.output import emit
    from reprq.embeddings.ranks import Ranks

    how: dict[str, Any] = {"dtype": dtype, "precision": precision, "workers": workers, "batch_size": batch_size}
    how["fold_batchnorm"] = fold_batchnorm
    data = load_data(asked, split)
    if benign:
        from reprq.data import benign_rows

        data, note = benign_rows(data, benign)
        say(note)
    cache = extract_split(asked, load_network(asked), data, samples, **how).cache
    if Ranks.from_environment().rank > 0:  # torchrun starts many of us; one prints
        return
    rows = [{"layer": name, "rows": len(cache.ids), "width": width} for name, width in cache.widths().items()]
    context = {"path": str(cache.path), "notes": list(cache.notes), "provenance": cache.provenance}
    emit(form, "extract", rows, context, str(cache.path))

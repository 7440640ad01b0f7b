"""`reprq measure`: the quality of a layer's embeddings, on benign data alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from reprq.cli import options
from reprq.cli.groups import Command
from reprq.cli.sources import (
    benign_rows,
    described,
    extract_split,
    load_data,
    load_file,
    load_network,
    sampled,
    say,
)

DEFAULT_SAMPLES = 256


@click.command(cls=Command)
@options.network
@options.embeddings
@options.benign
@click.option("--layer", "layers", default="-1", show_default=True, metavar="3|layer3|-1|1-4|all", help="Which layers.")
@options.data
@click.option("--split", default="train", show_default=True, type=click.Choice(["train", "test"]), help="Which split.")
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    help=f"Rows, a seeded stratified sample. [default: {DEFAULT_SAMPLES} of a backbone's data, all of a file's rows]",
)
@options.poolings
@options.metrics
@click.option(
    "--definitions",
    type=click.Choice(["default", "all"]),
    default="default",
    show_default=True,
    help="All published definitions of each metric side by side.",
)
@click.option("--intervals", is_flag=True, help="A 95 % interval of each value, by the jackknife over rows.")
@click.option("--curve", is_flag=True, help="How each value moves with the number of rows, instead of the values.")
@click.option("--cka", type=click.Path(path_type=Path), metavar="PICTURE", help="Draw the CKA of all layers instead.")
@click.option("--similarity", metavar="NAME", help="How alike the layers are instead: svcca, pwcca, cka, ...")
@click.option("--force", is_flag=True, help="Replace the picture where it exists.")
@options.run
@options.output
def measure(
    file: Path | str | None,
    key: str | None,
    columns: str | None,
    labels: str | None,
    benign: tuple[str, ...],
    split: str,
    samples: int | None,
    metrics: tuple[str, ...],
    definitions: str,
    intervals: bool,
    curve: bool,
    cka: Path | None,
    similarity: str | None,
    force: bool,
    form: str | None,
    **asked: Any,
) -> None:
    """Measure the quality of embeddings, on benign data alone: `reprq measure --backbone resnet50 --layer 3`."""
    options.one_source(asked["backbone"], file)
    if similarity is not None and (cka is not None or curve):
        raise click.UsageError("--similarity, --cka and --curve each print a table of their own; give one of them")
    if file is not None and (cka is not None or similarity is not None):
        option = "--similarity" if cka is None else "--cka"
        raise click.UsageError(f"{option} compares the layers of a network: give --backbone, not --embeddings")
    from reprq.cli.output import emit
    from reprq.cli.similarity import heatmap, pairs
    from reprq.metrics.layers import similarity_named
    from reprq.metrics.selection import select

    select(metrics or None)
    if similarity is not None:
        similarity_named(similarity)
    if cka is not None:
        options.check_output(cka, force)
    if file is not None:
        options.only_with_backbone()
        whole = load_file(file, key, columns, labels, benign)
        kept = benign_rows(whole, file)
        measured = [sampled(kept, samples, asked["seed"])]
        source = f"{len(measured[0])} of {len(whole)} rows of {described(whole, file)}"
        if len(kept) < len(whole):
            source += ", those labelled anomalous left out"
    else:
        from reprq.data import benign_rows as benign_data
        from reprq.embeddings.repeats import repeat_notes, repeated_layers

        every = load_data(asked, split)
        chosen, note = benign_data(every, benign)
        say(note)
        found = extract_split(asked, load_network(asked), chosen, samples or DEFAULT_SAMPLES)
        repeats = repeated_layers(found.cache)
        measured = [found.cache[name] for name in found.cache if name not in repeats]
        for sentence in repeat_notes(repeats):
            say(sentence)
        kind = f"{chosen.noun}s" if len(chosen) == len(every) else f"benign {chosen.noun}s"
        rows = f"{len(measured[0])} of {found.total} {kind} of {chosen.name} {split}"
        if len(measured[0]) < found.total:
            rows += ", a seeded sample (--samples N takes more)"
        source = f"{asked['backbone']} ({measured[0].provenance['weights']}) on {rows}"
    if cka is not None:
        table = heatmap(measured, cka, source)
    elif similarity is not None:
        table = pairs(measured, similarity, asked["seed"], progress=not asked["quiet"])
    elif curve:
        table = _curves(measured, metrics, asked["seed"])
    else:
        table = _values(measured, metrics, definitions, intervals)
    notes = measured[0].provenance.get("notes", []) if file is None else []
    emit(form, "measure", table, {"source": source, "notes": notes, "provenance": dict(measured[0].provenance)}, source)
    if cka is not None and form is None:
        click.echo(str(cka))


def _values(measured: Sequence[Any], metrics: Sequence[str], definitions: Any, intervals: bool) -> list[dict[str, Any]]:
    """One row a layer and metric; refused where not one number exists."""
    from reprq.errors import InputError
    from reprq.metrics import measure as measure_array
    from reprq.metrics.registry import METRICS

    table = []
    for x in measured:
        found = measure_array(x, list(metrics) or None, definitions=definitions, intervals=intervals).values()
        if all(metric.value is None for metric in found):
            first = next(iter(found))
            advice = "give more rows that differ" if METRICS.is_built_in(first.name) else "ask who made the metric"
            raise InputError(f"the {len(x)} rows of {x.layer} have no metric: {first.notes[-1]}; {advice}")
        for metric in found:
            fields = {name: getattr(metric, name) for name in ("value", "low", "high", "n", "d", "definition")}
            table.append({"layer": x.layer, "metric": metric.name, **fields, "notes": list(metric.notes)})
    return table


def _curves(measured: Sequence[Any], metrics: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """One row a layer, metric and number of rows: the mean over shuffles and their range."""
    from reprq.metrics import curve

    table = []
    for x in measured:
        found = curve(x, list(metrics) or None, seed=seed).groupby(["metric", "n"], sort=False)["value"]
        for (metric, n), values in found:
            numbers = {"mean": values.mean(), "lowest": values.min(), "highest": values.max()}
            table.append({"layer": x.layer, "metric": metric, "n": n, **numbers})
    return table

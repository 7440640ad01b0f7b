"""`reprq fit`: a detector on benign samples, with its threshold, written to a folder for `reprq score`."""

from pathlib import Path
from typing import Any

import click

from reprq.cli import options
from reprq.cli.groups import Command


@click.command(cls=Command)
@options.network
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="The network: [[backbones]] as of a study; where there are several, --backbone says which, by its label. An"
    " option that is typed comes before what the file says.",
)
@options.embeddings
@options.benign
@click.option(
    "--layer", "layers", default="-1", show_default=True, metavar="3|layer3|-1|2,3", help="Which layers, side by side."
)
@options.data
@click.option("--split", default="train", show_default=True, type=click.Choice(["train", "test"]), help="Which split.")
@click.option("--samples", type=click.IntRange(min=2), help="A seeded sample of the data; all by default.")
@options.pooling
@click.option(
    "--detector", default="knn", show_default=True, metavar="NAME[:PARAMETER=VALUE,...]", help="A detector, as knn:k=1."
)
@click.option("--labelled", metavar="NAME", help="Known anomalies, for a detector that learns from some: as --data.")
@click.option("--auxiliary", metavar="NAME", help="A corpus, for a detector that learns from one: as --data.")
@options.false_alarms
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The folder to write; `reprq score` reads it."
)
@click.option("--with-weights", is_flag=True, help="Write the backbone's weights too, so that nothing else is needed.")
@click.option("--force", is_flag=True, help="Replace a model that is there.")
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(min=1), help="Samples a forward pass.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Threads that read the data.")
@options.run
@click.option("--json", "form", flag_value="json", help="Print the model's record as JSON.")
def fit(
    config: Path | None,
    file: Path | str | None,
    key: str | None,
    columns: str | None,
    labels: str | None,
    benign: tuple[str, ...],
    detector: str,
    false_alarms: float,
    out: Path,
    with_weights: bool,
    force: bool,
    form: str | None,
    **asked: Any,
) -> None:
    """Fit a detector on benign samples, find its threshold, and write both to a folder.

    --data is all of a folder without a split, or one split of what has any; with --benign the classes that it names.
    A model of --embeddings scores files alike; rows that --labels calls anomalous are left out.
    """
    from reprq.cli.output import emit
    from reprq.cli.sources import benign_rows, load_file, say
    from reprq.cli.specifications import specification
    from reprq.models.files import check_free
    from reprq.models.fitting import fit as fit_model

    check_free(out, force)
    options.check_device(asked["device"])
    if asked["backbone"] is None and config is None and file is None:
        options.refuse_network()
    if file is not None:
        options.only_with_backbone()
        if config is not None:
            raise click.UsageError("give either --config FILE.toml or --embeddings FILE")
        if asked["backbone"] is not None:
            raise click.UsageError("give either --backbone NAME or --embeddings FILE")
        data: Any = benign_rows(load_file(file, key, columns, labels, benign), file)
        how = {name: asked[name] for name in ("seed", "device")}
        model = fit_model(None, data, detector=specification(detector), false_alarms=false_alarms, **how)
    else:
        changed = options.preprocessing(asked)
        how = {name: value for name, value in asked.items() if name not in (*options.PREPROCESSING, "data", "quiet")}
        how |= {"preprocessing": changed, "benign": benign, "progress": not asked["quiet"]}
        if config is not None:
            how |= _of_config(config, how)
        backbone, layers = how.pop("backbone"), how.pop("layers")
        model = fit_model(
            backbone, asked["data"], layers, detector=specification(detector), false_alarms=false_alarms, **how
        )
    trained = model.record["trained_on"]
    say(*trained.get("notes", ()), trained.get("benign", ""))
    model.save(out, with_weights=with_weights, force=force)
    if form == "json":
        emit(form, "fit", [], {"path": str(out), "model": model.record})
    else:
        click.echo(f"{out}: {model.describe()}")


def _of_config(config: Path, how: dict[str, Any]) -> dict[str, Any]:
    """What the file says of the network, and what was typed of it, which comes first."""
    from reprq.analysis.candidates import candidates
    from reprq.errors import InputError, UnknownNameError

    found = {section.label: section for section in options.load_networks(config)}
    if how["backbone"] is None and len(found) > 1:
        raise InputError(f"{config} must say one network, got {', '.join(found)}; choose one by --backbone LABEL")
    label = how["backbone"] or next(iter(found))
    if label not in found:
        raise UnknownNameError("backbone", label, found, among=str(config))
    common = {name: how[name] for name in ("weights", "preprocessing", "layers", "pooling", "seed")}
    (network,) = candidates([found[label]], **common).values()
    return {**network.asked, "layers": network.layers, "pooling": network.pooling}

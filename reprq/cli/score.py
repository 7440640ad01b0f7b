"""`reprq score`: what a model says of new samples."""

from pathlib import Path
from typing import Any

import click

from reprq.cli import options
from reprq.cli.groups import Command
from reprq.cli.sources import samples_for, say

_MOST_SHOWN, _MOST_PICTURED = 10, 12


@click.command(cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", required=False)
@options.embeddings
@click.option("--split", default="test", show_default=True, type=click.Choice(["train", "test"]), help="Which split.")
@options.placed
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write all scores to this .csv or .parquet file; the same command goes on with it after an interruption, which"
    " --csv does not.",
)
@click.option(
    "--maps",
    type=click.Path(path_type=Path),
    help="Write where each photo or text is anomalous to this folder, and a picture of the most anomalous ones;"
    " resumes.",
)
@options.map_method
@click.option("--filepath", is_flag=True, help="Add the column filepath, the absolute path of each file, to a table.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@click.option("--monitor", is_flag=True, help="Say whether the scores have changed since fitting; the data is benign.")
@click.option("--any-kind", is_flag=True, help="Take samples of another size or color than those of the fitting.")
@click.option("--weights", type=click.Path(path_type=Path), help="The file of the backbone's weights, if it moved.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Threads that read the data.")
@click.option("--device", default="cpu", show_default=True, help="A torch device: cpu, cuda, cuda:1, mps.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@options.output
def score(
    model: Path,
    data: str | None,
    file: Path | str | None,
    key: str | None,
    columns: str | None,
    labels: str | None,
    out: Path | None,
    maps: Path | None,
    map_method: str | None,
    force: bool,
    monitor: bool,
    any_kind: bool,
    filepath: bool,
    form: str | None,
    **asked: Any,
) -> None:
    """Score samples with a MODEL that `reprq fit` wrote: id, score, p_value among benign samples, anomalous.

    DATA is as --data of other commands, all of a folder without a split; or --embeddings for a model of rows. --csv
    prints every sample as soon as it is scored, and starts anew when it is interrupted; --out goes on. Without these
    or --json the most anomalous samples are shown.

    --maps writes ID.tiff, float32 in the photo's own pixels, nan where a crop left them out, and most_anomalous.png.
    Of texts it writes ID.csv, what each token adds to the score, and most_anomalous.html too.
    """
    if filepath and file is not None:
        raise click.UsageError("--filepath goes with DATA, whose samples may be files")
    if (data is None) == (file is None):
        raise click.UsageError("give either DATA, such as folder:PATH, or --embeddings FILE")
    if map_method is not None and maps is None:
        raise click.UsageError("--map-method says by what the maps of --maps are made; give both")
    from reprq.models.files import load_model
    from reprq.models.scores import ScoreFile

    options.check_device(asked["device"])
    target = None if out is None else ScoreFile(out, force=force)
    loaded = load_model(model, weights=asked["weights"], device=asked["device"])
    given = loaded.check(_data(loaded, data, file, key, columns, labels, asked), any_kind=any_kind)
    notes = loaded.notes(given)
    say(*notes)
    how = {"workers": asked["workers"], "progress": not asked["quiet"], "paths": given.paths if filepath else []}
    folder = None if maps is None else _map_folder(loaded, given, maps, map_method, force)
    if target is not None:
        table = target.write(loaded, given, str(model), **how)
        _report(loaded, table, monitor, form)
    else:
        table = _print(loaded, given, form, monitor, **how)
    if folder is not None:
        _write_maps(folder, given, table, not asked["quiet"])


def _map_folder(model: Any, data: Any, path: Path, method: str | None, force: bool) -> Any:
    """The folder of maps, once the model is known to have some."""
    from reprq.models.maps import MapFolder, maps_of

    maps_of(model, data, method=method)
    return MapFolder(path, model, method=method, force=force)


def _write_maps(folder: Any, data: Any, table: Any, progress: bool) -> None:
    """Write the map of every sample, and a picture of those with the highest scores."""
    from reprq.errors import counted
    from reprq.report.galleries import titles_of

    folder.write(data, progress=progress)
    scores = table["score"].to_numpy()
    shown = scores.argsort(kind="stable")[::-1][:_MOST_PICTURED]
    chosen = data.select(shown)
    titles = titles_of(chosen, scores[shown])
    picture = _page(folder, chosen, titles) if data.modality == "text" else _picture(folder, chosen, titles)
    click.echo(f"{folder.path}: a map of {counted(len(data), data.noun)}, and {picture}", err=True)


def _picture(folder: Any, chosen: Any, titles: list[str]) -> Path:
    from reprq.models.token_maps import transform_of
    from reprq.plots import overlay_gallery, render
    from reprq.storage import write_whole

    transform: Any = transform_of(folder.model)
    pictures = [transform.picture(chosen.item(i)) for i in range(len(chosen))]
    maps = [folder.read(str(name)) for name in chosen.ids]
    threshold = folder.model.record.get("map_threshold") if folder.method is None else None
    figure = overlay_gallery(pictures, maps, titles=titles, threshold=threshold, axes=transform.axes)
    picture: Path = folder.path / "most_anomalous.png"
    write_whole(picture, lambda temporary: temporary.write_bytes(render(figure, "png")))
    return picture


def _page(folder: Any, chosen: Any, titles: list[str]) -> Path:
    from reprq.cli import marked_texts
    from reprq.models.token_maps import transform_of
    from reprq.report.texts import TextSection

    transform = transform_of(folder.model)
    maps = [folder.read(str(name)) for name in chosen.ids]
    texts = [marked_texts.marked(transform, chosen, i, maps[i], title) for i, title in enumerate(titles)]
    section = TextSection("The most anomalous texts", texts, marked_texts.ADDED)
    return marked_texts.write(folder.path, "most_anomalous", folder.model.describe(), [section])


def _data(
    model: Any,
    data: str | None,
    file: Path | str | None,
    key: str | None,
    columns: str | None,
    labels: str | None,
    asked: Any,
) -> Any:
    """The data as it was named, read as at the fitting."""
    if file is not None:
        from reprq.embeddings import load_embeddings

        return load_embeddings(file, key, labels, columns=columns or ())
    return samples_for(model, str(data), asked)


def _print(model: Any, data: Any, form: str | None, monitor: bool, *, paths: list[str], **how: Any) -> Any:
    """Print scores as they come, or all together; return the table."""
    import pandas as pd

    from reprq.models.model import COLUMNS

    parts, at = [], 0
    if form == "csv":
        click.echo(",".join([*COLUMNS, *(["filepath"] if paths else [])]))
    for ids, judged in model.judge(data, **how):
        columns = (ids, judged.scores, judged.p_values, judged.scores > model.threshold)
        part = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
        if paths:
            part["filepath"] = paths[at : at + len(part)]
        if form == "csv":
            click.echo(part.to_csv(index=False, header=False), nl=False)
        parts.append(part.assign(of_first=judged.of_first))
        at += len(part)
    table = pd.concat(parts, ignore_index=True)
    _report(model, table, monitor, form)
    return table


def _report(model: Any, table: Any, monitor: bool, form: str | None) -> None:
    """Print a summary; of a CSV table only what goes to stderr."""
    from reprq.cli.output import echo_table, emit

    drift = model.drift(table["of_first"]) if monitor else None
    table = table.drop(columns="of_first")
    many = int(table["anomalous"].sum())
    if form == "json":
        context = {"model": model.record, "n": len(table), "anomalous": many}
        context |= {} if drift is None else {"drift": {**vars(drift), "changed": drift.changed}}
        emit(form, "score", table.to_dict("records"), context)
        return
    err = form == "csv"
    click.echo(f"{many} of {len(table)} above the threshold {model.threshold:.6g} of {model.describe()}", err=err)
    if drift is not None:
        click.echo(str(drift), err=err)
    if not err:
        shown = table.sort_values("score", ascending=False, kind="stable").head(_MOST_SHOWN)
        click.echo(f"\nthe {len(shown)} most anomalous")
        echo_table(shown.to_dict("records"))

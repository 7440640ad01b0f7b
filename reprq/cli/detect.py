"""`reprq detect`: one-class detectors on the embeddings of a layer, judged by AUROC."""

from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reprq.cli import options, shots
from reprq.cli.groups import Command
from reprq.cli.specifications import specification

if TYPE_CHECKING:
    from reprq.cli.cases import Case

DEFAULT_DETECTORS = ("knn", "mahalanobis", "centroid")


@click.command(cls=Command)
@options.network
@options.networks
@options.embeddings
@click.option(
    "--groups",
    metavar="NAME",
    help="With --embeddings: the array or column that says what each row is a part of; none is in training and test.",
)
@options.benign
@click.option("--layer", "layers", default="-1", show_default=True, metavar="3|layer3|-1|1-4|all", help="Which layers.")
@options.data
@click.option("--samples", default=256, show_default=True, type=click.IntRange(min=2), help="Samples of each split.")
@options.pooling
@click.option(
    "--task",
    "tasks",
    multiple=True,
    default=["all"],
    show_default=True,
    metavar="all|unimodal|multimodal|unimodal:CLASS",
    help="The one-class task; may be repeated.",
)
@click.option(
    "--anomaly",
    multiple=True,
    metavar="CLASS",
    help="Only this class counts as anomalous; other anomalies are left out. May be repeated.",
)
@click.option(
    "--external",
    metavar="NAME",
    help="Anomalies are the test samples of this data set, or all of a folder without a split; see --task all.",
)
@click.option(
    "--pollution",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the training rows that are anomalies.",
)
@click.option("--polluting", multiple=True, metavar="CLASS", help="The classes of these. [default: those scored]")
@click.option(
    "--labelled",
    default=0.0,
    metavar="COUNT|SHARE",
    type=click.FloatRange(0),
    help="Known anomalies, for detectors that use some: a count, or a share of the training rows below 1.",
)
@click.option(
    "--labelled-from",
    multiple=True,
    metavar="CLASS|COUNT|each",
    help="The classes of these: by name, so many that are drawn, or each class in turn.",
)
@click.option(
    "--small-mode",
    multiple=True,
    metavar="CLASS=SHARE",
    help="A class that is benign beside the one of the task, of which a share trains; may be repeated.",
)
@click.option(
    "--auxiliary",
    metavar="NAME",
    help="A corpus, for detectors that use one: its training samples, without classes named as those of the data; with"
    " --embeddings a file of rows.",
)
@click.option(
    "--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Repeat with so many seeds, from --seed."
)
@click.option(
    "--shots",
    "few",
    callback=shots.numbers,
    metavar="1,2,4,...",
    help="Learn from so many benign samples, drawn anew with every seed: the curve of AUROC.",
)
@click.option("--plot", type=click.Path(path_type=Path), metavar="PICTURE", help="Draw the curve of --shots.")
@click.option("--force", is_flag=True, help="Replace the picture that is there.")
@click.option(
    "--pixels",
    is_flag=True,
    help="Fail unless anomaly maps can be judged by masks; without, that is done where it can be.",
)
@click.option("--by-class", is_flag=True, help="Print each class of anomalies in a table of its own; --json has it.")
@click.option(
    "--gallery",
    type=click.Path(path_type=Path),
    help="A folder for pictures of the most anomalous images with their maps, of every detector with maps; and of the"
    " most anomalous texts, of every detector.",
)
@options.map_method
@click.option(
    "--oracle", is_flag=True, help="Choose OC-SVM's and KDE's parameters, CVDD's context on a tenth of the test labels."
)
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    metavar="NAME[:PARAMETER=VALUE,...]",
    help="A detector such as knn:k=1, pyod:ECOD or deep_svdd:milestones=[50,100]; a value is JSON or text. May be"
    " repeated. [default: knn, mahalanobis, centroid]",
)
@options.run
@options.output
def detect(
    file: Path | str | None,
    key: str | None,
    columns: str | None,
    labels: str | None,
    groups: str | None,
    benign: tuple[str, ...],
    detectors: tuple[str, ...],
    seeds: int,
    few: tuple[int, ...],
    plot: Path | None,
    force: bool,
    oracle: bool,
    by_class: bool,
    gallery: Path | None,
    map_method: str | None,
    form: str | None,
    **asked: Any,
) -> None:
    """Fit detectors on benign embeddings and print their AUROC with its 95 % interval.

    With --backbone, or each network of --config, each class of the data is benign in turn (unimodal) or anomalous in
    turn (multimodal); with --external and no --task, all classes are benign; with --benign, the classes that it names
    are, and all others are anomalous. --data also takes the protocols that `reprq datasets` lists. With --embeddings,
    the file's labels say which rows are anomalous (1, or all that --benign does not name), and 70 % of the benign rows
    train; with --groups 70 % of the groups without an anomaly. --labelled-from names classes of the file's labels.

    Where a folder has masks (ground_truth/CLASS/NAME_mask.png) and a detector anomaly maps (patchcore, fcdd, ...),
    pixel_auroc is over all pixels of all images, pixel_auroc_per_image the mean over anomalous images, and aupro the
    overlap with marked regions, averaged over false positive rates up to 0.3.

    --oracle is an upper bound, not a result: its rows are marked, and judged on the other nine tenths. Of cvdd it
    chooses the context.
    """
    from reprq.detectors.registry import needs_layer, stands_alone

    specs = [specification(text) for text in detectors or DEFAULT_DETECTORS]
    networks = asked["config"] or asked["backbone"]
    alone = file is None and networks is None and all(stands_alone(spec["name"]) for spec in specs)
    if not alone:
        _check_source(networks, file, specs, asked["data"])
    if asked["config"] is not None and asked["backbone"] is not None:
        raise click.UsageError("give either --backbone NAME or --config FILE.toml: both say which networks")
    if asked["seed"] + seeds - 1 > options.MAX_SEED:
        raise click.UsageError(f"--seed and --seeds must end at {options.MAX_SEED} at most; lower one of them")
    from reprq.cli.cases import from_data, from_file, refuse_typed, typed
    from reprq.cli.output import echo_table, emit
    from reprq.evaluation.tasks import means_of_methods

    _check_specifications(specs, file is None, oracle)
    if file is not None:
        options.only_with_backbone()
        refuse_typed("anomaly", "external", "polluting", "small_mode", "pixels")
    elif groups is not None:
        raise click.UsageError("--groups goes with --embeddings")
    elif benign and typed("tasks"):
        raise click.UsageError("give either --benign or --task: both say what is benign")
    if alone:
        options.refuse_network()
    for classes, share in (("polluting", "pollution"), ("labelled_from", "labelled")):
        if asked[classes] and not asked[share]:
            raise click.UsageError(
                f"--{classes.replace('_', '-')} says of which classes, --{share} how many; give both"
            )
    if map_method is not None and gallery is None:
        raise click.UsageError("--map-method says by what the maps of --gallery are made; give both")
    others = ("anomaly", "external", "pollution", "polluting", "labelled", "labelled_from")
    if asked["small_mode"] and (given := [name for name in others if typed(name)]):
        name = given[0].replace("_", "-")
        raise click.UsageError(f"--{name} goes without --small-mode, whose anomalies are all other classes")
    if plot is not None:
        if not few:
            raise click.UsageError("--plot draws the curve of --shots; give --shots 1,2,4,...")
        options.check_output(plot, force)
    rows: list[dict[str, Any]] = []
    drawn = None if gallery is None else (gallery, map_method)
    source = ""
    notes: dict[str, None] = {}
    unable = shots.Unable()
    for seed in range(asked["seed"], asked["seed"] + seeds):
        now = {**asked, "seed": seed, "benign": benign, "specs": specs}
        for case in from_file(file, key, columns, labels, groups, now) if file is not None else from_data(now, specs):
            source = source or case.source
            notes |= dict.fromkeys(case.notes)
            # a detector that needs no layer is fitted once a split: on the first layer's turn
            turn = [spec for spec in specs if case.first or needs_layer(spec)]
            for part, spec in product(shots.cases_of(case, few, seed), turn):
                rows += unable.judge(partial(_judge, part, spec, seed, oracle, drawn), part, spec["name"])
    notes |= dict.fromkeys(unable.notes(rows))
    means = [] if asked["small_mode"] else means_of_methods(rows, _method)  # shares and modes are not averaged
    if few:
        context = {"source": source, "notes": list(notes), "seed": asked["seed"], "mean": means}
        shots.print_curve(rows, context, form, plot)
        _print_pictures(rows, form)
        return
    left_out = _left_out(rows, form)
    shown = [{name: value for name, value in row.items() if name not in left_out} for row in rows]
    emit(form, "detect", shown, {"source": source, "notes": list(notes), "seed": asked["seed"], "mean": means}, source)
    if form is None and (words := _word_rows(rows)):
        click.echo("\nwords of contexts")
        echo_table(words)
    if by_class and form is None:
        click.echo("\nby class of anomalies")
        echo_table(_class_rows(rows))
    if means and form is None:
        click.echo("\nmean over tasks and seeds")
        echo_table(means)
    _print_pictures(rows, form)


def _print_pictures(rows: list[dict[str, Any]], form: str | None) -> None:
    """Print where the galleries are."""
    for row in rows if form is None else ():
        if row.get("gallery"):
            click.echo(row["gallery"])


def _check_source(networks: Any, file: Path | str | None, specs: list[dict[str, Any]], data: str | None = None) -> None:
    """Raise a usage error unless there is one source of rows, and name the detector that asks for it."""
    from reprq.detectors.registry import check_name, is_network, stands_alone

    for spec in specs:
        check_name(spec["name"])
    if networks is None and file is None:
        asking = next(spec["name"] for spec in specs if not stands_alone(spec["name"]))
        table = str(data).startswith("table:")
        if not is_network(asking):
            said = f"detector {asking} needs rows: give either --backbone NAME or --embeddings FILE"
            raise click.UsageError(said + "; --backbone identity takes the rows of a table as they are" * table)
        said = f"detector {asking} trains on samples with a network: give --backbone NAME"
        more = "; of the rows of a table take a detector of rows, such as knn, with --backbone identity"
        raise click.UsageError(said + more * table)
    options.one_source(networks, file)


def _left_out(rows: list[dict[str, Any]], form: str | None) -> set[str]:
    """The columns that are not shown: those of pixels where no row has any, and what only one form has space for."""
    from reprq.evaluation.localization import MAP_COLUMNS

    found = {"by_class", "top_words"} if form != "json" else set()
    if form is None:
        found.add("gallery")
        found |= {name for name in MAP_COLUMNS if "per_image_" in name}
    return found if any(row["pixel_auroc"] is not None for row in rows) else {*found, *MAP_COLUMNS}


def _judge(
    case: "Case", spec: dict[str, Any], seed: int, oracle: bool, gallery: tuple[Path, str | None] | None
) -> dict[str, Any]:
    """One row of the table."""
    from reprq.detectors.registry import is_network, needs_layer
    from reprq.evaluation.detection import evaluate
    from reprq.evaluation.localization import MAP_COLUMNS

    side = case.samples if is_network(spec["name"]) and case.samples is not None else case.rows
    given = {name: value for name, value in case.given.items() if side is case.samples and name not in spec}
    found = evaluate(spec, case.split, *side[:2], auxiliary=side[2], given=given, seed=seed, oracle=oracle)
    row = {
        **case.columns,
        **({} if needs_layer(spec) else {"layer": ""}),
        "seed": seed,
        "detector": found.detector,
        "oracle": oracle,
        "auroc": found.auroc.value,
        "low": found.auroc.low,
        "high": found.auroc.high,
        **dict.fromkeys(MAP_COLUMNS),
        **({} if found.pixels is None else found.pixels.columns()),
        **found.counts(),
        "notes": list(found.notes),
        "by_class": _by_class(found, case.classes),
        **({"top_words": found.top_words} if found.top_words else {}),
    }
    if gallery is not None:
        from reprq.cli.galleries import draw, explanation_of

        folder, method = gallery
        explained = None if method is None else explanation_of(case, found, method)
        samples = None if case.samples is None else case.samples[1]
        picture = draw(folder, row, found, case.split, samples, explained)
        row["gallery"] = None if picture is None else str(picture)
        if method is not None and explained is None and picture is not None:
            row["notes"].append(f"{spec['name']} has maps of its own, which its gallery shows")
        if picture is None:
            made = "" if side is case.samples or case.samples is None else "; --map-method makes some"
            row["notes"].append(f"no gallery of {spec['name']}, which has no maps of images{made}")
    return row


def _by_class(found: Any, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """The figures of each class of anomalies."""
    maps = {} if found.pixels is None else found.pixels.by_class
    return [
        {
            **{"anomaly": classes[number], "auroc": value.value, "low": value.low, "high": value.high},
            **(maps[number].columns() if number in maps else {}),
        }
        for number, value in found.by_class().items()
    ]


def _class_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a row of the table and class of anomalies; of pixel figures per image only the value."""
    names = ("layer", "task", "seed", "detector")
    found = [{**{name: row[name] for name in names}, **part} for row in rows for part in row["by_class"]]
    columns = dict.fromkeys(name for row in found for name in row if "per_image_" not in name)
    return [{name: row.get(name) for name in columns} for row in found]


def _word_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a context of a detector that has some, with its words in the texts that it was fitted on."""
    return [
        {**{name: row[name] for name in ("task", "seed")}, "context": number, "words": ", ".join(words)}
        for row in rows
        for number, words in enumerate(row.get("top_words", ()), start=1)
    ]


def _method(row: dict[str, Any]) -> str:
    """A detector's identifier; of an oracle, whose parameters differ from task to task, its name alone."""
    name = str(row["detector"])
    return f"{name.split('[')[0]}[oracle]" if row["oracle"] else name


def _check_specifications(specs: list[dict[str, Any]], of_samples: bool, oracle: bool) -> None:
    """Make every detector once, so that a mistake costs no work."""
    from reprq.detectors import create, describe
    from reprq.detectors.registry import is_network, stands_alone
    from reprq.errors import InputError
    from reprq.evaluation.detection import has_contexts

    seen = set()
    for spec in specs:
        made = create(spec)
        method = _method({"detector": describe(made), "oracle": oracle})
        if method in seen:
            raise InputError(f"--detector must name each detector once, got {method} twice; leave one out")
        seen.add(method)
        if not is_network(spec["name"]):
            continue
        if oracle and not has_contexts(spec["name"]):
            raise InputError(f"--oracle chooses parameters of detectors of rows, got {spec['name']}; leave one out")
        if not (of_samples or getattr(made, "takes_rows", False)):
            instead = "give --data" if stands_alone(spec["name"]) else "give --backbone and --data"
            raise InputError(f"detector {spec['name']} reads samples, not --embeddings; {instead} instead")

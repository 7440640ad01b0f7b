"""`reprq detect`: one-class detectors on the embeddings of a layer, judged by AUROC."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from reprq.cli import options
from reprq.cli.groups import Command
from reprq.cli.sources import described, extract_split, load_data, load_file, load_network, say

DEFAULT_DETECTORS = ("knn", "mahalanobis", "centroid")


@click.command(cls=Command)
@options.network
@options.embeddings
@options.benign
@click.option("--layer", "layers", default="-1", show_default=True, metavar="3|layer3|-1|1-4|all", help="Which layers.")
@options.data
@click.option("--samples", default=256, show_default=True, type=click.IntRange(min=2), help="Images of each split.")
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
@click.option("--anomaly", metavar="CLASS", help="Only this class counts as anomalous; other anomalies are left out.")
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
@click.option(
    "--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Repeat with so many seeds, from --seed."
)
@click.option("--oracle", is_flag=True, help="Choose OC-SVM's and KDE's parameters on a tenth of the test labels.")
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    metavar="NAME[:PARAMETER=VALUE,...]",
    help="A detector such as knn:k=1 or pyod:ECOD; may be repeated. [default: knn, mahalanobis, centroid]",
)
@options.run
@options.output
def detect(
    file: Path | None,
    key: str | None,
    columns: str | None,
    labels: str | None,
    benign: tuple[str, ...],
    detectors: tuple[str, ...],
    seeds: int,
    oracle: bool,
    form: str | None,
    **asked: Any,
) -> None:
    """Fit detectors on benign embeddings and print their AUROC with its 95 % interval.

    With --backbone, each class of the data is benign in turn (unimodal) or anomalous in turn (multimodal); with
    --external and no --task, all classes are benign; with --benign, the classes that it names are, and all others are
    anomalous. --data also takes the protocols that `reprq datasets` lists. With --embeddings, the file's labels say
    which rows are anomalous (1, or all that --benign does not name), and 70 % of the benign rows train.

    --oracle is an upper bound, not a result: its rows are marked, and judged on the other nine tenths.
    """
    specs = [_specification(text) for text in detectors or DEFAULT_DETECTORS]
    alone = file is None and asked["backbone"] is None and all(_stands_alone(spec) for spec in specs)
    if not alone:
        options.one_source(asked["backbone"], file)
    if asked["seed"] + seeds - 1 > options.MAX_SEED:
        raise click.UsageError(f"--seed and --seeds must end at {options.MAX_SEED} at most; lower one of them")
    from reprq.cli.output import echo_table, emit

    _check_specifications(specs, file is None, oracle)
    if file is not None:
        options.only_with_backbone()
        _refuse_typed("anomaly", "external")
    elif benign and _typed("tasks"):
        raise click.UsageError("give either --benign or --task: both say what is benign")
    rows: list[dict[str, Any]] = []
    source = ""
    notes: dict[str, None] = {}
    for seed in range(asked["seed"], asked["seed"] + seeds):
        now = {**asked, "seed": seed, "benign": benign}
        cases: Iterator[_Case]
        if file is not None:
            cases = _from_file(file, key, columns, labels, now)
        else:
            cases = _from_samples(now) if alone else _from_backbone(now)
        for case in cases:
            source = source or case.source
            notes |= dict.fromkeys(case.notes)
            # a detector that needs no layer is fitted once a split: on the first layer's turn
            rows += [_judge(case, spec, seed, oracle) for spec in specs if case.first or not _stands_alone(spec)]
    means = _means(rows)
    emit(form, "detect", rows, {"source": source, "notes": list(notes), "seed": asked["seed"], "mean": means}, source)
    if means and form is None:
        click.echo("\nmean over tasks and seeds")
        echo_table(means)


@dataclass(frozen=True)
class _Case:
    """What one row of the table is about: benign rows to fit on, and rows to score with their labels.

    Of a backbone's layer also the samples of both, and what makes it a network detector's teacher.
    """

    source: str
    columns: dict[str, Any]
    benign: Any
    scored: Any
    labels: Any
    groups: Any = None
    images: Any = None
    teacher: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    first: bool = True


def _stands_alone(spec: dict[str, Any]) -> bool:
    """Whether a detector reads samples and needs no backbone."""
    from reprq.detectors import DETECTORS, is_network

    return is_network(spec["name"]) and not DETECTORS.find(spec["name"]).needs & {"backbone", "layer"}


def _judge(case: _Case, spec: dict[str, Any], seed: int, oracle: bool) -> dict[str, Any]:
    """One row of the table."""
    from reprq.data import Split
    from reprq.detectors import create, is_network
    from reprq.evaluation.detection import evaluate

    network = is_network(spec["name"]) and case.images is not None
    train, test = case.images if network else (case.benign, case.scored)
    split = Split.whole(len(train), case.labels, groups=case.groups)
    alone = _stands_alone(spec)
    takes = create(spec).get_params()
    given = {name: value for name, value in case.teacher.items() if network and name in takes and name not in spec}
    found = evaluate(spec, split, train, test, given=given, seed=seed, oracle=oracle)
    return {
        **case.columns,
        **({"layer": ""} if alone else {}),
        "seed": seed,
        "detector": found.detector,
        "oracle": oracle,
        "auroc": found.auroc.value,
        "low": found.auroc.low,
        "high": found.auroc.high,
        **found.counts(),
        "notes": list(found.auroc.notes),
    }


def _means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The mean over tasks and seeds of every layer and detector that has several."""
    from reprq.evaluation import mean_over_tasks
    from reprq.evaluation.tasks import task_class

    found = []
    for layer, name in dict.fromkeys((row["layer"], _method(row)) for row in rows):
        cells = [row for row in rows if (row["layer"], _method(row)) == (layer, name)]
        table = {column: [row.get(column, "") for row in cells] for column in ("task", "seed", "auroc")}
        classes = {task_class(task) for task in table["task"]}
        if len(classes) > 1 or len(set(table["seed"])) > 1 < len(set(table["auroc"])):
            mean = mean_over_tasks(table)
            ends = {"auroc": mean.value, "low": mean.low, "high": mean.high}
            found.append({"layer": layer, "detector": name, **ends, "n_cells": len(cells), "notes": list(mean.notes)})
    return found


def _method(row: dict[str, Any]) -> str:
    """A detector's identifier; of an oracle, whose parameters differ from task to task, its name alone."""
    name = str(row["detector"])
    return f"{name.split('[')[0]}[oracle]" if row["oracle"] else name


def _specification(text: str) -> dict[str, Any]:
    """Read `knn:k=1,aggregation=mean` and `pyod:ECOD:contamination=0.05`; values are JSON, or text."""
    name, _, rest = text.partition(":")
    if name in ("pyod", "raw"):
        inner, _, rest = rest.partition(":")
        name = f"{name}:{inner}"
    spec: dict[str, Any] = {"name": name}
    for pair in filter(None, rest.split(",")):
        parameter, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"expected NAME:PARAMETER=VALUE, got {text!r}", param_hint="--detector")
        try:
            spec[parameter] = json.loads(value)
        except ValueError:
            spec[parameter] = value
    return spec


def _check_specifications(specs: list[dict[str, Any]], of_samples: bool, oracle: bool) -> None:
    """Make every detector once, so that a mistake costs no work."""
    from reprq.detectors import create, describe, is_network
    from reprq.errors import InputError

    seen = set()
    for spec in specs:
        made = create(spec)
        method = _method({"detector": describe(made), "oracle": oracle})
        if method in seen:
            raise InputError(f"--detector must name each detector once, got {method} twice; leave one out")
        seen.add(method)
        if is_network(spec["name"]) and (oracle or not (of_samples or getattr(made, "takes_rows", False))):
            raise InputError(f"detector {spec['name']} trains a network on samples; give --backbone, without --oracle")


def _refuse_typed(*names: str) -> None:
    """Raise a usage error if one of these options was typed."""
    if typed := [name for name in names if _typed(name)]:
        raise click.UsageError(f"--{typed[0].replace('_', '-')} goes with --backbone and plain data sets")


def _typed(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _from_file(
    file: Path, key: str | None, columns: str | None, labels: str | None, asked: dict[str, Any]
) -> Iterator[_Case]:
    """The one case of a labelled file: 70 % of the benign rows train, the rest and all anomalies are scored."""
    import numpy as np

    from reprq.data.stratified import benign_to_fit
    from reprq.errors import InputError

    x = load_file(file, key, columns, labels, asked["benign"])
    if x.labels is None:
        raise InputError(f"{file} must hold labels (n,) with 1 for anomalous; name their array or column with --labels")
    truth = x.labels
    rng = np.random.default_rng(asked["seed"])
    fitted = benign_to_fit(np.flatnonzero(truth == 0), rng)
    anomalous = rng.permutation(np.flatnonzero(truth == 1))
    count = round(asked["pollution"] / (1.0 - asked["pollution"]) * len(fitted))
    if count >= len(anomalous) > 0:
        raise InputError(f"{file} has {len(anomalous)} anomalies, {count} of them would pollute; lower --pollution")
    train = np.sort(np.concatenate([fitted, anomalous[:count]]))
    test = np.setdiff1d(np.arange(len(x)), train)
    yield _Case(described(x, file), {"layer": x.layer}, x.array[train], x.array[test], truth[test])


@dataclass
class _Pool:
    """The embeddings of some data sets, found by the id of a sample."""

    caches: list[Any] = field(default_factory=list)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, asked: dict[str, Any], network: Any, images: Any, prefix: str = "") -> None:
        cache = extract_split(asked, network, images, None).cache
        self.places |= {f"{prefix}{name}": (len(self.caches), row) for row, name in enumerate(images.ids.tolist())}
        self.caches.append(cache)

    def rows(self, layer: str, ids: Any) -> Any:
        import numpy as np

        arrays = [cache[layer].array for cache in self.caches]
        return np.stack([arrays[part][row] for part, row in (self.places[name] for name in ids.tolist())])


def _from_backbone(asked: dict[str, Any]) -> Iterator[_Case]:
    """Every layer and one-class split of a backbone; a sample that several splits share is extracted once."""
    from reprq.data import protocols

    train, test = _Pool(), _Pool()
    if asked["data"] in [protocol.name for protocol in protocols()]:
        splits = _protocol(asked)
        network = load_network(asked)
        for split in splits:
            train.add(asked, network, split.train)
            test.add(asked, network, split.test)
        scored_with = [(split.train, split.test) for split in splits]
    else:
        fitted, scored, external, splits = _plain(asked)
        network = load_network(asked)
        train.add(asked, network, fitted)
        test.add(asked, network, scored)
        if external is not None:
            test.add(asked, network, external, f"{external.name}/")
        scored_with = [(fitted, images) for images in (scored, external) if images is not None]
    counts = [sum(len(cache.ids) for cache in pool.caches) for pool in (train, test)]
    data = splits[0].train
    source = f"{asked['backbone']} ({network.weights}) on {counts[0]} training and {counts[1]} test {data.noun}s"
    source += f" of {data.name}"
    notes = tuple(note for pool in (train, test) for cache in pool.caches for note in cache.notes)
    if copied := _copied(scored_with):
        say(copied)
        notes += (copied,)
    for layer in train.caches[0]:
        first = layer == next(iter(train.caches[0]))
        for split in splits:
            columns = {"layer": layer, "task": split.name}
            benign, rows = train.rows(layer, split.train.ids), test.rows(layer, split.test.ids)
            teacher = {"teacher": network, "layers": layer, "pooling": asked["pooling"], "device": asked["device"]}
            teacher["progress"] = not asked["quiet"]
            images = (split.train, split.test)
            yield _Case(source, columns, benign, rows, split.labels, split.groups, images, teacher, notes, first)


def _from_samples(asked: dict[str, Any]) -> Iterator[_Case]:
    """Every one-class split, for detectors that need no backbone."""
    from reprq.data import protocols

    known = asked["data"] in [protocol.name for protocol in protocols()]
    splits = _protocol(asked) if known else _plain(asked)[3]
    data = splits[0].train
    copied = _copied([(split.train, split.test) for split in splits])
    say(copied)
    for split in splits:
        columns = {"layer": "", "task": split.name}
        images = (split.train, split.test)
        notes = (copied,) if copied else ()
        how = {"device": asked["device"], "progress": not asked["quiet"]}
        yield _Case(f"{data.noun}s of {data.name}", columns, None, None, split.labels, split.groups, images, how, notes)


def _copied(pairs: list[tuple[Any, Any]]) -> str:
    """Say how many test samples are copies of training samples they are scored against; "" where none is."""
    copies = sum(int(test.copies_of(train).sum()) for train, test in pairs)
    if not copies:
        return ""
    total, noun = sum(len(test) for _, test in pairs), pairs[0][0].noun
    return f"{copies} of {total} test {noun}s are byte copies of training {noun}s, and say nothing of new ones"


def _protocol(asked: dict[str, Any]) -> list[Any]:
    from reprq.data import load_protocol

    _refuse_typed("anomaly", "external", "pollution", "benign", "intensity_range", "skip_broken")
    splits = load_protocol(asked["data"], asked["root"], seed=asked["seed"])
    if asked["tasks"] != ("all",):
        known = [split.name for split in splits]
        for name in asked["tasks"]:
            if name not in known:
                from reprq.errors import UnknownNameError

                raise UnknownNameError(f"task of {asked['data']}", name, known)
        splits = [split for split in splits if split.name in asked["tasks"]]
    return [split.sample(asked["samples"], asked["seed"]) for split in splits]


def _plain(asked: dict[str, Any]) -> tuple[Any, Any, Any, list[Any]]:
    """Training, test and external data, sampled, and the splits that the tasks make of them."""
    from reprq.data import Task, benign_task, one_class_split, select_tasks

    train, test = (_sampled(load_data(asked, split), asked) for split in ("train", "test"))
    external = None
    if asked["external"] is not None:
        external = _sampled(load_data({**asked, "data": asked["external"]}, "test", whole=True), asked)
    tasks = list(asked["tasks"])
    if asked["benign"]:
        chosen = [benign_task(train.classes, asked["benign"])]
    elif external is not None and tasks == ["all"]:
        chosen = [Task("all classes", "multimodal", external.name, frozenset(range(len(train.classes))))]
    else:
        chosen = select_tasks(train.classes, tasks, train.labels, test.labels)
    how = {"anomaly": asked["anomaly"], "pollution": asked["pollution"], "external": external, "seed": asked["seed"]}
    if asked["anomaly"] in train.classes:  # it cannot be anomalous where it is benign
        chosen = [task for task in chosen if train.classes.index(asked["anomaly"]) not in task.benign] or chosen
    return train, test, external, [one_class_split(train, test, task, **how) for task in chosen]


def _sampled(images: Any, asked: dict[str, Any]) -> Any:
    return images.sample(asked["samples"], seed=asked["seed"]) if asked["samples"] < len(images) else images

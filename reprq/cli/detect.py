"""`reprq detect`: one-class detectors on the embeddings of a layer, judged by AUROC."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from reprq.cli import options
from reprq.cli.sources import extract_split, load_images, load_network

BENIGN_SHARE = 0.7
DEFAULT_DETECTORS = ("knn", "mahalanobis", "centroid")


@click.command()
@options.network
@options.embeddings
@click.option("--layer", "layers", default="-1", show_default=True, metavar="3|layer3|-1|1-4|all", help="Which layers.")
@options.images
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
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    metavar="NAME[:PARAMETER=VALUE,...]",
    help="A detector such as knn:k=1; may be repeated. [default: knn, mahalanobis, centroid]",
)
@options.run
@options.output
def detect(
    file: Path | None,
    key: str | None,
    labels: str | None,
    samples: int,
    tasks: tuple[str, ...],
    detectors: tuple[str, ...],
    form: str | None,
    **asked: Any,
) -> None:
    """Fit detectors on benign embeddings and print their AUROC with its 95 % interval.

    With --backbone, each class of the images is benign in turn (unimodal) or anomalous in turn (multimodal). With
    --embeddings, the file's labels say which rows are anomalous (1), and 70 % of the benign rows train.
    """
    options.one_source(asked["backbone"], file)
    from reprq.cli.output import emit
    from reprq.detectors import create, describe
    from reprq.evaluation import auroc

    specs: list[Any] = [_specification(text) for text in detectors or DEFAULT_DETECTORS]
    for spec in specs:
        create(spec)
    if file is not None:
        options.only_with_backbone()
        cases = _from_file(file, key, labels, asked["seed"])
        source = file.name
    else:
        from reprq.data import select_tasks

        splits = [load_images(asked, split) for split in ("train", "test")]
        chosen = select_tasks(splits[0].classes, tasks[0] if len(tasks) == 1 else list(tasks))
        network = load_network(asked)
        train, test = (extract_split(asked, network, images, samples).cache for images in splits)
        cases = _from_caches(train, test, chosen)
        rows_used = f"{len(train.ids)} training and {len(test.ids)} test images of {asked['data']}"
        source = f"{asked['backbone']} ({network.weights}) on {rows_used}"
    rows = []
    for case, benign, scored, truth in cases:
        for spec in specs:
            detector = create(spec)
            found = auroc(truth, detector.fit(benign).anomaly_score(scored))
            counts = {"n_train": len(benign), "n_test": len(truth), "n_anomalies": int(truth.sum())}
            values = {"auroc": found.value, "low": found.low, "high": found.high}
            rows.append({**case, "detector": describe(detector), **values, **counts})
    emit(form, "detect", rows, {"source": source, "seed": asked["seed"]}, source)


def _specification(text: str) -> dict[str, Any]:
    """Read `knn:k=1,aggregation=mean`; values are JSON, or text where they are not."""
    name, _, rest = text.partition(":")
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


def _from_file(
    file: Path, key: str | None, labels: str | None, seed: int
) -> Iterator[tuple[dict[str, Any], Any, Any, Any]]:
    """The one case of a labelled file: 70 % of the benign rows train, the rest and all anomalies are scored."""
    import numpy as np

    from reprq.embeddings import load_embeddings
    from reprq.errors import InputError
    from reprq.validation import as_labels

    x = load_embeddings(file, key, labels)
    if x.labels is None:
        raise InputError(f"{file} must hold labels (n,) with 1 for anomalous; name their array or column with --labels")
    if "classes" in x.provenance:  # numbers that stand for names say nothing about which of them is anomalous
        some = ", ".join(map(str, x.provenance["classes"][:5]))
        raise InputError(f"the labels of {file} must be 0 (benign) or 1 (anomalous), got the classes {some}; add such")
    truth = as_labels(x.labels, len(x), f"the labels of {file}")
    benign = np.random.default_rng(seed).permutation(np.flatnonzero(truth == 0))
    train = np.sort(benign[: int(BENIGN_SHARE * len(benign))])
    test = np.setdiff1d(np.arange(len(x)), train)
    yield {"layer": x.layer}, x.array[train], x.array[test], truth[test]


def _from_caches(train: Any, test: Any, tasks: Any) -> Iterator[tuple[dict[str, Any], Any, Any, Any]]:
    """Every layer and task of a backbone."""
    for layer in train:
        fitted, scored = train[layer].array, test[layer].array
        for task in tasks:
            benign = fitted[task.benign_rows(train.labels)]
            yield {"layer": layer, "task": task.name}, benign, scored, task.anomaly_labels(test.labels)

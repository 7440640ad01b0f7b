"""From the options of a command to embeddings: a network's layers on data, or a file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import click

from reprq.cli import options


class Extracted(NamedTuple):
    """The embeddings of one split.

    Attributes:
        cache: Every layer asked for.
        total: How many samples the split has, of which the cache may hold a sample.
    """

    cache: Any
    total: int


def load_network(asked: dict[str, Any]) -> Any:
    """Return the backbone that the options name, once the device is known to be there."""
    from reprq.backbones import load_backbone

    options.check_device(asked["device"])
    changed = options.preprocessing(asked)
    return load_backbone(asked["backbone"], asked["weights"], preprocessing=changed, seed=asked["seed"])


def load_data(asked: dict[str, Any], split: str, *, whole: bool = False) -> Any:
    """Return a split of the data that the options name; `whole` takes all of a folder without a split."""
    from reprq.data import load_dataset

    names = ("root", "download", "seed", "intensity_range", "skip_broken")
    data = load_dataset(asked["data"], split, whole=whole, **{name: asked[name] for name in names})
    say(*data.notes)
    return data


def samples_for(model: Any, data: str, asked: dict[str, Any]) -> Any:
    """Return the data that the options name, read as at the fitting of a model."""
    from reprq.data import load_dataset

    reading = dict(model.record["inputs"].get("reading", {}))
    reading.pop("skipped", None)
    if asked["intensity_range"] is not None:
        reading["intensity_range"] = asked["intensity_range"]
    names = ("root", "download", "skip_broken")
    found = load_dataset(data, asked["split"], whole=True, **{name: asked[name] for name in names}, **reading)
    say(*found.notes)
    return found


def say(*notes: str) -> None:
    """Write notes to stderr, each once a run: both splits of a data set have the same."""
    said = _said()
    for note in notes:
        if note and note not in said:
            click.echo(f"note: {note}", err=True)
            said.add(note)


def unsaid(notes: Iterable[str]) -> list[str]:
    """Return the notes that this run has not written to stderr."""
    return [note for note in notes if note not in _said()]


def _said() -> set[str]:
    """The notes that this run has written."""
    found: set[str] = click.get_current_context().meta.setdefault("reprq.said", set())
    return found


def extract_split(asked: dict[str, Any], network: Any, data: Any, samples: int | None, **how: Any) -> Extracted:
    """Return the embeddings of a split, or of a seeded sample of it where it has more than asked for.

    `how` goes to `reprq.extract`: dtype, precision, workers, batch_size.
    """
    from reprq.embeddings import extract
    from reprq.embeddings.registry import poolings_named, vectors_note
    from reprq.progress import each_once

    chosen = network.select_layers(asked["layers"])
    say(*(vectors_note(name, chosen) for name in poolings_named(asked["pooling"])))
    total = len(data)
    with each_once(_said()):
        cache = extract(
            network,
            data.sample(samples, seed=asked["seed"]) if samples is not None and samples < total else data,
            asked["layers"],
            pooling=asked["pooling"],
            device=asked["device"],
            seed=asked["seed"],
            cache_dir=asked["cache_dir"],
            progress=not asked["quiet"],
            **how,
        )
    if asked["quiet"]:  # progress is silenced, not what a person must know
        say(*cache.notes)
    return Extracted(cache, total)


def load_file(
    file: Path | str, key: str | None, columns: str | None, labels: str | None, benign: tuple[str, ...]
) -> Any:
    """Return the embeddings of a file, their labels 0 (benign) and 1 (anomalous) where it has any."""
    import dataclasses

    from reprq.embeddings import load_embeddings
    from reprq.labels import anomaly_labels

    x = load_embeddings(file, key, labels, columns=columns or (), benign=benign)
    if x.labels is None or benign:
        return x
    truth = anomaly_labels(x.labels, classes=x.provenance.get("classes", ()), name=f"the labels of {file}")
    return dataclasses.replace(x, labels=truth)


def benign_rows(x: Any, file: Path | str) -> Any:
    """Return the rows that are not labelled anomalous; raises an `InputError` where there is none."""
    from reprq.errors import InputError

    if x.labels is None:
        return x
    if x.labels.all():
        raise InputError(
            f"{file} must have rows labelled benign (0), got {len(x)} labelled anomalous (1);"
            " name what is benign (--benign 1, or --benign '*' for all)"
        )
    return _rows(x, x.labels == 0)


def described(x: Any, file: Path | str) -> str:
    """Return the name of a file and, where it holds more than one array, what of it was read."""
    name = Path(file).name
    return f"{name} ({x.provenance['read']})" if "read" in x.provenance else name


def sampled(x: Any, samples: int | None, seed: int) -> Any:
    """Return a seeded sample of the rows, in their order; all where there are no more than asked for."""
    import numpy as np

    if samples is None or samples >= len(x):
        return x
    return _rows(x, np.sort(np.random.default_rng(seed).choice(len(x), samples, replace=False)))


def _rows(x: Any, rows: Any) -> Any:
    import dataclasses

    labels = x.labels[rows] if x.labels is not None else None
    return dataclasses.replace(x, array=x.array[rows], ids=x.ids[rows], labels=labels)

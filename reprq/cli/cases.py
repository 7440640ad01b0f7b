"""What `reprq detect` judges: the splits of a file, of samples, or of each layer of a backbone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from reprq.cli import options
from reprq.cli.sources import described, extract_split, load_data, load_file, load_network, say

Side = tuple[Any, Any, Any]  # training rows, test rows, and those of a corpus or None


@dataclass(frozen=True)
class Case:
    """One split, and its samples as detectors read them.

    Attributes:
        source: What the rows are, in words.
        columns: What every row of the table begins with.
        split: Which rows train and which are scored.
        rows: Embeddings of one layer, or of a file.
        samples: The samples.
        given: What a detector of samples may be given: a network, its layer, the device.
        classes: The names of the test classes.
        notes: What a person should know.
        first: Whether it is the first layer's: what needs no layer is fitted on its turn.
    """

    source: str
    columns: dict[str, Any]
    split: Any
    rows: Side = (None, None, None)
    samples: Side | None = None
    given: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    first: bool = True


def refuse_typed(*names: str) -> None:
    """Raise a usage error if one of these options was typed."""
    if found := [name for name in names if typed(name)]:
        raise click.UsageError(f"--{found[0].replace('_', '-')} goes with plain data sets of --data")


def typed(name: str) -> bool:
    """Whether an option was typed."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def from_file(
    file: Path | str,
    key: str | None,
    columns: str | None,
    labels: str | None,
    groups: str | None,
    asked: dict[str, Any],
) -> Iterator[Case]:
    """The one case of a labelled file: 70 % of the benign rows train, the rest and all anomalies are scored.

    With `labelled_from` "each" there is one of every class of anomalies.
    """
    from dataclasses import replace

    from reprq.data.row_splits import row_split
    from reprq.embeddings import load_embeddings
    from reprq.errors import InputError

    x = load_file(file, key, columns, labels, asked["benign"])
    if x.labels is None:
        raise InputError(f"{file} must hold labels (n,) with 1 for anomalous; name their array or column with --labels")
    if (benign := int((x.labels == 0).sum())) < 2:
        raise InputError(
            f"{file} must have at least 2 benign rows, one to fit and one to score, got {benign} of {len(x)}"
        )
    of_rows = None if groups is None else load_embeddings(file, key, groups, columns=columns or ()).labels
    corpus = None if asked["auxiliary"] is None else load_embeddings(asked["auxiliary"], key, columns=columns or ())
    how = {name: asked[name] for name in ("pollution", "labelled", "seed")}
    whole = load_embeddings(file, key, labels, columns=columns or ()) if asked["labelled_from"] else None
    for said, known in [("", None)] if whole is None else _known_rows(whole, x.labels, asked, str(file)):
        split = row_split(x.labels, groups=of_rows, known=known, name=str(file), **how)
        split = replace(split, auxiliary="" if corpus is None else str(asked["auxiliary"]))
        _check_needs(asked["specs"], [split])
        columns_of_table = {"layer": x.layer, **({"task": said} if said else {})}
        yield Case(
            described(x, file),
            columns_of_table,
            split,
            rows=(x.array, x.array, None if corpus is None else corpus.array),
        )


def _known_rows(x: Any, truth: Any, asked: dict[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """What each split of a file is called, and the anomalous rows that it may know, by the classes of its labels."""
    import numpy as np

    from reprq.errors import InputError, UnknownNameError

    named = x.provenance.get("classes", ())
    rows = {str(named[n]) if named else str(n): np.flatnonzero(x.labels == n) for n in np.unique(x.labels).tolist()}
    anomalous = [each for each, found in rows.items() if truth[found].all()]
    if len(rows) < 3:
        raise InputError(
            f"--labelled-from chooses among classes of anomalies, and {name} has {len(anomalous)}; give labels of three"
            " values or more, or leave it out"
        )
    wanted = _known(asked["labelled_from"], tuple(anomalous))
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(anomalous):
            raise InputError(
                f"--labelled-from must be from 1 to {len(anomalous)}, the classes of anomalies, got {wanted}"
            )
        drawn = np.random.default_rng(asked["seed"]).permutation(len(anomalous))[:wanted]
        sets = [tuple(anomalous[i] for i in sorted(drawn.tolist()))]
    else:
        sets = [(each,) for each in anomalous] if wanted == "each" else [wanted]
    for classes in sets:
        for each in classes:
            if each not in anomalous:
                raise UnknownNameError("class of anomalies", each, anomalous, among=f"the labels of {name}")
        yield (
            f"{asked['labelled']:g} labelled from {','.join(classes)}",
            np.concatenate([rows[each] for each in classes]),
        )


def _copied(pairs: list[tuple[Any, Any]]) -> str:
    """Say how many test samples are copies of training samples they are scored against; "" where none is."""
    copies = sum(int(test.copies_of(train).sum()) for train, test in pairs)
    if not copies:
        return ""
    total, noun = sum(len(test) for _, test in pairs), pairs[0][0].noun
    return f"{copies} of {total} test {noun}s are byte copies of training {noun}s, and say nothing of new ones"


@dataclass(frozen=True)
class _Data:
    """The samples of a data set and those beside it, and its splits."""

    train: Any
    test: Any
    splits: list[Any]
    external: Any = None
    auxiliary: Any = None
    notes: tuple[str, ...] = ()

    @property
    def scored(self) -> Any:
        """The test samples, then the external anomalies."""
        from reprq.data.views import joined

        return self.test if self.external is None else joined(self.test, self.external)


def from_data(asked: dict[str, Any], specs: list[dict[str, Any]]) -> Iterator[Case]:
    """Every split of a data set; on every layer of a backbone where there is one. Samples are extracted once."""
    from reprq.data import PROTOCOLS, check_masks
    from reprq.evaluation.detection import masks_to_judge_by

    data = _of_protocol(asked) if asked["data"] in PROTOCOLS else _plain(asked)
    _check_needs(specs, data.splits)
    check_masks(masks_to_judge_by(specs, data.splits, insist=asked["pixels"]), data.train.name)
    samples = (data.train, data.scored, data.auxiliary)
    how = {"device": asked["device"], "progress": not asked["quiet"]}
    classes = samples[1].classes
    copied = _copied([(data.train, side) for side in (data.test, data.external) if side is not None])
    said = (*data.notes, *((copied,) if copied else ()))
    say(*said)
    if asked["backbone"] is None and asked["config"] is None:
        source = f"{data.train.noun}s of {data.train.name}"
        for split in data.splits:
            yield Case(
                source,
                {"layer": "", "task": split.name},
                split,
                samples=samples,
                given={**how, **({"drawing": drawn} if (drawn := options.drawing(asked)) else {})},
                classes=classes,
                notes=said,
            )
        return
    from reprq.backbones.learning import weights_fitted_on
    from reprq.embeddings.cache.cache import layers_and_poolings
    from reprq.embeddings.registry import poolings_named

    fresh = True  # what needs no layer is fitted on the turn of the first layer of the first network
    for named, network, own in _networks(asked):
        weights = network.weights
        if not network.is_fitted:
            weights = weights_fitted_on(weights, "the training rows of each split")
        source = "several networks" if named else f"{network.name} ({weights})"
        source += f" on {len(data.train)} training and {len(samples[1])} test {data.train.noun}s of {data.train.name}"
        if asked["samples"] in (len(data.train), len(data.test)):
            source += f", of each split at most {asked['samples']} (--samples)"
        names = [layer.name for layer in network.select_layers(own["layers"])]
        stored = layers_and_poolings(names, poolings_named(own["pooling"]))
        for ready, splits in _fitted(network, own["pooling"], data):
            sides = [data.train, data.test, data.external, data.auxiliary]
            caches: list[Any] = [
                None if side is None else extract_split(own, ready, side, None).cache for side in sides
            ]
            notes = tuple(note for cache in caches if cache is not None for note in cache.notes) + said
            for number, (layer, (name, pooling)) in enumerate(stored.items()):
                rows = _layer(caches, layer)
                given = {"teacher": ready, "backbone": ready, "layers": name, "pooling": pooling, **how}
                for split in splits:
                    columns = {**named, "layer": layer, "task": split.name}
                    yield Case(
                        source, columns, split, rows, samples, given, classes, notes, first=fresh and number == 0
                    )
        fresh = False


def _fitted(network: Any, pooling: str, data: _Data) -> Iterator[tuple[Any, list[Any]]]:
    """A network with all splits; one that learns from benign samples learns from those of each split anew."""
    from reprq.embeddings.learning import fitted, must_learn

    if not must_learn(network, pooling):
        yield network, data.splits
        return
    for split in data.splits:
        yield fitted(network, pooling, data.train.select(split.train)), [split]


def _networks(asked: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any, dict[str, Any]]]:
    """The networks of --backbone or --config: columns that name it, the network, and what is asked of its layers."""
    if asked["config"] is None:
        yield {}, load_network(asked), asked
        return
    from reprq.analysis.candidates import candidates

    options.check_device(asked["device"])
    common = {name: asked[name] for name in ("weights", "layers", "pooling", "seed")}
    found = candidates(options.load_networks(asked["config"]), preprocessing=options.preprocessing(asked), **common)
    for label, network in found.items():
        own = {**asked, "layers": network.layers, "pooling": network.pooling}
        yield {"backbone": label}, network.backbone, own


def _layer(caches: list[Any], layer: str) -> Side:
    """The rows of one layer: of the training side, of the test side with what is external, of a corpus."""
    import numpy as np

    train, test, external, auxiliary = (None if cache is None else cache[layer].array for cache in caches)
    return train, test if external is None else np.concatenate([test, external]), auxiliary


def _check_needs(specs: list[dict[str, Any]], splits: list[Any]) -> None:
    """Raise an error if a split lacks what a detector needs."""
    from reprq.evaluation.detection import check_needs

    for spec in specs:
        for split in splits:
            check_needs(spec, split, has_auxiliary=split.has_corpus)


def _of_protocol(asked: dict[str, Any]) -> _Data:
    from reprq.data import load_protocol
    from reprq.data.oneclass import sides_and_splits
    from reprq.errors import UnknownNameError

    refuse_typed(
        *("anomaly", "external", "pollution", "benign", "intensity_range", "skip_broken", "labelled", "auxiliary"),
        "small_mode",
    )
    parts = load_protocol(asked["data"], asked["root"], seed=asked["seed"])
    if asked["tasks"] != ("all",):
        known = [part.name for part in parts]
        for name in asked["tasks"]:
            if name not in known:
                raise UnknownNameError(f"task of {asked['data']}", name, known)
        parts = [part for part in parts if part.name in asked["tasks"]]
    train, test, splits = sides_and_splits([part.sample(asked["samples"], asked["seed"]) for part in parts])
    return _Data(train, test, splits, notes=test.notes)


def _plain(asked: dict[str, Any]) -> _Data:
    """The samples that the options ask for, and the splits that tasks and scenario make of them."""
    from reprq.data import Scenario, benign_task, named_tasks, scenario_splits
    from reprq.data.corpus import check_alike, without_classes

    train, test = (_sampled(load_data(asked, split), asked) for split in ("train", "test"))
    external, auxiliary = (
        _sampled(load_data({**asked, "data": asked[role]}, split, whole=True), asked)
        if asked[role] is not None
        else None
        for role, split in (("external", "test"), ("auxiliary", "train"))
    )
    for role, other in (("external", external), ("auxiliary", auxiliary)):
        if other is not None:
            check_alike(train, other, role)
    said: tuple[str, ...] = ()
    if auxiliary is not None:
        corpus = without_classes(auxiliary, train.classes)
        said, auxiliary = corpus.notes[len(auxiliary.notes) :], corpus
    tasks = (
        [benign_task(train.classes, asked["benign"])]
        if asked["benign"]
        else named_tasks(train, list(asked["tasks"]), external=external)
    )
    scenarios = [_small_mode(text) for text in asked["small_mode"]] or [
        Scenario(
            anomaly=asked["anomaly"] or None,
            pollution=asked["pollution"],
            polluting=asked["polluting"] or None,
            labelled=asked["labelled"],
            labelled_from=_known(asked["labelled_from"], train.classes),
        )
    ]
    named = "" if auxiliary is None else auxiliary.name
    made = scenario_splits(train, test, tasks, scenarios, external=external, auxiliary=named, seed=asked["seed"])
    return _Data(train, test, list(made.splits), external, auxiliary, (*said, *made.notes))


def _small_mode(text: str) -> Any:
    """The scenario that "CLASS=SHARE" asks for; a name may hold "=" itself."""
    from reprq.data import Scenario

    name, _, share = text.rpartition("=")
    try:
        part = float(share)
    except ValueError:
        part = -1.0
    if not name or not 0 <= part <= 1:
        raise click.UsageError(
            f"--small-mode must be CLASS=SHARE with a share from 0 to 1, got {text!r}; such as 8=0.1"
        )
    return Scenario(small_mode=name, share=part)


def _known(asked: tuple[str, ...], classes: tuple[str, ...]) -> Any:
    """The classes of the known anomalies as `Scenario` takes them; a number is a class where there is such a one."""
    if len(asked) == 1 and asked[0] not in classes and (asked[0] == "each" or asked[0].isdigit()):
        return "each" if asked[0] == "each" else int(asked[0])
    return asked or None


def _sampled(dataset: Any, asked: dict[str, Any]) -> Any:
    return dataset.sample(asked["samples"], seed=asked["seed"]) if asked["samples"] < len(dataset) else dataset

"""Which backbone and layer to use for images of one's own, with no anomaly in sight."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from reprq.backbones import Backbone, load_backbone
from reprq.data import as_dataset, benign_rows, load_dataset
from reprq.embeddings import extract
from reprq.embeddings.repeats import repeat_notes, repeated_layers
from reprq.errors import InputError, UnknownNameError
from reprq.metrics import measure
from reprq.progress import track
from reprq.study.directions import Directions
from reprq.study.recommend import Recommendation, recommend
from reprq.study.results import POINT, StudyResults
from reprq.study.rules import COMBINATION, scaled_ranks

FEW_IMAGES = 100


def recommend_for(
    data: Any,
    backbones: str | Backbone | Sequence[str | Backbone],
    *,
    benign: str | Sequence[str] = (),
    layers: str = "all",
    weights: str = "default",
    detector: str | None = None,
    source: StudyResults | Path | str | None = None,
    samples: int | None = None,
    pooling: str = "avg",
    root: Path | str | None = None,
    device: str = "cpu",
    cache_dir: Path | str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Recommendation:
    """Rank the layers of some backbones for benign images, with no anomaly in sight.

    The embeddings of the images are measured layer by layer. Each metric ranks the layers, in the direction in which it
    went with detection in another study; the combination adds the ranks, weighted as a ridge regression weighted them
    there. That study is `source`, or the one whose numbers come with reprq; either is evidence from other images.

    Args:
        data: "folder:PATH" or a `Path`, of which the training images are taken, or all where it has no split; the name
            of a data set, of which the training images are; or whatever else holds images in Python, all of it: see
            `reprq.data.as_dataset`.
        backbones: Names of networks, or loaded ones, at least one. Where two are of one name, their weights join it.
        benign: The classes that are benign, or patterns of them; see `reprq.data.benign_rows`.
        layers: Which layers of each.
        weights: "default", "random" or a file, for all those given by name.
        detector: The detector that will be used, by the name or definition in the study; its first by default.
        source: A study, or its folder, to learn from.
        samples: A seeded sample of so many images; all by default.
        pooling: How a layer becomes one row an image.
        root: Where a named data set's files are.
        device: A torch device.
        cache_dir: The folder of the embedding caches.
        seed: Seeds the sample, random weights and intervals.
        progress: Whether to show progress on stderr.

    Returns:
        A `Recommendation` without choices; its `regret` is that of the source study, if one is given.

    Raises:
        DataError: no images, or some that do not decode.
        UnknownNameError: a backbone, layer, class, detector or data set that does not exist.
        InputError: no backbone, one twice, data or a network of another kind, or fewer than two layers in all.
    """
    study = StudyResults.load(source) if isinstance(source, str | Path) else source
    directions = Directions.packaged() if study is None else Directions.of_study(study, detector, seed=seed)
    trust = _trust(directions, detector)
    named = isinstance(data, str | Path)
    given = load_dataset(data, root=root, seed=seed, whole=True) if named else as_dataset(data, root=root)
    images, said = benign_rows(given, benign)
    if samples is not None and samples < len(images):
        images = images.sample(samples, seed=seed)
    networks = _networks(backbones, weights, seed)
    for network in networks.values():
        network.select_layers(layers)
    tables, doubts, repeated = [], 0, list[str]()
    for name, network in track(networks.items(), desc="backbones", unit="backbone", show=progress):
        cache = extract(network, images, layers, pooling=pooling, device=device, cache_dir=cache_dir, progress=progress)
        repeats = repeated_layers(cache)
        repeated += [f"{name}: {note}" for note in repeat_notes(repeats)]
        for number, layer in enumerate(cache):
            if layer in repeats:
                continue
            rows = cache[layer]
            found = measure(rows, list(trust["metric"]))
            doubts += len(rows) <= rows.array.shape[1]
            values = {metric.name: metric.value for metric in found.values()}
            tables.append({**dict(zip(POINT, (name, layer, number), strict=True)), **values})
    points = pd.DataFrame(tables)
    if len(points) < 2:
        raise InputError(f"a ranking needs at least two layers, got {len(points)}; name more backbones or layers")
    read = [*images.notes, *([said] if said else [])]
    notes = [
        f"directions and weights from: {directions.source}",
        *_notes(len(images), doubts, len(points)),
        *repeated,
        *read,
    ]
    regret = pd.DataFrame()
    if study is not None:
        judged = recommend(study, trust["detector"].iloc[0], seed=seed)
        regret, notes = judged.regret, [*notes, *judged.notes]
    return Recommendation(_ranking(points, trust), regret=regret, trust=trust, notes=tuple(notes))


def _networks(backbones: Any, weights: str, seed: int) -> dict[str, Backbone]:
    """Load what was named, and tell all apart by name and, where that is not enough, by weights."""
    given = [backbones] if isinstance(backbones, str | Backbone) else backbones
    if not isinstance(given, Iterable) or isinstance(given, nn.Module) or not (listed := list(given)):
        got = "none" if given is None or isinstance(given, Sequence) else type(given).__name__
        raise InputError(f"backbones must name at least one network, got {got}; `reprq backbones` lists them")
    found: dict[str, Backbone] = {}
    for each in listed:
        if not isinstance(each, str | Backbone):
            raise InputError(
                f"backbones must be names or Backbones, got {type(each).__name__};"
                " reprq.backbones.as_backbone(network, preprocessing=...) makes one of a network of your own"
            )
        network = load_backbone(each, weights, seed=seed) if isinstance(each, str) else each
        label = each if isinstance(each, str) else each.name
        label = f"{label} {network.weights}" if label in found else label
        if label in found or any(_same(network, other) for other in found.values()):
            raise InputError(f"backbones must name each network once, got {label!r} more than once")
        found[label] = network
    return found


def _same(one: Backbone, other: Backbone) -> bool:
    return one.weights_digest == other.weights_digest and one.preprocessing == other.preprocessing


def _trust(directions: Directions, detector: str | None) -> pd.DataFrame:
    """What is known of the metrics for one detector."""
    known = directions.table["detector"].drop_duplicates().tolist()
    names = {str(definition).partition("[")[0]: definition for definition in reversed(known)}
    wanted = known[0] if detector is None else names.get(detector, detector)
    if wanted not in set(known):
        raise UnknownNameError("detector of the study", str(detector), [*names, *known])
    rows: pd.DataFrame = directions.table[directions.table["detector"] == wanted].dropna(subset=["coefficient"])
    return rows.reset_index(drop=True)


def _ranking(points: pd.DataFrame, trust: pd.DataFrame) -> pd.DataFrame:
    """The order of the layers by the combination, and by each metric in its direction."""
    metrics = trust["metric"].tolist()
    values = points[metrics].to_numpy(dtype=np.float64)
    ranks = scaled_ranks(values)
    scores: dict[str, Any] = {COMBINATION: ranks @ trust["weight"].to_numpy()}
    scores |= {name: ranks[:, k] * np.sign(trust["coefficient"].iloc[k]) for k, name in enumerate(metrics)}
    tables = []
    for rule, said in scores.items():
        rank = pd.Series(said).rank(ascending=False, method="first").astype(int)
        value = np.full(len(points), np.nan) if rule == COMBINATION else values[:, metrics.index(rule)]
        table = points[POINT].assign(rule=rule, rank=rank, rule_score=said, value=value)
        tables.append(table.sort_values("rank"))
    columns = ["rule", *POINT, "rank", "rule_score", "value"]
    joined = pd.concat(tables, ignore_index=True)[columns]
    joined.insert(0, "detector", trust["detector"].iloc[0])
    return joined


def _notes(images: int, doubts: int, points: int) -> list[str]:
    notes = ["no anomaly was seen: how well these layers detect yours is not known, only how such ranks went elsewhere"]
    if images < FEW_IMAGES:
        notes.append(f"only {images} images: the metrics move with their number")
    if doubts:
        notes.append(f"in {doubts} of {points} layers there are no more images than columns: their spectra are cut off")
    return notes

"""Which backbone and layer to use for samples of one's own, with no anomaly in sight."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprq.analysis.candidates import candidates
from reprq.analysis.directions import Directions
from reprq.analysis.elsewhere import Elsewhere
from reprq.analysis.recommendation import Recommendation, recommend
from reprq.analysis.rules import COMBINATION, scaled_ranks
from reprq.analysis.runs import Run, joined
from reprq.analysis.verdict import dull_ranking, places, verdict
from reprq.backbones import Backbone
from reprq.data import Dataset, as_dataset, benign_rows, load_dataset, read_as
from reprq.detectors.entries import DETECTORS
from reprq.embeddings import extract
from reprq.embeddings.repeats import repeat_notes, repeated_layers
from reprq.errors import InputError, UnknownNameError
from reprq.metrics import measure
from reprq.progress import track
from reprq.study.results import POINT
from reprq.study.sections import BackboneConfig

FEW_ROWS = 100


def recommend_for(
    data: Any,
    backbones: str | Backbone | Mapping[str, Any] | Sequence[str | Backbone | Mapping[str, Any] | BackboneConfig],
    *,
    benign: str | Sequence[str] = (),
    layers: str = "all",
    weights: str = "default",
    preprocessing: Mapping[str, Any] | None = None,
    skip_broken: bool = False,
    detector: str | None = None,
    source: Run | Sequence[Run] | None = None,
    samples: int | None = None,
    pooling: str | Sequence[str] = "avg",
    root: Path | str | None = None,
    download: bool = False,
    device: str = "cpu",
    cache_dir: Path | str | None = None,
    seed: int = 0,
    progress: bool = True,
    **reading: Any,
) -> Recommendation:
    """Rank the layers of some backbones for benign samples, with no anomaly in sight.

    Their embeddings are measured layer by layer. Each metric ranks the layers, in the direction in which it
    went with detection in another study; the combination adds the ranks, weighted as a ridge regression weighted them
    there. That study is `source`, or the one whose numbers come with reprq; either is evidence from other samples.
    First is the layer by the combination, or by a dull rule where that lost less there (`reprq.analysis.verdict`).

    Args:
        data: "folder:PATH" or a `Path`, of which the training samples are taken, or all where it has no split; the name
            of a data set, of which the training samples are; or whatever else holds samples in Python, all of it: see
            `reprq.data.as_dataset`.
        backbones: Names of networks, loaded ones, or sections as in a study's file, each with weights, preprocessing,
            layers, pooling and label of its own: {"name": "resnet18", "weights": "mine.pt", "preprocessing": {"size":
            96}}. At least one; where two are of one name, their weights join it.
        benign: The classes that are benign, or patterns of them; see `reprq.data.benign_rows`.
        layers: Which layers of each that says none.
        weights: "default", "random" or a file, for all that say none.
        preprocessing: What to change in the preprocessing of all that are not loaded, unless they say it themselves.
        skip_broken: Whether files that do not decode are left out, and listed in the notes.
        detector: The detector that will be used, by its name or definition; the study's first by default. With other
            settings than the study's it is judged as those, and one that the packaged study does not have by the mean
            over others; notes say so.
        source: A study, or its folder, to learn from; or several, of all data sets of which each counts alike.
        samples: A seeded sample of so many of them; all by default.
        pooling: How a layer becomes one row per sample, of each that says none; several are several layers.
        root: Where a named data set's files are.
        download: Whether a named data set's files may be downloaded.
        device: A torch device.
        cache_dir: The folder of the embedding caches.
        seed: Seeds the sample, random weights and intervals.
        progress: Whether to show progress on stderr.
        **reading: How the files of the data's modality are read, such as `intensity_range` of images; see
            `reprq.data.read_as`.

    Returns:
        A `Recommendation` without choices, whose `first` is what `reprq.fit` takes; its `regret` is that of the source
        study, if one is given; of several data sets, of rules fitted on the others.

    Raises:
        DataError: no samples, or some that do not decode.
        UnknownNameError: a backbone, layer, class, detector or data set that does not exist.
        InputError: no backbone, one twice, data or a network of another kind, or fewer than two layers in all.
    """
    study = None if source is None else joined(source)
    if study is None:
        directions = Directions.packaged()
        definition, under, of_detector = _judged_as(detector, directions.table["detector"].unique().tolist(), True)
    else:
        studied = study.detectors["definition"].unique().tolist()
        definition, under, of_detector = _judged_as(detector, studied, False)
        directions = Directions.of_study(study, definition, seed=seed)
    of_it: pd.DataFrame = directions.table[directions.table["detector"] == definition]
    trust = of_it.dropna(subset=["coefficient"]).reset_index(drop=True)
    named = isinstance(data, str | Path)
    where: dict[str, Any] = {"root": root, "download": download}
    given = load_dataset(data, seed=seed, whole=True, **where) if named else as_dataset(data, **where)
    given = read_as(given, skip_broken=skip_broken, **reading)
    kept, said = benign_rows(given, benign)
    if samples is not None and samples < len(kept):
        kept = kept.sample(samples, seed=seed)
    common: dict[str, Any] = {"weights": weights, "preprocessing": preprocessing, "layers": layers, "pooling": pooling}
    networks = candidates(backbones, seed=seed, **common)
    how: dict[str, Any] = {"device": device, "cache_dir": cache_dir, "progress": progress}
    tables, doubts, whole, seen = [], 0, True, dict.fromkeys(kept.notes)
    for name, network in track(networks.items(), desc="backbones", unit="backbone", show=progress):
        cache = extract(network.backbone, kept, network.layers, pooling=network.pooling, **how)
        repeats = repeated_layers(cache)
        whole &= len(cache) >= len(network.backbone.layers)
        of_network = [note for note in cache.notes if note not in kept.notes]
        seen |= dict.fromkeys(f"{name}: {note}" for note in (*of_network, *repeat_notes(repeats)))
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
    known = Elsewhere.packaged() if study is None else Elsewhere.of_study(study, definition)
    digests = {name: network.backbone.weights_digest for name, network in networks.items()}
    points["place"] = places(known, points, digests)
    judged = verdict(known, points, kept.modality, under, whole=whole, samples=len(kept))
    read = [*of_detector, *seen, *([said] if said else [])]
    notes = [f"directions and weights from: {directions.source}", *_notes(kept, doubts, len(points)), *read]
    regret = pd.DataFrame()
    if study is not None:
        of_study = recommend(study, definition, seed=seed)
        regret, notes = of_study.regret, [*notes, *of_study.notes]
    ranking = _with_dull(_ranking(points, trust), points, judged.rule, known.depth)
    first = ranking[ranking["rule"] == judged.rule].iloc[0]
    chosen = networks[first["backbone"]].arguments(first["layer"])
    inputs = pd.DataFrame([network.said(name) for name, network in networks.items()])
    made: dict[str, Any] = {"ranking": ranking, "regret": regret, "trust": trust, "networks": inputs}
    return Recommendation(
        **made,
        **judged.fields,
        notes=tuple(notes),
        first=chosen,
    )


def _judged_as(asked: str | None, studied: Sequence[str], anything: bool) -> tuple[str, str, list[str]]:
    """By which definition of a study a detector is judged, under which name its regrets stand, and what to say of it.

    Args:
        asked: Its name or definition; None is the first of the study.
        studied: The definitions of the study.
        anything: Whether a detector that is not among them is judged as the first; else it is an error.
    """
    names = {definition.partition("[")[0]: definition for definition in reversed(studied)}
    wanted = studied[0] if asked is None else asked
    name = wanted.partition("[")[0]
    if wanted in studied or wanted in names:
        return names.get(wanted, wanted), name, []
    if name in names:
        return names[name], name, [f"{wanted} is judged as {names[name]}, with whose settings {name} was studied"]
    if not anything or name not in DETECTORS:
        raise UnknownNameError("detector of the study", wanted, [*names, *studied])
    return studied[0], name, [f"how metrics go with detection by {name} is not known: they count as for {studied[0]}"]


def _ranking(points: pd.DataFrame, trust: pd.DataFrame) -> pd.DataFrame:
    """The order of the layers by the combination, and by each metric in its direction."""
    metrics = trust["metric"].tolist()
    values = points[metrics].to_numpy(dtype=np.float64)
    ranks = scaled_ranks(values)
    scores: dict[str, Any] = {COMBINATION: ranks @ trust["weight"].to_numpy()}
    scores |= {name: ranks[:, k] * np.sign(trust["coefficient"].iloc[k]) for k, name in enumerate(metrics)}
    tables = []
    for rule, said in scores.items():
        rank = pd.Series(said.round(9)).rank(ascending=False, method="min").astype(int)
        value = np.full(len(points), np.nan) if rule == COMBINATION else values[:, metrics.index(rule)]
        table = points[POINT].assign(rule=rule, rank=rank, rule_score=said, value=value)
        tables.append(table.sort_values(["rank", *POINT]))
    columns = ["rule", *POINT, "rank", "rule_score", "value"]
    joined = pd.concat(tables, ignore_index=True)[columns]
    joined.insert(0, "detector", trust["detector"].iloc[0])
    return joined


def _with_dull(ranking: pd.DataFrame, points: pd.DataFrame, rule: str, depth: float | None) -> pd.DataFrame:
    """The ranking with that of the dull rule behind it, where the first is chosen by it."""
    if rule == COMBINATION:
        return ranking
    ours = ranking[ranking["rule"] == COMBINATION].set_index(["backbone", "layer"])["rule_score"]
    ties = ours.reindex(pd.MultiIndex.from_frame(points[["backbone", "layer"]])).to_numpy()
    dull = dull_ranking(rule, points, depth, pd.Series(ties, index=points.index))
    dull = dull.assign(detector=ranking["detector"].iloc[0])[ranking.columns.tolist()]
    return pd.concat([ranking, dull], ignore_index=True)


def _notes(data: Dataset, doubts: int, points: int) -> list[str]:
    notes = ["no anomaly was seen: how well these layers detect yours is not known, only how such ranks went elsewhere"]
    if len(data) < FEW_ROWS:
        notes.append(f"only {len(data)} {data.noun}s: the metrics move with their number")
    if doubts:
        notes.append(
            f"in {doubts} of {points} layers there are no more {data.noun}s than columns: their spectra are cut off"
        )
    return notes

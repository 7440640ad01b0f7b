"""What `answer.py` asks of every layer beside the metrics of its benign rows: views, references, inputs, labels.

Of each layer and task: `lidar` and `view_stability` of four views of sixty benign samples, `relative_rank` beside a
reference set in the same layer (images: ten superclasses of Tiny ImageNet, and JPEG CIFAR-10 for these; texts: Reuters,
and 20 Newsgroups for Reuters; none for sounds and tables), `input_cka` with the raw inputs and `deconfounded_cka`
with the last layer of the network, the raw inputs taken away; what LogME, the H-score and a probe say with a few
anomalies; and the AUROC of two detectors that the studies do not run: Deep SVDD on the rows, and the Mahalanobis
distance at powers of the lengths of rows.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benign_views import benign_views, raw_inputs

from reprq.analysis import few_labels
from reprq.backbones import Backbone
from reprq.data import Dataset, Split
from reprq.embeddings import EmbeddingCache, extract
from reprq.errors import ReprqError
from reprq.metrics import cka, deconfounded_cka, h_score, lidar, logme, probe_auroc, relative_rank, view_stability
from reprq.storage import write_whole
from reprq.study.compute import LayerRows, detect
from reprq.study.parts import StudyPart
from reprq.study.plan import Plan
from reprq.study.sources import load_network

FILE = "layers.parquet"
LAYER_METRICS = ("lidar", "view_stability", "relative_rank", "input_cka", "deconfounded_cka")
LABELLED: dict[str, Callable[..., float]] = {"LogME": logme, "H-score": h_score, "probe": probe_auroc}
TRAINED = {"name": "deep_svdd", "network": "mlp:32", "epochs": 50, "lr": 0.001, "batch_size": 32}
BETAS = (0.0, 0.5, 1.0)  # of the radial Mahalanobis distance
SAMPLES, VIEWS, REFERENCE, DRAWS = 60, 4, 200, 3
JUDGED = 40  # benign rows of a half beside a few anomalies
LABEL_COUNTS = (2, 5, 10)  # real anomalies that are known
_REFERENCES = {"image": ("superclasses", "cifar"), "text": ("reuters", "20newsgroups")}


def complete_layers(plan: Plan, folder: Path, cache: Path | None) -> None:
    """Write one row a layer and task into the folder of a run; a network on a data set that is there is not redone."""
    path = folder / FILE
    known = pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=["seed", "dataset", "backbone", "task"])
    done = set(known[["seed", "dataset", "backbone", "task"]].itertuples(index=False, name=None))
    for part in plan.parts:
        splits = [s for s in plan.splits_of(part) if (part.seed, *part.place[1:], s.name) not in done]
        if splits:
            rows = [row for split in splits for row in rows_of(plan, part, split, cache)]
            known = pd.concat([known, pd.DataFrame(rows)], ignore_index=True)
            write_whole(path, known.to_parquet)
            print(f"{folder.name}: {part.place}, {len(known)} layers and tasks", flush=True)


def rows_of(plan: Plan, part: StudyPart, split: Split, cache: Path | None) -> Iterator[dict[str, Any]]:
    """One row a layer of a network, on one split."""
    network, (train, test) = plan.network_of(part), plan.samples[part.seed, part.data.dataset]
    assert network is not None
    backbone = load_network(network.config, part.seed, plan.benign_of(part))
    named = [name for name, _ in network.layers]
    benign = train.select(split.train)
    some = benign.select(np.arange(min(SAMPLES, len(benign))))
    wanted = {"train": train, "test": test, "views": benign_views(some, VIEWS, part.seed)}
    wanted |= {"reference": broad} if (broad := reference(plan, part)) is not None else {}
    found = {name: embedded(backbone, own, named, network.config.pooling, cache) for name, own in wanted.items()}
    inputs = raw_inputs(benign)
    stored = list(found["train"])
    for name, own in zip(named, stored, strict=True):
        layer = {what: rows[own].array for what, rows in found.items()}
        layer |= {"benign": layer["train"][split.train], "last": found["train"][stored[-1]].array[split.train]}
        place = {"seed": part.seed, "dataset": part.data.dataset, "task": split.name, "backbone": part.place[2]}
        labels = {"train": found["train"].labels, "test": found["test"].labels}
        yield {
            **place,
            "layer": name,
            **metrics_of(layer, inputs),
            **labelled(layer["test"][split.test], split, labels["test"][split.test]),
            **judged(LayerRows(layer["train"], labels["train"], layer["test"], labels["test"], test.classes), split),
        }


def embedded(backbone: Backbone, data: Dataset, layers: list[str], pooling: str, cache: Path | None) -> EmbeddingCache:
    """Embeddings of a data set, from the cache where they are there."""
    return extract(backbone, data, layers, pooling=pooling, progress=False, cache_dir=cache)


def reference(plan: Plan, part: StudyPart) -> Dataset | None:
    """Return a broad set of other samples of the modality; None where there is none."""
    own = plan.samples[part.seed, part.data.dataset][0]
    for name in _REFERENCES.get(own.modality, ()):
        if name != part.data.dataset and (part.seed, name) in plan.samples:
            return plan.samples[part.seed, name][0].sample(REFERENCE, seed=part.seed)
    return None


def metrics_of(layer: Mapping[str, np.ndarray], inputs: np.ndarray) -> dict[str, float]:
    """The metrics of one layer; nan where one does not exist."""
    views = layer["views"].reshape(VIEWS, -1, layer["views"].shape[1]).swapaxes(0, 1)
    asked: dict[str, Callable[[], float]] = {
        "lidar": lambda: lidar(at_unit_variance(views)),
        "view_stability": lambda: view_stability(views),
        "input_cka": lambda: cka(layer["benign"], inputs),
        "deconfounded_cka": lambda: deconfounded_cka(layer["benign"], layer["last"], inputs),
    }
    if "reference" in layer:
        asked["relative_rank"] = lambda: relative_rank(layer["benign"], layer["reference"], repeats=3)
    return {name: _or_nan(asked[name]) if name in asked else np.nan for name in LAYER_METRICS}


def at_unit_variance(views: np.ndarray) -> np.ndarray:
    """Views with a mean variance of 1 over the columns, in no more columns than views: what delta is added to."""
    rows = views.reshape(-1, views.shape[-1]).astype(np.float64)
    rows = rows - rows.mean(0)
    rows /= np.sqrt(np.square(rows).mean()) or 1.0
    turned = np.linalg.qr(rows.T, mode="r").T if len(rows) < rows.shape[1] else rows
    return turned.reshape(*views.shape[:2], -1)


def labelled(rows: np.ndarray, split: Split, classes: np.ndarray) -> dict[str, list[float]]:
    """What each metric of labelled rows says with k anomalies: of either half, its draws one after another."""
    found = {}
    kept = np.sort(np.concatenate([np.flatnonzero(split.labels == 0)[: 2 * JUDGED], np.flatnonzero(split.labels)]))
    for name, measure in LABELLED.items():
        for k in LABEL_COUNTS:
            said = partial(few_labels, rows[kept], split.labels[kept], classes[kept], k, measure, DRAWS)
            found[f"{name}, k = {k}"] = _or_nan(lambda said=said: said().ravel().tolist(), [np.nan] * 2 * DRAWS)
    return found


def judged(rows: LayerRows, split: Split) -> dict[str, float]:
    """AUROC, of all test rows and of either half, by the detectors that the studies do not run."""
    specs = {
        "deep_svdd": TRAINED,
        **{f"radial {beta:g}": {"name": "radial_mahalanobis", "beta": beta} for beta in BETAS},
    }
    found = {}
    for name, spec in specs.items():
        row = _or_nan(lambda spec=spec: detect(rows, split, spec), {})
        found |= {f"{name}|{column}": row.get(column, np.nan) for column in ("auroc", "auroc_half_1", "auroc_half_2")}
        found[f"{name}|definition"] = row.get("definition", "")
    return found


def _or_nan(compute: Callable[[], Any], otherwise: Any = np.nan) -> Any:
    try:
        return compute()
    except ReprqError:  # fewer rows than it needs, rows that are all equal, ...: missing, as in a study
        return otherwise


def layer_metrics(layers: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics of a study with those of its layers beside them, in the same columns."""
    keys = ["seed", "dataset", "backbone", "layer", "task"]
    places = metrics.drop_duplicates(keys).drop(columns=["metric", "definition", "value", "low", "high"])
    long = layers.melt(keys, list(LAYER_METRICS), "metric", "value").astype({"value": float})
    added = places.merge(long, on=keys)
    return pd.concat([metrics, added.assign(definition=added["metric"])], ignore_index=True)


def layer_detectors(layers: pd.DataFrame, detectors: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows of one of the detectors that only this file runs, in the columns of the study's table."""
    keys = ["seed", "dataset", "backbone", "layer", "task"]
    own = layers[[*keys, *(column for column in layers if column.startswith(f"{name}|"))]]
    own = own.rename(columns=lambda column: column.removeprefix(f"{name}|"))
    places = detectors.drop_duplicates(keys).drop(columns=["detector", *(set(own) - set(keys))])
    return places.merge(own.dropna(subset=["auroc"]), on=keys).assign(detector=name, definition=name)

"""Tasks and layers of a study that are the same rows under two names."""

from collections.abc import Collection
from itertools import combinations

import numpy as np
import pandas as pd

_CELL = ["seed", "backbone", "layer", "layer_number", "metric", "detector", "definition"]
_NUMBERS = ["value", "auroc", "n", "d", "n_train", "n_test", "n_anomalies"]


def without_repeated_tasks(metrics: pd.DataFrame, detectors: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of a study without multimodal tasks whose every number is that of a unimodal one.

    Of two classes, "unimodal:good" and "multimodal:bad" train on the same rows and score the same rows. New studies
    hold such a pair once; in tables of older ones it would count twice in every mean.

    Args:
        metrics: As `StudyResults.metrics`.
        detectors: As `StudyResults.detectors`.

    Example:
        >>> names = ["unimodal:good", "unimodal:bad", "multimodal:bad", "multimodal:good"]
        >>> values = pd.DataFrame({"task": names, "metric": "rankme", "value": [1.5, 2.5, 1.5, 2.5]})
        >>> scores = pd.DataFrame({"task": names, "detector": "knn", "auroc": [0.5, 0.7, 0.5, 0.7]})
        >>> without_repeated_tasks(values, scores)[0]["task"].tolist()
        ['unimodal:good', 'unimodal:bad']
    """
    judged = _by_task(detectors)
    content = {task: numbers + judged.get(task, b"") for task, numbers in _by_task(metrics).items()}
    unimodal = {
        (dataset, numbers, task.partition(":")[2])
        for (dataset, task), numbers in content.items()
        if task.startswith("unimodal:")
    }
    repeated = {
        (dataset, task)
        for (dataset, task), numbers in content.items()
        if task.startswith("multimodal:")
        and any(
            (dataset, numbers) == (within, other) and task.partition(":")[2] != target
            for within, other, target in unimodal
        )
    }
    if not repeated:
        return metrics, detectors
    kept = [
        table[[task not in repeated for task in _tasks(table)]].reset_index(drop=True) for table in (metrics, detectors)
    ]
    return kept[0], kept[1]


def _by_task(table: pd.DataFrame) -> dict[tuple[str, str], bytes]:
    """What a table says of each (data set, task), but for names, times and intervals, as bytes to compare."""
    columns = [column for column in (*_CELL, *_NUMBERS) if column in table]
    hashes = pd.util.hash_pandas_object(table[columns], index=False)
    tasks = pd.Series(_tasks(table), index=table.index, dtype=object)
    return {task: rows.to_numpy().tobytes() for task, rows in hashes.groupby(tasks, sort=False)}


def _tasks(table: pd.DataFrame) -> list[tuple[str, str]]:
    """The (data set, task) of every row; tables of older studies name no data set."""
    datasets = table["dataset"].astype(str) if "dataset" in table else [""] * len(table)
    return list(zip(datasets, table["task"].astype(str), strict=True))


def repeated_layers(metrics: pd.DataFrame, detectors: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return the layers whose every number is that of a deeper layer of the same backbone, with the name of that one.

    A last stage averaged over its map is the very input of the head: a ResNet's `layer4` is its `pooled`. Numbers are
    the same if they differ by no more than rounding in the forward pass can cause; layers of fewer than three metrics
    are never called the same.

    Args:
        metrics: As `StudyResults.metrics`.
        detectors: As `StudyResults.detectors`.
    """
    found: dict[tuple[str, str], str] = {}
    scored = dict(iter(detectors.groupby("backbone", sort=False)))
    for backbone, rows in metrics.groupby("backbone", sort=False):
        order = rows.drop_duplicates("layer").sort_values("layer_number", kind="stable")["layer"].tolist()
        values = _by_layer(rows, "metric", "value", order)
        scores = _by_layer(scored.get(backbone, detectors.iloc[:0]), "detector", "auroc", order)
        for i, j in combinations(range(len(order)), 2):
            if _close(values[i], values[j], 1e-5, 1e-8, at_least=3) and _close(scores[i], scores[j], 0.0, 2e-3):
                found[str(backbone), order[i]] = order[j]
    return found


def without_repeated_layers(metrics: pd.DataFrame, detectors: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of a study without layers that repeat a deeper one; see `repeated_layers`."""
    return without_layers(repeated_layers(metrics, detectors), metrics, detectors)


def without_layers(
    layers: Collection[tuple[str, str]], metrics: pd.DataFrame, detectors: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of a study without some layers, given as (backbone, layer)."""
    if not layers:
        return metrics, detectors
    left_out = pd.MultiIndex.from_tuples(list(layers))
    kept = [
        table[~pd.MultiIndex.from_frame(table[["backbone", "layer"]]).isin(left_out)].reset_index(drop=True)
        for table in (metrics, detectors)
    ]
    return kept[0], kept[1]


def _by_layer(table: pd.DataFrame, name: str, value: str, layers: list[str]) -> np.ndarray:
    """One row a layer, one column a seed, task and metric or detector; nan where there is no number."""
    columns = [column for column in ("seed", "dataset", "task", name, "definition") if column in table]
    wide = table.pivot_table(index="layer", columns=columns, values=value, aggfunc="first", dropna=False, observed=True)
    return np.asarray(wide.reindex(layers).to_numpy(), dtype=np.float64)


def _close(a: np.ndarray, b: np.ndarray, relative: float, absolute: float, at_least: int = 0) -> bool:
    return int(np.isfinite(a).sum()) >= at_least and bool(np.allclose(a, b, relative, absolute, equal_nan=True))

"""Tasks and layers of a study that are the same rows under two names."""

from collections.abc import Collection

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
    if table.empty:  # as that of metrics, where no cell has a layer
        return {}
    columns = [column for column in (*_CELL, *_NUMBERS) if column in table]
    hashes = pd.util.hash_pandas_object(table[columns], index=False).to_numpy()
    codes, tasks = pd.factorize(pd.MultiIndex.from_arrays(_names_of_tasks(table)))
    ends = np.cumsum(np.bincount(codes, minlength=len(tasks)))
    parts = np.split(hashes[np.argsort(codes, kind="stable")], ends[:-1])
    return {task: numbers.tobytes() for task, numbers in zip(tasks, parts, strict=False)}


def _tasks(table: pd.DataFrame) -> list[tuple[str, str]]:
    """The (data set, task) of every row; tables of older studies name no data set."""
    return list(zip(*_names_of_tasks(table), strict=True))


def _names_of_tasks(table: pd.DataFrame) -> list[np.ndarray]:
    datasets = table["dataset"].to_numpy(object) if "dataset" in table else np.full(len(table), "", object)
    return [datasets.astype(str).astype(object), table["task"].to_numpy(object).astype(str).astype(object)]


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
    layers = metrics.drop_duplicates(["backbone", "layer"]).sort_values("layer_number", kind="stable")
    order = pd.MultiIndex.from_frame(layers[["backbone", "layer"]])
    values, scores = _by_layer(metrics, "metric", "value", order), _by_layer(detectors, "detector", "auroc", order)
    backbones, names = layers["backbone"].to_numpy(object), layers["layer"].to_numpy(object)
    for backbone in metrics["backbone"].unique():
        own = np.flatnonzero(backbones == backbone)
        for at, i in enumerate(own):
            if np.isfinite(values[i]).sum() < 3:
                continue
            deeper = own[at + 1 :]
            for j in deeper[_close(values[i], values[deeper], 1e-5, 1e-8)]:
                if _close(scores[i], scores[j], 0.0, 2e-3):
                    found[str(backbone), names[i]] = names[j]
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


def _by_layer(table: pd.DataFrame, name: str, value: str, order: pd.MultiIndex) -> np.ndarray:
    """One row a (backbone, layer), one column a seed, task and metric or detector; nan where there is no number."""
    columns = [column for column in ("seed", "dataset", "task", name, "definition") if column in table]
    numbers = table[value].to_numpy(dtype=np.float64, na_value=np.nan)
    column = table.groupby(columns, sort=False, dropna=False).ngroup().to_numpy()
    row = order.get_indexer(pd.MultiIndex.from_frame(table[["backbone", "layer"]]))
    wide = np.full((len(order), column.max(initial=-1) + 1), np.nan)
    known = np.flatnonzero((row >= 0) & ~np.isnan(numbers))[::-1]  # of several numbers the first stays
    wide[row[known], column[known]] = numbers[known]
    return wide


def _close(a: np.ndarray, b: np.ndarray, relative: float, absolute: float) -> np.ndarray:
    """Whether all numbers of a row are the same, (C,) against (..., C)."""
    close: np.ndarray = np.isclose(a, b, relative, absolute, equal_nan=True).all(-1)
    return close

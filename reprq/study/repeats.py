"""Tasks of a study that are the same rows under two names."""

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
    unimodal = {(numbers, task.partition(":")[2]) for task, numbers in content.items() if task.startswith("unimodal:")}
    repeated = {
        task
        for task, numbers in content.items()
        if task.startswith("multimodal:")
        and any(numbers == other and task.partition(":")[2] != target for other, target in unimodal)
    }
    if not repeated:
        return metrics, detectors
    kept = [table[~table["task"].isin(repeated)].reset_index(drop=True) for table in (metrics, detectors)]
    return kept[0], kept[1]


def _by_task(table: pd.DataFrame) -> dict[str, bytes]:
    """What a table says of each task, but for names, times and intervals, as bytes to compare."""
    columns = [column for column in (*_CELL, *_NUMBERS) if column in table]
    hashes = pd.util.hash_pandas_object(table[columns], index=False)
    return {str(task): rows.to_numpy().tobytes() for task, rows in hashes.groupby(table["task"], sort=False)}

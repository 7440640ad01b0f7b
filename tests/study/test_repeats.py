from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reprq.analysis import correlate
from reprq.study import StudyResults
from reprq.study.repeats import repeated_layers, without_repeated_layers, without_repeated_tasks


def _tables(tasks: dict[str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of three networks of two layers; tasks of one seed have the same numbers, all but the time."""
    metrics, detectors = [], []
    for task, seed in tasks.items():
        rng = np.random.default_rng(seed)
        for backbone in "abc":
            for layer in range(2):
                base = {"seed": 0, "backbone": backbone, "layer": f"l{layer}", "layer_number": layer, "task": task}
                base |= {"task_kind": task.partition(":")[0], "network": backbone, "weights": "random"}
                metrics.append({**base, "metric": "rankme", "value": rng.random(), "n": 9, "d": 4})
                scores = {"detector": "knn", "definition": "knn[k=1]", "auroc": rng.random()}
                detectors.append({**base, **scores, "seconds": len(detectors)})
    return pd.DataFrame(metrics), pd.DataFrame(detectors)


@pytest.mark.parametrize(
    ("tasks", "kept"),
    [
        ({"unimodal:a": 1, "unimodal:b": 2, "multimodal:a": 2, "multimodal:b": 1}, ["unimodal:a", "unimodal:b"]),
        ({"unimodal:a": 1, "multimodal:a": 1}, ["unimodal:a", "multimodal:a"]),  # complements, equal by chance
        ({"unimodal:a": 1, "unimodal:b": 1}, ["unimodal:a", "unimodal:b"]),
        ({"unimodal:a": 1, "multimodal:b": 2}, ["unimodal:a", "multimodal:b"]),
        ({"multimodal:b": 1, "unimodal:a:b": 1}, ["unimodal:a:b"]),
    ],
)
def test_a_task_whose_numbers_are_anothers_is_left_out(tasks: dict[str, int], kept: list[str]) -> None:
    for table in without_repeated_tasks(*_tables(tasks)):
        assert table["task"].unique().tolist() == kept


def test_older_studies_count_each_task_once(tmp_path: Path) -> None:
    metrics, detectors = _tables({"unimodal:a": 1, "unimodal:b": 2, "multimodal:b": 1})
    StudyResults(metrics, detectors, {"config": {}}, tmp_path).save()
    loaded = StudyResults.load(tmp_path)
    assert loaded.study == {"config": {}}
    assert loaded.metrics["task"].unique().tolist() == ["unimodal:a", "unimodal:b"]
    once = StudyResults(*without_repeated_tasks(metrics, detectors), {}, tmp_path)
    assert correlate(loaded)["coefficient"].tolist() == pytest.approx(correlate(once)["coefficient"].tolist())


def _layers_of(values: dict[str, list[float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of one backbone: per layer four metrics, the last number being its AUROC."""
    metrics, scores = [], []
    for number, (layer, numbers) in enumerate(values.items()):
        place = {"seed": 0, "backbone": "net", "layer": layer, "layer_number": number, "task": "unimodal:0"}
        metrics += [{**place, "metric": f"m{i}", "value": value} for i, value in enumerate(numbers[:-1])]
        scores.append({**place, "detector": "knn", "auroc": numbers[-1]})
    return pd.DataFrame(metrics), pd.DataFrame(scores)


@pytest.mark.parametrize(
    ("other", "repeated"),
    [
        ([1.0, 2.0, 30.0, 0.9], True),
        ([1.0 + 1e-7, 2.0, 30.0 - 1e-6, 0.9004], True),
        ([1.0, 2.0, 30.01, 0.9], False),
        ([1.0, 2.0, 30.0, 0.95], False),
        ([1.0, 2.0, float("nan"), 0.9], False),
    ],
)
def test_a_layer_whose_every_number_is_that_of_a_deeper_one_is_left_out(other: list[float], repeated: bool) -> None:
    tables = _layers_of({"stem": [5.0, 6.0, 7.0, 0.5], "head": [1.0, 2.0, 30.0, 0.9], "pooled": other})
    assert repeated_layers(*tables) == ({("net", "head"): "pooled"} if repeated else {})
    for table in without_repeated_layers(*tables):
        assert table["layer"].drop_duplicates().tolist() == ["stem", *([] if repeated else ["head"]), "pooled"]


def test_few_numbers_do_not_make_layers_the_same() -> None:
    assert repeated_layers(*_layers_of({"a": [1.0, 2.0, 0.9], "b": [1.0, 2.0, 0.9]})) == {}

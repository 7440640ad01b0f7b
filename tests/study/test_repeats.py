import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reprq.study import StudyResults, correlate
from reprq.study.repeats import without_repeated_tasks


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
    assert json.loads((tmp_path / "study.json").read_text()) == {"config": {}}
    loaded = StudyResults.load(tmp_path)
    assert loaded.metrics["task"].unique().tolist() == ["unimodal:a", "unimodal:b"]
    once = StudyResults(*without_repeated_tasks(metrics, detectors), {}, tmp_path)
    assert correlate(loaded)["coefficient"].tolist() == pytest.approx(correlate(once)["coefficient"].tolist())

"""What single tasks say beside all together."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprq.analysis import correlate, points
from reprq.analysis.spread import prediction
from reprq.study import StudyResults


@pytest.fixture
def made(tmp_path: Path) -> StudyResults:
    """A metric that goes with the score in tasks about w, x, y and against it in those about z."""
    rng = np.random.default_rng(0)
    rows = []
    for backbone in "abcdef":
        for layer in range(3):
            for kind in ("unimodal", "multimodal"):
                for name in "wxyz":
                    key = {"backbone": backbone, "network": backbone, "layer": f"l{layer}", "layer_number": layer}
                    key |= {"task": f"{kind}:{name}", "task_kind": kind, "metric": "m", "definition": "knn", "d": 8}
                    x = rng.normal()
                    way = -1 if name == "z" else 1
                    rows.append({**key, "detector": "knn", "value": x, "auroc": 0.5 + 0.1 * way * x})
    table = pd.DataFrame(rows)
    return StudyResults(table.drop(columns="auroc"), table.drop(columns=["value", "metric"]), {}, tmp_path)


@pytest.mark.parametrize("method", ["spearman", "kendall", "pearson"])
def test_median_and_range_are_those_of_the_tasks_by_themselves(made: StudyResults, method: str) -> None:
    table = correlate(made, method=method, tasks=["all", "each", "multimodal"], n_resamples=100).set_index("tasks")
    single = table.loc[[name for name in table.index if ":" in name]]
    for group, of in (("all", single), ("multimodal", single[single.index.str.startswith("multimodal")])):
        row = table.loc[group]
        found = [row["task_median"], row["task_min"], row["task_max"]]
        values = of["coefficient"].astype(float)
        assert found == pytest.approx([values.median(), values.min(), values.max()])
        assert row["task_min"] == pytest.approx(-1)
        assert -1 <= row["new_task_low"] <= row["task_median"] <= row["new_task_high"] <= 1
    assert single[["task_median", "new_task_low"]].isna().to_numpy().all()


def test_levels_and_what_is_held_fixed_hold_for_single_tasks(made: StudyResults) -> None:
    made.metrics["d"] = made.metrics["layer_number"] ** 2 + 1
    asked = {"method": "pearson", "level": "within", "given": "depth", "n_resamples": 100}
    table = correlate(made, tasks=["all", "each"], **asked).set_index("tasks")
    values = table["coefficient"].drop("all").astype(float)
    assert table.loc["all", "task_median"] == pytest.approx(values.median())


def test_the_prediction_is_students_over_classes() -> None:
    values, classes = np.array([0.1, 0.3, 0.2, 0.5, 0.6, 0.4]), list("aabbcc")
    low, high = prediction(values, classes)
    means = np.array([0.2, 0.35, 0.5])
    half = stats.t.ppf(0.975, 2) * np.sqrt(values.var(ddof=1) + means.var(ddof=1) / 3)
    assert (low, high) == pytest.approx((max(-1, values.mean() - half), min(1, values.mean() + half)))
    assert prediction(values, list("aaabbb")) is None


def test_a_new_task_lies_in_the_prediction_in_95_per_cent() -> None:
    rng, trials = np.random.default_rng(0), 2000
    of_class, own = rng.normal(size=(trials, 8)) * 0.1, rng.normal(size=(trials, 17)) * 0.1
    values = 0.2 + np.repeat(of_class, 2, axis=1) + own[:, :16]
    new = 0.2 + 0.1 * rng.normal(size=trials) + own[:, 16]
    ends = [prediction(row, list("aabbccddeeffgghh")) for row in values]
    covered = np.mean([low <= each <= high for (low, high), each in zip(ends, new, strict=True)])
    assert abs(covered - 0.95) <= 0.015 + 3 * np.sqrt(0.95 * 0.05 / trials)


def test_points_of_one_task_are_those_that_are_shown(made: StudyResults) -> None:
    assert len(points(made, "m", "auroc", "knn", "unimodal:z")) == 18
    assert correlate(made, "m", tasks="unimodal:z", method="spearman", n_resamples=100).loc[0, "coefficient"] < 0

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprq.errors import UnknownNameError
from reprq.evaluation import holm
from reprq.study import StudyResults, correlate, points


@pytest.fixture
def made(tmp_path: Path) -> StudyResults:
    """Five backbones of four layers, two tasks; `good` follows the AUROC, `noise` does not."""
    rng = np.random.default_rng(0)
    metric_rows, detector_rows = [], []
    for backbone in "abcde":
        for layer in range(4):
            quality = rng.normal()
            for task, kind in (("unimodal:x", "unimodal"), ("multimodal:x", "multimodal")):
                base = {
                    "backbone": backbone,
                    "layer": f"l{layer}",
                    "layer_number": layer,
                    "task": task,
                    "task_kind": kind,
                }
                for name, value in (("good", quality + 0.1 * rng.normal()), ("noise", rng.normal())):
                    metric_rows.append({**base, "metric": name, "value": value})
                for name in ("knn", "centroid"):
                    auroc = 1 / (1 + np.exp(-quality - 0.1 * rng.normal()))
                    detector_rows.append({**base, "detector": name, "definition": f"{name}[1]", "auroc": auroc})
    return StudyResults(pd.DataFrame(metric_rows), pd.DataFrame(detector_rows), {}, tmp_path)


def test_a_point_is_the_mean_over_tasks(made: StudyResults) -> None:
    table = points(made, "good", "auroc", "knn[1]")
    assert len(table) == 20
    x = made.metrics.query("backbone == 'b' and layer == 'l2' and metric == 'good'")["value"].mean()
    y = made.detectors.query("backbone == 'b' and layer == 'l2' and detector == 'knn'")["auroc"].mean()
    (row,) = table.query("backbone == 'b' and layer == 'l2'").itertuples()
    assert (row.x, row.y) == pytest.approx((x, y))


def test_the_coefficients_are_scipys_over_the_points(made: StudyResults) -> None:
    table = correlate(made, n_resamples=200)
    oracle = {"spearman": stats.spearmanr, "pearson": stats.pearsonr, "kendall": stats.kendalltau}
    assert len(table) == 2 * 3 * 2
    for row in table.itertuples():
        over = points(made, row.metric, "auroc", row.detector)
        assert row.coefficient == pytest.approx(oracle[row.method](over["x"], over["y"]).statistic, abs=1e-12)
        assert (row.n, row.n_backbones) == (20, 5)
        assert row.low <= row.coefficient <= row.high


def test_holm_is_within_one_detector_method_and_group(made: StudyResults) -> None:
    table = correlate(made, tasks=["all", "unimodal"], n_resamples=200)
    for _, family in table.groupby(["tasks", "detector", "method"]):
        assert family["p_holm"].tolist() == holm(family["p_value"].tolist())


def test_names_choose_rows_and_a_short_name_stands_for_its_definitions(made: StudyResults) -> None:
    table = correlate(made, metric="good", detector="knn", method="kendall", tasks="unimodal:x", n_resamples=200)
    (row,) = table.itertuples()
    assert (row.metric, row.detector, row.method, row.tasks) == ("good", "knn[1]", "kendall", "unimodal:x")
    family = correlate(made, detector="knn", method="kendall", tasks="unimodal:x", n_resamples=200)
    assert row.p_holm == family[family["metric"] == "good"]["p_holm"].item()  # whichever metrics are shown


def test_a_point_with_a_metric_that_could_not_be_computed_is_left_out(made: StudyResults) -> None:
    chosen = (
        (made.metrics["backbone"] == "a") & (made.metrics["layer"] == "l0") & (made.metrics["task"] == "unimodal:x")
    )
    made.metrics.loc[chosen & (made.metrics["metric"] == "good"), "value"] = None
    assert len(points(made, "good", "auroc", "knn[1]")) == 19
    assert len(points(made, "good", "auroc", "knn[1]", "multimodal")) == 20


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"metric": "goods"}, "unknown metric of the study 'goods': did you mean 'good'?"),
        ({"detector": "knm"}, "unknown detector of the study 'knm': did you mean 'knn'"),
        ({"method": "spearmen"}, "unknown correlation method 'spearmen': did you mean 'spearman'?"),
        ({"tasks": "unimodl"}, "unknown task of the study 'unimodl': did you mean 'unimodal'?"),
        ({"score": "auc"}, "unknown score of the study 'auc': did you mean 'auroc'?"),
    ],
)
def test_an_unknown_name_lists_the_valid_ones(made: StudyResults, arguments: dict[str, str], sentence: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        correlate(made, **arguments)  # type: ignore[arg-type]
    assert sentence in str(caught.value)


def test_a_study_is_also_named_by_its_folder(results: StudyResults) -> None:
    pd.testing.assert_frame_equal(
        correlate(results, n_resamples=200), correlate(results.path, n_resamples=200), check_dtype=False
    )

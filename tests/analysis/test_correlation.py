from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprq.analysis import correlate, points
from reprq.errors import UnknownNameError
from reprq.evaluation import correlation, holm
from reprq.study import StudyResults


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
                    "network": backbone if backbone < "d" else "d",
                }
                for name, value in (("good", quality + 0.1 * rng.normal()), ("noise", rng.normal())):
                    metric_rows.append({**base, "metric": name, "value": value, "d": 2**layer + ord(backbone) % 3})
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
        assert np.isnan([row.low, row.high]).all()  # five backbones are too few; numbers, to be rounded as the others


def test_holm_is_within_one_detector_method_and_group(made: StudyResults) -> None:
    table = correlate(made, tasks=["all", "unimodal"], n_resamples=200)
    for _, family in table.groupby(["tasks", "detector", "method"]):
        assert family["p_holm"].tolist() == holm(family["p_value"].tolist())


def test_the_whole_table_is_corrected_together_within_a_method(made: StudyResults) -> None:
    asked = {"tasks": ["all", "unimodal"], "level": ["pooled", "within"], "method": ["spearman", "kendall"]}
    table = correlate(made, **asked, n_resamples=200)  # type: ignore[arg-type]
    assert (table["p_family"] >= table["p_value"]).all()
    chosen = correlate(made, "good", **asked, n_resamples=200)  # type: ignore[arg-type]
    assert chosen["p_family"].tolist() == table[table["metric"] == "good"]["p_family"].tolist()
    single = correlate(made, "good", detector="knn", method="spearman", n_resamples=200).iloc[0]
    assert single["p_value"] <= single["p_family"] <= single["p_holm"]


def test_names_choose_rows_and_a_short_name_stands_for_its_definitions(made: StudyResults) -> None:
    table = correlate(made, metric="good", detector="knn", method="kendall", tasks="unimodal:x", n_resamples=200)
    (row,) = table.itertuples()
    assert (row.metric, row.detector, row.method, row.tasks) == ("good", "knn[1]", "kendall", "unimodal:x")
    family = correlate(made, detector="knn", method="kendall", tasks="unimodal:x", n_resamples=200)
    assert row.p_holm == family[family["metric"] == "good"]["p_holm"].item()  # whichever metrics are shown


def test_a_metric_that_is_asked_for_by_itself_has_the_row_that_it_has_among_all(made: StudyResults) -> None:
    every = correlate(made, method="spearman")
    name = every["metric"].iloc[-1]
    alone = correlate(made, metric=name, method="spearman")
    pd.testing.assert_frame_equal(alone, every[every["metric"] == name].reset_index(drop=True), check_exact=True)


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
        ({"level": "betwen"}, "unknown level of correlation 'betwen': did you mean 'between'?"),
        ({"given": "widht"}, "unknown column to hold fixed 'widht': did you mean 'width'?"),
        ({"cluster": "backbones"}, "unknown cluster 'backbones': did you mean 'backbone'?"),
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


def test_a_point_knows_its_network_width_and_depth(made: StudyResults) -> None:
    table = points(made, "good", "auroc", "knn[1]").set_index(["backbone", "layer"])
    assert table.loc["b", "depth"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert table.loc[("b", "l2"), "width"] == 4 + ord("b") % 3
    assert table.loc[("e", "l0"), "network"] == "d"


def test_depth_counts_layers_of_the_network_that_the_study_left_out(made: StudyResults) -> None:
    for table in (made.metrics, made.detectors):
        table["layer_number"] = 2 * table["layer_number"] + 2
        table.loc[table["backbone"] == "c", "layer_number"] = 7
    depth = points(made, "good", "auroc", "knn[1]").set_index("backbone")["depth"]
    assert depth["b"].tolist() == pytest.approx([1 / 4, 1 / 2, 3 / 4, 1])
    assert depth["c"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])  # shared: the order of the layers


def test_networks_of_one_architecture_are_counted_and_said(made: StudyResults) -> None:
    row = correlate(made, "good", detector="knn", method="pearson", n_resamples=200).iloc[0]
    assert (row["n_backbones"], row["n_architectures"]) == (5, 4)
    assert "5 networks, but only 4 architectures: networks of one architecture are not independent" in row["notes"]


def test_whole_architectures_are_moved_where_they_are_the_cluster(made: StudyResults) -> None:
    asked = {"metric": "good", "detector": "knn", "method": "pearson", "n_resamples": 200}
    for level in ("pooled", "between", "within"):
        row = correlate(made, level=level, cluster="architecture", **asked).iloc[0]
        plain = correlate(made, level=level, **asked).iloc[0]
        assert row["coefficient"] == plain["coefficient"]
        assert row["p_value"] >= 2**-3  # four architectures have eight ways to flip
        assert (row["n_backbones"], row["n_architectures"], row["cluster"]) == (5, 4, "architecture")
        assert "may be too narrow" not in row["notes"]


def test_levels_and_what_is_held_fixed_are_those_of_the_evaluation(made: StudyResults) -> None:
    table = correlate(
        made, "good", detector="knn", method="pearson", level=["between", "within"], given="width", n_resamples=200
    ).set_index("level")
    over = points(made, "good", "auroc", "knn[1]")
    for level in ("between", "within"):
        expected = correlation(
            over["x"], over["y"], over["backbone"].to_numpy(), "pearson", 200, level=level, given=over["width"]
        )
        row = table.loc[level]
        assert row[["coefficient", "p_value", "n"]].tolist() == pytest.approx(
            [expected.coefficient, expected.p_value, expected.n]
        )
        assert expected.low is None
        assert np.isnan(row["low"])
    assert set(table["given"]) == {"width"}
    assert table["n"].tolist() == [5, 20]


def test_a_constant_width_is_named_where_it_was_to_be_held(made: StudyResults) -> None:
    made.metrics["d"] = 512
    row = correlate(made, "good", detector="knn", method="pearson", given=["width", "depth"], n_resamples=200).iloc[0]
    assert row["coefficient"] > 0.9
    assert "given column width is constant and was left out" in row["notes"]


def test_each_is_every_task_by_itself(made: StudyResults) -> None:
    table = correlate(made, "good", detector="knn", method="pearson", tasks=["all", "each"], n_resamples=200)
    assert table["tasks"].tolist() == ["all", "unimodal:x", "multimodal:x"]


def test_a_study_without_detectors_has_an_empty_table(made: StudyResults) -> None:
    nothing = StudyResults(made.metrics, made.detectors.iloc[:0], {}, made.path)
    table = correlate(nothing, n_resamples=200)
    assert table.empty
    assert {"metric", "coefficient", "method", "tasks"} <= set(table)

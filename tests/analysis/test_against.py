"""Metrics against depth and against each other, on the points of a study."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprq.analysis import compare, points
from reprq.errors import InputError, UnknownNameError
from reprq.study import StudyResults


@pytest.fixture
def made(tmp_path: Path) -> StudyResults:
    """Twelve networks of five layers; `good` follows the AUROC, `deep` is little but depth, `flat` is constant."""
    rng = np.random.default_rng(0)
    measured, judged = [], []
    for backbone in "abcdefghijkl":
        for layer in range(5):
            key = {"seed": 0, "backbone": backbone, "network": f"net {ord(backbone) % 7}", "layer": f"l{layer}"}
            key |= {"layer_number": layer, "task": "unimodal:x", "task_kind": "unimodal"}
            auroc = 0.5 + 0.02 * layer + 0.1 * rng.uniform()
            values = {"good": auroc + 0.005 * rng.normal(), "deep": layer + 0.1 * rng.normal(), "flat": 1.0}
            measured += [{**key, "metric": name, "value": value, "d": 8} for name, value in values.items()]
            judged.append({**key, "detector": "knn", "definition": "knn[1]", "auroc": auroc})
    return StudyResults(pd.DataFrame(measured), pd.DataFrame(judged), {}, tmp_path)


def test_what_depth_says_already_is_no_better_than_depth(made: StudyResults) -> None:
    table = compare(made, "depth").set_index("metric")
    assert table["verdict"].to_dict() == {"good": "better", "deep": "equivalent", "flat": "undecided"}
    over = points(made, "good", "auroc", "knn[1]")
    rho = [abs(stats.spearmanr(over[name], over["y"])[0]) for name in ("x", "depth")]
    assert table.loc["good", "difference"] == pytest.approx(rho[0] - rho[1])
    assert table.loc["good", ["n", "n_backbones"]].tolist() == [60, 12]
    assert table.loc["flat", "notes"] == "constant x: no coefficient"


def test_a_metric_against_another_at_every_level_and_by_architecture(made: StudyResults) -> None:
    table = compare(made, "good", "deep", level=["pooled", "within"], method=["spearman", "kendall"])
    assert len(table) == 4
    assert set(table["verdict"]) == {"worse"}
    clustered = compare(made, "good", "deep", cluster="architecture").iloc[0]
    assert clustered["high"] < 0
    assert (clustered["low"], clustered["high"]) != (table.iloc[0]["low"], table.iloc[0]["high"])


def test_what_does_not_exist_is_named(made: StudyResults) -> None:
    with pytest.raises(UnknownNameError, match="unknown column to compare with 'dept': did you mean 'depth'?"):
        compare(made, "dept")
    with pytest.raises(UnknownNameError, match="unknown metric of the study 'goods'"):
        compare(made, "depth", "goods")
    with pytest.raises(UnknownNameError, match="unknown level of correlation 'betwen'"):
        compare(made, "depth", level="betwen")
    with pytest.raises(InputError, match="margin must be between 0 and 1, got 2"):
        compare(made, "depth", margin=2)

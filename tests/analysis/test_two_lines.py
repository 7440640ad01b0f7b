"""A best value in the middle is found where there is one, and neither in a line nor in one that levels off."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprq.analysis import sweet_spots
from reprq.errors import InputError

SHAPES = {
    "peak": lambda x: -abs(x - 0.5),
    "early peak": lambda x: -abs(x - 0.3),
    "line": lambda x: x,
    "levels off": lambda x: np.minimum(x, 0.6),
    "trough": lambda x: abs(x - 0.5),
    "nothing": lambda x: 0 * x,
}


def points(shape, seed, datasets=8, n=50, noise=0.15):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=datasets * n)
    y = SHAPES[shape](x) + noise * rng.normal(size=len(x))
    units = np.exp(3 * rng.normal(size=datasets)).repeat(n)  # data sets do not compare in value
    return pd.DataFrame({"dataset": np.arange(datasets).repeat(n), "metric": shape, "value": x * units, "auroc": y})


@pytest.mark.parametrize("shape", SHAPES)
def test_only_a_peak_is_a_sweet_spot(shape) -> None:
    found = [sweet_spots(points(shape, seed)).iloc[0] for seed in range(12)]
    share = np.mean([row["p_value"] <= 0.05 for row in found])
    assert share > 0.8 if "peak" in shape else share < 0.2
    if "peak" in shape:
        assert np.mean([row["place"] for row in found]) == pytest.approx(0.5 if shape == "peak" else 0.3, abs=0.05)


def test_it_is_two_lines_at_a_place_from_the_other_data_sets() -> None:
    table = points("peak", 3, datasets=4, n=20)
    row = sweet_spots(table).iloc[0]
    grid = np.arange(0.2, 0.81, 0.05)
    ranked = [
        ((stats.rankdata(own["value"]) - 1) / 19, (stats.rankdata(own["auroc"]) - 1) / 19)
        for _, own in table.groupby("dataset")
    ]

    def loss(x, y, place):
        sides = [(x[side], y[side]) for side in (x <= place, x > place)]
        return sum(np.square(v - np.polyval(np.polyfit(u, v, 1), u)).sum() for u, v in sides) / len(x)

    rises, falls = [], []
    for d, (x, y) in enumerate(ranked):
        others = [sum(loss(*own, place) for k, own in enumerate(ranked) if k != d) for place in grid]
        place = grid[np.argmin(others)]
        rises.append(np.polyfit(x[x <= place], y[x <= place], 1)[0])
        falls.append(np.polyfit(x[x > place], y[x > place], 1)[0])
    assert (row["rise"], row["fall"]) == pytest.approx((np.mean(rises), np.mean(falls)))
    assert row["p_rise"] == pytest.approx(stats.ttest_1samp(rises, 0, alternative="greater").pvalue)
    assert row["p_fall"] == pytest.approx(stats.ttest_1samp(falls, 0, alternative="less").pvalue)
    assert row["p_value"] == max(row["p_rise"], row["p_fall"])


def test_metrics_are_corrected_together_and_what_is_too_small_has_no_p() -> None:
    few = points("peak", 0, datasets=2).assign(metric="few")
    flat = points("line", 1).assign(metric="flat", value=1.0)
    found = sweet_spots(pd.concat([points("line", 0), points("peak", 1), few, flat])).set_index("metric")
    assert list(found.index[:2]) == ["peak", "line"]
    assert found.loc["peak", "p_holm"] == pytest.approx(2 * found.loc["peak", "p_value"])
    assert found.loc[["few", "flat"], "p_value"].isna().all()
    assert found.loc["few", "n_datasets"] == 2
    assert found.loc["flat", "n_datasets"] == 0


def test_what_is_no_table_of_points_is_said() -> None:
    with pytest.raises(InputError, match="auroc"):
        sweet_spots(points("peak", 0).drop(columns="auroc"))
    with pytest.raises(InputError, match="column 'auroc' of table must hold numbers, got"):
        sweet_spots(points("peak", 0).assign(auroc="high"))
    with pytest.raises(InputError, match="table must have at least one point, got none"):
        sweet_spots(points("peak", 0).iloc[:0])

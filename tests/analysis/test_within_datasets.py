"""A coefficient within each data set, and its mean over data sets."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reprq.analysis import over_datasets
from reprq.errors import InputError

RNG = np.random.default_rng(0)


def table(*slopes: float, n: int = 12) -> pd.DataFrame:
    """Points of data sets at different places, so that all points together say something else."""
    parts = []
    for i, slope in enumerate(slopes):
        x = RNG.random(n)
        y = 0.5 + 0.1 * slope * x + 0.02 * RNG.random(n) - 0.05 * i
        parts.append(pd.DataFrame({"dataset": f"set {i}", "rank": x + 10 * i, "auroc": y}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("method", ["spearman", "pearson", "kendall"])
def test_each_data_set_has_its_coefficient_and_the_mean_students_interval(method: str) -> None:
    points = table(1, 1, 0.2, -1)
    found = over_datasets(points, "rank", method=method)
    peer = {"spearman": stats.spearmanr, "pearson": stats.pearsonr, "kendall": stats.kendalltau}[method]
    each = [peer(part["rank"], part["auroc"])[0] for _, part in points.groupby("dataset")]
    np.testing.assert_allclose(found["coefficient"][:-1], each)
    whole = found.iloc[-1]
    assert (whole["dataset"], whole["n"], whole["n_datasets"]) == ("all", 48, 4)
    mean, half = np.mean(each), stats.t.ppf(0.975, 3) * np.std(each, ddof=1) / 2
    assert whole["coefficient"] == pytest.approx(mean)
    assert whole["low"] == pytest.approx(max(-1, mean - half))
    assert whole["high"] == pytest.approx(min(1, mean + half))


def test_a_data_set_that_says_nothing_is_left_out_of_the_mean() -> None:
    points = pd.concat([table(1, 1), pd.DataFrame({"dataset": "few", "rank": [1.0, 2.0], "auroc": [0.5, 0.6]})])
    points = pd.concat([points, pd.DataFrame({"dataset": "flat", "rank": [1.0] * 5, "auroc": RNG.random(5)})])
    found = over_datasets(points, "rank").set_index("dataset")
    assert found.loc[["few", "flat"], "coefficient"].isna().all()
    assert found.loc["all", "n_datasets"] == 2
    assert found.loc["all", "n"] == 24


def test_what_cannot_be_averaged_is_told() -> None:
    with pytest.raises(InputError, match="at least 2 data sets with a coefficient, got 1"):
        over_datasets(table(1), "rank")
    with pytest.raises(InputError, match="method must be one of spearman, pearson, kendall, got 'cosine'"):
        over_datasets(table(1, 1), "rank", method="cosine")
    with pytest.raises(InputError, match="no column 'd'|must have .*'d'"):
        over_datasets(table(1, 1), "d")

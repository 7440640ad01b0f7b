"""Coefficients side by side: where they lie, what is hollow, and that no text overlaps."""

import numpy as np
import pandas as pd
import pytest

from reprq import plots
from reprq.errors import InputError

NAMES = ["alpha_req", "rankme", "cosine_compactness"]


def table(detectors=("knn", "mahalanobis[ledoit_wolf]"), metrics=NAMES):
    rows = [(d, m, 0.5 - 0.3 * i, -0.2 if i == 0 else -0.9, 0.9) for d in detectors for i, m in enumerate(metrics)]
    frame = pd.DataFrame(rows, columns=["detector", "metric", "coefficient", "low", "high"])
    return frame.assign(method="spearman", tasks="all")


def test_coefficients_lie_where_the_table_says(collisions):
    frame = table(("knn",))
    frame.loc[1, ["low", "high"]] = [0.1, 0.3]
    ax = plots.forest_plot(frame)
    sure, unsure, _, _ = ax.lines
    assert (sure.get_xdata().tolist(), sure.get_ydata().tolist()) == ([pytest.approx(0.2)], [1.0])
    np.testing.assert_allclose(unsure.get_xdata(), [0.5, -0.1])
    assert unsure.get_markerfacecolor() == "white"
    np.testing.assert_allclose(ax.collections[0].get_segments()[1][:, 0], [0.1, 0.3])
    assert [label.get_text() for label in ax.get_yticklabels()] == list(map(plots.metric_label, NAMES))
    assert collisions(ax.figure) == []


@pytest.mark.parametrize(("detectors", "metrics"), [(1, 1), (3, 12), (8, 5)])
def test_no_text_overlaps(detectors, metrics, collisions):
    frame = table([f"detector {i}" for i in range(detectors)], [f"metric {i}" for i in range(metrics)])
    ax = plots.forest_plot(frame)
    assert len(ax.get_legend().get_texts()) == detectors
    assert collisions(ax.figure) == []


def test_intervals_that_do_not_exist_are_hollow():
    ax = plots.forest_plot(table(("knn",)).assign(low=np.nan, high=np.nan))
    assert len(ax.lines[0].get_xdata()) == 0
    assert len(ax.lines[1].get_xdata()) == 3
    assert ax.get_xlabel().endswith("; hollow: no interval")
    assert plots.forest_plot(table(("knn",))).get_xlabel().endswith("; hollow: the interval holds 0")


def test_bad_tables_are_refused():
    with pytest.raises(InputError, match="table must have a column 'low'"):
        plots.forest_plot(table().drop(columns="low"))
    with pytest.raises(InputError, match="at least one coefficient"):
        plots.forest_plot(table().assign(coefficient=np.nan))
    with pytest.raises(InputError, match="choose one method and group of tasks"):
        plots.forest_plot(pd.concat([table(), table()]))

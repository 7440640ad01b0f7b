"""The line through the points: its oracle, its band, and when there is none."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from reprq import plots


def points(backbones=8, layers=6, slope=0.02, spread=0.0, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for b in range(backbones):
        shift = spread * rng.standard_normal()
        for layer, x in enumerate(rng.uniform(1, 19, layers)):
            rows.append((f"net{b}", f"layer{layer}", layer, x, 0.5 + slope * x + shift))
    return pd.DataFrame(rows, columns=["backbone", "layer", "layer_number", "x", "y"])


@pytest.mark.parametrize("log", [False, True])
def test_the_line_is_least_squares(log):
    table = points(spread=0.1)
    band = plots.fit_band(table, log=log)
    of = np.log if log else np.asarray
    slope, offset = np.polyfit(of(table["x"]), table["y"], 1)
    np.testing.assert_allclose(band.y, offset + slope * of(band.x), rtol=1e-9)
    assert band.x[0] == pytest.approx(table["x"].min())
    assert band.x[-1] == pytest.approx(table["x"].max())
    assert (band.low <= band.y).all()
    assert (band.y <= band.high).all()


def test_the_band_agrees_with_a_bootstrap_of_whole_backbones_written_out():
    table = points(spread=0.1)
    band = plots.fit_band(table, resamples=4000)
    rng, groups = np.random.default_rng(1), [group for _, group in table.groupby("backbone")]
    heights = []
    for _ in range(2000):
        drawn = pd.concat([groups[i] for i in rng.integers(0, 8, 8)])
        heights.append(np.polyval(np.polyfit(drawn["x"], drawn["y"], 1), band.x))
    spread = np.quantile(heights, [0.01, 0.99], axis=0)  # the expanded level of 8 groups is 98.6 %
    np.testing.assert_allclose(band.high - band.low, spread[1] - spread[0], rtol=0.15)


def test_the_same_seed_gives_the_same_band_and_shifts_of_x_change_nothing():
    table = points(spread=0.1)
    first, second = plots.fit_band(table), plots.fit_band(table.assign(x=table["x"] + 1e6))
    np.testing.assert_array_equal(first.low, plots.fit_band(table).low)
    np.testing.assert_allclose(second.low, first.low, rtol=1e-6)


@pytest.mark.parametrize(("table", "there"), [(points(2), False), (points().assign(x=3.0), False), (points(3), True)])
def test_there_is_a_line_from_three_backbones_on(table, there):
    assert (plots.fit_band(table) is not None) is there
    ax = plots.metric_vs_score(table, "rankme", "AUROC")
    assert ("resampling" in ax.get_legend().get_title().get_text()) is there


@pytest.mark.parametrize(("backbones", "there"), [(5, False), (6, True)])
def test_fewer_than_six_backbones_have_a_line_without_a_band(backbones, there):
    band = plots.fit_band(points(backbones, spread=0.1))
    assert np.isfinite(band.y).all()
    assert np.isfinite(band.low).all() == np.isfinite(band.high).all() == there


def test_resamples_without_a_line_are_not_left_out():
    table = points(6, layers=1, spread=0.1).assign(x=[1.0, 1, 1, 1, 1, 2])  # a third of the resamples lack the last
    assert np.isnan(plots.fit_band(table).low).all()


def test_the_line_moves_no_limits():
    table = points(4, spread=0.3, slope=0.0)
    ax = plots.metric_vs_score(table, "rankme", "AUROC")
    low, high = ax.get_ylim()
    assert low > table["y"].min() - 0.2
    assert high < table["y"].max() + 0.2
    plt.close(ax.figure)

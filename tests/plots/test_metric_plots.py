"""Heatmaps of layers, spectra and curves: what is drawn, and that no text overlaps."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from reprq import metrics, plots
from reprq.errors import InputError


def similarities(rows, columns):
    values = np.random.default_rng(0).uniform(size=(rows, columns))
    frame = pd.DataFrame(values, [f"stage{i}" for i in range(rows)], [f"features.block{i}" for i in range(columns)])
    frame.attrs["definition"] = "cka[kernel=linear,debiased=True]"
    return frame


@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (9, 3), (20, 20)])
def test_a_heatmap_names_layers_and_values_without_overlap(shape, collisions):
    frame = similarities(*shape)
    ax = plots.similarity_heatmap(frame)
    assert collisions(ax.figure) == []
    np.testing.assert_array_equal(ax.collections[0].get_array(), frame.to_numpy())
    assert [label.get_text() for label in ax.get_yticklabels()] == list(frame.index)
    assert [label.get_text() for label in ax.get_xticklabels()] == list(frame.columns)
    assert len(ax.texts) == frame.size
    assert ax.figure.axes[1].get_ylabel() == "CKA, linear, debiased"


def test_numbers_are_readable_on_their_colours():
    ax = plots.similarity_heatmap(pd.DataFrame([[0.0, 1.0], [-0.126, 0.996]]))
    assert [text.get_text() for text in ax.texts] == ["0", "1", "-.13", "1"]
    for text, value in zip(ax.texts, [0.0, 1.0, 0.0, 1.0], strict=True):
        contrast = np.abs(np.array(to_rgba(text.get_color())) - ax.collections[0].cmap(value))[:3].mean()
        assert contrast > 0.4


def test_small_cells_hold_no_numbers_and_few_names(collisions):
    _, ax = plt.subplots(figsize=(4, 3.5), layout="constrained")
    assert plots.similarity_heatmap(similarities(50, 50), ax) is ax
    assert not ax.texts
    assert 5 < len(ax.get_yticklabels()) < 50
    assert ax.get_yticklabels()[1].get_text() == f"stage{int(ax.get_yticks()[1])}"
    assert collisions(ax.figure) == []


def test_networks_stand_beside_each_other(collisions):
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for ax in axes:
        plots.similarity_heatmap(similarities(8, 8), ax, colorbar=ax is axes[1])
    assert len(figure.axes) == 3
    assert collisions(figure) == []


@pytest.mark.parametrize(
    ("frame", "limits", "message"),
    [
        (pd.DataFrame(), (0, 1), "at least one row and one column"),
        (pd.DataFrame([[np.nan]], ["stem"], ["head"]), (0, 1), "got nan for stem and head"),
        (pd.DataFrame([[0.5]]), (1, 0), r"limits must ascend, got \(1, 0\)"),
    ],
)
def test_bad_heatmaps_are_refused(frame, limits, message):
    with pytest.raises(InputError, match=message):
        plots.similarity_heatmap(frame, limits=limits)


def test_a_spectrum_is_drawn_with_the_line_through_the_ranks_fitted(collisions):
    values = np.append(3 * np.arange(1, 201) ** -1.5, [0.0, 0.0])
    ax = plots.spectrum_plot(values)
    points, line = ax.lines
    np.testing.assert_allclose(points.get_ydata(), values[:200])
    np.testing.assert_array_equal(line.get_xdata(), np.arange(11, 101))
    np.testing.assert_allclose(line.get_ydata(), values[10:100], rtol=1e-9)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert "$\\alpha$ = 1.50 [1.50, 1.50], $R^2$ = 1.000\nranks 11 to 100" in line.get_label()
    assert collisions(ax.figure) == []


def test_a_spectrum_of_rows_and_a_fit_of_ones_own():
    x = np.random.default_rng(0).standard_normal((300, 40))
    values = metrics.spectrum(x)
    fit = metrics.fit_alpha(values, (2, 20))
    _, given = plt.subplots()
    assert plots.spectrum_plot(x, fit, given) is given
    np.testing.assert_allclose(given.lines[0].get_ydata(), values)
    np.testing.assert_array_equal(given.lines[1].get_xdata(), np.arange(2, 21))


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, -1.0], [np.inf, 1.0]])
def test_what_is_no_spectrum_is_refused(values):
    with pytest.raises(InputError, match="x must be (eigenvalues that are )?finite"):
        plots.spectrum_plot(values)


def test_a_fit_of_other_eigenvalues_is_refused():
    fit = metrics.fit_alpha(np.arange(1, 101) ** -1.0)
    with pytest.raises(InputError, match="got ranks up to 100 for 50 of them"):
        plots.spectrum_plot(np.arange(1, 51) ** -1.0, fit)


@pytest.fixture(scope="module")
def curve():
    return metrics.curve(np.random.default_rng(0).standard_normal((320, 40)), repeats=3)


def test_a_curve_of_one_metric_is_in_its_unit(curve, collisions):
    one = curve[curve["metric"] == "rankme"]
    ax = plots.curve_plot(one)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), one.groupby("n")["value"].mean())
    assert ax.get_ylabel() == "RankMe, of singular values,\nuncentred, \u03b5 = 1e-7"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["20", "40", "80", "160", "320"]
    assert ax.get_legend() is None
    assert collisions(ax.figure) == []


def test_several_metrics_share_the_scale_of_their_last_value(curve, collisions):
    ax = plots.curve_plot(curve)
    assert len(ax.lines) == curve["definition"].nunique()
    assert {line.get_ydata()[-1] for line in ax.lines} == {1.0}
    assert len(ax.get_legend().get_texts()) == len(ax.lines)
    assert collisions(ax.figure) == []


def test_bad_curves_are_refused(curve):
    with pytest.raises(InputError, match="frame must have a column 'n', got metric"):
        plots.curve_plot(curve.drop(columns="n"))
    with pytest.raises(InputError, match="at least one value, got none"):
        plots.curve_plot(curve.assign(value=np.nan))

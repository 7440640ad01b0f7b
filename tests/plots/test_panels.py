"""Several data sets: a panel each, with raw values, colours and scales of its own, and one legend."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from reprq import plots
from reprq.errors import InputError
from reprq.evaluation import Correlation

FOUND = Correlation(-0.6221, -0.804, -0.311, 0.0004, 96, 16, "spearman")
NETWORKS = ("lenet random", "resnet50 default", "vit_b_16 default")


def table(datasets, **extra):
    """Points whose values on the second data set are a hundred times those on the first."""
    rng = np.random.default_rng(0)
    rows = [
        (name, backbone, f"layer{k}", k, 100.0**i * rng.uniform(1, 3), rng.uniform(0.5, 1))
        for i, name in enumerate(datasets)
        for backbone in NETWORKS
        for k in range(4)
    ]
    return pd.DataFrame(rows, columns=["dataset", "backbone", "layer", "layer_number", "x", "y"]).assign(**extra)


def drawn_in(figure, count):
    panels = [ax for ax in figure.axes if ax.get_title()]
    assert len(panels) == count
    return panels


def test_a_scatter_plot_has_a_panel_for_each_data_set(collisions):
    points = table(["digits", "cifar $10$"])
    first = plots.metric_vs_score(points, "rankme", "AUROC", FOUND)
    panels = drawn_in(first.figure, 2)
    assert panels[0] is first
    assert [ax.get_title() for ax in panels] == ["digits", r"cifar \$10\$"]
    for ax, (_, own) in zip(panels, points.groupby("dataset", sort=False), strict=True):
        (dots,) = [drawn for drawn in ax.collections if len(drawn.get_offsets()) > 1]
        np.testing.assert_allclose(np.sort(dots.get_offsets()[:, 0]), np.sort(own["x"]))
        assert ax.get_xscale() == "linear"
        assert ax.get_xlim()[1] < 2 * own["x"].max()
    assert first.figure.get_suptitle().startswith("Spearman -0.62")
    assert [ax.get_legend() is None for ax in panels] == [True, False]
    assert collisions(first.figure) == []


@pytest.mark.parametrize("count", [3, 5])
def test_panels_stand_three_abreast(count, collisions):
    figure = plots.metric_vs_score(table([f"data {i}" for i in range(count)]), "rankme", "AUROC", FOUND).figure
    panels = drawn_in(figure, count)
    assert panels[2].get_legend() is not None
    assert collisions(figure) == []
    assert len({round(ax.get_position().y0, 3) for ax in panels}) == -(-count // 3)


def test_a_heatmap_of_each_data_set_has_colours_of_its_own(collisions):
    points = table(["digits", "cifar"])
    figure = plots.layer_heatmap(points, "x", "RankMe").figure
    for ax, (_, own) in zip(drawn_in(figure, 2), points.groupby("dataset", sort=False), strict=True):
        mesh = ax.collections[0]
        np.testing.assert_allclose(mesh.get_array().ravel(), own["x"])
        assert mesh.get_clim() == pytest.approx((own["x"].min(), own["x"].max()))
    assert collisions(figure) == []


def test_depth_is_drawn_for_each_data_set(collisions):
    points = table(["digits", "cifar"])
    figure = plots.depth_plot(points, "x", "RankMe").figure
    for ax, (_, own) in zip(drawn_in(figure, 2), points.groupby("dataset", sort=False), strict=True):
        np.testing.assert_allclose(np.concatenate([line.get_ydata() for line in ax.lines]), own["x"])
    assert collisions(figure) == []


def test_a_grid_stands_below_the_other(collisions):
    pairs = list(itertools.product(("knn[k=5]", "centroid"), ("rankme", "aucev")))
    points = pd.concat([table(["digits", "cifar"], detector=d, metric=m) for d, m in pairs])
    figure = plots.correlation_grid(points, "AUROC", dict.fromkeys(pairs, FOUND), "Two data sets")
    one, other = figure.axes[:4], figure.axes[4:]
    assert [text.get_text() for text in figure.texts] == ["digits", "cifar", "Two data sets"]
    assert {ax.get_title() for ax in one} == {"all data sets: \u03c1 = -0.62 [-0.80, -0.31]"}
    assert {ax.get_title() for ax in other} == {""}
    assert one[0].get_xlim()[1] < 5
    assert other[0].get_xlim()[0] > 50
    assert collisions(figure) == []
    heads = {text.get_text(): text.get_position()[1] for text in figure.texts}
    assert heads["digits"] > one[0].get_position().y1 > one[3].get_position().y0 > heads["cifar"]


@pytest.mark.parametrize("draw", [
    lambda points, ax: plots.metric_vs_score(points, "rankme", "AUROC", ax=ax),
    lambda points, ax: plots.layer_heatmap(points, "x", ax=ax),
    lambda points, ax: plots.depth_plot(points, "x", ax=ax),
])  # fmt: skip
def test_axes_of_ones_own_take_one_data_set(draw):
    _, ax = plt.subplots()
    with pytest.raises(InputError, match=r"ax is one panel, got 2 data sets \(digits, cifar\)"):
        draw(table(["digits", "cifar"]), ax)
    assert draw(table(["digits"]), ax) is ax


def test_a_long_name_beside_one_cell_is_written_without_a_warning():
    table = pd.DataFrame(
        {"backbone": ["a name that is long " * 3, "b"], "layer": "x", "layer_number": 0, "v": [1.0, 0.5]}
    )
    ax = plots.layer_heatmap(table, "v")
    assert [text.get_rotation() for text in ax.get_yticklabels()] == [0.0, 0.0]

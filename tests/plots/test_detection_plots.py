"""ROC curves, histograms, extremes, heatmaps, depth and maps: what is drawn, and that no text overlaps."""

import itertools
import sys
from importlib.util import find_spec

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from reprq import plots
from reprq.errors import InputError, ReprqError, UnknownNameError
from reprq.evaluation import auroc, curves, roc_band
from reprq.plots.images import framed_images


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [60, 140])
    return labels, {"knn": rng.normal(labels * 1.5), "mahalanobis": np.exp(rng.normal(labels * 2.0, 2.0))}


def test_roc_curves_are_those_of_the_scores(judged, collisions):
    labels, scores = judged
    ax = plots.roc_plot(labels, scores)
    for line, called, values in zip(ax.lines[1:], ("kNN", "Mahalanobis"), scores.values(), strict=True):
        found, area = curves(labels, values), auroc(labels, values)
        np.testing.assert_array_equal(line.get_ydata(), found.true_positive_rate)
        assert line.get_label() == f"{called}: AUROC {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"
    assert collisions(ax.figure) == []


def test_the_legend_of_many_curves_stands_beside_them_and_leaves_their_size_alone(judged, collisions):
    labels, scores = judged
    few = plots.roc_plot(labels, scores)
    many = plots.roc_plot(labels, {f"knn[k={k},kth,euclidean]": scores["knn"] for k in range(9)})
    assert collisions(few.figure) == collisions(many.figure) == []
    assert many.get_legend().get_window_extent().x0 > many.get_window_extent().x1
    assert many.get_window_extent().width == pytest.approx(few.get_window_extent().width, rel=0.05)


def _band(ax):
    vertices = ax.collections[0].get_paths()[0].vertices
    return vertices[1:202, 1], vertices[-2:-203:-1, 1]


def test_the_band_is_that_of_the_scores(judged):
    labels, scores = judged
    low, high = _band(plots.roc_plot(labels, scores["knn"]))
    _, expected_low, expected_high = roc_band(labels, scores["knn"], np.linspace(0, 1, 201))
    np.testing.assert_allclose(low, expected_low)
    np.testing.assert_allclose(high, expected_high)


@pytest.mark.parametrize("name", ["knn", "mahalanobis"])
def test_a_histogram_gives_each_class_its_shares(judged, collisions, name):
    labels, scores = judged
    ax = plots.score_histogram(labels, scores[name], threshold=2.0)
    anomalous, benign = (_steps(drawn) for drawn in ax.collections)
    assert sum(benign[1]) == pytest.approx(1.0)
    assert sum(anomalous[1]) == pytest.approx(1.0)
    np.testing.assert_allclose(benign[0], anomalous[0])
    counts = np.histogram(scores[name][labels == 1], [-np.inf, *benign[0][1:-1], np.inf])[0]
    np.testing.assert_allclose(anomalous[1], counts / 140)
    assert ax.get_xscale() == ("log" if name == "mahalanobis" else "linear")
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[:2] == ["60 benign", "140 anomalous"]
    alarms = (scores[name][labels == 0] > 2.0).mean()
    assert texts[2].endswith(f"{alarms:.1%} false alarms")
    assert collisions(ax.figure) == []


def _steps(drawn):
    """The edges and heights of bins filled as steps."""
    outline = drawn.get_paths()[0].vertices
    edges = np.unique(outline[:, 0])
    level = [(a, b) for a, b in itertools.pairwise(outline.tolist()) if a[1] == b[1] and a[0] != b[0]]
    middles = (edges[1:] + edges[:-1]) / 2
    return edges, [max(a[1] for a, b in level if (a[0] - x) * (b[0] - x) < 0) for x in middles]


@pytest.mark.parametrize("draw", [plots.roc_plot, plots.score_histogram])
def test_what_cannot_be_judged_is_refused(draw):
    with pytest.raises(InputError, match="both classes"):
        draw([0, 0], [1.0, 2.0])
    with pytest.raises(InputError, match="finite"):
        draw([0, 1], [1.0, np.nan])


def test_a_histogram_of_one_value_is_refused():
    with pytest.raises(InputError, match="scores must differ, got 2 for every row"):
        plots.score_histogram([0, 1], [2.0, 2.0])


def test_extremes_are_the_lowest_and_the_highest_and_no_other_image_is_read(collisions):
    read = []

    def image(row):
        read.append(row)
        return np.full((6, 4, 3), row, dtype=np.uint8)

    scores = np.array([5.0, 1.0, 3.0, 2.0, 4.0, 0.5, 9.0])
    ax = plots.image_extremes(image, scores, [0, 0, 0, 1, 1, 0, 1], count=2, columns=2)
    assert read == [5, 1, 6, 0]
    assert [text.get_text() for text in ax.texts] == [
        "most normal: lowest scores",
        "0.5",
        "1",
        "most anomalous: highest scores",
        "9",
        "5",
    ]
    frames = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert [frame.get_linestyle() for frame in frames] == ["-", "-", "--", "-"]
    assert ax.images[0].get_extent() == pytest.approx([1 / 6, 5 / 6, *ax.images[0].get_extent()[2:]])
    assert collisions(ax.figure) == []


@pytest.mark.parametrize("n", [2, 5, 40])
def test_extremes_of_few_and_many_grey_images(n, collisions):
    images = np.random.default_rng(0).uniform(size=(n, 8, 8, 1))
    ax = plots.image_extremes(images, np.arange(n) * 1e3)
    assert len(ax.images) == 2 * min(16, n // 2)
    assert collisions(ax.figure) == []


@pytest.mark.parametrize("n", [1, 3, 9])
def test_framed_images_stand_in_their_order_with_their_titles(n, collisions):
    titles = [f"a class with a long name, file {i}_{'x' * 30}.jpg: {i}" for i in range(n)]
    ax = framed_images(np.zeros((n, 8, 8)), titles, [i % 2 for i in range(n)])
    said = [" ".join(text.get_text().split()) for text in ax.texts]
    assert len(said) == n
    for i, text in enumerate(said):
        assert text.startswith("a class with a long")
        assert text.endswith(f": {i}")
    frames = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert [frame.get_linestyle() for frame in frames] == ["-" if i % 2 == 0 else "--" for i in range(n)]
    assert collisions(ax.figure) == []


def test_what_is_no_image_is_refused():
    with pytest.raises(InputError, match=r"got shape \(3, 8, 8\) in row 0 \(counted from 0\); put the channels last"):
        plots.image_extremes(np.zeros((4, 3, 8, 8)), range(4))
    with pytest.raises(InputError, match="at least 2 images, got 1"):
        plots.image_extremes(np.zeros((1, 8, 8)), [1.0])


def layers(backbones, count, high=1.0):
    rng = np.random.default_rng(0)
    rows = [
        {"backbone": f"{name}", "layer": f"layer{k}", "layer_number": k, "auroc": rng.uniform(0.5, high)}
        for name in backbones
        for k in range(count + (name == backbones[0]))
    ]
    return pd.DataFrame(rows)


NAMES = ["mobilenet_v3_large default", "vit_b_16 random", "cifar_resnet56 cifar10", "swin_t default"]


@pytest.mark.parametrize(("backbones", "count", "high"), [(NAMES, 5, 1.0), (NAMES * 1, 24, 1e3), (NAMES[:1], 1, 1.0)])
def test_a_heatmap_has_a_row_a_backbone_and_empty_cells_for_missing_layers(backbones, count, high, collisions):
    table = layers(backbones, count, high)
    ax = plots.layer_heatmap(table, "auroc", "AUROC")
    drawn = np.ma.filled(ax.collections[0].get_array(), np.nan)
    assert drawn.shape == (len(backbones), count + 1)
    assert np.isnan(drawn[1:, -1]).all()
    np.testing.assert_array_equal(drawn[0], table["auroc"][: count + 1])
    assert [label.get_text() for label in ax.get_yticklabels()] == backbones
    assert ax.figure.axes[1].get_ylabel() == "AUROC"
    assert collisions(ax.figure) == []


def test_thirty_backbones_in_a_small_place_are_named_in_part(collisions):
    _, ax = plt.subplots(figsize=(4, 2.5), layout="constrained")
    assert plots.layer_heatmap(layers([f"net{i}" for i in range(30)], 12), "auroc", ax=ax) is ax
    assert not ax.texts
    assert 3 < len(ax.get_yticklabels()) < 30
    assert collisions(ax.figure) == []


def test_layers_of_one_number_stand_in_the_order_of_the_rows():
    table = pd.DataFrame(
        {
            "backbone": "net",
            "layer": ["stem", "layer3.0", "layer3"],
            "layer_number": [0, 3, 3],
            "auroc": [0.5, 0.6, 0.7],
        }
    )
    np.testing.assert_array_equal(plots.layer_heatmap(table, "auroc").collections[0].get_array(), [[0.5, 0.6, 0.7]])
    assert plots.layer_heatmap(table, "auroc").get_xlabel() == "number or order of the layer in its network"
    line = plots.depth_plot(table, "auroc").lines[0]
    np.testing.assert_allclose(line.get_xdata(), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(line.get_ydata(), [0.5, 0.6, 0.7])


def test_layers_stand_at_their_number_in_the_network_whichever_are_named():
    table = pd.DataFrame({"backbone": list("aabbb"), "layer": list("stuvw"), "layer_number": [2, 4, 0, 2, 3]})
    table["auroc"] = [0.5, 0.6, 0.7, 0.8, np.nan]
    ax = plots.layer_heatmap(table, "auroc")
    drawn = np.ma.filled(ax.collections[0].get_array(), np.nan)
    np.testing.assert_array_equal(drawn, [[np.nan, 0.5, 0.6], [0.7, 0.8, np.nan]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "2", "4"]
    first, second = plots.depth_plot(table, "auroc").lines
    np.testing.assert_allclose(first.get_xdata(), [0.5, 1.0])
    np.testing.assert_allclose(second.get_xdata(), [0.0, 2 / 3])


@pytest.mark.parametrize("high", [1.0, 1e3])
def test_depth_has_a_line_a_backbone(high, collisions):
    table = layers(NAMES, 5, high)
    table = table.assign(auroc_low=table["auroc"] - 0.1, auroc_high=table["auroc"] + 0.1)
    table.columns = table.columns.str.replace("auroc", "trace")
    ax = plots.depth_plot(table, "trace")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == NAMES
    assert ax.get_yscale() == ("log" if high > 20 else "linear")
    assert len(ax.collections) == len(NAMES)
    assert collisions(ax.figure) == []


@pytest.mark.parametrize("draw", [plots.layer_heatmap, plots.depth_plot])
def test_bad_tables_of_layers_are_refused(draw):
    table = layers(NAMES, 3)
    with pytest.raises(InputError, match="table must have a column 'rankme', got backbone"):
        draw(table, "rankme")
    with pytest.raises(InputError, match=r"got two for mobilenet_v3_large default, layer layer0; average them first"):
        draw(pd.concat([table, table]), "auroc")
    with pytest.raises(InputError, match="at least one finite auroc, got none"):
        draw(table.assign(auroc=np.nan), "auroc")


def test_a_pca_map_keeps_the_distances_of_two_dimensional_data():
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((30, 2)) @ np.linalg.qr(rng.standard_normal((8, 8)))[0][:2]
    found = plots.project(flat)
    np.testing.assert_allclose(_distances(found), _distances(flat), atol=1e-9)


def _distances(x):
    return np.linalg.norm(x[:, None] - x, axis=-1)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_maps_repeat_and_keep_clusters_apart(method):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((20, 6)), rng.standard_normal((20, 6)) + 20])
    first = plots.project(x, method, seed=3)
    np.testing.assert_array_equal(first, plots.project(x, method, seed=3))
    near = np.argsort(_distances(first), axis=1)[:, 1]
    assert (near // 20 == np.arange(40) // 20).all()


def test_umap_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ReprqError, match=r"needs umap-learn, which is not installed; run pip install 'reprq\[umap\]'"):
        plots.project(np.random.default_rng(0).standard_normal((30, 5)), "umap")


@pytest.mark.skipif(find_spec("umap") is None, reason="needs umap-learn; pip install 'reprq[umap]'")
def test_umap_repeats_and_keeps_clusters_apart():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((30, 6)), rng.standard_normal((30, 6)) + 20])
    first = plots.project(x, "umap", seed=3)
    np.testing.assert_array_equal(first, plots.project(x, "umap", seed=3))
    near = np.argsort(_distances(first), axis=1)[:, 1]
    assert (near // 30 == np.arange(60) // 30).all()


def test_other_maps_are_refused():
    with pytest.raises(UnknownNameError, match="unknown map 'tnse': did you mean 'tsne'"):
        plots.project(np.eye(5), "tnse")
    with pytest.raises(InputError, match="at least 4 rows"):
        plots.project(np.eye(3))
    with pytest.raises(InputError, match="at least 2 columns"):
        plots.project(np.ones((5, 1)))


def test_a_map_by_label_and_one_by_score(collisions):
    rng = np.random.default_rng(0)
    where, labels = rng.standard_normal((90, 2)), np.repeat([0, 1], 45)
    ax = plots.map_plot(where, labels=labels)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["benign", "anomalous"]
    shown = ax.collections[0]
    np.testing.assert_array_equal(shown.get_offsets(), where)
    assert len(np.unique(shown.get_facecolor()[:45], axis=0)) == 1
    assert (shown.get_facecolor()[0] != shown.get_facecolor()[45]).any()
    assert collisions(ax.figure) == []
    scores = rng.standard_normal(90)
    ax = plots.map_plot(where, scores=scores)
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), where[np.argsort(scores)])
    assert ax.figure.axes[1].get_ylabel() == "anomaly score"
    names = plots.map_plot(where, labels=np.array(["cat", "dog", "owl"] * 30), label="class").get_legend()
    assert [text.get_text() for text in names.get_texts()] == ["cat", "dog", "owl"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "either labels or scores"),
        ({"labels": [0, 1], "scores": [0, 1]}, "either labels or scores"),
        ({"labels": [0, 1]}, "one a position"),
        ({"scores": [0, 1]}, "one a position, got 2 for 40"),
        ({"labels": range(40)}, "at most 16 different ones, got 40"),
    ],
)
def test_bad_maps_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        plots.map_plot(np.zeros((40, 2)), **given)
    with pytest.raises(InputError, match=r"shape \(n, 2\), got \(4, 3\)"):
        plots.map_plot(np.zeros((4, 3)), labels=[0] * 4)

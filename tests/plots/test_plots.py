"""Pictures: what is drawn, that no text overlaps, and that files are the same every time."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from reprq import plots
from reprq.analysis import correlate
from reprq.errors import InputError
from reprq.evaluation import Correlation
from reprq.plots.styles import styles
from reprq.study import StudyResults

SIXTEEN = [
    f"{net} {kind}"
    for net in (
        "resnet50",
        "efficientnet_b0",
        "mobilenet_v3_large",
        "vit_b_16",
        "densenet121",
        "cifar_resnet56",
        "squeezenet1_1",
        "swin_t",
    )
    for kind in ("default", "random")
]
FOUR = ["lenet random", "lenet classification", "lenet rotation", "lenet autoencoder"]
FOUND = Correlation(-0.6221, -0.804, -0.311, 0.0004, 96, 16, "spearman")


def table(backbones, layers=6, **extra):
    rng = np.random.default_rng(0)
    rows = [
        {"backbone": name, "layer": f"layer{k}", "layer_number": k, "x": rng.uniform(1, 50), "y": rng.uniform(0.4, 1)}
        for name in backbones
        for k in range(layers)
    ]
    weights = ["random(seed=0)" if row["backbone"].endswith(" random") else "default: V1" for row in rows]
    return pd.DataFrame(rows).assign(weights=weights, **extra)


def small_multiples(backbones):
    metrics = ("alpha_req", "rankme", "aucev", "cosine_compactness", "participation_ratio")
    detectors = ("knn(k=5)", "mahalanobis(covariance=ledoit_wolf)", "centroid")
    pairs = list(itertools.product(detectors, metrics))
    points = pd.concat([table(backbones, detector=detector, metric=metric) for detector, metric in pairs])
    return points, dict.fromkeys(pairs, FOUND)


@pytest.mark.parametrize("backbones", [FOUR, SIXTEEN], ids=["4", "16"])
def test_no_text_overlaps(backbones, collisions):
    points = table(backbones).assign(y_low=0.3, y_high=1.0)
    ax = plots.metric_vs_score(points, "participation_ratio", "AUROC of knn, mean over tasks", FOUND)
    assert collisions(ax.figure) == []
    assert collisions(plots.correlation_grid(*_grid_arguments(backbones))) == []


def _grid_arguments(backbones):
    points, found = small_multiples(backbones)
    return points, "AUROC", found, "JPEG CIFAR-10 - all tasks - spearman"


def test_overlap_is_seen(collisions):
    ax = plots.metric_vs_score(table(FOUR), "rankme", "AUROC")
    ax.text(0.5, -0.1, "here", transform=ax.transAxes)
    ax.text(0.5, -0.1, "and here", transform=ax.transAxes)
    assert ("here", "and here") in collisions(ax.figure)


def test_points_lie_where_the_table_says_and_the_title_names_the_correlation():
    points = table(FOUR)
    ax = plots.metric_vs_score(points, "rankme", "AUROC", FOUND)
    (dots,) = [drawn for drawn in ax.collections if len(drawn.get_offsets()) > 1]
    points = points.sort_values("layer_number", kind="stable")
    np.testing.assert_allclose(dots.get_offsets(), points[["x", "y"]])
    assert ax.get_title() == "Spearman -0.62 [-0.80, -0.31], p < 0.001\n96 points, 16 backbones"
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("RankMe", "AUROC", "log")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == FOUR
    np.testing.assert_array_equal(dots.get_facecolor()[:, 3] == 0, points["backbone"] == "lenet random")
    assert (dots.get_edgecolor()[:, 3] > 0).all()
    for _, own in points.assign(size=dots.get_sizes()).groupby("backbone"):
        assert (np.diff(own["size"]) > 0).all()  # deeper is larger


@pytest.mark.parametrize("change", [{"layer_number": np.nan}, {"layer_number": 0}, {"backbone": 7}])
def test_every_point_is_drawn_whatever_names_and_numbers_its_layer_has(change):
    points = table(FOUR).assign(**change)
    ax = plots.metric_vs_score(points, "rankme", "AUROC")
    drawn = np.concatenate([dots.get_offsets() for dots in ax.collections if len(dots.get_offsets()) > 1])
    assert sorted(drawn[:, 0]) == pytest.approx(sorted(points["x"]))


def test_bars_show_the_interval_of_the_score():
    points = table(FOUR[:1], layers=2).assign(y_low=[0.1, 0.2], y_high=[0.8, 0.9])
    ax = plots.metric_vs_score(points, "rankme", "AUROC")
    segments = ax.collections[0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in segments], [[0.1, 0.8], [0.2, 0.9]])


@pytest.mark.parametrize(("x", "scale"), [([1, 19], "linear"), ([1, 21], "log"), ([-1, 101], "linear")])
def test_axis_is_logarithmic_where_the_metric_spans_more_than_a_factor_of_20(x, scale):
    points = table(FOUR[:1], layers=2).assign(x=x)
    assert plots.metric_vs_score(points, "rankme", "AUROC").get_xscale() == scale
    grid = plots.correlation_grid(pd.concat([points.assign(detector=d, metric="rankme") for d in ("a", "b")]), "AUROC")
    assert {ax.get_xscale() for ax in grid.axes} == {scale}


def test_auroc_never_stands_on_a_logarithmic_axis():
    layers = pd.DataFrame({"dataset": "d", "backbone": "a", "layer": ["x", "y", "z"], "layer_number": [0, 1, 2]})
    layers = layers.assign(auroc=[0.001, 0.1, 0.9], trace=[0.001, 0.1, 0.9])
    assert plots.depth_plot(layers, "auroc").get_yscale() == "linear"
    assert plots.depth_plot(layers, "trace").get_yscale() == "log"


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0005, 0.03), (0.002, 0.19), (0.011, 0.9), (0.2, 19), (1, 21), (3, 290), (40, 3900), (300, 9000)],
)
def test_the_numbers_of_a_logarithmic_axis_stand_apart_in_a_wide_grid(collisions, low, high):
    points = table(FOUR[:1], layers=3).assign(x=np.geomspace(low, high, 3))
    grid = pd.concat([points.assign(detector=d, metric=f"m{i}") for d in ("a", "b") for i in range(10)])
    assert not collisions(plots.correlation_grid(grid, "AUROC"))


def test_draws_into_given_axes():
    _, given = plt.subplots()
    assert plots.metric_vs_score(table(FOUR), "rankme", "AUROC", ax=given) is given


def test_an_undefined_correlation_is_said():
    undefined = Correlation(None, None, None, None, 5, 1, "kendall", ("constant x: no coefficient",))
    ax = plots.metric_vs_score(table(FOUR[:1]), "rankme", "AUROC", undefined)
    assert ax.get_title() == "Kendall undefined\n5 points, 1 backbone"


def test_long_definitions_of_detectors_are_shortened(collisions):
    long = "distillation[layers=own,own pooling,epochs<=2,batch=32,lr=0.001]"
    names = {
        "centroid": long,
        "knn(k=5)": long.replace("0.001", "$1$"),
        "mahalanobis(covariance=ledoit_wolf)": "x" * 90,
    }
    points, _ = small_multiples(FOUR)
    figure = plots.correlation_grid(points.assign(detector=points["detector"].map(names)), "AUROC")
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert len(labels) == 3
    assert all(len(line) <= 28 for label in labels for line in label.split("\n"))
    assert any(label.startswith("distillation\nlayers =") for label in labels)
    assert collisions(figure) == []


def test_a_pair_without_points_says_so():
    points, _ = small_multiples(FOUR)
    points = points[(points["detector"] != "centroid") | (points["metric"] != "aucev")]
    figure = plots.correlation_grid(points, "AUROC")
    assert [text.get_text() for text in figure.axes[12].texts] == ["no points"]
    assert len(figure.axes) == 15


def test_sixty_four_backbones_look_different():
    looks = styles([f"net{i}" for i in range(64)])
    assert len({(look["color"], look["marker"]) for look in looks.values()}) == 64


def test_hollow_is_what_the_weights_say_and_not_the_label():
    points = table(["a", "b random"])
    points["weights"] = ["random(seed=1)" if name == "a" else "file:random.pt" for name in points["backbone"]]
    ax = plots.metric_vs_score(points, "rankme", "AUROC")
    named = points.sort_values("layer_number", kind="stable")["backbone"]
    np.testing.assert_array_equal(ax.collections[0].get_facecolor()[:, 3] == 0, named == "a")
    assert styles(["random"])["random"]["markerfacecolor"] != "none"


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (
            table(FOUR).drop(columns="layer"),
            "points must have a column 'layer', got backbone, layer_number, x, y, weights",
        ),
        (table(FOUR).assign(x=np.nan), "got x=nan for lenet random, layer layer0; leave that point out"),
        (table(FOUR).iloc[:0], "points must have at least one row, got none"),
    ],
)
def test_bad_tables_are_refused(points, message):
    with pytest.raises(InputError, match=message):
        plots.metric_vs_score(points, "rankme", "AUROC")


def test_saved_twice_is_the_same_file(tmp_path):
    figures = [plots.metric_vs_score(table(FOUR), "rankme", "AUROC", FOUND).figure for _ in range(2)]
    first, second = (plots.save(fig, tmp_path / str(i) / "a.b") for i, fig in enumerate(figures))
    assert [path.name for path in first] == ["a.b.png", "a.b.svg"]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert b"<dc:date>" not in first[1].read_bytes()


def test_a_study_is_drawn_for_every_group_of_tasks(tmp_path):
    rng = np.random.default_rng(0)
    keys = pd.DataFrame(
        [
            {
                "backbone": b,
                "layer": f"layer{k}",
                "layer_number": k,
                "task": f"{kind}:cat",
                "task_kind": kind,
                "seed": 0,
            }
            for b in FOUR
            for k in range(3)
            for kind in ("unimodal", "multimodal")
        ]
    )
    measured = pd.concat([keys.assign(metric=m, value=rng.uniform(size=len(keys))) for m in ("rankme", "aucev")])
    measured.loc[measured["metric"] == "aucev", "value"] = 0.5  # constant: no coefficient
    judged = keys.assign(detector="knn", definition="knn(k=5)", auroc=rng.uniform(size=len(keys)))
    results = StudyResults(measured, judged, {"config": {"title": "cats"}}, tmp_path)
    table = correlate(results, tasks=["all", "unimodal"], n_resamples=100)
    paths = plots.draw_study(results, table)
    names = [f"metric-vs-auroc-{group}.{ending}" for group in ("all", "unimodal") for ending in ("png", "svg")]
    assert [path.relative_to(tmp_path / "figures").as_posix() for path in paths] == names
    assert all(path.stat().st_size > 10_000 for path in paths)
    assert plt.get_fignums() == []
    assert plots.draw_study(results, table[:0], tmp_path / "none") == []


def test_a_study_of_two_data_sets_is_drawn_together_and_each_by_itself(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    names = ["dataset", "backbone", "layer_number"]
    keys = pd.MultiIndex.from_product([["digits", "cats:small"], FOUR, range(3)], names=names).to_frame(index=False)
    labels = "layer" + keys["layer_number"].astype(str)
    keys = keys.assign(layer=labels, task="unimodal:a", task_kind="unimodal", seed=0)
    measured = keys.assign(metric="rankme", value=rng.uniform(size=len(keys)))
    judged = keys.assign(detector="knn", definition="knn(k=5)", auroc=rng.uniform(size=len(keys)))
    results = StudyResults(measured, judged, {"config": {"title": "two"}}, tmp_path)
    table = correlate(results, dataset=["all", "each"], method="spearman", n_resamples=100)
    drawn = {}
    monkeypatch.setattr(
        "reprq.plots.study.save", lambda figure, stem, tight: [drawn.setdefault(stem.name, figure), stem][1:]
    )
    paths = plots.draw_study(results, table)
    assert [path.name for path in paths] == [f"metric-vs-auroc-all{end}" for end in ("", "-digits", "-cats-small")]
    heads = [[text.get_text() for text in figure.texts if text is not figure._suptitle] for figure in drawn.values()]
    assert heads == [["digits", "cats:small"], [], []]
    offsets = drawn["metric-vs-auroc-all-digits"].axes[0].collections[0].get_offsets()
    own = measured[measured["dataset"] == "digits"]["value"]
    np.testing.assert_allclose(np.sort(offsets[:, 0]), np.sort(own))


def test_a_grid_fills_its_figure():
    """What it draws reaches the edges of the figure and not beyond, so that it need not be measured to be written."""
    for backbones in (FOUR, ["a " + "x" * 60]):
        figure = plots.correlation_grid(*_grid_arguments(backbones))
        box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
        assert box.width > 0.95 * width
        assert box.height > 0.95 * height

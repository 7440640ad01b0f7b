"""The curve of few benign samples."""

import pandas as pd
import pytest

from reprq import plots
from reprq.errors import InputError


def table(**extra):
    rows = [
        {"shots": n, "detector": detector, "layer": layer, "auroc": level + n / 100, "low": 0.0, "high": 1.0}
        for detector in ("knn[k=5,kth,euclidean]", "mahalanobis[ledoit_wolf]", "centroid")
        for layer, level in (("layer1", 0.6), ("layer2", 0.7))
        for n in (16, 2, 8)
    ]
    return pd.DataFrame(rows).assign(**extra)


def test_lines_go_by_number_and_are_named_by_what_differs(collisions):
    ax = plots.shots_plot(table(backbone="lenet"))
    assert len(ax.lines) == len(ax.collections) == 6
    assert ax.lines[0].get_xdata().tolist() == [2, 8, 16]
    assert ax.lines[0].get_ydata().tolist() == pytest.approx([0.62, 0.68, 0.76])
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names[:2] == ["kNN, k = 5 on layer1", "kNN, k = 5 on layer2"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "8", "16"]
    assert ax.get_ylim()[0] < 0.0 < 1.0 < ax.get_ylim()[1]  # no band is cut
    assert collisions(ax.figure) == []


def test_one_layer_is_not_named_and_bad_tables_are_refused():
    one = table()[lambda rows: rows["layer"] == "layer1"]
    legend = plots.shots_plot(one).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["kNN, k = 5", "Mahalanobis, Ledoit-Wolf", "centroid"]
    for wrong, said in (
        (table().drop(columns="shots"), "shots"),
        (table(auroc=float("nan")), "at least one AUROC"),
        (pd.concat([one, one]), "one row a detector and number of samples"),
    ):
        with pytest.raises(InputError, match=said):
            plots.shots_plot(wrong)


def test_tasks_that_are_not_averaged_have_lines_of_their_own():
    one = table()[lambda rows: rows["layer"] == "layer1"]
    both = pd.concat([one.assign(task="unimodal:3"), one.assign(task="multimodal:3")])
    names = [text.get_text() for text in plots.shots_plot(both).get_legend().get_texts()]
    assert "centroid for unimodal:3" in names
    assert len(names) == 6

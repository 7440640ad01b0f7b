import numpy as np
import pytest

from reprq.metrics import rankme
from reprq.papers.trajectories import Looks, quality, trajectories


def test_looks_are_taken_when_it_is_time() -> None:
    seen = iter("abc")
    looks = Looks((0, 2), lambda: {"value": next(seen)})
    looks.after()
    for epoch in (1, 2, 3):
        looks.after({"epoch": epoch, "loss": 0.0})
    assert looks.rows == [{"epoch": 0, "value": "a"}, {"epoch": 2, "value": "b"}]


def test_quality_is_what_measure_says_and_none_where_there_is_none() -> None:
    x = np.random.default_rng(0).standard_normal((30, 4))
    found = quality(x, ("rankme", "twonn"))
    assert found["rankme"] == pytest.approx(rankme(x))
    assert quality(np.ones((5, 3)), ("participation_ratio",)) == {"participation_ratio": None}


def test_a_line_a_replicate_and_a_color_a_kind() -> None:
    rows = [
        {"case": case, "kind": kind, "seed": seed, "epoch": epoch, "a": float(epoch), "b": None if epoch else 1.0}
        for case in ("x", "y")
        for kind in ("one", "two")
        for seed in (0, 1)
        for epoch in (0, 5)
    ]
    fig = trajectories(rows, {"a": "A", "b": "B"}, case=lambda row: str(row["case"]), line="kind", logarithmic=("a",))
    axes = fig.axes
    assert [ax.get_title() for ax in axes] == ["A", "B", "A", "B"]
    assert [len([line for line in ax.lines if len(line.get_xdata())]) for ax in axes] == [4, 4, 4, 4]
    assert axes[0].get_yscale() == "log"
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["one", "two"]

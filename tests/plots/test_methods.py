from itertools import combinations

import matplotlib.pyplot as plt
import pytest

from reprq.detectors import DETECTORS
from reprq.plots import method_map
from reprq.plots.methods import FEATURES, KINDS, by_kind
from reprq.registry import Entry

OF_OTHERS = {"ensemble", "raw:NAME", "hybrid:NAME", "pyod:NAME"}  # are what they are given


def test_every_detector_says_what_it_is_and_stands_on_the_map_once() -> None:
    known = {entry.name for entry in DETECTORS.built_in()} - OF_OTHERS
    found = [entry.name for entries in by_kind(DETECTORS.built_in()).values() for entry in entries]
    assert sorted(found) == sorted(known)


@pytest.mark.parametrize("size", [None, (6, 4), (14, 2)], ids=["its own", "small", "flat"])
def test_no_two_names_overlap_and_none_leaves_its_cell(size) -> None:
    ax = method_map(DETECTORS.built_in(), None if size is None else plt.figure(figsize=size, dpi=400).add_subplot())
    figure = ax.get_figure(root=True)
    figure.canvas.draw()
    boxes = {text.get_text(): text.get_window_extent() for text in ax.texts}
    assert len(boxes) == len(ax.texts)
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        assert not a.overlaps(b), (one, other)
    cells = [patch.get_window_extent() for patch in ax.patches]
    assert len(cells) == len(KINDS) * len(FEATURES)
    names = set(boxes) - {*KINDS, *FEATURES}
    inside = [name for name in names for cell in cells if cell.contains(*boxes[name].max)]
    assert len(inside) == len(names) - 1  # but the note below


def test_one_that_is_registered_appears_by_itself() -> None:
    own = Entry(name="mine", target="m:M", inputs="rows", label="my own", needs=frozenset({"labelled"}))
    DETECTORS.register(Entry(**{**vars(own), "facts": {"kind": "distance", "features": "kernel"}}))
    try:
        assert "my own*" in [text.get_text() for text in method_map().texts]
    finally:
        DETECTORS.remove("mine")
    assert "my own*" not in [text.get_text() for text in method_map().texts]

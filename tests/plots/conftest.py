"""What tests of pictures need: figures closed afterwards, settings unchanged, and a search for texts that collide."""

import itertools

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.text import Text


@pytest.fixture(autouse=True)
def _figures():
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture
def collisions():
    """A function from a figure to the pairs of drawn texts whose boxes meet."""
    return _collisions


def _collisions(figure):
    figure.canvas.draw()
    boxes = []
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        if text.get_text().strip() and text.get_visible() and _drawn(text):
            boxes.append((text.get_text(), box))
    return [(a, b) for (a, one), (b, two) in itertools.combinations(boxes, 2) if one.overlaps(two)]


def _drawn(text):
    """Whether a text is no tick label beyond the limits or of hidden axes, which matplotlib keeps and never draws."""
    for ax in text.figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.majorTicks, *axis.minorTicks):
                if text in (tick.label1, tick.label2):
                    return ax.axison and low <= tick.get_loc() <= high and tick in axis.get_major_ticks()
    return True

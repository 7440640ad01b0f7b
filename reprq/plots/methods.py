"""The map of methods: detectors by kind of model and by the features that they learn on."""

from collections.abc import Iterable
from itertools import product

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from reprq.detectors import DETECTORS
from reprq.plots.panels import axes_of
from reprq.plots.styles import COLOURS
from reprq.registry import Entry

KINDS = ("classification", "probabilistic", "reconstruction", "distance")
FEATURES = ("raw", "kernel", "neural")
_COLUMNS = 2  # of names in a cell
_LINE, _HEAD = 0.25, 0.4  # inches
_WIDTH = 3.2
_MARKS = {"labelled": "*", "auxiliary": "\N{DAGGER}"}


def by_kind(entries: Iterable[Entry]) -> dict[tuple[str, str], list[Entry]]:
    """Return the detectors of every kind and features; those whose entries do not say which are left out.

    Example:
        >>> [entry.name for entry in by_kind(DETECTORS.built_in())["reconstruction", "kernel"]]
        ['kpca']
    """
    found: dict[tuple[str, str], list[Entry]] = {cell: [] for cell in product(KINDS, FEATURES)}
    for entry in entries:
        cell = (str(entry.facts.get("kind")), str(entry.facts.get("features")))
        if cell in found:
            found[cell].append(entry)
    return found


def method_map(entries: Iterable[Entry] | None = None, ax: Axes | None = None) -> Axes:
    """Draw detectors by kind of model and by features, after Ruff (2021), Figure 4.3.

    Both stand in the `facts` of the entries. An asterisk is a detector that needs labelled anomalies, a dagger one that
    needs a corpus.

    Args:
        entries: Of detectors; all that are registered by default, those of other packages too.
        ax: Where to draw, in smaller letters where it is smaller than the names need; a new figure of the size that
            they need by default.

    Returns:
        The Axes.

    Example:
        >>> from reprq.registry import Entry
        >>> own = Entry(name="mine", target=None, label="my own", facts={"kind": "distance", "features": "raw"})
        >>> [text.get_text() for text in method_map([own]).texts if "own" in text.get_text()]
        ['my own']
    """
    cells = by_kind(DETECTORS if entries is None else entries)
    lines = {each: max(1, *(-(-len(cells[kind, each]) // _COLUMNS) for kind in KINDS)) for each in FEATURES}
    heights = {each: lines[each] * _LINE + 0.2 for each in FEATURES}
    size = (_WIDTH * len(KINDS) + 0.8, sum(heights.values()) + _HEAD + 0.4)
    scale = 1.0 if ax is None else _scale(ax, size)
    ax = axes_of(ax, size)
    ax.set(xlim=(-0.8, _WIDTH * len(KINDS)), ylim=(sum(heights.values()) + 0.3, -_HEAD))
    ax.axis("off")
    for number, kind in enumerate(KINDS):
        ax.text((number + 0.5) * _WIDTH, -0.12, kind, ha="center", va="bottom", fontsize=11 * scale, weight="bold")
    top = 0.0
    for features in FEATURES:
        ax.text(
            -0.1, top + heights[features] / 2, features, ha="right", va="center", fontsize=11 * scale, weight="bold"
        )
        for number, kind in enumerate(KINDS):
            _draw_cell(ax, cells[kind, features], number * _WIDTH, top, heights[features], COLOURS[number], scale)
        top += heights[features]
    said = f"{_MARKS['labelled']} needs labelled anomalies   {_MARKS['auxiliary']} needs a corpus"
    ax.text(0, top + 0.1, said, ha="left", va="top", fontsize=8 * scale)
    return ax


def _scale(ax: Axes, size: tuple[float, float]) -> float:
    """How much smaller than the size in inches that names need the Axes are; at most 1."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_window_extent()
    return min(1.0, box.width / figure.dpi / size[0], box.height / figure.dpi / size[1])


def _draw_cell(
    ax: Axes, entries: list[Entry], left: float, top: float, height: float, color: str, scale: float
) -> None:
    box = Rectangle((left + 0.03, top + 0.03), _WIDTH - 0.06, height - 0.06, facecolor=color, alpha=0.15, linewidth=0)
    ax.add_patch(box)
    for i, entry in enumerate(entries):
        row, column = divmod(i, _COLUMNS)
        marks = "".join(mark for need, mark in _MARKS.items() if need in entry.needs)
        place = left + 0.15 + column * (_WIDTH - 0.15) / _COLUMNS, top + 0.1 + (row + 0.5) * _LINE
        ax.text(*place, f"{entry.label or entry.name}{marks}", ha="left", va="center", fontsize=9 * scale)

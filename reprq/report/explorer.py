"""The plot of all points as part of the page: each is a link to its row of numbers, which the script shows."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pandas as pd
from markupsafe import Markup

from reprq.analysis.depth import layer_places

if TYPE_CHECKING:
    from reprq.report.pictures import Picture

MOST = 40  # points that are looked at closely
LARGEST_POINT = 150_000  # bytes of the page that one of them takes, about
_SCALE = 96 / 72  # units of the page in a unit of the drawing
_REFERENCE = "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True)
class Point:
    """One point.

    Attributes:
        id: Of its row in the page.
        title: Its data set where there are several, network and layer.
        said: Which detector, task and seed.
        pictures: Its ROC, and its most anomalous samples where they have pictures.
        texts: Its most anomalous samples where they have none.
    """

    id: str
    title: str
    said: str
    pictures: tuple["Picture", ...]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Closely:
    """What a page says of single points.

    Attributes:
        points: Those that were fitted again.
        notes: Why others could not be.
    """

    points: tuple[Point, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """What a point says that was not looked at."""
        if self.notes and not self.points:
            return "No layer could be looked at closely; the notes of this page say why."
        if not self.points:
            return (
                "A study keeps no scores, so there is no ROC and no sample here: `reprq report RUN --points --force`"
                " fits the detector again on the best layer of each network and shows them."
            )
        return (
            f"This layer is not among the {len(self.points)} that were fitted again: a larger N of"
            f" `reprq report RUN --points N --force` (at most {MOST}) takes more of them, the best first."
        )


def point_id(dataset: str, backbone: str, layer: str) -> str:
    """Return the id of a layer in the page, by names that may hold anything.

    Example:
        >>> point_id("digits", "lenet", "fc1")
        'point-64e7467d485b'
    """
    named = json.dumps([dataset, backbone, layer])
    return f"point-{hashlib.sha256(named.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Link:
    """A point of the plot.

    Attributes:
        id: Of its row.
        group: The number of its network on its data set.
        label: What a screen reader says of it.
    """

    id: str
    group: int
    label: str


def links_of(points: pd.DataFrame, metric: str, score: str) -> list[Link]:
    """Return the points network by network from input to output, the order in which the keyboard visits them.

    Args:
        points: As for `reprq.plots.metric_vs_score`, with the column dataset.
        metric: What x is.
        score: What y is.
    """
    names = [*(["dataset"] * (points["dataset"].nunique() > 1)), "backbone", "layer"]
    groups = points.groupby(["dataset", "backbone"], sort=False).ngroup()
    ordered = points.assign(group=groups, place=layer_places(points)).sort_values(["group", "place"], kind="stable")
    return [
        Link(
            point_id(row["dataset"], row["backbone"], row["layer"]),
            row["group"],
            f"{', '.join(str(row[name]) for name in names)}: {metric} {row['x']:.4g}, {score} {row['y']:.3f}",
        )
        for row in ordered.to_dict("records")
    ]


def linked(svg: bytes, links: list[Link], label: str, data: Mapping[str, str]) -> Markup:
    """Return a drawing of matplotlib as an element of a page, whose links to `#ID` are named and in order.

    Styles become attributes, which a page that forbids inline styles shows; comments and metadata are left out. A point
    takes its link, its label and about 100 bytes: outlines are written once for all points that have them, looks once a
    network.

    Args:
        svg: The file; points have links, of which each is one of `links`.
        links: In the order in which the keyboard visits them.
        label: What the drawing shows.
        data: Attributes `data-...` of it.
    """
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in [each for each in parent if _name(each.tag) in ("metadata", "style")]:
            parent.remove(child)
    _as_attributes(root)
    root.attrib |= {f"data-{name}": value for name, value in data.items()}
    root.attrib |= {"class": "points", "role": "group", "aria-label": label, "stroke-linejoin": "round"}
    for side in ("width", "height"):
        root.set(side, f"{_SCALE * float(root.get(side, '0').removesuffix('pt')):.0f}")
    places = {each.id: i for i, each in enumerate(links)}
    outlines: dict[str, str] = {}
    for parent in list(root.iter()):
        anchors = [each for each in parent if each.tag == "a"]
        if not anchors:
            continue
        anchors.sort(key=lambda each: places[each.get("href", "")[1:]])
        parent[:] = [each for each in parent if each.tag != "a"]
        looks: dict[str, str] = {}
        for anchor in anchors:
            link = links[places[anchor.get("href", "")[1:]]]
            own = _thin(anchor, outlines)
            if own != looks or not len(parent):
                network, looks = ElementTree.SubElement(parent, "g", own), own
            named = {"href": f"#{link.id}", "class": "point", "data-group": str(link.group), "aria-label": link.label}
            anchor.attrib.clear()
            anchor.attrib |= named
            network.append(anchor)
    for path in root.iter("path"):
        path.set("d", re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", path.get("d", "")))
    defined = ElementTree.Element("defs")
    for outline, name in outlines.items():
        ElementTree.SubElement(defined, "path", {"id": name, "d": outline})
    root.insert(0, defined)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _thin(anchor: ElementTree.Element, outlines: dict[str, str]) -> dict[str, str]:
    """Put the use of an outline in the place of a point's path, and return its other attributes: its look."""
    looks = dict(anchor[0].attrib)
    if "d" not in looks:  # matplotlib has written the outline once itself, as it does of points of one size
        placed = {name: looks.pop(name) for name in ("href", "x", "y")}
        anchor[:] = [ElementTree.Element("use", placed)]
        return looks
    words = looks.pop("d").split()
    is_number = [word[-1].isdigit() for word in words]
    numbers = [float(word) for word, is_one in zip(words, is_number, strict=True) if is_one]
    x, y = ((min(side) + max(side)) / 2 for side in (numbers[::2], numbers[1::2]))
    around = (f"{round(number - middle, 2) + 0.0:g}" for number, middle in zip(numbers, cycle((x, y)), strict=False))
    outline = " ".join(next(around) if is_one else word for word, is_one in zip(words, is_number, strict=True))
    name = outlines.setdefault(outline, f"outline-{len(outlines)}")
    anchor[:] = [ElementTree.Element("use", {"href": f"#{name}", "x": f"{x:.1f}", "y": f"{y:.1f}"})]
    return looks


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]


def _as_attributes(root: ElementTree.Element) -> None:
    """Turn styles into attributes, and leave out namespaces, which HTML knows by itself."""
    for element in root.iter():
        element.tag = _name(element.tag)
        element.text = element.tail = None if element.tag != "text" else element.text
        if reference := element.attrib.pop(_REFERENCE, ""):
            element.set("href", reference)
        for declaration in element.attrib.pop("style", "").split(";"):
            name, _, value = declaration.partition(":")
            if value:
                element.set(name.strip(), value.strip())
        if "d" in element.attrib:
            element.set("d", re.sub(r"\s+", " ", element.get("d", "")))

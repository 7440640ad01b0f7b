"""The plot in the page: every point is a named link to a row, and what its detector found is shown where asked."""

import base64
import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from reprq.analysis import points
from reprq.errors import InputError
from reprq.evaluation import Correlation
from reprq.plots import metric_vs_score, render
from reprq.report import closely, pictures, write_report
from reprq.report.explorer import LARGEST_POINT, Closely, _thin, linked, links_of, point_id
from reprq.study import run_study


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag, kind=None):
        return [a for name, a in self.found if name == tag and (kind is None or a.get("class") == kind)]


@pytest.fixture(scope="module")
def tags(page):
    return Tags(page.read_text(encoding="utf-8"))


def test_every_point_is_a_named_link_to_its_row(tags, hostile):
    links = tags.of("a", "point")
    rows = [a["id"] for a in tags.of("tr") if "id" in a]
    assert len(links) == 12 * 4
    assert sorted(a["href"] for a in links) == sorted(f"#{row}" for row in rows)
    assert all(re.search(r"layer\d: .+ [\d.]+, AUROC [\d.]+$", a["aria-label"]) for a in links)
    assert {a["aria-label"].rpartition(", layer")[0] for a in links} >= set(hostile[:-1])
    assert not any("style" in a for _, a in tags.found)  # the policy forbids styles in attributes
    assert len({a["id"] for _, a in tags.found if "id" in a}) == len([a for _, a in tags.found if "id" in a])


def test_the_keyboard_visits_networks_one_after_another(tags):
    groups = [int(a["data-group"]) for a in tags.of("a", "point")]
    assert groups == sorted(groups)
    layers = [re.search(r"layer(\d):", a["aria-label"])[1] for a in tags.of("a", "point")]
    assert layers == ["0", "1", "2", "3"] * 12


def test_the_plotted_pair_is_in_the_table(tags):
    (plot,) = tags.of("svg", "points")
    titles = [a["data-title"] for a in tags.of("th") if "data-title" in a]
    assert plot["data-x"] in titles
    assert plot["data-y"] in titles
    assert plot["role"] == "group"
    assert len(plot["aria-label"]) > 20


def test_a_drawing_keeps_its_points_and_says_no_names(make_study, tmp_path):
    results = make_study(tmp_path / "run", ["--> <b>", "two", "three"], layers=2)
    over = points(results, "rankme", "auroc", "centroid")
    ids = [point_id(*names) for names in over[["dataset", "backbone", "layer"]].itertuples(index=False)]
    axes = metric_vs_score(over.assign(url=[f"#{each}" for each in ids]), "rankme", "AUROC")
    svg = render(axes.figure, "svg")
    made = linked(svg, links_of(over, "RankMe", "AUROC"), 'a "plot"', {"x": "rankme"})
    assert made.count("<a ") == svg.count(b"<a ") == 6
    assert made.count('<use href="#outline-') == 6
    assert _middles(svg) == pytest.approx(_places(made), abs=0.051)
    assert "<!--" not in made
    assert "<metadata" not in made
    assert "--&gt; &lt;b&gt;, layer0" in made
    assert "a &quot;plot&quot;" in made


def _middles(svg):
    """Where the points of a drawing are, in the order of their names."""
    found = {}
    for name, outline in re.findall(r'<a xlink:href="#([^"]+)".*?<path d="([^"]+)"', svg.decode(), re.DOTALL):
        numbers = [float(word) for word in outline.split() if word[-1].isdigit()]
        found[name] = [(min(side) + max(side)) / 2 for side in (numbers[::2], numbers[1::2])]
    return [side for name in sorted(found) for side in found[name]]


def _places(made):
    found = re.findall(r'<a href="#([^"]+)"[^>]*><use href="#[^"]+" x="([^"]+)" y="([^"]+)"', made)
    return [float(side) for _, x, y in sorted(found) for side in (x, y)]


def test_three_thousand_points_are_links_of_few_bytes_in_a_bounded_plot(make_study, tmp_path):
    names = [f"net {i}" for i in range(60)]
    over = points(make_study(tmp_path / "run", names, layers=50, tasks=["unimodal:cat"]), "rankme", "auroc", "centroid")
    picture = pictures._of_points(over, "centroid", "rankme", Correlation(0.5, None, None, None, 3000, 60, "spearman"))
    found = Tags(picture.inline)
    links, marks = found.of("a", "point"), [a for a in found.of("use") if a["href"].startswith("#outline-")]
    assert len(links) == len(marks) == 3000
    assert len(picture.inline) < 250_000 + 200 * 3000 < pictures.LARGEST_PLOT
    outlines = [a["id"] for a in found.of("path") if a.get("id", "").startswith("outline-")]
    assert {a["href"][1:] for a in marks} == set(outlines)
    groups = [int(a["data-group"]) for a in links]
    assert groups == sorted(groups)
    assert len(set(groups)) == 60


def test_a_picture_of_many_letters_is_a_png_of_few_colors():
    figure, axes = plt.subplots()
    for i in range(pictures._MANY_LETTERS + 1):
        axes.text(i / 1000, 0.5, "a", color=(i / 2000, 0, 0))
    made = pictures.picture(figure, "", "", "")
    with Image.open(io.BytesIO(base64.b64decode(made.source.removeprefix("data:image/png;base64,")))) as image:
        assert image.mode == "P"


def test_a_plot_of_too_many_points_is_a_picture(make_study, tmp_path, monkeypatch):
    over = points(make_study(tmp_path / "run", ["a", "b", "c"], layers=2), "rankme", "auroc", "centroid")
    pair = Correlation(0.5, None, None, None, 6, 3, "spearman")
    assert "<svg" in pictures._of_points(over, "centroid", "rankme", pair).inline
    monkeypatch.setattr(pictures, "LARGEST_PLOT", 1000)
    picture = pictures._of_points(over, "centroid", "rankme", pair)
    assert (picture.inline, picture.source[:19]) == (None, "data:image/svg+xml;")
    assert picture.alternative.startswith("Scatter plot of 6 layers")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("closely")
    config = {
        "data": {"name": "digits", "train_per_class": 20, "test_per_class": 8},
        "backbones": [
            {"name": "lenet", "label": f"lenet {size}", "weights": "random", "layers": "1-2,-1", "preprocessing": how}
            for size, how in ((32, {"resize": 32, "size": 32}), (40, {"resize": 40, "size": 32}))
        ],
        "tasks": ["unimodal:3", "unimodal:5"],
        "detectors": ["knn"],
        "metrics": ["rankme"],
    }
    return run_study(config, path / "run", progress=False, cache_dir=path / "caches"), path / "caches"


def test_points_come_with_what_their_detector_found(digits, tmp_path):
    results, caches = digits
    definition = results.detectors["definition"].iloc[0]
    found = closely.look_closely(results, definition, 3, cache_dir=caches)
    assert found.notes == ()
    assert len(found.points) == 3
    means = results.detectors.groupby(["backbone", "layer"])["auroc"].mean()
    best = {point_id("digits", *means[[name]].idxmax()) for name in ("lenet 32", "lenet 40")}
    assert best <= {each.id for each in found.points}
    for each in found.points:
        roc, samples = each.pictures
        own = results.detectors[[point_id("digits", *names) == each.id for names in _names(results)]]
        assert f"unimodal:3, seed 0, fitted again: AUROC {own['auroc'].iloc[0]:.3f}" in each.said
        assert samples.alternative.startswith("3 images, of which ")
        assert len(roc.source) + len(samples.source) < LARGEST_POINT
    page = write_report(results, tmp_path / "page.html", points=3, cache_dir=caches).read_text(encoding="utf-8")
    tags = Tags(page)
    links = {a["href"][1:] for a in tags.of("a", "point")}
    assert {a["id"].removesuffix("-closely") for a in tags.of("article")} <= links
    assert "not among the 3 that were fitted again" in page


def _names(results):
    return results.detectors[["backbone", "layer"]].itertuples(index=False, name=None)


def test_what_cannot_be_fitted_again_is_said(make_study, tmp_path):
    results = make_study(tmp_path / "run", ["a", "b", "c"], layers=2)
    found = closely.look_closely(results, "centroid", 2)
    assert found.points == ()
    assert found.notes[0].startswith("A layer of a could not be looked at closely: ")
    assert found.missing == "No layer could be looked at closely; the notes of this page say why."
    assert "A study keeps no scores" in closely.Closely().missing


@pytest.mark.parametrize("count", [0, 41])
def test_a_count_that_a_page_does_not_hold_is_refused(digits, count):
    with pytest.raises(InputError, match=f"points must be from 1 to 40, got {count}"):
        closely.look_closely(digits[0], "knn", count)


def test_a_page_says_how_its_points_are_had():
    assert "`reprq report RUN --points --force`" in Closely().missing


def test_an_outline_that_matplotlib_wrote_once_stays_as_it_is():
    anchor = ElementTree.fromstring('<a href="#p"><use x="1.5" y="2" href="#m8" fill="#0072b2" /></a>')
    outlines: dict[str, str] = {}
    assert _thin(anchor, outlines) == {"fill": "#0072b2"}
    assert anchor[0].attrib == {"x": "1.5", "y": "2", "href": "#m8"}
    assert outlines == {}

"""The pictures of a report, as data that stands in the page itself."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from reprq import plots
from reprq.analysis import points
from reprq.analysis.scores import points_of_pairs
from reprq.data.registry import DATASETS
from reprq.evaluation import Correlation
from reprq.plots.names import detector_label, metric_label
from reprq.plots.study import correlation_of
from reprq.plots.styles import random_backbones
from reprq.report.answer import Answer
from reprq.report.explorer import linked, links_of, point_id
from reprq.study import StudyResults

LARGEST_JPEG = 1_100_000  # bytes, a third more in the page
_LARGEST_SVG = 600_000  # bytes; beyond that a PNG is smaller and faster to draw
LARGEST_PLOT = 2_000_000  # bytes of the page, of about 8,000 points; beyond them no point is a link
_MANY_LETTERS = 1000  # texts of a figure, of which an SVG is surely too large
_DOTS = 96  # an inch on a screen


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        title: What it shows.
        caption: How to read it.
        alternative: What it shows, for those who do not see it.
        source: A data URI.
        width: In pixels, at which its letters are of reading size.
        height: In pixels.
        inline: An element of the page in place of the source, whose points are links to rows of numbers.
    """

    title: str
    caption: str
    alternative: str
    source: str
    width: int
    height: int
    inline: Markup | None = None


def pictures(results: StudyResults, table: pd.DataFrame, answer: Answer) -> list[Picture]:
    """Draw what the answer rests on: its pair of metric and detector, where in the networks, and all other pairs.

    Args:
        results: A study.
        table: Its Spearman correlations over all tasks.
        answer: What was made of them.
    """
    detector, metric = answer.detector, answer.metric
    named = detector_label(detector)
    over = points(results, metric, "auroc", detector)
    found = {(str(row["detector"]), str(row["metric"])): correlation_of(row) for row in table.to_dict("records")}
    every = _all_pairs(results, table, found)
    if over.empty:
        return every
    pair = found[detector, metric]
    drawn = [] if table["coefficient"].isna().all() else [_coefficients(table)]
    drawn.append(_of_points(over, detector, metric, pair))
    for column, name in (("y", f"AUROC of {named}"), ("x", metric_label(metric))):
        span = f"from {over[column].min():.3g} to {over[column].max():.3g}"
        drawn += [
            picture(
                plots.layer_heatmap(over, column, name),
                f"{name}, layer by layer",
                "Rows are networks, columns the numbers of their layers from input to output. Where layers of a network"
                " share a number, its layers are numbered anew.",
                f"Heatmap of {name} over networks and layers, {span}",
            ),
            picture(
                plots.depth_plot(over, column, name),
                f"{name} along the depth",
                "The depth of a layer is its number over that of the network's last layer in the study.",
                f"Line plot of {name} over the depth of each network, {span}",
            ),
        ]
    return [*drawn, *every]


def _of_points(over: pd.DataFrame, detector: str, metric: str, pair: Correlation) -> Picture:
    """The plot of a pair, with its points as links where it is not too large."""
    score = f"AUROC of {detector_label(detector)}"
    ids = [point_id(*map(str, names)) for names in over[["dataset", "backbone", "layer"]].itertuples(index=False)]
    figure = plots.metric_vs_score(over.assign(url=[f"#{each}" for each in ids]), metric, score, pair).get_figure(
        root=True
    )
    assert figure is not None
    title = f"{metric_label(metric)} against the {score}"
    caption = (
        f"{_telling(over)} A point is a layer of a network, means over tasks; points of one network are joined"
        f" along its depth.{_hollow(over)}"
    )
    alternative = f"Scatter plot of {len(over)} layers: {plots.describe(pair)}".replace("\n", ", ")
    links = links_of(over, metric_label(metric), "AUROC")
    plot = linked(plots.render(figure, "svg"), links, alternative, {"x": metric, "y": f"AUROC {detector}"})
    if len(plot.encode()) > LARGEST_PLOT:
        return picture(figure, title, caption, alternative)
    width, height = (round(side * _DOTS) for side in figure.get_size_inches())
    plt.close(figure)
    return Picture(title, caption, alternative, "", width, height, plot)


def unexplained(results: StudyResults) -> tuple[str, ...]:
    """What a page of images cannot say without a gallery; nothing of other data."""
    data = results.study.get("config", {}).get("data", [])
    names = [str(each.get("name")) for each in ([data] if isinstance(data, dict) else data)]
    if not any(name in DATASETS and DATASETS.find(name).inputs == "image" for name in names):
        return ()
    return (
        "An AUROC does not say where in an image it comes from. With --gallery the best detector is fitted again, and"
        " the page says whether its maps point at what masks mark, or where there are none, at borders, corners or"
        " pixels that never change.",
    )


def _hollow(over: pd.DataFrame) -> str:
    """What hollow markers are, where there are some."""
    random, every = len(random_backbones(over)), over["backbone"].nunique()
    if not random:
        return ""
    return " Hollow markers are networks with random weights" + (", as all are here." if random == every else ".")


def _telling(over: pd.DataFrame) -> str:
    """What can be said of the pair with the largest coefficient."""
    if over["backbone"].nunique() > 1:
        return "The most telling pair."
    return "The pair with the largest coefficient, over layers of one network: it says nothing of other networks."


def _coefficients(table: pd.DataFrame) -> Picture:
    return picture(
        plots.forest_plot(table),
        "How well each metric predicts each detector",
        f"Spearman's rho over layers{_interval(table)}; 1 and -1 are perfect.",
        f"Coefficients of {table['metric'].nunique()} metrics with intervals; the table of correlations has them",
    )


def _interval(table: pd.DataFrame) -> str:
    """What stands beside coefficients: too few networks give none an interval."""
    return " with its 95 % interval, which resamples whole networks" if table["low"].notna().any() else ", no interval"


def _all_pairs(results: StudyResults, table: pd.DataFrame, found: dict[tuple[str, str], Correlation]) -> list[Picture]:
    pairs = table[["detector", "metric"]].itertuples(index=False, name=None)
    over = points_of_pairs(results, pairs, "auroc")
    if over.empty:
        return []
    shape = f"{over['metric'].nunique()} by {over['detector'].nunique()}"
    return [
        picture(
            plots.correlation_grid(over, "AUROC", found),
            "Every metric against every detector",
            f"Over each picture Spearman's rho{_interval(table)}.",
            f"{shape} scatter plots; the table of correlations has their numbers",
        )
    ]


def raster(figure: Any, title: str, caption: str, alternative: str, largest: int = LARGEST_JPEG) -> Picture:
    """Return a figure that holds photos, as a JPEG, a sixth as large as a PNG, of at most so many bytes."""
    with Image.open(io.BytesIO(plots.render(figure, "png"))) as image:
        data = _jpeg(image.convert("RGB"), largest)
    width, height = (round(side * _DOTS) for side in figure.get_size_inches())
    plt.close(figure)
    source = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    return Picture(title, caption, alternative.replace("\n", ", "), source, width, height)


def _jpeg(image: Image.Image, largest: int = LARGEST_JPEG) -> bytes:
    """An image as a JPEG; one that would be too large with fewer pixels."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    if file.tell() <= largest:
        return file.getvalue()
    share = min(0.9, (largest / file.tell()) ** 0.5)
    size = max(int(share * image.width), 1), max(int(share * image.height), 1)
    return _jpeg(image.resize(size, Image.Resampling.LANCZOS), largest)


def _of_few_colours(png: bytes) -> bytes:
    """A PNG with a palette, a third as large."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()


def picture(drawn: Axes | Figure, title: str, caption: str, alternative: str) -> Picture:
    """Return a figure as an SVG, or where that is too large as a PNG of 256 colors, and close it."""
    grid = isinstance(drawn, Figure)  # which fills its figure
    figure = drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)
    assert figure is not None
    kind, data = "svg+xml", b""
    if len(figure.findobj(Text)) <= _MANY_LETTERS:
        data = plots.render(figure, "svg", tight=not grid)
    if not data or len(data) > _LARGEST_SVG:
        kind, data = "png", _of_few_colours(plots.render(figure, "png", tight=not grid))
    width, height = (round(side * _DOTS) for side in figure.get_size_inches())
    plt.close(figure)
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Picture(title, caption, alternative.replace("\n", ", "), source, width, height)

"""The claims of Robledo Díaz 2023, each held against the fits of a run."""

from collections.abc import Sequence

import pandas as pd

from reprq.papers.mai2021.claims import Finding
from reprq.papers.mai2021.tables import mean_of
from reprq.papers.robledo2023 import published
from reprq.papers.robledo2023.presets import F_ANOGAN, PIXELS, RobledoPreset
from reprq.papers.robledo2023.tables import chosen, markdown, named, task_means
from reprq.study.cells import Row

_DEEP, _SHALLOW = "ResNet18", ("LeNet-5", "PCA")
_BLIND = "ResNet18, never saw the set"
_FROM = ("MobileNetV2, from ImageNet", "MobileNetV2")
_TASKS = "{} sets and digits"


def findings(rows: list[Row], sets: Sequence[str]) -> list[Finding]:
    """Return what the fits say, on official test images unless said otherwise; a pair is of the same images.

    Args:
        rows: Of the fits on images and on features.
        sets: The sets, each alone.
    """
    fits = DigitFits(rows, sets)
    found = []
    for other in published.IMAGES:
        if other != F_ANOGAN:
            claim = "f-AnoGAN is the best on images"
            found.append(less(claim, f"AUROC less that of {other}", fits.on_images(), fits.on_images(other)))
    for name in sets:
        pair = [each[each.index.get_level_values("set") == name] for each in (fits.of(_DEEP), fits.on_images())]
        claim = "features of ResNet18 make f-AnoGAN better on all three sets"
        found.append(less(claim, f"AUROC less that of images, {named(name)}", *pair))
    for other in _SHALLOW:
        claim = "deep extractors are better than shallow ones"
        found.append(less(claim, f"{_DEEP} less {other}", fits.of(_DEEP), fits.of(other)))
    found.append(_together(fits))
    quantity = f"{_FROM[0]} less from scratch"
    found.append(less("transfer helps to generalize", quantity, *(fits.of(each) for each in _FROM)))
    quantity = f"{_BLIND} less images"
    found.append(less("features transfer to a set that taught nothing", quantity, fits.of(_BLIND), fits.on_images()))
    recall = fits.of(_DEEP, figure="recall"), fits.on_images(figure="recall")
    found.append(less("fewer anomalies are missed", f"recall with {_DEEP} less that of images", *recall))
    ceiling = fits.of(_DEEP, reading="report"), fits.of(_DEEP)
    found.append(less("tests on images that taught with labels flatter", "reading report less official", *ceiling))
    quantity = f"{_DEEP} less {_BLIND}"
    found.append(less("having seen the set's labels helps", quantity, fits.of(_DEEP), fits.of(_BLIND)))
    for method in ("kNN", "Mahalanobis", "centroid", "distillation"):
        quantity = f"AUROC with {_DEEP} less that of {method}"
        claim = "f-AnoGAN adds to simple detectors of the same features"
        found.append(less(claim, quantity, fits.of(_DEEP), fits.of(_DEEP, method)))
    return found


class DigitFits:
    """Figures by set and digit, mean over epochs and seeds.

    Args:
        rows: Of the fits.
        sets: Which sets count.
    """

    def __init__(self, rows: list[Row], sets: Sequence[str]) -> None:
        self.rows, self.sets = rows, sets

    def of(
        self, extractor: str, method: str = F_ANOGAN, reading: str = "official", figure: str = "auroc"
    ) -> "pd.Series[float]":
        """Return a figure of a detector on an extractor's features."""
        part = chosen(self.rows, extractor=extractor, method=method, reading=reading)
        return task_means(part[part["set"].isin(self.sets)], figure)

    def on_images(self, method: str = F_ANOGAN, figure: str = "auroc") -> "pd.Series[float]":
        """Return a figure of a detector on images."""
        return self.of(PIXELS, method, figure=figure)


def less(claim: str, quantity: str, first: "pd.Series[float]", second: "pd.Series[float]") -> Finding:
    """Return a claim by the difference of two figures of the same tasks, with Student's interval over these."""
    differences = (first - second).dropna()
    if differences.empty:
        return Finding(claim, quantity, None, None, None, "not run")
    mean = mean_of(differences)
    return Finding(claim, quantity, mean["mean"], mean["low"], mean["high"], _TASKS.format(len(differences)))


def claims_table(rows: list[Row], how: RobledoPreset, sets: Sequence[str]) -> str:
    """Return the findings as Markdown, with the report's own differences where it prints them."""
    lines = [["claim", "quantity", "value", "95 % interval", "verdict", "the report's table", "rests on"]]
    for each in findings(rows, sets):
        value = "-" if each.value is None else f"{each.value:+.3f}"
        known = each.low is not None and each.low == each.low
        ends = f"[{each.low:+.3f}, {each.high:+.3f}]" if known else "-"
        lines.append([each.claim, each.quantity, value, ends, each.verdict, _in_the_report(each), each.note])
    said = (
        f"On official test images, f-AnoGAN unless another is named, digits {', '.join(map(str, how.digits))}."
        " Student's intervals over sets and digits, which share the extractors: of these networks and sets alone. The"
        " report's values are differences of its means over ten digits, in the same unit."
    )
    return f"# Claims\n\n{said}\n\n{markdown(lines, 2)}"


def _together(fits: DigitFits) -> Finding:
    """One detector for three sets against three detectors, by digit."""
    part = chosen(fits.rows, method=F_ANOGAN, set="all three", reading="official")
    whole = part.groupby("digit")["auroc"].mean().astype(float)
    apart = fits.on_images().groupby("digit").mean()
    found = less("one model serves several tasks", "AUROC of one for all sets less that of one each", whole, apart)
    note = found.note if found.value is None else f"{len((whole - apart).dropna())} digits"
    return Finding(found.claim, found.quantity, found.value, found.low, found.high, note)


def _in_the_report(found: Finding) -> str:
    """The difference of the printed values that a finding stands beside; "-" where they are not printed."""
    images = {each: {name: of.auroc for name, of in values.items()} for each, values in published.IMAGES.items()}
    own = _mean(images[F_ANOGAN])
    features = {name: _mean(values) for name, values in published.EXTRACTORS.items()}
    by_set = {name: published.EXTRACTORS[_DEEP][name] - images[F_ANOGAN][name] for name in published.SETS}
    values = {
        **{f"AUROC less that of {name}": own - _mean(of) for name, of in images.items()},
        **{f"AUROC less that of images, {name}": value for name, value in by_set.items()},
        "AUROC less that of images, drawn_digits (for SVHN)": by_set["svhn"],
        f"{_DEEP} less LeNet-5": features[_DEEP] - features["LeNet-5"],
        "AUROC of one for all sets less that of one each": published.TOGETHER[F_ANOGAN] - own,
        f"{_FROM[0]} less from scratch": features["ResNet18, from ImageNet"] - features[_DEEP],
    }
    value = values.get(found.quantity)
    return "-" if value is None else f"{value / 100:+.3f}"


def _mean(values: dict[str, float]) -> float:
    return sum(values.values()) / len(values)

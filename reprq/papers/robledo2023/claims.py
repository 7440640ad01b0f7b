"""The claims of Robledo Díaz 2023, each held against the fits of a run."""

from collections.abc import Sequence

import pandas as pd

from reprq.papers.mai2021.claims import Finding
from reprq.papers.mai2021.tables import mean_of
from reprq.papers.robledo2023 import published
from reprq.papers.robledo2023.presets import F_ANOGAN, NEVER_SAW, PIXELS, RobledoPreset
from reprq.papers.robledo2023.tables import chosen, markdown, named, task_means
from reprq.study.cells import Row

_DEEP, _SHALLOW = ("ResNet18", "ResNet50"), ("LeNet-5", "PCA")
_SUPERVISED, _MAHALANOBIS = "LeNet-5", "Mahalanobis"
_FROM = ("MobileNetV2, from ImageNet", "MobileNetV2")
_TASKS = "{} sets and digits"


def findings(rows: list[Row], sets: Sequence[str]) -> list[Finding]:
    """Return what the fits say, on official test images unless said otherwise; a pair is of the same images.

    Args:
        rows: Of the fits on images and on features.
        sets: The sets, each alone.
    """
    fits = DigitFits(rows, sets)
    blind = [title for title in fits.titles if title.endswith(NEVER_SAW)]
    return [*_of_the_report(fits), *_of_labels(fits, blind), *_of_detectors(fits, blind)]


def _of_the_report(fits: "DigitFits") -> list[Finding]:
    """What its text claims."""
    first, images, found = _DEEP[0], fits.on_images(), []
    for other in published.IMAGES:
        if other != F_ANOGAN:
            claim = "f-AnoGAN is the best on images"
            found.append(less(claim, f"AUROC less that of {other}", images, fits.on_images(other)))
    for name in fits.sets:
        pair = [each[each.index.get_level_values("set") == name] for each in (fits.of(first), images)]
        claim = "features of ResNet18 make f-AnoGAN better on all three sets"
        found.append(less(claim, f"AUROC less that of images, {named(name)}", *pair))
    for deep in _DEEP:
        for other in _SHALLOW:
            claim = "deep extractors are better than shallow ones"
            found.append(less(claim, f"{deep} less {other}", fits.of(deep), fits.of(other)))
    found.append(_together(fits))
    quantity = f"{_FROM[0]} less from scratch"
    found.append(less("transfer helps to generalize", quantity, *(fits.of(each) for each in _FROM)))
    recall = fits.of(first, figure="recall"), fits.on_images(figure="recall")
    return [*found, less("fewer anomalies are missed", f"recall with {first} less that of images", *recall)]


def _of_labels(fits: "DigitFits", blind: Sequence[str]) -> list[Finding]:
    """What the labels of the extractors do."""
    taught = fits.of(_DEEP[0], reading="report"), fits.of(_DEEP[0])
    found = [less("tests on images that taught with labels flatter", "reading report less official", *taught)]
    for title in blind:
        seen = title.removesuffix(NEVER_SAW)
        claim = "having seen the set helps"
        found.append(less(claim, f"{seen} less {title}", fits.of(seen), fits.of(title)))
    for title in fits.titles:
        if title.startswith(f"{_SUPERVISED}, ") and title not in blind:
            claim = "labels teach better features than pretext tasks and none"
            found.append(less(claim, f"{_SUPERVISED} less {title}", fits.of(_SUPERVISED), fits.of(title)))
    return found


def _of_detectors(fits: "DigitFits", blind: Sequence[str]) -> list[Finding]:
    """What the same features do under f-AnoGAN and simple detectors."""
    found = []
    for title in blind:
        for method in (F_ANOGAN, _MAHALANOBIS):
            claim, quantity = "features transfer to a set that taught nothing", f"{title} less images, {method}"
            found.append(less(claim, quantity, fits.of(title, method), fits.on_images(method)))
    for method in ("kNN", _MAHALANOBIS, "centroid"):
        claim, quantity = "features help simple detectors too", f"{_DEEP[0]} less images, {method}"
        found.append(less(claim, quantity, fits.of(_DEEP[0], method), fits.on_images(method)))
    for method in ("kNN", _MAHALANOBIS, "centroid", "distillation"):
        claim = "f-AnoGAN adds to simple detectors of the same features"
        quantity = f"AUROC with {_DEEP[0]} less that of {method}"
        found.append(less(claim, quantity, fits.of(_DEEP[0]), fits.of(_DEEP[0], method)))
    return found


class DigitFits:
    """Figures by set and digit, mean over epochs and seeds.

    Args:
        rows: Of the fits.
        sets: Which sets count.
    """

    def __init__(self, rows: list[Row], sets: Sequence[str]) -> None:
        self.rows, self.sets = rows, sets
        self.titles = list(dict.fromkeys(row["extractor"] for row in rows))

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
    by_set = {name: published.EXTRACTORS[_DEEP[0]][name] - images[F_ANOGAN][name] for name in published.SETS}
    values = {
        **{f"AUROC less that of {name}": own - _mean(of) for name, of in images.items()},
        **{f"AUROC less that of images, {name}": value for name, value in by_set.items()},
        "AUROC less that of images, drawn_digits (for SVHN)": by_set["svhn"],
        **{f"{deep} less LeNet-5": features[deep] - features["LeNet-5"] for deep in _DEEP},
        "AUROC of one for all sets less that of one each": published.TOGETHER[F_ANOGAN] - own,
        f"{_FROM[0]} less from scratch": features["ResNet18, from ImageNet"] - features[_DEEP[0]],
    }
    value = values.get(found.quantity)
    return "-" if value is None else f"{value / 100:+.3f}"


def _mean(values: dict[str, float]) -> float:
    return sum(values.values()) / len(values)

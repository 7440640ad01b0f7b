"""The tables of Robledo Díaz 2023 beside what was found, and by detector, digit and epochs."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from reprq.data.image.drawn_digits import NAME as DRAWN
from reprq.papers.mai2021.tables import mean_of
from reprq.papers.robledo2023 import published
from reprq.papers.robledo2023.presets import F_ANOGAN, PIXELS, DigitExtractor, RobledoPreset
from reprq.papers.robledo2023.thresholds import RATE
from reprq.study.cells import Row

BESIDE = {DRAWN: "svhn"}  # whose published values stand beside a set that has none
READINGS = {
    "official": "the official test images alone",
    "report": "with training images of other digits and the fifth of the digit that does not train",
}
_FIGURES = ("auroc", "precision", "recall", "macro_precision", "macro_recall")


def scale(how: RobledoPreset, sets: Sequence[str]) -> str:
    """Return how much was run, in sentences."""
    n_train, n_test = ("all" if n is None else n for n in how.images)
    digits = ", ".join(map(str, how.digits))
    stands = f" {DRAWN} are drawn from fonts and stand for SVHN." if DRAWN in sets else ""
    return (
        f"{n_train} training and {n_test} test images a digit of each set, benign in turn {digits}; f-AnoGAN"
        f" {_list(how.grid)} epochs on features, seeds: {how.seeds}, and {_list(how.image_grid)} on images, seeds:"
        f" {how.image_seeds}, rate {how.lr:g}; values are means over these epochs.{stands}"
    )


def accuracy(rows: list[Row], sets: Sequence[str], said: str) -> str:
    """Return the accuracy of the extractors on images that do not train."""
    lines = [["extractor", "left out", "epochs", "held out", *sets, "published: validation, test"]]
    for title, without in dict.fromkeys((row["extractor"], row["without"]) for row in rows):
        part = [row for row in rows if (row["extractor"], row["without"]) == (title, without)]
        history = [row for row in part if "epoch" in row]
        by_set = {row["set"]: row["accuracy"] for row in part if "set" in row}
        printed = published.ACCURACY.get(part[0]["published"])
        held = max(history, key=lambda row: row["epoch"]).get("held_out_accuracy")
        tested = [f"{100 * by_set[name]:.1f}" if name in by_set else "-" for name in sets]
        beside = "-" if printed is None else f"{printed[0]}, {printed[1]}"
        found = "-" if held is None else f"{100 * held:.1f}"
        lines.append([title, without or "-", str(len(history)), found, *tested, beside])
    return (
        f"# Accuracy of the extractors\n\n{said} All sets are learned from together, the smaller resampled to the"
        " largest a digit; a tenth is held out (the report: a fifth). In per cent, on held-out images after the last"
        " epoch and on the test images of each set; of rotation it is that of the turns. By epoch: `accuracy.csv` and"
        f" `accuracy.png`.\n\n{markdown(lines, 2)}"
    )


def on_images(
    rows: list[Row], sets: Sequence[str], shares: Mapping[str, Mapping[str, Sequence[float]]], said: str
) -> str:
    """Return Table 5.1: the detectors on the images of each set, by both readings."""
    parts = [f"# Table 5.1: detectors on images\n\n{said} {_legend()}"]
    for reading, meant in READINGS.items():
        lines = [["detector", "set", *_titles(), "published: AUC", "precision", "recall"]]
        for method in published.IMAGES:
            for name in sets:
                part = chosen(rows, method=method, set=name, reading=reading)
                if not part.empty:
                    printed = published.IMAGES[method][BESIDE.get(name, name)]
                    lines.append([method, named(name), *figures_of(part), *(f"{value:.1f}" for value in printed)])
        parts.append(f"## Tested: {meant}\n\n{markdown(lines, 2)}")
    prevalence = [["set", *READINGS]]
    prevalence += [[name, *(_range(shares[name][reading]) for reading in READINGS)] for name in sets]
    parts.append(
        "## Share of anomalies\n\nOf all images of each set, least to most over the ten digits; the report says about"
        f" 0.9.\n\n{markdown(prevalence)}"
    )
    return "\n".join(parts)


def together(rows: list[Row], said: str) -> str:
    """Return Table 5.2: one detector for a digit of all three sets."""
    lines = [["detector", "tested", *_titles(), "apart: AUROC", "published: AUC"]]
    for method, printed in published.TOGETHER.items():
        for reading in READINGS:
            part = chosen(rows, method=method, set="all three", reading=reading)
            if not part.empty:
                apart = chosen(rows, method=method, reading=reading)
                apart = apart[(apart["set"] != "all three") & apart["digit"].isin(part["digit"])]
                alone = f"{100 * apart['auroc'].mean():.1f}"
                lines.append([method, reading, *figures_of(part), alone, f"{printed:.1f}"])
    digits = _list(sorted({row["digit"] for row in rows if row["set"] == "all three"}))
    return (
        f"# Table 5.2: the three sets together\n\n{said} Here the digits {digits} alone. {_legend()}"
        f' "apart" is the mean of detectors of one set each, of the same digits.\n\n{markdown(lines, 2)}'
    )


def extractors(rows: list[Row], how: RobledoPreset, sets: Sequence[str], said: str) -> str:
    """Return Table 5.3: f-AnoGAN on the features of every extractor, AUROC by set."""
    parts = [
        f"# Table 5.3: extractors under f-AnoGAN\n\n{said} AUROC in per cent [Student's 95 % interval over digits]"
        " (published).\n"
    ]
    for reading, meant in READINGS.items():
        lines = [["extractor", *map(named, sets), "mean", "of the tested images it"]]
        for each in how.extractors:
            part = chosen(rows, method=F_ANOGAN, extractor=each.title, reading=reading)
            part = part[part["set"] != "all three"]
            cells = [with_interval(part[part["set"] == name]) + _printed(each, name) for name in sets]
            lines.append([each.title, *cells, f"{100 * part['auroc'].mean():.1f}", each.saw(reading) or "saw none"])
        parts.append(f"## Tested: {meant}\n\n{markdown(lines)}")
    parts.append(_disagreement())
    return "\n".join(parts)


def by_detector(rows: list[Row], how: RobledoPreset, sets: Sequence[str], said: str) -> str:
    """Return the same extractors under every detector, tested on official images."""
    official = chosen(rows, reading="official")
    official = official[official["set"].isin(sets)]
    methods = [name for name in dict.fromkeys(official["method"]) if name not in published.IMAGES or name == F_ANOGAN]
    lines = [["extractor", *methods]]
    for each in how.extractors:
        part = official[official["extractor"] == each.title]
        cells = [with_interval(part[part["method"] == name]) for name in methods]
        lines.append([each.title, *cells])
    return (
        f"# Extractors under every detector\n\n{said} AUROC on official test images in per cent, mean over digits and"
        " sets [Student's 95 % interval over these]; detectors other than f-AnoGAN are by one seed. Of pixels f-AnoGAN"
        f" has convolutions.\n\n{markdown(lines)}"
    )


def by_digit(rows: list[Row], how: RobledoPreset, sets: Sequence[str], said: str) -> str:
    """Return f-AnoGAN digit by digit, a table a set, and for which digit an extractor helps."""
    parts = [
        f"# f-AnoGAN digit by digit\n\n{said} AUROC on official test images in per cent, ± the standard deviation over"
        " seeds where there are several. Single fits with DeLong's intervals: `features.csv`, `images.csv`.\n"
    ]
    digits, titles = list(how.digits), [each.title for each in how.extractors]
    found = chosen(rows, method=F_ANOGAN, reading="official")
    of_seeds = found.groupby(["set", "extractor", "digit", "seed"])["auroc"].mean().mul(100)
    by = of_seeds.groupby(level=["set", "extractor", "digit"]).agg(["mean", "std"])
    means, spreads = by["mean"].to_dict(), by["std"].to_dict()
    for name in sets:
        lines = [["extractor", *map(str, digits)]]
        for title in titles:
            keys = [(name, title, digit) for digit in digits]
            lines.append([title, *(_with_spread(means[key], spreads[key]) for key in keys)])
        parts.append(f"## {named(name)}\n\n{markdown(lines)}")
    mean = by["mean"].unstack("extractor")
    gains = mean.sub(mean[PIXELS], axis=0).loc[list(sets)].groupby("digit").mean()
    lines = [["extractor", *map(str, digits), "mean"]]
    for title in titles[1:]:
        lines.append([title, *(f"{gains[title][digit]:+.1f}" for digit in digits), f"{gains[title].mean():+.1f}"])
    parts.append(f"## Less images, mean over sets\n\nAbove 0 the extractor helps with this digit.\n\n{markdown(lines)}")
    return "\n".join(parts)


def _with_spread(mean: float, spread: float) -> str:
    """A mean over seeds with their standard deviation, where there are several."""
    return f"{mean:.1f}" if math.isnan(spread) else f"{mean:.1f} ± {spread:.1f}"


def epochs(rows: list[Row], said: str) -> str:
    """Return the epoch grid."""
    grid = sorted({int(row["epochs"]) for row in rows if "epochs" in row})
    lines = [["extractor", "detector", *(f"{n} epochs" for n in grid), "spread of the generator, last"]]
    table = chosen(rows, reading="official")
    table = table[table["epochs"].notna() & (table["set"] != "all three")]
    for extractor, method in dict.fromkeys(zip(table["extractor"], table["method"], strict=True)):
        part = table[(table["extractor"] == extractor) & (table["method"] == method)]
        values = [part[part["epochs"] == n] for n in grid]
        last = part[part["epochs"] == part["epochs"].max()]
        spread = last["spread"].mean() if "spread" in last and method == F_ANOGAN else math.nan
        shown = ["-" if each.empty else f"{100 * each['auroc'].mean():.1f}" for each in values]
        lines.append([extractor, method, *shown, "-" if math.isnan(spread) else f"{spread:.2f}"])
    return (
        f"# The epoch grid\n\n{said} AUROC on official test images in per cent, mean over digits, sets and seeds. The"
        " spread is the variance of the generator's samples over that of benign ones: 0.05 and less is mode"
        f" collapse.\n\n{markdown(lines, 2)}"
    )


def chosen(rows: list[Row], **wanted: object) -> pd.DataFrame:
    """Return the rows whose columns have these values, as a table."""
    kept = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
    columns = ["method", "extractor", "set", "digit", "seed", "reading", "epochs", *_FIGURES]
    return pd.DataFrame(kept) if kept else pd.DataFrame(columns=columns, dtype=float)


def task_means(part: pd.DataFrame, figure: str = "auroc") -> "pd.Series[float]":
    """Return a figure by set and digit, mean over epochs and seeds."""
    return part.groupby(["set", "digit"], sort=False)[figure].mean().astype(float)


def with_interval(part: pd.DataFrame) -> str:
    """Return the mean AUROC over sets and digits with its interval, in per cent."""
    if part.empty:
        return "-"
    found = mean_of(task_means(part))
    ends = "" if math.isnan(found["low"]) else f" [{_percent(found['low'])}, {_percent(found['high'])}]"
    return f"{100 * found['mean']:.1f}{ends}"


def figures_of(part: pd.DataFrame) -> list[str]:
    """Return AUROC with its interval, then the figures at the threshold, in per cent."""
    rest = [f"{100 * task_means(part, name).mean():.1f}" for name in _FIGURES[1:]]
    return [with_interval(part), *rest]


def named(name: str) -> str:
    """Return what a set is called, with the one that it stands for."""
    return f"{name} (for SVHN)" if name in BESIDE else name


def markdown(lines: list[list[str]], titles: int = 1) -> str:
    """Return a table, of which the first columns are words."""
    ruled = [lines[0], ["---"] * titles + ["---:"] * (len(lines[0]) - titles), *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled) + "\n"


def _disagreement() -> str:
    """Where the report's text and its table disagree."""
    row, images = published.EXTRACTORS["ResNet18"], published.IMAGES[F_ANOGAN]
    less = {name: row[name] - images[name].auroc for name in row}
    said = ", ".join(f"{name} {value:+.1f}" for name, value in less.items())
    worse = " and ".join(name for name, value in less.items() if value < 0)
    return (
        "## Where the report's text and its table disagree\n\nThe text has features of ResNet18 better on all three"
        f" sets. Its own table says, AUC of features less that of images: {said}; it is worse on {worse}. Its precision"
        " is near the share of anomalies and its recall near one half, which labels that are called at random have too,"
        " and recall equals AUC in places: so do the AUC of labels that are called and their macro recall. Tables here"
        " give the AUROC of scores, and macro figures apart.\n"
    )


def _legend() -> str:
    return (
        "In per cent: AUROC [Student's 95 % interval over digits], then at the threshold that held-out benign images"
        f" set, which a new one exceeds at most at a rate of {RATE:g}: precision and recall of anomalies, and macro,"
        " the mean of both kinds."
    )


def _titles() -> list[str]:
    return ["AUROC", "precision", "recall", "macro precision", "macro recall"]


def _printed(extractor: DigitExtractor, name: str) -> str:
    of = published.EXTRACTORS.get(extractor.published, {})
    if extractor.title == PIXELS:
        of = {each: printed.auroc for each, printed in published.IMAGES[F_ANOGAN].items()}
    value = of.get(BESIDE.get(name, name))
    return "" if value is None else f" ({value:.1f})"


def _percent(value: float) -> str:
    return f"{100 * float(np.clip(value, 0, 1)):.1f}"


def _range(ends: Sequence[float]) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))

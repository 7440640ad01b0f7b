"""Multi-task feature extractors under f-AnoGAN (Robledo Díaz 2023): its tables beside what we find.

Where SVHN is not there, digits that are drawn from fonts, in color, on noise and blurred, stand in its place and are
named so. f-AnoGAN takes features as rows: 512 numbers are no square, so that nothing is reshaped into an image.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from reprq.data.image.named import data_root
from reprq.papers.engine import Experiment, Paper, PaperRun
from reprq.papers.outcome import csv_text
from reprq.papers.robledo2023 import figures, tables
from reprq.papers.robledo2023.cells import TOGETHER, DigitCells
from reprq.papers.robledo2023.claims import claims_table
from reprq.papers.robledo2023.metrics import metric_table, metric_tests
from reprq.papers.robledo2023.presets import PRESETS, RobledoPreset
from reprq.study.cells import Row


def experiments(how: RobledoPreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the accuracy of the extractors, Tables 5.1 to 5.3, what metrics say beforehand, and the claims.

    `root` has torchvision's MNIST and USPS, in it or in its `torchvision/`, SVHN where there is any, and `weights/`.
    """
    made = DigitCells(how, data_root(run.root), run)
    made.extractors.find_weights(how.extractors)
    known: dict[str, Any] = {
        "made": {"preset": run.preset, "seed": run.seed, "data": made.whole.fingerprint, "training": asdict(how)}
    }
    scale = tables.scale(how, made.sets)
    images: list[Row] = []
    yield Experiment(
        name="extractors",
        cells=[cell for each in how.extractors for cell in made.extractors.cells(each)],
        tables=lambda rows: {"accuracy.md": tables.accuracy(rows, made.sets, scale), "accuracy.csv": csv_text(rows)},
        figures=lambda rows: {"accuracy": figures.accuracy_curves(rows)},
        **known,
    )

    def on_images(rows: list[Row]) -> dict[str, str]:
        images.extend(rows)
        return {
            "table-5.1.md": tables.on_images(rows, made.sets, made.shares, scale),
            "table-5.2.md": tables.together(rows, scale),
            "images.csv": csv_text(rows),
        }

    yield Experiment(
        name="images",
        cells=[cell for name in (*made.sets, TOGETHER) for cell in made.on_images(name)],
        tables=on_images,
        **known,
    )

    tests: list[Row] = []

    def tested(rows: list[Row]) -> list[Row]:
        tests.extend([] if tests else metric_tests(*_split(rows)))
        return tests

    def on_features(rows: list[Row]) -> dict[str, str]:
        detected, measured = _split(rows)
        return {
            "table-5.3.md": tables.extractors([*images, *detected], how, made.sets, scale),
            "detectors.md": tables.by_detector([*images, *detected], how, made.sets, scale),
            "digits.md": tables.by_digit([*images, *detected], how, made.sets, scale),
            "epochs.md": tables.epochs([*images, *detected], scale),
            "features.csv": csv_text(detected),
            "metrics.md": metric_table(tested(rows), detected, measured, scale),
            "metrics.csv": csv_text(measured),
            "metric-tests.csv": csv_text(tested(rows)),
            "claims.md": claims_table([*images, *detected], how, made.sets),
        }

    yield Experiment(
        name="features",
        cells=[cell for each in how.extractors for cell in made.on_features(each)],
        tables=on_features,
        figures=lambda rows: {
            "digits": figures.by_digit([*images, *_split(rows)[0]], how, made.sets),
            "metrics": figures.metric_forest(tested(rows)),
        },
        **known,
    )


def _split(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """The rows of fits, and those of metrics."""
    return [row for row in rows if "method" in row], [row for row in rows if "metric" in row]


PAPER = Paper(PRESETS, experiments)

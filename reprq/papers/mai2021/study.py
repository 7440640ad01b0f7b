"""Runs a preset to tables, claims and figures."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import product

import pandas as pd

from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.mai2021.cases import OneClassCase, all_cases, teacher_images
from reprq.papers.mai2021.cells import DIRECT, NORMS, Mai2021Cell
from reprq.papers.mai2021.claims import claims_table
from reprq.papers.mai2021.figures import draw
from reprq.papers.mai2021.presets import PRESETS, PRETEXTS, Mai2021Preset
from reprq.papers.mai2021.tables import absent, detector_table, representation_means
from reprq.study.cells import Row

RECORD = "mai2021.json"


def experiments(setting: Mai2021Preset, run: PaperRun) -> Iterator[Experiment]:
    """Declare a cell a teacher and case, the tables, the claims and the figures.

    `root` is where the images are: CIFAR-10 of torchvision, an image folder with train/ and test/, or the folder of the
    named protocol. Teachers stand in `teachers/`.
    """
    cells = _cells(setting, run)
    yield Experiment(
        name=f"mai2021 {run.preset}",
        made={
            **{"preset": run.preset, "setting": asdict(setting), "first_seed": run.seed},
            **{"data": _fingerprints(cells), "detectors": DIRECT, "norms": NORMS},
        },
        cells=[PaperCell(cell.decides, cell.rows, cell.known) for cell in cells],
        tables=_tables,
        figures=lambda rows: draw(representation_means(*_split(rows))),
        record=RECORD,
    )


def _cells(preset: Mai2021Preset, run: PaperRun) -> list[Mai2021Cell]:
    found = []
    for _, cases, other in all_cases(preset, run.root, run.seed):
        for case, pretext in product(cases, PRETEXTS):
            images = teacher_images(pretext, case, other)
            if images is not None:
                found.append(Mai2021Cell(preset, pretext, case, images, run.out / "teachers", run.device, run.progress))
    return found


def _fingerprints(cells: list[Mai2021Cell]) -> dict[str, str]:
    splits: dict[str, OneClassCase] = {f"{cell.case.name}, seed {cell.case.seed}": cell.case for cell in cells}
    return {name: case.split.train.fingerprint for name, case in splits.items()}


def _split(rows: list[Row]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What was detected, a row a detector, and what was measured of the representations."""
    detected = pd.DataFrame([row for row in rows if "detector" in row])
    return detected, pd.DataFrame([row for row in rows if "detector" not in row])


def _tables(rows: list[Row]) -> dict[str, str]:
    detected, measured = _split(rows)
    means = representation_means(detected, measured)
    below = "".join(f"\n{sentence}\n" for sentence in absent(detected, measured))
    frames = {"detectors": detected, "representations": measured, "means": means}
    return {
        **{f"{name}.csv": frame.to_csv(index=False, lineterminator="\n") for name, frame in frames.items()},
        "detectors.md": detector_table(means) + below,
        "claims.md": claims_table(detected, measured, means) + below,
    }


PAPER = Paper(PRESETS, experiments)

"""Runs a preset to tables, claims and figures."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from reprq.papers.mai2021.cases import OneClassCase, all_cases, teacher_images
from reprq.papers.mai2021.cells import DIRECT, NORMS, Mai2021Cell
from reprq.papers.mai2021.claims import claims_table
from reprq.papers.mai2021.figures import draw
from reprq.papers.mai2021.presets import PRETEXTS, Mai2021Preset, preset_named
from reprq.papers.mai2021.tables import absent, detector_table, representation_means
from reprq.papers.outcome import record_text, refuse_other, write_texts
from reprq.progress import track
from reprq.storage import make_folder
from reprq.study.cells import CellStore, Row
from reprq.study.tables import write_table

RECORD = "mai2021.json"


def run(
    preset: str,
    out: Path,
    *,
    root: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    force: bool = False,
    progress: bool = True,
) -> list[Path]:
    """Train the teachers, run every detector, probe and brittleness over tasks and seeds, and draw what came out.

    Args:
        preset: One of `presets.PRESETS`.
        out: The folder. Finished cells stand in its `cells.jsonl`, teachers in `teachers/`.
        root: Where the images are: CIFAR-10 of torchvision, an image folder with train/ and test/, or the folder of the
            named protocol.
        seed: The first seed.
        device: A torch device.
        force: Replace the tables of another preset that stand in `out`.
        progress: Whether to show progress on stderr.

    Returns:
        The paths of the tables and figures.

    Raises:
        UnknownNameError: No such preset.
        OutputExistsError: `out` holds another preset's tables.
        DataError: The images are not there.
    """
    setting = preset_named(preset)
    record: dict[str, Any] = {"preset": preset, "setting": asdict(setting), "first_seed": seed}
    refuse_other(out, RECORD, record, force)
    cells = list(_cells(setting, root, seed, out / "teachers", device, progress))
    make_folder(out)
    store = CellStore(out / "cells.jsonl")
    rows: list[Row] = []
    with track(cells, desc=f"mai2021 {preset}", unit="cell", show=progress) as bar:
        for cell in bar:
            bar.set_postfix_str(f"{cell.pretext}, {cell.case.name}")
            key = cell.key
            if key not in store:
                store.add(key, cell.rows())
            rows += store[key]
    record |= {"data": _fingerprints(cells), "detectors": DIRECT, "norms": NORMS}
    return _write(out, rows, record)


def _cells(
    preset: Mai2021Preset, root: Path | None, seed: int, folder: Path, device: str, progress: bool
) -> list[Mai2021Cell]:
    found = []
    for _, cases, other in all_cases(preset, root, seed):
        for case in cases:
            for pretext in PRETEXTS:
                images = teacher_images(pretext, case, other)
                if images is not None:
                    found.append(Mai2021Cell(preset, pretext, case, images, folder, device, progress))
    return found


def _fingerprints(cells: list[Mai2021Cell]) -> dict[str, str]:
    splits: dict[str, OneClassCase] = {f"{cell.case.name}, seed {cell.case.seed}": cell.case for cell in cells}
    return {name: case.split.train.fingerprint for name, case in splits.items()}


def _write(out: Path, rows: list[Row], record: dict[str, Any]) -> list[Path]:
    detected = pd.DataFrame([row for row in rows if "detector" in row])
    measured = pd.DataFrame([row for row in rows if "detector" not in row])
    means = representation_means(detected, measured)
    tables = {"detectors.csv": detected, "representations.csv": measured, "means.csv": means}
    for name, table in tables.items():
        write_table(table, out / name)
    missing = absent(detected, measured)
    below = "".join(f"\n{sentence}\n" for sentence in missing)
    record |= {"left_out": missing}
    texts = {
        "detectors.md": detector_table(means) + below,
        "claims.md": claims_table(detected, measured, means) + below,
        RECORD: record_text(record),
    }
    return [*(out / name for name in tables), *write_texts(out, texts), *draw(means, out)]

"""Ruff (2021), "Deep One-Class Learning": its tables beside what we find."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reprq.data.image.named import data_root
from reprq.papers.ruff2021 import deep, shallow, tabular
from reprq.papers.ruff2021.deep import NetworkTraining
from reprq.papers.ruff2021.judging import Bench
from reprq.papers.ruff2021.shallow import Shallow
from reprq.papers.ruff2021.tabular import TabularPreset
from reprq.provenance import file_digest
from reprq.study.cells import CellStore


@dataclass(frozen=True)
class Ruff2021Preset:
    """How much of the tables to run.

    Attributes:
        shallow: Of Tables 2.1 and 2.3.
        tabular: Of Table C.1.
        deep: Of Table 2.1, by data set.
    """

    shallow: Shallow
    tabular: TabularPreset = field(default_factory=TabularPreset)
    deep: dict[str, NetworkTraining] = field(default_factory=dict)


_ALL = Shallow("full", None, None, 5, True)
_THESIS = NetworkTraining((350, 250), (250, 150), 1e-4, nus=(0.1, 0.01), seeds=10)
PRESETS = {
    "quick": Ruff2021Preset(
        Shallow("quick", 200, 50, 2, False),
        TabularPreset((5, 3), 1),
        {"mnist": NetworkTraining((3, 2), (3, 2), 1e-3, classes=("0", "1"), per_class=(200, 50))},
    ),
    "cpu": Ruff2021Preset(
        _ALL,
        TabularPreset(seeds=2),
        deep={
            "mnist": NetworkTraining((12, 8), (12, 8), 1e-3),
            "cifar10": NetworkTraining((10, 7), (10, 7), 1e-3, classes=("frog", "ship"), per_class=(500, 100)),
        },
    ),
    "full": Ruff2021Preset(_ALL, deep={"mnist": _THESIS, "cifar10": _THESIS}),
}


def run(
    preset: str,
    out: Path,
    *,
    root: Path | None,
    seed: int = 0,
    device: str = "cpu",
    force: bool = False,
    progress: bool = True,
) -> list[Path]:
    """Run a preset; every table is written as soon as it is done, with its cells and how it was made.

    Args:
        preset: A name in `PRESETS`.
        out: The folder; finished cells stand in its `cells.jsonl` and are not computed again.
        root: The folder with `MNIST/raw` (or `torchvision/MNIST/raw`), `tabular/`, ADBench's files, and for CIFAR-10
            torchvision's files or `images/cifar10_jpeg/`; None means `$REPRQ_DATA`, else `~/.cache/reprq/data`.
        seed: The first seed.
        device: Of the networks.
        force: Replace the tables of another configuration.
        progress: Whether to show progress on stderr.

    Raises:
        DataError: A file is missing.
        OutputExistsError: `out` holds the tables of another configuration.
    """
    size, folder = PRESETS[preset], data_root(root)
    given: dict[str, Any] = {"seed": seed, "force": force, "progress": progress}
    paths = shallow.run(size.shallow, folder, out, **given)
    bench = Bench(CellStore(out / "cells.jsonl"), device)
    files = {name: folder / "tabular" / f"{file}.npz" for name, file in shallow.SETS.items()}
    sets = {name: shallow.tabular_rows(path) for name, path in files.items()}
    digests = {name: file_digest(path) for name, path in files.items()}
    paths += tabular.run(size.tabular, sets, digests, out, bench, **given)
    return paths + deep.run(size.deep, folder, out, bench, **given)

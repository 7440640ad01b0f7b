"""Ruff (2021), "Deep One-Class Learning": its tables beside what we find."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from reprq.data.image.named import data_root
from reprq.papers.engine import Experiment, Paper, PaperRun
from reprq.papers.ruff2021 import deep, shallow, tabular
from reprq.papers.ruff2021.deep import NetworkTraining
from reprq.papers.ruff2021.shallow import Shallow
from reprq.papers.ruff2021.tabular import TabularPreset
from reprq.provenance import file_digest


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
            "cifar10": NetworkTraining((6, 4), (12, 8), 1e-3),
        },
    ),
    "full": Ruff2021Preset(_ALL, deep={"mnist": _THESIS, "cifar10": _THESIS}),
}


def experiments(how: Ruff2021Preset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the tables, each with its cells and how it was made.

    `root` has `MNIST/raw` (or `torchvision/MNIST/raw`), `tabular/`, ADBench's files, and for CIFAR-10 torchvision's
    files or `images/cifar10_jpeg/`.
    """
    folder = data_root(run.root)
    yield shallow.experiment(how.shallow, folder, run)
    files = {name: folder / "tabular" / f"{file}.npz" for name, file in shallow.SETS.items()}
    sets = {name: shallow.tabular_rows(path) for name, path in files.items()}
    yield tabular.experiment(how.tabular, sets, {name: file_digest(path) for name, path in files.items()}, run)
    for name, training in how.deep.items():
        yield deep.experiment(name, training, folder, run)


PAPER = Paper(PRESETS, experiments)

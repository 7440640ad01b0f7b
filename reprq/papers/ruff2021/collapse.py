"""Does quality see a collapse coming? Metrics of benign embeddings along the training of Deep SVDD (Ruff 2021, 2.2.2).

One digit of MNIST is benign. Four networks learn the one-class objective alike: the sound one has no biases, a fixed
center and leaky ReLUs; the others break one rule each: biases (Proposition 2), a learned center (Proposition 1), a
sigmoid in the place of the leaky ReLU (Proposition 3). Batch normalization, which the thesis' networks have, keeps
hidden layers from shrinking, so that they are trained without it, and in the preset `full` with it too. After chosen
epochs the loss and the metrics of benign test embeddings, their spread over the squared length of the center, and the
AUROC are taken: what moves before the AUROC does, sees it.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.data import Dataset, Split, select_tasks
from reprq.data.image.named import data_root
from reprq.data.image.preprocessing import Preprocessing
from reprq.data.splits import task_split
from reprq.detectors.deep.networks import Scaling, architecture_named, encoder
from reprq.detectors.deep.svdd import away_from_zero
from reprq.evaluation.roc import auroc
from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.fits import VERSION, rows_digest
from reprq.papers.outcome import csv_text
from reprq.papers.ruff2021.deep import load
from reprq.papers.trajectories import Looks, quality, trajectories
from reprq.seeding import seeded
from reprq.study.cells import Row
from reprq.training import Examples, Inputs, Schedule, Step, train

KINDS = ("sound", "biases", "learned centre", "sigmoid")
METRICS = ("rankme", "participation_ratio", "aucev", "cosine_compactness")
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_LOGARITHMIC = ("loss", "relative_spread")
_PANELS = {
    "auroc": "AUROC",
    "loss": "squared distance to c",
    "relative_spread": "trace / ||c||²",
    "rankme": "RankMe",
    "participation_ratio": "participation ratio",
    "aucev": "AUCEV",
    "cosine_compactness": "cosine compactness",
}


@dataclass(frozen=True)
class CollapsePreset:
    """How long to train, on what.

    Attributes:
        digits: The benign digit of each run.
        epochs: How many.
        measured: After which epochs; 0 is before the training.
        lr: The learning rate.
        batch_size: Images a step.
        per_class: Training and test images a class, a seeded sample.
        seeds: How many.
        normalized: Whether hidden layers are normalized over the batch, each in turn.
    """

    digits: tuple[str, ...]
    epochs: int
    measured: tuple[int, ...]
    lr: float
    batch_size: int
    per_class: tuple[int, int]
    seeds: int = 1
    normalized: tuple[bool, ...] = (False, True)


PRESETS = {
    "quick": CollapsePreset(("3",), 4, (0, 2, 4), 1e-2, 32, (64, 20), normalized=(False,)),
    "cpu": CollapsePreset(
        ("3",), 100, (0, 1, 2, 3, 5, 8, 12, 17, 23, 30, 45, 60, 80, 100), 3e-3, 50, (500, 100), normalized=(False,)
    ),
    "full": CollapsePreset(tuple("0123456789"), 250, tuple(range(0, 251, 5)), 1e-3, 200, (5000, 800), 3),
}


class Sphere(nn.Module):
    """phi on scaled images and a center, which learns or not.

    Args:
        kind: One of `KINDS`.
        normalized: Whether hidden layers are normalized over the batch.
    """

    def __init__(self, kind: str, normalized: bool = True) -> None:
        super().__init__()
        architecture = architecture_named("mnist")
        self.scaling = Scaling("contrast")
        phi = encoder(architecture, 1, bias=kind == "biases")
        layers = [layer for layer in phi.children() if normalized or not isinstance(layer, _NORMS)]
        if kind == "sigmoid":
            layers = [nn.Sigmoid() if isinstance(layer, nn.LeakyReLU) else layer for layer in layers]
        self.phi = nn.Sequential(*layers)
        self.center = nn.Parameter(torch.zeros(architecture.widths[-1]), requires_grad=kind == "learned centre")

    def forward(self, x: Tensor) -> Tensor:
        """Return the squared distances: (n,)."""
        distances: Tensor = (self.embed(x) - self.center).square().sum(1)
        return distances

    def embed(self, x: Tensor) -> Tensor:
        """Return the embeddings: (n, d)."""
        outputs: Tensor = self.phi(self.scaling(x))
        return outputs


class _OneClass(Step):
    """The mean squared distance."""

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        return self.model(batch.inputs).mean()  # type: ignore[no-any-return]


def experiments(how: CollapsePreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the trainings, `collapse.png`, `collapse.svg` and `collapse.csv`; `root` has `MNIST/raw`."""
    train_side, test = load("mnist", data_root(run.root), how.per_class, seed=run.seed)
    data = {side.split: side.fingerprint for side in (train_side, test)}
    yield Experiment(
        name="collapse",
        made={"preset": run.preset, "seed": run.seed, "data": data, "training": asdict(how), "kinds": KINDS},
        cells=cells(train_side, test, how, run),
        tables=lambda rows: {"collapse.csv": csv_text(rows)},
        figures=lambda rows: {"collapse": _picture(rows)},
    )


def cells(train_side: Dataset, test: Dataset, how: CollapsePreset, run: PaperRun) -> Iterator[PaperCell]:
    """Declare the training of every kind on every digit, measured along the way."""
    seeds = range(run.seed, run.seed + how.seeds)
    for seed, digit, normalized in itertools.product(seeds, how.digits, how.normalized):
        (task,) = select_tasks(train_side.classes, f"unimodal:{digit}")
        split = task_split(train_side, test, task)
        for kind in KINDS:
            known = {"digit": digit, "normalized": normalized, "kind": kind, "seed": seed}
            decides = {
                **{**known, "rows": rows_digest(split), "data": [train_side.fingerprint, test.fingerprint]},
                **{"how": [how.epochs, how.lr, how.batch_size], "measured": how.measured, "version": VERSION},
            }
            sphere = partial(Sphere, kind, normalized)
            compute = partial(_trained, sphere, train_side, test, split, how, seed, run.device)
            yield PaperCell(decides, compute, known)


def _trained(
    make: Callable[[], Sphere],
    train_side: Dataset,
    test: Dataset,
    split: Split,
    how: CollapsePreset,
    seed: int,
    device: str,
) -> list[Row]:
    """One row an epoch measured; trainings are too short for a checkpoint."""
    benign, scored, labels = train_side.select(split.train), test.select(split.test), split.labels
    transform = Preprocessing(size=28, resize=28).replace(channels="gray", mean=0.0, std=1.0)
    inputs, tested = Inputs(benign, transform), Inputs(scored, transform)[range(len(scored))].to(device)
    known = inputs[range(len(benign))].to(device)
    with seeded(seed):
        sphere = make().to(device)
    sphere.scaling.learn([known])
    sphere.eval()
    with torch.no_grad():
        sphere.center.copy_(away_from_zero(sphere.embed(known).mean(0)))
    looks = Looks(how.measured, lambda: _measured(sphere.eval(), tested, labels))
    looks.after()
    schedule = Schedule(how.epochs, how.batch_size, how.lr, seed, patience=None, held_out=0.0)
    train(_OneClass(sphere, schedule), Examples(inputs), on_epoch=lambda step, epoch: looks.after(epoch))
    return looks.rows


@torch.no_grad()
def _measured(sphere: Sphere, tested: Tensor, labels: NDArray[Any]) -> Row:
    """AUROC, loss and metrics of benign test embeddings; None where a metric has no value."""
    outputs = sphere.embed(tested).double()
    center = sphere.center.double()
    distances = (outputs - center).square().sum(1).cpu().numpy()
    values = quality(outputs.cpu().numpy()[labels == 0], (*METRICS, "trace"))
    relative = (values["trace"] or 0.0) / max(float(center.square().sum()), 1e-30)
    judged = auroc(labels, distances)
    row = {"auroc": judged.value, "low": judged.low, "high": judged.high, "loss": float(distances[labels == 0].mean())}
    return {**row, "relative_spread": relative, **values}


def _picture(rows: list[Row]) -> Any:
    """A row of panels for each digit and way of normalization, a panel for each figure, a line for each kind."""
    return trajectories(rows, _PANELS, case=_case, line="kind", logarithmic=_LOGARITHMIC)


def _case(row: Row) -> str:
    normalized = "batch normalization" if row["normalized"] else "no normalization"
    return f"digit {row['digit']} benign\n{normalized}"


PAPER = Paper(PRESETS, experiments)

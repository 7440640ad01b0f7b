"""Table 1: what LeNet's convolutions hold after three ways of training, as a one-class SVM on each of them sees it."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.backbones import Backbone, load_backbone
from reprq.data import Dataset, select_tasks
from reprq.data.splits import task_split
from reprq.detectors import create
from reprq.evaluation.detection import judge
from reprq.papers.deecke2021.cells import TINY, Cells
from reprq.papers.deecke2021.starts import LENET
from reprq.papers.engine import PaperCell
from reprq.papers.fits import VERSION, rows_digest
from reprq.study.cells import Row

LAYERS = ("conv1", "conv2", "conv3")
SELF, EXPOSED, TRANSFERRED = "self-supervision", "outlier exposure", "transfer, then outlier exposure"
_EXPOSED: dict[str, Any] = {"name": "transfer", "loss": "bce", "regularizer": "none"}
PARADIGMS: dict[str, dict[str, Any]] = {
    SELF: {"name": "geometric", "heads": "separate", "network": "lenet"},
    EXPOSED: _EXPOSED,
    TRANSFERRED: _EXPOSED,
}


def cells(made: Cells) -> Iterator[PaperCell]:
    """Declare every paradigm on every class against the rest; a cell has a row a layer."""
    how, seeds = made.how, made.seeds
    start = made.starts.made(how.paradigms)
    epochs, milestones = how.paradigm_epochs
    schedule = {"epochs": epochs, "milestones": list(milestones), "batch_size": how.batch_size, "held_out": 0.0}
    data = [each.fingerprint for each in (made.train, made.test, made.corpora[TINY])]
    for seed in seeds:
        for name in how.limited(how.classes):
            (task,) = select_tasks(made.train.classes, f"unimodal:{name}")
            split = task_split(made.train, made.test, task)
            for paradigm, parts in PARADIGMS.items():
                spec = {**parts, **schedule, "lr": how.lr[""], "seed": seed}
                known = {"task": name, "paradigm": paradigm, "seed": seed}
                decides: dict[str, Any] = {
                    "paradigm": paradigm,
                    "detector": spec,
                    "data": data,
                    "rows": rows_digest(split),
                }
                decides |= {"start": start if paradigm == TRANSFERRED else "random", "version": VERSION}

                def compute(spec: Any = spec, split: Any = split, paradigm: str = paradigm) -> list[Row]:
                    fitted = _fitted(spec, paradigm, made, made.train.select(split.train))
                    benign, scored = made.train.select(split.train), made.test.select(split.test)
                    return _judged(convolutions(fitted, benign), convolutions(fitted, scored), split.labels)

                yield PaperCell(decides, compute, known)


def _fitted(spec: dict[str, Any], paradigm: str, made: Cells, benign: Dataset) -> Any:
    given: dict[str, Any] = {"device": made.run.device, "progress": False}
    if paradigm == SELF:
        return create({**spec, **given}).fit(benign)
    network = _start(made, paradigm == TRANSFERRED, spec["seed"])
    return create({**spec, **given, "backbone": network}).fit(benign, auxiliary=made.corpora[TINY])


def _start(made: Cells, pretrained: bool, seed: int) -> Backbone:
    if pretrained:
        return load_backbone(f"teacher:{made.starts.pretrained(made.how.paradigms)}")
    return load_backbone(LENET, "random", seed=seed)


def convolutions(fitted: Any, images: Dataset) -> dict[str, NDArray[np.float32]]:
    """Return what each convolution of a fitted detector's LeNet makes of images, averaged over places: (n, c) by layer.

    Args:
        fitted: A detector whose network has modules of the names in `LAYERS`.
        images: What they see.
    """
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in LAYERS}
    modules = {name.split(".")[-1]: module for name, module in fitted.network_.named_modules()}

    def keep(name: str) -> Any:
        return lambda module, given, maps: seen[name].append(maps.detach().float().mean((2, 3)).cpu())

    with ExitStack() as stack:
        for name in LAYERS:
            stack.callback(modules[name].register_forward_hook(keep(name)).remove)
        fitted.embed(images)
    return {name: torch.cat(parts).numpy() for name, parts in seen.items()}


def _judged(
    benign: dict[str, NDArray[np.float32]], scored: dict[str, NDArray[np.float32]], labels: NDArray[np.int64]
) -> list[Row]:
    rows = []
    for layer in LAYERS:
        detector = create("ocsvm").fit(benign[layer])
        found = judge(detector.describe(), detector.anomaly_score(scored[layer]), labels).auroc
        rows.append({"layer": layer, "auroc": found.value, "low": found.low, "high": found.high})
    return rows

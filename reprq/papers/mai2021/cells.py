"""One teacher on one case: every detector's AUROC, the probe's accuracy and the brittleness."""

import time
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reprq import detectors, pretext
from reprq.backbones import Backbone, load_backbone
from reprq.data import Dataset
from reprq.detectors import Distillation
from reprq.errors import InputError
from reprq.evaluation import linear_probe
from reprq.evaluation.detection import judge
from reprq.metrics import gradient_norms
from reprq.papers.mai2021.cases import OneClassCase
from reprq.papers.mai2021.presets import Mai2021Preset
from reprq.provenance import digest
from reprq.study.cells import Row

DIRECT: dict[str, dict[str, Any]] = {
    "centroid": {"name": "centroid"},
    "mahalanobis": {"name": "mahalanobis", "covariance": "empirical"},
    "mahalanobis_diagonal": {"name": "mahalanobis", "covariance": "diagonal"},
    "knn": {"name": "knn", "k": 5},
}
NORMS = ("l2", "l1", "linf")
_GRADIENT_IMAGES = 1000

Embedded = NDArray[np.float32]


class Mai2021Cell:
    """One (pretext task, case).

    Args:
        preset: How to train.
        pretext: The pretext task.
        case: The configuration under its seed.
        images: What the teacher may see.
        folder: Where teachers are kept.
        device: A torch device.
        progress: Whether to show progress on stderr.
    """

    def __init__(
        self,
        preset: Mai2021Preset,
        pretext: str,
        case: OneClassCase,
        images: Dataset,
        folder: Path,
        device: str,
        progress: bool,
    ) -> None:
        self.preset, self.pretext, self.case, self.images = preset, pretext, case, images
        self.folder, self.device, self.progress = folder, device, progress

    @cached_property
    def decides(self) -> dict[str, Any]:
        """Everything that decides the rows."""
        split = self.case.split
        return {
            "teacher": self._teacher_made(),
            "student": asdict(self.preset.student),
            "train": split.train.fingerprint,
            "test": split.test.fingerprint,
            "labels": split.labels.tolist(),
            "probe": None if self.case.probe is None else self.case.probe[0].fingerprint,
            "seed": self.case.seed,
            "detectors": [detectors.describe(detectors.create(spec)) for spec in DIRECT.values()],
        }

    @property
    def known(self) -> Row:
        """The columns that say which it is."""
        return {"seed": self.case.seed, "task": self.case.name, "pretext": self.pretext}

    def rows(self) -> list[Row]:
        """Compute the rows: one a detector, and one of the representation."""
        start = time.perf_counter()
        teacher = load_backbone(f"teacher:{self._teacher()}")
        trained = time.perf_counter()
        student = self._student(teacher)
        split = self.case.split
        benign, scored = student.embed(split.train), student.embed(split.test)
        found = [self._judged("distillation", student.anomaly_score(split.test))]
        for name, spec in DIRECT.items():
            found.append(self._judged(name, detectors.create(spec).fit(benign).anomaly_score(scored)))
        measured = {**self._probe(student, benign, scored), **self._brittleness(student, benign)}
        timed = {"teacher_seconds": trained - start, "seconds": time.perf_counter() - start}
        measured |= {"student_epochs": len(student.history_), **timed}
        return [{**self.known, **row} for row in (*found, measured)]

    def _teacher_made(self) -> dict[str, Any]:
        return {
            "pretext": self.pretext,
            "architecture": self.preset.architecture,
            "size": self.preset.size,
            **asdict(self.preset.teacher),
            "images": None if self.pretext == "random" else self.images.fingerprint,
            "seed": self.case.seed,
        }

    def _teacher(self) -> Path:
        """Train the teacher, unless that was done: random and classification teachers serve all tasks."""
        path = self.folder / f"{self.pretext}-{digest(self._teacher_made())[:12]}.safetensors"
        if path.exists():
            return path
        return pretext.train_teacher(
            self.pretext,
            self.images,
            out=path,
            architecture=self.preset.architecture,
            preprocessing={"size": self.preset.size},
            seed=self.case.seed,
            device=self.device,
            progress=self.progress,
            **asdict(self.preset.teacher),
        )

    def _student(self, teacher: Backbone) -> Distillation:
        path = self.folder / f".student-{digest(self.decides)[:12]}.checkpoint"
        return Distillation(
            teacher,
            seed=self.case.seed,
            device=self.device,
            progress=self.progress,
            checkpoint=path,
            **asdict(self.preset.student),
        ).fit(self.case.split.train)

    def _judged(self, name: str, scores: NDArray[np.float64]) -> Row:
        estimate = judge(name, scores, self.case.split.labels, groups=self.case.split.groups).auroc
        return {"detector": name, "auroc": estimate.value, "auroc_low": estimate.low, "auroc_high": estimate.high}

    def _probe(self, student: Distillation, benign: Embedded, scored: Embedded) -> Row:
        """Accuracy over all classes, and of benign against anomalous with as many test images of either."""
        found: Row = {}
        split = self.case.split
        if self.case.probe is not None:
            train, classes = self.case.probe
            estimate = linear_probe(student.embed(train), train.labels, scored, classes)
            found |= {"accuracy": estimate.value, "accuracy_low": estimate.low, "accuracy_high": estimate.high}
        if split.labelled is not None:
            known = np.concatenate([benign, student.embed(split.labelled)])
            labels = np.repeat([0, 1], [len(benign), len(known) - len(benign)])
            rows = _balanced(split.labels, self.case.seed)
            found["benign_accuracy"] = linear_probe(known, labels, scored[rows], split.labels[rows]).value
        return found

    def _brittleness(self, student: Distillation, benign: Embedded) -> Row:
        """Mean gradient norms of the distillation loss, and each divided by the trace of the teacher's covariance."""
        count = min(_GRADIENT_IMAGES, len(student.inputs_))
        images = student.inputs_[range(count)].to(torch.device(self.device))
        norms = gradient_norms(student.loss, images, norms=NORMS)
        trace = float(benign.astype(np.float64).var(axis=0, ddof=1).sum())
        if trace <= 0:
            raise InputError(f"the {self.pretext} teacher must embed images apart, got the same embedding for all")
        found = {f"gradient_{norm}": float(values.mean()) for norm, values in norms.items()}
        return {**found, "trace": trace, **{f"brittleness_{norm}": found[f"gradient_{norm}"] / trace for norm in NORMS}}


def _balanced(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """As many rows of either kind, the larger drawn."""
    kinds = [np.flatnonzero(labels == kind) for kind in (0, 1)]
    n = min(map(len, kinds))
    return np.sort(np.concatenate([np.random.default_rng(seed).permutation(rows)[:n] for rows in kinds]))

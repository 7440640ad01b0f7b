"""What deep detectors share that learn from labelled samples, beside many that are taken to be benign."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.data import Dataset
from reprq.detectors.deep.base import DeepDetector
from reprq.detectors.deep.samples import Samples, as_samples, noun_of
from reprq.detectors.labelled import known_labels, note_copies
from reprq.detectors.registry import name_of
from reprq.errors import InputError
from reprq.training import Epoch, Examples, Inputs, Schedule, Step


class LabelledDetector(DeepDetector):
    """A deep detector that learns n samples without a label and m with one.

    It comes before the other base in a class, and its step is a `LabelledStep`. A batch holds both kinds in their
    shares, at least one labelled sample, in one forward pass.

    Attributes:
        must_know: Whether it cannot do without a known anomaly.
        labelled_share_: m / (n + m), n without the samples held out.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"labelled"})
    must_know: ClassVar[bool] = False
    batch_size: int
    labelled_share_: float

    def fit(self, X: Any, y: Any = None, *, labelled: Any = None, auxiliary: Any = None, labels: Any = None) -> Self:
        """Learn samples without a label, most of them benign, and labelled ones; forgets any earlier fit.

        Args:
            X: n samples, 4 or more: a `Dataset`, what else `reprq.data.as_dataset` takes, or (n, d) rows.
            y: Ignored.
            labelled: m samples in any form of `X`, none of them in `X`.
            auxiliary: Not used.
            labels: (m,) of `labelled`: 1 is anomalous, 0 benign; by default all are anomalous.

        Raises:
            InputError: `X` or `labelled` is nothing of that kind, labels of another number or kind, or a parameter that
                cannot be used.
            DataError: Too few samples.
        """
        if self.must_know and (labelled is None or (labels is not None and not np.any(labels))):
            known = name_of(self)
            raise InputError(f"{known} learns from known anomalies, got none; give labelled, some with the label 1")
        self._labels: NDArray[np.int64] | None = None
        if labelled is not None:
            X = as_samples(X, rows=self.takes_rows)
            labelled = as_samples(labelled, rows=self.takes_rows, name="labelled")
            self._labels = known_labels(labels, len(labelled))
            if isinstance(X, Dataset) == isinstance(labelled, Dataset):
                anomalous = _contents(labelled)[self._labels == 1]
                note_copies(name_of(self), anomalous, _contents(X), noun_of(X))
        elif labels is not None:
            raise InputError("labels are those of labelled samples, and none are given; give labelled too")
        return super().fit(X, labelled=labelled, auxiliary=auxiliary)

    def _known(self) -> dict[str, Any]:
        return {**super()._known(), "labelled_share": self.labelled_share_}  # type: ignore[safe-super]

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        super()._reopen(made, path)  # type: ignore[safe-super]
        self.labelled_share_ = float(made["labelled_share"])

    def _learn(self, schedule: Schedule, kept: NDArray[np.int64], besides: dict[str, Inputs | Tensor]) -> list[Epoch]:
        n, m = len(kept), len(besides.get("labelled", ()))
        self.labelled_share_ = m / (n + m)
        if m:
            schedule = replace(schedule, other_batch_size=math.ceil(min(self.batch_size, n) * m / n))
        return super()._learn(schedule, kept, besides)

    def _other(self, besides: dict[str, Inputs | Tensor]) -> Examples | None:
        if self._labels is None:
            return None
        return Examples(besides["labelled"], torch.from_numpy(self._labels))


def _contents(samples: Samples) -> NDArray[Any]:
    """What is the same of two samples that are copies, a row each."""
    return samples.content if isinstance(samples, Dataset) else samples


class LabelledStep(Step):
    """The mean over all n + m samples of a loss, that of the labelled ones times a weight.

    Args:
        model: From inputs to outputs.
        schedule: Learning rate and the like.
        objective: Of outputs and labels (1 is anomalous), the loss of each sample; a sample without a label
            counts as benign.
        share: m / (n + m), by which the means over either part of a batch are weighted.
        weight: Of labelled samples.
    """

    def __init__(
        self,
        model: nn.Module,
        schedule: Schedule,
        objective: Callable[[Tensor, Tensor], Tensor],
        share: float,
        weight: float = 1.0,
    ) -> None:
        super().__init__(model, schedule)
        self.objective, self.share, self.weight = objective, share, weight

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the loss; of the samples without a label alone, where there are no others."""
        n = len(batch.inputs)
        benign = torch.zeros(n, dtype=torch.int64, device=self.device)
        if other is None:
            return self.objective(self.model(batch.inputs), benign).mean()
        outputs = self.model(torch.cat([batch.inputs, other.inputs]))
        each = self.objective(outputs, torch.cat([benign, other.targets]))
        return (1 - self.share) * each[:n].mean() + self.share * self.weight * each[n:].mean()

"""Deep one-class features: compact on benign images, and telling the classes of a reference set apart."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from reprq.data import Batch
from reprq.detectors.deep.backbone_encoder import BackboneEncoder
from reprq.detectors.deep.fine_tuning import FineTuningDetector, is_number
from reprq.detectors.deep.samples import Samples
from reprq.detectors.rows.base import check_count
from reprq.errors import DataError, InputError
from reprq.training import Examples, Inputs, Schedule, Step, split_rows

_SEED_OF_TEMPLATES = 7_000_003


@dataclass(kw_only=True, eq=False, repr=False)
class DOC(FineTuningDetector):
    """Distance to benign templates in features that are compact on benign images and descriptive elsewhere.

    Perera & Patel 2019: g is fine-tuned by l_D + lambda l_C. Descriptiveness l_D is the cross-entropy of a linear
    classifier on g against the classes of a labelled reference set, the corpus; compactness l_C is that of the benign
    images of a batch, see `compactness`. The score is the Euclidean distance of g(x) to the nearest of the templates,
    benign training images. Deviations: every layer of the backbone learns, where the paper has only the last four; the
    classifier is new; batch normalization sees both halves of a batch at once.

    Args:
        backbone: A `Backbone` of images, or the name of one.
        compactness: lambda.
        templates: How many, drawn by `seed`; all benign training images by default.
        corpus_size: How many images of the reference set are used, drawn by `seed`.
        augmentations: This and the others as in `Transfer`.

    Example:
        >>> from reprq.backbones import load_backbone
        >>> from reprq.data import load_dataset
        >>> digits = load_dataset("digits")
        >>> zeros, others = digits.restrict(["0"]).sample(20), digits.restrict(["1", "2"]).sample(20)
        >>> detector = DOC(backbone=load_backbone("lenet", "random"), epochs=1).fit(zeros, auxiliary=others)
        >>> detector.describe(), detector.anomaly_score(others).shape
        ('doc[epochs=1,lr=5e-05]', (20,))
    """

    compactness: float = 0.1
    templates: int | None = None
    lr: float = 5e-5

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        if not is_number(self.compactness, 0, math.inf):
            raise InputError(
                f"compactness must be a number of at least 0, got {self.compactness!r}; 0.1 is the paper's"
            )
        if self.templates is not None:
            check_count("templates", self.templates)
        super().check_parameters()

    def _why_corpus(self) -> str:
        return "doc"

    def _open(self, samples: Samples) -> None:
        super()._open(samples)
        assert self._corpus is not None
        classes, self._targets = np.unique(self._corpus.labels, return_inverse=True)
        if len(classes) < 2:
            raise DataError(
                f"doc tells the classes of auxiliary apart, got images of one ({self._corpus.name}); give a"
                " labelled set, such as a folder with a folder a class"
            )
        kept, _ = split_rows(len(samples), self.seed, self.held_out)
        count = len(kept) if self.templates is None else self.templates
        if count > len(kept):
            raise InputError(f"templates must be at most {len(kept)}, all benign training images, got {count}")
        rows = np.random.default_rng([self.seed, _SEED_OF_TEMPLATES]).permutation(len(kept))[:count]
        self._rows: NDArray[np.int64] = np.sort(kept[rows])
        self._sizes = (len(classes), count)

    def _known(self) -> dict[str, Any]:
        return {**super()._known(), "sizes": self._sizes}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        super()._reopen(made, path)
        classes, templates = made["sizes"]
        self._sizes = (int(classes), int(templates))

    def _build(self) -> "DescriptiveNetwork":
        encoder = BackboneEncoder(self.backbone_, None)
        encoder.requires_grad_(True)
        return DescriptiveNetwork(encoder, *self._sizes)

    def _other(self, besides: dict[str, Inputs | Tensor]) -> Examples | None:
        return Examples(besides["auxiliary"], torch.from_numpy(self._targets))

    def _step(self, schedule: Schedule) -> Step:
        return _DescriptiveStep(self, schedule)

    def _take_templates(self) -> None:
        self._net.templates.copy_(self._in_batches(self._embedding, self.inputs_, self._rows))

    def _prepare(self, schedule: Schedule, kept: NDArray[np.int64]) -> None:
        self._take_templates()

    def _scores(self, x: Batch) -> Tensor:
        rows, templates = self._embedding(x).double(), self._net.templates.double()
        exact = "donot_use_mm_for_euclid_dist"  # of a row, whatever is beside it
        return torch.cdist(rows, templates, compute_mode=exact).amin(1)

    @property
    def _net(self) -> "DescriptiveNetwork":
        net: DescriptiveNetwork = self.network_  # type: ignore[assignment]
        return net


class DescriptiveNetwork(nn.Module):
    """g, a linear classifier of reference classes on it, and g of the templates.

    Args:
        encoder: g.
        classes: How many.
        templates: How many.
    """

    templates: Tensor

    def __init__(self, encoder: BackboneEncoder, classes: int, templates: int) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.width, classes)
        self.register_buffer("templates", torch.zeros(templates, encoder.width))


class _DescriptiveStep(Step):
    """l_D of the reference images + lambda l_C of the benign ones, in one pass; l_C alone of images held out."""

    def __init__(self, detector: DOC, schedule: Schedule) -> None:
        super().__init__(detector._net, schedule)
        self.detector, self.net, self.optimizers = detector, detector._net, detector._optimizers(schedule)
        self.fixed = detector._still()

    def start(self, epoch: int) -> None:
        """Keep the statistics of normalizations that were folded away, or all where they are frozen."""
        for module in self.fixed:
            module.eval()

    def end(self, epoch: int) -> None:
        """Take the templates anew, where something will score by them."""
        if epoch == self.schedule.epochs or self.detector.on_epoch is not None:
            self.detector._take_templates()

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the loss."""
        n = len(batch.inputs)
        x = batch.inputs if other is None else torch.cat([batch.inputs, other.inputs])
        rows = self.net.encoder.rows(self.detector._augment(x) if self.model.training else x).float()
        loss = self.detector.compactness * compactness(rows[:n])
        return loss if other is None else loss + cross_entropy(self.net.head(rows[n:]).float(), other.targets)


def compactness(rows: Tensor) -> Tensor:
    """Return l_C = (1 / nk) sum_i ||x_i - m_i||^2, m_i the mean of the other rows (Perera & Patel 2019, equation 6).

    Since x_i - m_i = n / (n - 1) (x_i - mean), it is (n / (n - 1))^2 times the variance, the mean over columns.

    Args:
        rows: (n, k), n at least 2; of one row it is 0.

    Example:
        >>> float(compactness(torch.tensor([[0.0, 1.0], [2.0, 1.0]])))
        2.0
    """
    n = len(rows)
    return (n / max(n - 1, 1)) ** 2 * (rows - rows.mean(0)).square().mean()

"""Fine-tuning of a pretrained network of images: what every way of it shares."""

import copy
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.backbones import Backbone, Preprocessing
from reprq.data import Batch, Dataset
from reprq.data.image.augmentation import augmented, check_augmentations
from reprq.detectors.deep.adapters import folded_normalizations, normalizations
from reprq.detectors.deep.backbone_encoder import BackboneEncoder
from reprq.detectors.deep.base import DeepDetector
from reprq.detectors.deep.exposure import check_corpus, drawn
from reprq.detectors.deep.losses import Loss
from reprq.detectors.deep.samples import Samples, as_samples
from reprq.detectors.deep.scheduled import TrainedDetector
from reprq.detectors.network import check_network, check_same, opened
from reprq.detectors.rows.base import check_choice, check_count
from reprq.errors import InputError
from reprq.training import Schedule


@dataclass(kw_only=True, eq=False, repr=False)
class FineTuningDetector(TrainedDetector):
    """A detector whose network is a pretrained backbone of images, fine-tuned, with the corpus that some learn from.

    A subclass says what it needs the corpus for (`_why_corpus`). Its `network_` has the backbone as `encoder`. It
    trains by SGD with momentum to the last epoch; an epoch is a pass over the benign images.
    """

    backbone: Backbone | str | None = None
    corpus_size: int | None = None
    augmentations: tuple[str, ...] | list[str] = ("flip", "crop")
    epochs: int = 100
    batch_size: int = 64
    lr: float = 0.1
    milestones: tuple[int, ...] | list[int] = (60, 80)
    weight_decay: float = 1e-4
    momentum: float = 0.9
    held_out: float = 0.1
    statistics: Literal["live", "frozen"] = "live"
    precision: str = "float32"
    backbone_: Backbone = field(init=False)
    uses: ClassVar[frozenset[str]] = frozenset({"auxiliary"})
    _key = "reprq.deep"
    _not_saved = ("backbone", *DeepDetector._not_saved)

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        check_network(self.backbone, "backbone")
        if self.corpus_size is not None:
            check_count("corpus_size", self.corpus_size)
        if not is_number(self.momentum, 0, 1):
            raise InputError(f"momentum must be in [0, 1), got {self.momentum!r}; 0.9 is usual")
        check_choice("statistics", self.statistics, ("live", "frozen"))
        if not isinstance(self.augmentations, list | tuple):
            raise InputError(f"augmentations must be a list of names, got {self.augmentations!r}")
        check_augmentations(self.augmentations)
        super().check_parameters()

    def describe(self) -> str:
        """Return for example "adib[epochs=100,lr=0.1]", and whatever is not at its default."""
        return self._described()

    def fit(self, X: Any, y: Any = None, *, labelled: Any = None, auxiliary: Any = None) -> Self:
        """Learn the benign images against a corpus; forgets any earlier fit.

        Args:
            X: Benign images, 4 or more: a `Dataset`, or what else `reprq.data.as_dataset` takes.
            y: Ignored.
            labelled: Not used.
            auxiliary: The corpus, in any form of `X`, without benign images; a loss of benign images alone does not
                learn from it.

        Raises:
            InputError: `X` or `auxiliary` is nothing of that kind, there is no corpus where one is needed, or a
                parameter cannot be used.
            DataError: Too few images, or the corpus holds benign ones.
        """
        self.check_parameters()
        self._corpus: Dataset | None = None
        if auxiliary is None and (why := self._why_corpus()):
            raise InputError(f"{why} learns from a corpus besides benign images, got none; give auxiliary")
        samples = as_samples(X, rows=False)
        if auxiliary is not None:
            corpus = as_samples(auxiliary, rows=False, name="auxiliary")
            check_corpus(samples, corpus)
            auxiliary = self._corpus = drawn(corpus, self.corpus_size, self.seed)  # type: ignore[assignment]
        return super().fit(samples, labelled=labelled, auxiliary=auxiliary)

    def embed_layers(self, X: Any) -> dict[str, NDArray[np.float32]]:
        """Return what every layer of the network makes of images, its maps averaged: (m, d) float32 by its name.

        Beside the same layers of `backbone_` they show what was forgotten, and how deep (`reprq.metrics.cka`).

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: As `anomaly_score`.
        """
        sizes: list[int] = []

        def beside(x: Batch) -> Tensor:
            rows = list(self._encoder.layers(x).values())
            sizes[:] = [each.shape[1] for each in rows]
            return torch.cat([each.float() for each in rows], dim=1)

        columns = torch.split(self._of_samples(beside, X), sizes, dim=1)
        return {layer.name: each.numpy() for layer, each in zip(self.backbone_.layers, columns, strict=True)}

    @classmethod
    def load(cls, path: str | Path, backbone: Backbone | str, *, device: str = "cpu") -> Self:  # type: ignore[override]
        """Read a fitted detector that `save` wrote; the backbone is not in the file.

        Args:
            path: The file.
            backbone: The network that it started from.
            device: A torch device.

        Raises:
            InputError: The file is missing, damaged or foreign, or the backbone has other weights.
        """
        return super().load(path, device=device, backbone=backbone)

    def _open(self, samples: Samples) -> None:
        self._open_backbone()
        assert isinstance(samples, Dataset)
        self.transform_ = self.backbone_.taking(samples).preprocessing

    def _open_backbone(self) -> None:
        self.backbone_ = opened(self.backbone, "backbone", self)
        if not isinstance(self.backbone_.preprocessing, Preprocessing):
            taken = self.backbone_.preprocessing.modality
            raise InputError(f"backbone must be one of images, got {self.backbone_.name}, which takes {taken}s")
        self.transform_ = self.backbone_.preprocessing

    def _known(self) -> dict[str, Any]:
        return {"backbone": self.backbone_.weights_digest}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        self._open_backbone()
        check_same(self.backbone_, made["backbone"], "backbone", path)

    def _embedding(self, x: Batch) -> Tensor:
        return self._encoder.rows(x)

    @property
    def _encoder(self) -> BackboneEncoder:
        encoder: BackboneEncoder = self.network_.encoder  # type: ignore[assignment]
        return encoder

    @abstractmethod
    def _why_corpus(self) -> str:
        """Return what learns from a corpus and cannot do without; "" where nothing does."""

    def _augment(self, x: Tensor) -> Tensor:
        """Images as they train, changed at random."""
        seen: Any = self.transform_
        names = self.augmentations
        changed: Tensor = seen.normalize(augmented(seen.to_pixels(x), names)) if names else x
        return changed

    def _still(self) -> list[nn.Module]:
        """The batch normalizations whose statistics stay as they were."""
        network = self._encoder.network
        return normalizations(network) if self.statistics == "frozen" else folded_normalizations(network)

    def _optimizers(self, schedule: Schedule) -> list[torch.optim.Optimizer]:
        learned = [weight for weight in self.network_.parameters() if weight.requires_grad]
        return [torch.optim.SGD(learned, schedule.lr, self.momentum, weight_decay=schedule.weight_decay)]


class FineTunedNetwork(nn.Module):
    """An encoder, where the loss is one of distances their center, and the encoders that are kept along the training.

    Args:
        encoder: The backbone and what follows it.
        loss: What its outputs are for.
        count: How many are kept.
    """

    center: Tensor | None
    scales: Tensor

    def __init__(self, encoder: BackboneEncoder, loss: Loss, count: int = 0) -> None:
        super().__init__()
        self.encoder, self._loss = encoder, loss
        self.register_buffer("center", torch.zeros(encoder.width) if loss.centered else None)
        self.kept = nn.ModuleList(copy.deepcopy(encoder).requires_grad_(False) for _ in range(count))
        if count:
            self.register_buffer("scales", torch.zeros(count, dtype=torch.float64))  # 0 is not kept yet

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (n, k), or squared distances to the center (n,)."""
        return self._outputs(self.encoder, x)

    def score(self, x: Batch) -> Tensor:
        """Return the scores of the loss, (n,) float64, by the encoder as it is."""
        return self._loss.score(self._outputs(self.encoder, x).double())

    def score_over_kept(self, x: Batch) -> Tensor:
        """Return the largest score over its benign mean of all encoders kept; `score` where there are none."""
        known = [] if not self.kept else list(zip(self.kept, self.scales, strict=True))
        shares = [self._loss.score(self._outputs(each, x).double()) / scale for each, scale in known if scale > 0]
        return torch.stack(shares).amax(0) if shares else self.score(x)

    def keep(self, place: int, mean: Tensor) -> None:
        """Keep the encoder as it is, with its mean score of benign images."""
        self.kept[place].load_state_dict(self.encoder.state_dict())
        self.scales[place] = mean.clamp(min=torch.finfo(torch.float64).tiny)

    def _outputs(self, encoder: nn.Module, x: Batch) -> Tensor:
        outputs: Tensor = encoder(x).float()
        if self.center is None:
            return outputs
        return (outputs.double() - self.center if not self.training else outputs - self.center).square().sum(1)


def is_number(value: Any, low: float, high: float) -> bool:
    """Whether a value is a number in [low, high)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value < high

"""Outlier exposure: detectors that learn benign samples against a corpus of other samples."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from reprq.data import Batch, Dataset
from reprq.data.classes import UNLABELLED
from reprq.data.image.augmentation import augmented, check_augmentations
from reprq.detectors.deep.encoding import EncodingDetector
from reprq.detectors.deep.networks import Scaling, encoder
from reprq.detectors.deep.samples import Samples, as_samples, check_alike, noun_of
from reprq.detectors.rows.base import check_count
from reprq.errors import DataError, InputError, counted, listed
from reprq.notices import notice
from reprq.training import Examples, Schedule, Step

_SEED_OF_CORPUS = 3_000_017


@dataclass(kw_only=True, eq=False, repr=False)
class ExposureDetector(EncodingDetector):
    """An encoder that learns to tell benign samples from a corpus (Hendrycks et al. 2019; Ruff 2021, section 2.3.6).

    Every step gets as many samples of the corpus as benign ones. A subclass says what the network puts out (`_head`),
    the loss of outputs (`_loss`) and the score (`_score_of`).
    """

    corpus_size: int | None = None
    augmentations: tuple[str, ...] | list[str] = ()
    epochs: int = 200
    batch_size: int = 128
    lr: float = 1e-3
    milestones: tuple[int, ...] | list[int] = (100, 150)
    weight_decay: float = 5e-7
    uses: ClassVar[frozenset[str]] = frozenset({"auxiliary"})
    default_networks: ClassVar[dict[str, str]] = {"gray": "mnist", "rgb": "exposure", "rows": "mlp"}

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        if self.corpus_size is not None:
            check_count("corpus_size", self.corpus_size)
        check_augmentations(self.augmentations)

    def fit(self, X: Any, y: Any = None, *, labelled: Any = None, auxiliary: Any = None) -> Self:
        """Learn the benign samples against a corpus; forgets any earlier fit.

        Args:
            X: Benign samples, 4 or more: a `Dataset`, what else `reprq.data.as_dataset` takes, or (n, d) rows.
            y: Ignored.
            labelled: Not used.
            auxiliary: The corpus, in any form of `X`, without benign samples; at least one.

        Raises:
            InputError: `X` or `auxiliary` is nothing of that kind, or a parameter cannot be used.
            DataError: Too few samples, or the corpus holds benign ones.
        """
        self.check_parameters()
        if auxiliary is None:
            raise InputError(f"{type(self).__name__} learns benign samples against a corpus, got none; give auxiliary")
        samples = as_samples(X, rows=True)
        corpus = as_samples(auxiliary, rows=True, name="auxiliary")
        check_corpus(samples, corpus)
        return super().fit(samples, labelled=labelled, auxiliary=drawn(corpus, self.corpus_size, self.seed))

    def _open(self, samples: Samples) -> None:
        super()._open(samples)
        if self.augmentations and not isinstance(samples, Dataset):
            raise InputError(f"augmentations {', '.join(self.augmentations)} are of images, got rows; leave them out")

    def _build(self) -> nn.Module:
        phi = encoder(self._architecture, self._channels(), leakiness=self.leakiness, bias=True)
        scaling = Scaling(self._scaling, self._columns)
        return Headed(scaling, phi, self._head(self._architecture.widths[-1]))

    def _step(self, schedule: Schedule) -> Step:
        return ExposureStep(self.network_, schedule, self._loss, lambda x: augmented(x, self.augmentations))

    def _scores(self, x: Batch) -> Tensor:
        return self._score_of(self.network_(x).double())

    @property
    def _net(self) -> "Headed":
        net: Headed = self.network_  # type: ignore[assignment]
        return net

    @abstractmethod
    def _head(self, dim: int) -> nn.Module:
        """Return what follows the embedding."""

    @abstractmethod
    def _loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each sample: (n,), of the outputs in float32 and labels of which 1 is anomalous."""

    @abstractmethod
    def _score_of(self, outputs: Tensor) -> Tensor:
        """Return the score of each sample: (n,)."""


class ExposureStep(Step):
    """The mean loss over benign samples and as many of the corpus, in one pass: batch normalization sees both.

    Args:
        model: From inputs to outputs.
        schedule: Learning rate and the like.
        objective: Of outputs and labels (1 is anomalous), the loss of each sample.
        augment: Of the inputs of both, in training alone.
    """

    def __init__(
        self,
        model: nn.Module,
        schedule: Schedule,
        objective: Callable[[Tensor, Tensor], Tensor],
        augment: Callable[[Tensor], Tensor] = lambda x: x,
    ) -> None:
        super().__init__(model, schedule)
        self.objective, self.augment = objective, augment

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the mean over both; of benign samples alone, where there is no batch of the corpus."""
        parts = [batch.inputs] if other is None else [batch.inputs, other.inputs]
        labels = torch.cat([torch.full((len(part),), label) for label, part in enumerate(parts)]).to(self.device)
        x = torch.cat(parts)
        if self.model.training:
            x = self.augment(x)
        return self.objective(self.model(x).float(), labels).mean()


class Headed(nn.Module):
    """An encoder phi of scaled inputs, and what follows the embedding."""

    def __init__(self, scaling: Scaling, phi: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.scaling, self.phi, self.head = scaling, phi, head

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of the head: (n, ...)."""
        outputs: Tensor = self.head(self.phi(self.scaling(x)))
        return outputs


def check_corpus(samples: Samples, corpus: Samples, name: str = "auxiliary") -> None:
    """Raise a DataError where a corpus is empty or holds copies of benign samples; say where it has their classes."""
    check_alike(corpus, samples, name)
    if isinstance(samples, Dataset) and isinstance(corpus, Dataset):
        copies = int(corpus.copies_of(samples).sum())
    else:
        known = {row.tobytes() for row in np.asarray(samples)}
        copies = sum(row.tobytes() in known for row in np.asarray(corpus))
    if copies:
        raise DataError(f"{name} holds {counted(copies, noun_of(samples))} of X, to the byte; leave out what is benign")
    if name == "auxiliary" and (shared := _classes(samples) & _classes(corpus)):
        notice(
            "auxiliary has samples of %s, and X too: where they are benign, leave them out, or they are learned as"
            " anomalous",
            listed(f"class {each!r}" for each in sorted(shared)),
        )


def _classes(samples: Samples) -> set[str]:
    if not isinstance(samples, Dataset):
        return set()
    return {samples.classes[number] for number in np.unique(samples.labels).tolist()} - {UNLABELLED}


def drawn(corpus: Samples, size: int | None, seed: int) -> Samples:
    """Return a seeded sample of a corpus, of which a smaller one is part; all of it where no size is given."""
    if size is None or size == len(corpus):
        return corpus
    if size > len(corpus):
        raise InputError(f"corpus_size must be at most {len(corpus)}, all of the corpus, got {size}; ask for fewer")
    rows = np.sort(np.random.default_rng([seed, _SEED_OF_CORPUS]).permutation(len(corpus))[:size])
    return corpus.select(rows) if isinstance(corpus, Dataset) else corpus[rows]

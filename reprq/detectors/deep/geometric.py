"""Classifiers of geometric transformations: GT (Golan & El-Yaniv 2018) and GT+ (Hendrycks et al. 2019)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from reprq.detectors.deep.encoding import EncodingDetector
from reprq.detectors.deep.exposure import check_corpus, drawn
from reprq.detectors.deep.networks import Scaling, encoder
from reprq.detectors.deep.samples import as_samples
from reprq.detectors.deep.transformations import ALL, UNMIRRORED, pixel_sources, transformed
from reprq.detectors.rows.base import check_choice, check_count
from reprq.errors import InputError
from reprq.numerics.dirichlet import fit_dirichlet
from reprq.training import Epoch, Examples, Inputs, Schedule, Step

_AT_ONCE = 256


@dataclass(kw_only=True, eq=False, repr=False)
class Geometric(EncodingDetector):
    """How badly a network tells which geometric transformation was done to an image, having learned it on benign ones.

    GT, `heads="joint"`: 72 transformations T_t are classes of one softmax y: mirrored or not, times 3 x 3 moves by a
    quarter of the side, times 4 quarter turns. The score is minus the Dirichlet normality,
    -(1/72) sum_t sum_k (alpha_tk - 1) log y_k(T_t(x)), where alpha_t is the concentration of the Dirichlet distribution
    that makes y(T_t(x)) of the training images most likely; or, simplified, minus the mean probability of what was
    done, -(1/72) sum_t y_t(T_t(x)).

    GT+, `heads="separate"`: 36 transformations without mirror images, and a softmax each for the turn and the moves
    across and down. The score is minus the mean over transformations of the three probabilities of what was done, added
    up. With a corpus (outlier exposure) the network also learns to put out uniform probabilities on transformed images
    of the corpus, by their cross-entropy to the softmax.

    In an epoch each image is seen under one transformation, drawn anew: 200 epochs are about as many images as the 3
    passes over all 72 of Golan & El-Yaniv. Their network is a wide residual one; here it is one of the thesis.

    Args:
        heads: "joint" (GT) or "separate" (GT+).
        score: "dirichlet" or "softmax"; by default the first for joint heads and the second for separate ones.
        exposure_weight: Of the loss on a corpus.
        corpus_size: How many samples of the corpus are used, drawn by `seed`; a smaller draw is part of a larger.
            Default: all.
        network: As in `DeepSVDD`, with biases. By default "fashion_mnist" where the first images are gray, and
            "exposure".
        preprocessing: "contrast", the default, or "min-max"; before the transformation.
        dim: This and the others as in `HSC`.

    Attributes:
        concentration_: (T, K) float64, alpha; each head's in turn.

    Example:
        >>> from reprq.data import load_dataset
        >>> zeros = load_dataset("digits").restrict(["0"]).sample(20)
        >>> detector = Geometric(heads="separate", network="mnist", epochs=1).fit(zeros)
        >>> detector.describe(), detector.concentration_.shape
        ('geometric[separate,epochs=1,lr=0.001,network=mnist]', (36, 10))
    """

    heads: Literal["joint", "separate"] = "joint"
    score: Literal["dirichlet", "softmax"] | None = None
    exposure_weight: float = 0.5
    corpus_size: int | None = None
    epochs: int = 200
    batch_size: int = 128
    lr: float = 1e-3
    milestones: tuple[int, ...] | list[int] = (100, 150)
    weight_decay: float = 5e-7
    takes_rows = False
    uses: ClassVar[frozenset[str]] = frozenset({"auxiliary"})
    default_networks: ClassVar[dict[str, str]] = {"gray": "fashion_mnist", "rgb": "exposure", "rows": "mlp"}

    @property
    def concentration_(self) -> NDArray[np.float64]:
        """(T, K) alpha."""
        alpha: NDArray[np.float64] = self._net.concentration.cpu().numpy()
        return alpha

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        check_choice("heads", self.heads, ("joint", "separate"))
        if self.score is not None:
            check_choice("score", self.score, ("dirichlet", "softmax"))
        weight = self.exposure_weight
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise InputError(f"exposure_weight must be a positive number, got {weight!r}; 0.5 is usual")
        if self.corpus_size is not None:
            check_count("corpus_size", self.corpus_size)
        super().check_parameters()

    def describe(self) -> str:
        """Return for example "geometric[joint,epochs=200,lr=0.001]", and whatever is not at its default."""
        return self._described("heads")

    def fit(self, X: Any, y: Any = None, *, labelled: Any = None, auxiliary: Any = None) -> Self:
        """Learn benign images; forgets any earlier fit.

        Args:
            X: Benign images, 4 or more: a `Dataset`, or what else `reprq.data.as_dataset` takes.
            y: Ignored.
            labelled: Not used.
            auxiliary: A corpus for outlier exposure, in any form of `X`, without benign samples; none by default.

        Raises:
            InputError: `X` or `auxiliary` are no images, or a parameter cannot be used.
            DataError: Too few samples, or the corpus holds benign ones.
        """
        self.check_parameters()
        samples = as_samples(X, rows=False)
        if auxiliary is not None:
            corpus = as_samples(auxiliary, rows=False, name="auxiliary")
            check_corpus(samples, corpus)
            auxiliary = drawn(corpus, self.corpus_size, self.seed)
        return super().fit(samples, labelled=labelled, auxiliary=auxiliary)

    def _build(self) -> "TransformationClassifier":
        of = self._architecture
        phi = encoder(of, self._channels(), leakiness=self.leakiness, bias=True)
        return TransformationClassifier(
            Scaling(self._scaling), phi, of.widths[-1], of.size, separate=self.heads == "separate"
        )

    def _learn(self, schedule: Schedule, kept: NDArray[np.int64], besides: dict[str, Inputs | Tensor]) -> list[Epoch]:
        history = super()._learn(schedule, kept, besides)
        if self._by_dirichlet:
            self._learn_concentration(kept)
        return history

    def _learn_concentration(self, kept: NDArray[np.int64]) -> None:
        """Fit a Dirichlet distribution to the outputs of every head for every transformation."""
        net, parts = self._net.eval(), torch.split(torch.from_numpy(kept), _AT_ONCE)
        totals = torch.zeros(2, *net.concentration.shape, dtype=torch.float64)
        with torch.no_grad():
            for part in parts:
                x: Any = self._here(self.inputs_[part])
                for t, logs in enumerate(net.log_probabilities(x)):
                    totals[:, t] += torch.stack([logs.exp().sum(0), logs.sum(0)]).cpu()
        means = (totals / len(kept)).numpy()
        for t in range(len(net.sources)):
            of_heads = zip(*(np.split(each[t], np.cumsum(net.sizes)[:-1]) for each in means), strict=True)
            net.concentration[t] = torch.from_numpy(np.concatenate([fit_dirichlet(*each) for each in of_heads]))

    def _step(self, schedule: Schedule) -> Step:
        return TransformationStep(self._net, schedule, self.exposure_weight)

    def _scores(self, x: Any) -> Tensor:
        net, scores = self._net, torch.zeros(len(x), dtype=torch.float64, device=self.device)
        for t, logs in enumerate(net.log_probabilities(x)):
            if self._by_dirichlet:
                scores -= ((net.concentration[t] - 1) * logs).sum(1)
            else:
                scores -= logs[:, net.places[t]].exp().sum(1)
        return scores / len(net.sources)

    @property
    def _by_dirichlet(self) -> bool:
        return (self.score or ("dirichlet" if self.heads == "joint" else "softmax")) == "dirichlet"

    @property
    def _net(self) -> "TransformationClassifier":
        net: TransformationClassifier = self.network_  # type: ignore[assignment]
        return net


class TransformationClassifier(nn.Module):
    """An encoder of scaled, transformed images, and one softmax for all transformations or one for each kind.

    Args:
        scaling: Of the images.
        phi: The encoder.
        dim: Width of its embeddings.
        side: Of the images, in pixels.
        separate: Whether turns and moves have a softmax each.

    Attributes:
        sizes: How many classes each head has; their outputs stand beside each other, K in all.
        sources: (T, side * side), of each transformation.
        classes: (T, heads) the right class of each head.
        places: (T, heads) where among the K outputs the right ones are.
        concentration: (T, K) float64, of Dirichlet distributions of the outputs; ones until they are fitted.
    """

    sources: Tensor
    classes: Tensor
    places: Tensor
    concentration: Tensor

    def __init__(self, scaling: Scaling, phi: nn.Module, dim: int, side: int, *, separate: bool) -> None:
        super().__init__()
        known = UNMIRRORED if separate else ALL
        self.sizes = [3, 3, 4] if separate else [len(known)]
        classes = torch.tensor([each[1:] for each in known] if separate else [(t,) for t in range(len(known))])
        starts = torch.tensor([sum(self.sizes[:i]) for i in range(len(self.sizes))])
        self.scaling, self.phi, self.head = scaling, phi, nn.Linear(dim, sum(self.sizes))
        self.register_buffer("sources", pixel_sources(known, side), persistent=False)
        self.register_buffer("classes", classes, persistent=False)
        self.register_buffer("places", classes + starts, persistent=False)
        self.register_buffer("concentration", torch.ones(len(known), sum(self.sizes), dtype=torch.float64))

    def forward(self, scaled: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of each head, of images that are scaled and transformed already."""
        logits: Tensor = self.head(self.phi(scaled))
        return torch.split(logits, self.sizes, dim=1)

    def log_probabilities(self, x: Tensor) -> Iterator[Tensor]:
        """Yield for each transformation of images (n, K) float64 log-probabilities."""
        scaled = self.scaling(x)
        for sources in self.sources:
            logits = self(transformed(scaled, sources))
            yield torch.cat([each.double().log_softmax(1) for each in logits], dim=1)


class TransformationStep(Step):
    """Cross-entropy of every head, added up, of images under one transformation each, drawn anew.

    With a corpus, a weight times the cross-entropy of uniform probabilities on its transformed images.
    """

    def __init__(self, net: TransformationClassifier, schedule: Schedule, weight: float) -> None:
        super().__init__(net, schedule)
        self.net, self.weight = net, weight

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the loss, of both in one pass: batch normalization sees both."""
        n = len(batch.inputs)
        x = batch.inputs if other is None else torch.cat([batch.inputs, other.inputs])
        drawn = torch.randint(len(self.net.sources), (len(x),), device=self.device)
        logits = self.net(transformed(self.net.scaling(x), self.net.sources[drawn]))
        classes = self.net.classes[drawn[:n]].unbind(1)
        losses = [cross_entropy(each[:n].float(), right) for each, right in zip(logits, classes, strict=True)]
        if other is not None:
            losses += [-self.weight * each[n:].float().log_softmax(1).mean() for each in logits]
        return torch.stack(losses).sum()

"""FCDD: explainable deep one-class classification (Liznerski et al. 2021; Ruff 2021, section 3.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.data import Batch, Dataset, Masks
from reprq.data.image.augmentation import augmented, check_augmentations
from reprq.data.image.preprocessing import Preprocessing
from reprq.detectors.deep.confetti import confetti
from reprq.detectors.deep.exposure import check_corpus, drawn
from reprq.detectors.deep.fully_convolutional import (
    STACKS,
    ConvolutionStack,
    ReceptiveField,
    fully_convolutional,
    least_size,
    receptive_field,
    upsampled,
    widths,
    with_field,
)
from reprq.detectors.deep.networks import Scaling
from reprq.detectors.deep.radial import huber_of_square, hypersphere_loss
from reprq.detectors.deep.samples import Samples, as_samples, check_drawing, reading_of
from reprq.detectors.deep.scheduled import ScheduledDetector
from reprq.detectors.rows.base import check_choice, check_count
from reprq.errors import InputError, UnknownNameError
from reprq.training import Examples, Inputs, Schedule, Step


@dataclass(kw_only=True, eq=False, repr=False)
class FCDD(ScheduledDetector):
    """A fully convolutional network whose outputs, one a position, are small on benign images: an anomaly map.

    With phi(x) the (h, w) outputs and A = sqrt(phi(x)^2 + 1) - 1, the loss is mean(A) of benign images and
    -log(1 - exp(-mean(A))) of others, the mean being over positions. The score is the sum of A. The others are images
    of a corpus (`auxiliary`), or known anomalies (`labelled`), or without either the benign images themselves with
    confetti, by which every image of a batch is replaced with probability 1/2.

    Where known anomalies have masks Y, the loss is that of the map in the size of the image A':
    mean((1 - Y) A') - log(1 - exp(-mean(Y A'))), the second term left out where Y is 0.

    Args:
        network: "fashion_mnist" (gray; receptive field 16), "cifar10" (22) or "imagenet" (62, VGG-11 with random
            weights). By default "cifar10".
        field: The receptive field of an output in pixels, if not the network's: the kernel of the first convolution is
            as much larger or smaller. Ruff (2021, A.3) has 18 to 32 on CIFAR-10, and does not say by which layers.
        size: Side in pixels to which images are brought, squashed if they are not square, so that nothing is cut off.
            By default the network's own: 28, 32, 224.
        sigma: Of the Gaussian that spreads outputs over their receptive fields, in pixels: by default 1.2, 1.2, 12.
        padding: What convolutions see beyond the borders of an image: "zeros", as in the released code, whose edge may
            light up in maps; with "reflect" the image mirrored, and a plate of one color gets one value everywhere.
        preprocessing: "min-max" or "contrast"; see `reprq.detectors.deep.networks.Scaling`.
        corpus_size: How many images of the corpus are used, drawn by `seed`; a smaller draw is part of a larger.
        augmentations: Of training images, as in `HSC`; none where there are masks, which would not move along.
        epochs: Passes over the benign images. Schedule and optimizer are those of the released code for CIFAR-10.
        batch_size: Benign images a step, and as many of the corpus or of known anomalies.
        seed: Of the weights, the hold-out, the confetti and the order of images.
        lr: This and the others as in `DeepSVDD`.

    Attributes:
        field_: The receptive field of an output: size, stride, padding.

    Example:
        >>> from reprq.data import load_dataset
        >>> zeros = load_dataset("digits").restrict(["0"]).sample(20)
        >>> detector = FCDD(network="fashion_mnist", size=12, epochs=1, batch_size=8).fit(zeros)
        >>> detector.anomaly_map(zeros).shape, detector.field_.size
        ((20, 12, 12), 16)
    """

    network: Literal["fashion_mnist", "cifar10", "imagenet"] = "cifar10"
    field: int | None = None
    size: int | None = None
    sigma: float | None = None
    padding: Literal["zeros", "reflect"] = "zeros"
    preprocessing: Literal["min-max", "contrast"] = "min-max"
    corpus_size: int | None = None
    augmentations: tuple[str, ...] | list[str] = ()
    drawing: dict[str, Any] | None = None
    epochs: int = 600
    batch_size: int = 128
    lr: float = 1e-3
    milestones: tuple[int, ...] | list[int] = (400, 500)
    weight_decay: float = 1e-6
    uses: ClassVar[frozenset[str]] = frozenset({"auxiliary", "labelled", "masks"})

    @property
    def field_(self) -> ReceptiveField:
        """The receptive field of an output."""
        return receptive_field(self._net.features)

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        if self.network not in STACKS:
            raise UnknownNameError("network of fcdd", str(self.network), STACKS)
        check_choice("padding", self.padding, ("zeros", "reflect"))
        check_choice("preprocessing", self.preprocessing, ("min-max", "contrast"))
        if self.field is not None:
            check_count("field", self.field)
        least = least_size(self._stack)
        if self.size is not None:
            check_count("size", self.size)
            if self.size < least:
                raise InputError(f"size must be at least {least} pixels for {self.network}, got {self.size}")
        most = 2 * (self.size or self._stack.size)
        if self.field is not None and self.field > most:
            raise InputError(f"field must be at most {most} pixels, twice the side of the images, got {self.field}")
        sigma = self.sigma
        if sigma is not None and (isinstance(sigma, bool) or not isinstance(sigma, int | float) or not sigma > 0):
            raise InputError(f"sigma must be a positive number of pixels, got {sigma!r}")
        if self.corpus_size is not None:
            check_count("corpus_size", self.corpus_size)
        check_augmentations(self.augmentations)
        check_drawing(self.drawing)
        super().check_parameters()

    def describe(self) -> str:
        """Return for example "fcdd[cifar10,epochs=600,lr=0.001]", and whatever is not at its default."""
        return self._described("network")

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        labelled: Any = None,
        auxiliary: Any = None,
        masks: NDArray[Any] | Masks | None = None,
    ) -> Self:
        """Learn the benign images; forgets any earlier fit.

        Args:
            X: Benign images, 4 or more: a `Dataset`, or what else `reprq.data.as_dataset` takes.
            y: Ignored.
            labelled: Known anomalies, instead of confetti.
            auxiliary: A corpus without benign images, instead of confetti.
            masks: (k, size, size) for k known anomalies, not 0 where a pixel is anomalous; or `Masks` in the pixels of
                their images, which are resized as those are. Without one, all of an image is anomalous.

        Raises:
            InputError: Both known anomalies and a corpus, masks of another shape, without known anomalies or with
                augmentations, or a parameter that cannot be used.
            DataError: Too few images, or the corpus or the known anomalies hold benign ones.
        """
        self.check_parameters()
        if labelled is not None and auxiliary is not None:
            raise InputError("FCDD learns from known anomalies or from a corpus, got both; give labelled or auxiliary")
        if masks is not None and self.augmentations:
            raise InputError("augmentations move images and not their masks; leave them out where masks are given")
        samples = as_samples(X, rows=False)
        for given, name in ((labelled, "labelled"), (auxiliary, "auxiliary")):
            if given is not None:
                check_corpus(samples, as_samples(given, rows=False, name=name), name)
        if auxiliary is not None:
            auxiliary = drawn(as_samples(auxiliary, rows=False), self.corpus_size, self.seed)
        self._masks = self._as_masks(masks, labelled)
        return super().fit(samples, labelled=labelled, auxiliary=auxiliary)

    def anomaly_map(self, X: Any) -> NDArray[np.float32]:
        """Return the map of every image: (m, size, size) float32, higher is more anomalous.

        Each position's A is spread over its receptive field by a Gaussian. But for what reaches beyond the borders, a
        map sums to the image's score.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: As `anomaly_score`.
        """
        return self._of_samples(self._maps, X).float().numpy()

    def _open(self, samples: Samples) -> None:
        assert isinstance(samples, Dataset)
        self._remember()
        assert self.transform_ is not None
        self.transform_ = reading_of(samples, self.transform_, self.drawing)

    def _remember(self) -> None:
        stack = self._stack
        self._size = self.size or stack.size
        seen = Preprocessing().replace(size=self._size, squash=True)
        self.transform_ = seen.replace(channels=stack.channels, mean=0.0, std=1.0)

    def _known(self) -> dict[str, Any]:
        return {}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        self._remember()

    def _build(self) -> nn.Module:
        stack = self._stack
        features = fully_convolutional(stack, 1 if stack.channels == "gray" else 3, self.padding)
        return _FullyConvolutional(Scaling(self.preprocessing), features, widths(stack))

    def _other(self, besides: dict[str, Inputs | Tensor]) -> Examples | None:
        return next((Examples(inputs, self._masks) for inputs in besides.values()), None)

    def _step(self, schedule: Schedule) -> Step:
        return _MapStep(self._net, schedule, self._spread, partial(augmented, names=self.augmentations))

    def _scores(self, x: Batch) -> Tensor:
        return huber_of_square(self._net(x).double().square()).sum((1, 2, 3))

    def _maps(self, x: Batch) -> Tensor:
        return self._spread(huber_of_square(self._net(x).double().square())).squeeze(1)

    def _embedding(self, x: Batch) -> Tensor:
        features: Tensor = self._net.features(self._net.scaling(x))
        return features.mean((2, 3))

    def _spread(self, maps: Tensor) -> Tensor:
        sigma = self.sigma or self._stack.sigma
        return upsampled(maps, self.field_, sigma, (self._size, self._size))

    def _as_masks(self, masks: NDArray[Any] | Masks | None, labelled: Any) -> Tensor | None:
        if masks is None:
            return None
        if labelled is None:
            raise InputError("masks are of known anomalies, and there are none; give labelled")
        self._remember()
        whole = np.ones((self._size, self._size), dtype=np.bool_)
        if isinstance(masks, Masks):
            laid = (masks.over(i, self.transform_) for i in range(len(masks)))
            found = np.array([whole if mask is None else mask for mask in laid])
        else:
            found = np.asarray(masks)
        wanted = (len(as_samples(labelled, rows=False)), *whole.shape)
        if found.shape != wanted or found.dtype.kind not in "biuf":
            raise InputError(
                f"masks must be numbers of shape {wanted}, got {found.dtype} of {found.shape}; resize them"
            )
        return torch.from_numpy(found != 0)[:, None].float()

    @property
    def _stack(self) -> ConvolutionStack:
        stack = STACKS[self.network]
        return stack if self.field is None else with_field(stack, self.field)

    @property
    def _net(self) -> "_FullyConvolutional":
        net: _FullyConvolutional = self.network_  # type: ignore[assignment]
        return net


class _FullyConvolutional(nn.Module):
    def __init__(self, scaling: Scaling, features: nn.Sequential, width: int) -> None:
        super().__init__()
        self.scaling, self.features = scaling, features
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return phi(x): (n, 1, h, w)."""
        outputs: Tensor = self.head(self.features(self.scaling(x)))
        return outputs


class _MapStep(Step):
    """Benign images against the second source, in one pass; without one, half of them get confetti."""

    def __init__(self, model: nn.Module, schedule: Schedule, spread: Any, augment: Callable[[Tensor], Tensor]) -> None:
        super().__init__(model, schedule)
        self.spread, self.augment = spread, augment

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the mean over all images of the batch."""
        x = batch.inputs
        labels = torch.zeros(len(x), device=x.device)
        if other is not None:
            x = torch.cat([x, other.inputs])
            labels = torch.cat([labels, torch.ones(len(other.inputs), device=x.device)])
        if self.model.training:
            x = self.augment(x)
        if other is None and self.model.training:
            labels = (torch.rand(len(x)) < 0.5).float().to(x.device)
            x = torch.where(labels[:, None, None, None] == 1, confetti(x)[0], x)
        maps = huber_of_square(self.model(x).float().square())
        if other is None or other.targets is None:
            return hypersphere_loss(maps.mean((1, 2, 3)), labels).mean()
        n = len(batch.inputs)
        known = masked_loss(self.spread(maps[n:]), other.targets)
        return torch.cat([maps[:n].mean((1, 2, 3)), known]).mean()


def masked_loss(maps: Tensor, masks: Tensor) -> Tensor:
    """Return mean((1 - Y) A') - log(1 - exp(-mean(Y A'))) of each image, without the second term where Y is 0.

    Args:
        maps: (n, 1, H, W) A', at least 0.
        masks: (n, 1, H, W) Y, 1 where a pixel is anomalous and 0 elsewhere.
    """
    inside, outside = ((maps * part).mean((1, 2, 3)) for part in (masks, 1 - masks))
    some = masks.amax((1, 2, 3)) > 0
    return outside + torch.where(some, hypersphere_loss(inside, torch.ones_like(inside)), 0.0)

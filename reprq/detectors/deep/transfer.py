"""Fine-tuning of a pretrained network for detection: a loss, and what keeps the network near its start."""

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.backbones import Backbone, Preprocessing
from reprq.data import Batch, Dataset
from reprq.detectors.deep.adapters import AdaptedConvolution, adapt, folded_normalizations
from reprq.detectors.deep.augmentation import augmented, check_augmentations
from reprq.detectors.deep.backbone_encoder import BackboneEncoder
from reprq.detectors.deep.base import DeepDetector
from reprq.detectors.deep.exposure import ExposureStep, check_corpus, drawn
from reprq.detectors.deep.losses import LOSSES
from reprq.detectors.deep.regularizers import Penalty, ewc, fisher_information, l2_sp, l2_sp_unsquared, start_of
from reprq.detectors.deep.samples import Samples, as_samples
from reprq.detectors.deep.scheduled import TrainedDetector
from reprq.detectors.network import check_network, check_same, opened
from reprq.detectors.rows.base import check_choice, check_count
from reprq.errors import InputError
from reprq.training import Epoch, Examples, Inputs, Schedule, Step

_SEED_OF_FISHER = 5_000_011
_WEIGHTS = {"l2_sp": 0.01, "ewc": 400.0}  # of Deecke et al. 2021


REGULARIZERS = ("none", "l2_sp", "ewc", "adapters", "early_stop")


@dataclass(kw_only=True, eq=False, repr=False)
class Transfer(TrainedDetector):
    """A pretrained network, fine-tuned to tell benign images from a corpus by one of four losses.

    Loss and regularizer go with each other as they please (Deecke et al. 2021, Table 4). The losses are "bce",
    cross-entropy of a new linear output, whose score is the logit; "hsc", hypersphere classification of 128 new
    outputs; "deep_sad", the squared distance d of the deepest layer to its mean over benign images at the start, and
    1 / (d + 1e-6) of the corpus; "dsvdd", d of benign images alone. The regularizers are

    - "none";
    - "l2_sp": alpha ||theta - theta0||^2, theta0 being the weights at the start;
    - "ewc": (alpha / 2) sum_i F_i (theta_i - theta0_i)^2, F the Fisher information of the network's own classifier on
      images of the corpus, which stands for what it was trained on;
    - "adapters": theta0 stays, and beside every convolution wider than 1 x 1 a convolution of 1 x 1 learns, with the
      same stride and groups, inside its batch normalization, which learns too;
    - "early_stop": no more than `most_steps` steps, in whole epochs, as PANDA does (Reiss et al. 2021).

    Batch normalization is live, but where it was folded into convolutions before the weights were stored: there its
    statistics stay. As in the paper it trains by SGD with momentum 0.9 to the last epoch. An epoch is a pass over the
    benign images; a corpus that is smaller is gone through again, where the released code ends the epoch.

    Args:
        backbone: A `Backbone` of images, or the name of one.
        loss: "bce", "hsc", "deep_sad" or "dsvdd", which does without a corpus.
        regularizer: One of the above.
        alpha: Its weight: 0.01 for "l2_sp" and 400 for "ewc" by default.
        norm: Of "l2_sp": "squared", or "unsquared", alpha ||theta - theta0|| over 3 x 3 convolutions, as released.
        fisher: Of "ewc": "true", with classes drawn from the classifier, or "empirical", with those of the corpus,
            which then must be the classifier's.
        fisher_samples: How many images of the corpus.
        most_steps: Of "early_stop".
        corpus_size: How many images of the corpus are used, drawn by `seed`; a smaller draw is part of a larger.
        augmentations: Of training images; see `reprq.detectors.deep.augmentation.augmented`.
        epochs: Passes over the benign images.
        batch_size: Benign images a step, and as many of the corpus.
        lr: Learning rate; the paper has 0.1 for "bce", at which sums of squares such as "dsvdd" diverge.
        milestones: Epochs after which the rate is divided by 10; beyond `epochs` they do nothing.
        weight_decay: Half the weight of ||theta||^2, of all that learns.
        momentum: Of SGD.
        held_out: Share of the images that only serve the threshold of `predict`; 0 trains on all of them.
        precision: "float32", or "bfloat16" for autocast.
        seed: Of new weights, the hold-out, the corpus and the order of images.
        device: This and the others as in `DeepSVDD`.

    Attributes:
        backbone_: The network at the start, as it was.
        stored_bytes_: What a file of this fit holds, by part: "adapters", "normalizations", "head", "others".

    Example:
        >>> from reprq.backbones import load_backbone
        >>> from reprq.data import load_dataset
        >>> digits = load_dataset("digits")
        >>> zeros, others = digits.restrict(["0"]).sample(20), digits.restrict(["1", "2"]).sample(20)
        >>> start = load_backbone("lenet", "random")
        >>> detector = Transfer(backbone=start, loss="bce", epochs=1, lr=0.01).fit(zeros, auxiliary=others)
        >>> detector.anomaly_score(others).shape, detector.embed(others).shape
        ((20,), (20, 128))
    """

    backbone: Backbone | str | None = None
    loss: Literal["bce", "hsc", "deep_sad", "dsvdd"] = "dsvdd"
    regularizer: Literal["none", "l2_sp", "ewc", "adapters", "early_stop"] = "l2_sp"
    alpha: float | None = None
    norm: Literal["squared", "unsquared"] = "squared"
    fisher: Literal["true", "empirical"] = "true"
    fisher_samples: int = 256
    most_steps: int = 2300
    corpus_size: int | None = None
    augmentations: tuple[str, ...] | list[str] = ("flip", "crop")
    epochs: int = 100
    batch_size: int = 64
    lr: float = 1e-3
    milestones: tuple[int, ...] | list[int] = (60, 80)
    weight_decay: float = 1e-4
    momentum: float = 0.9
    held_out: float = 0.1
    precision: str = "float32"
    backbone_: Backbone = field(init=False)
    uses: ClassVar[frozenset[str]] = frozenset({"auxiliary"})
    _key = "reprq.deep"
    _not_saved = ("backbone", *DeepDetector._not_saved)

    @property
    def stored_bytes_(self) -> dict[str, int]:
        """Bytes of what was learned, by part; what is frozen is not stored."""
        self.check_fitted()
        found = dict.fromkeys(("adapters", "normalizations", "head", "others"), 0)
        adapted = [f"{n}.adapter" for n, each in self._net.named_modules() if isinstance(each, AdaptedConvolution)]
        normal = [n for n, each in self._net.named_modules() if hasattr(each, "running_mean")]
        for name, value in self._net.state_dict().items():
            owner = name.rpartition(".")[0]
            head = owner == "encoder.last" or owner == ""
            kind = "adapters" if owner in adapted else "normalizations" if owner in normal else "head" if head else ""
            found[kind or "others"] += value.nbytes
        return found

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        check_network(self.backbone, "backbone")
        check_choice("loss", self.loss, tuple(LOSSES))
        check_choice("regularizer", self.regularizer, REGULARIZERS)
        check_choice("norm", self.norm, ("squared", "unsquared"))
        check_choice("fisher", self.fisher, ("true", "empirical"))
        for name in ("fisher_samples", "most_steps"):
            check_count(name, getattr(self, name))
        if self.corpus_size is not None:
            check_count("corpus_size", self.corpus_size)
        if self.alpha is not None and not _is_number(self.alpha, 0, float("inf")):
            raise InputError(f"alpha must be a number of at least 0, got {self.alpha!r}; 0.01 is the paper's for l2_sp")
        if not _is_number(self.momentum, 0, 1):
            raise InputError(f"momentum must be in [0, 1), got {self.momentum!r}; 0.9 is usual")
        if not isinstance(self.augmentations, list | tuple):
            raise InputError(f"augmentations must be a list of names, got {self.augmentations!r}")
        check_augmentations(self.augmentations)
        super().check_parameters()

    def describe(self) -> str:
        """Return for example "transfer[bce,l2_sp,epochs=100,lr=0.001]", and whatever is not at its default."""
        return self._described("loss", "regularizer")

    def fit(self, X: Any, y: Any = None, *, labelled: Any = None, auxiliary: Any = None) -> Self:
        """Learn the benign images against a corpus; forgets any earlier fit.

        Args:
            X: Benign images, 4 or more: a `Dataset`, or what else `reprq.data.as_dataset` takes.
            y: Ignored.
            labelled: Not used.
            auxiliary: The corpus, in any form of `X`, without benign images. The loss "dsvdd" does not learn from it.

        Raises:
            InputError: `X` or `auxiliary` is nothing of that kind, there is no corpus where one is needed, or a
                parameter cannot be used.
            DataError: Too few images, or the corpus holds benign ones.
        """
        self.check_parameters()
        self._corpus: Dataset | None = None
        if auxiliary is None and (LOSSES[self.loss].corpus or self.regularizer == "ewc"):
            asking = f"loss {self.loss}" if LOSSES[self.loss].corpus else "regularizer ewc"
            raise InputError(f"{asking} learns from a corpus besides benign images, got none; give auxiliary")
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
            rows = list(self._net.encoder.layers(x).values())
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
        self.backbone_.check_takes(samples)

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

    def _build(self) -> "_FineTuned":
        encoder = BackboneEncoder(self.backbone_, LOSSES[self.loss].width)
        encoder.requires_grad_(True)
        if self.regularizer == "adapters":
            adapt(encoder.network)
            self._check_sizes(encoder)
        return _FineTuned(encoder, encoder.width if LOSSES[self.loss].centered else None)

    def _check_sizes(self, encoder: BackboneEncoder) -> None:
        """Raise an InputError where a convolution of 1 x 1 puts out maps of another size than the one beside it."""
        try:
            encoder.rows(self.backbone_.preprocessing.blank(1))
        except RuntimeError:
            raise InputError(
                f"adapters need convolutions that are padded to keep their size, and {self.backbone_.name} has others;"
                " name another backbone"
            ) from None

    def _learn(self, schedule: Schedule, kept: NDArray[np.int64], besides: dict[str, Inputs | Tensor]) -> list[Epoch]:
        if self.regularizer == "early_stop":
            steps = max(1, min(-(-len(kept) // self.batch_size), len(kept) // 2))
            schedule = replace(schedule, epochs=max(1, min(self.epochs, self.most_steps // steps)))
        self._besides = besides
        return super()._learn(schedule, kept, besides)

    def _prepare(self, schedule: Schedule, kept: NDArray[np.int64]) -> None:
        if self._net.center is not None:
            self._net.center.copy_(self._in_batches(self._embedding, self.inputs_, kept).double().mean(0))

    def _other(self, besides: dict[str, Inputs | Tensor]) -> Examples | None:
        return super()._other(besides) if LOSSES[self.loss].corpus else None

    def _step(self, schedule: Schedule) -> Step:
        folded = folded_normalizations(self._net.encoder.network)
        return _FineTuningStep(self, schedule, self._penalty(), folded)

    def _penalty(self) -> Penalty | None:
        """What is added to the loss, of `encoder.network`."""
        if self.regularizer not in _WEIGHTS:
            return None
        alpha = _WEIGHTS[self.regularizer] if self.alpha is None else self.alpha
        start = {n: w.to(self.device) for n, w in start_of(self.backbone_.network).items()}
        if self.regularizer == "ewc":
            return ewc(start, self._fisher(), alpha)
        if self.norm == "unsquared":
            return l2_sp_unsquared(start, alpha, self._net.encoder.network)
        return l2_sp(start, alpha)

    def _fisher(self) -> dict[str, Tensor]:
        assert self._corpus is not None
        network = self._classifier()
        inputs = self._besides["auxiliary"]
        rng = np.random.default_rng([self.seed, _SEED_OF_FISHER])
        rows = np.sort(rng.permutation(len(inputs))[: self.fisher_samples])
        samples: Any = self._here(inputs[torch.from_numpy(rows)])
        labels = None
        if self.fisher == "empirical":
            with torch.no_grad():
                known = network(samples[:1]).shape[1]
            if known != len(self._corpus.classes):
                raise InputError(
                    f"fisher empirical takes the classes of the corpus for those of {self.backbone_.name}, which tells"
                    f" {known} apart, got {len(self._corpus.classes)}; give what it was trained on, or fisher=true"
                )
            labels = torch.from_numpy(self._corpus.labels[rows])
        return fisher_information(network, samples, labels, self.seed)

    def _classifier(self) -> nn.Module:
        """A copy of the backbone with its own classifier."""
        start = self.backbone_
        if start.missing or start.layers[-1].where != "input":
            raise InputError(
                f"regularizer ewc reads the classifier of the backbone, and {start.name} comes without; give another"
            )
        return copy.deepcopy(start.network).eval().requires_grad_(True).to(torch.device(self.device))

    def _scores(self, x: Batch) -> Tensor:
        return LOSSES[self.loss].score(self._net(x).double())

    def _embedding(self, x: Batch) -> Tensor:
        return self._net.encoder.rows(x)

    @property
    def _net(self) -> "_FineTuned":
        net: _FineTuned = self.network_  # type: ignore[assignment]
        return net


class _FineTuned(nn.Module):
    """An encoder, and where the loss is one of distances their center."""

    center: Tensor | None

    def __init__(self, encoder: BackboneEncoder, width: int | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("center", None if width is None else torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (n, k), or squared distances to the center (n,)."""
        outputs: Tensor = self.encoder(x).float()
        if self.center is None:
            return outputs
        return (outputs.double() - self.center if not self.training else outputs - self.center).square().sum(1)


class _FineTuningStep(ExposureStep):
    """The mean loss over benign images and as many of the corpus, and what keeps the network near its start; by SGD."""

    def __init__(self, detector: Transfer, schedule: Schedule, penalty: Penalty | None, fixed: list[nn.Module]) -> None:
        seen: Any = detector.transform_

        def augment(x: Tensor) -> Tensor:
            names = detector.augmentations
            changed: Tensor = seen.normalize(augmented(seen.to_pixels(x), names)) if names else x
            return changed

        super().__init__(detector._net, schedule, LOSSES[detector.loss].each, augment)
        self.penalty, self.fixed, self.encoder = penalty, fixed, detector._net.encoder
        learned = [weight for weight in detector._net.parameters() if weight.requires_grad]
        self.optimizers = [torch.optim.SGD(learned, schedule.lr, detector.momentum, weight_decay=schedule.weight_decay)]

    def start(self, epoch: int) -> None:
        """Keep the statistics of normalizations that were folded away."""
        for module in self.fixed:
            module.eval()

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the loss; in training with the penalty."""
        loss = super().loss(batch, other)
        if self.penalty is None or not self.model.training:
            return loss
        return loss + self.penalty(self.encoder.network)


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value < high

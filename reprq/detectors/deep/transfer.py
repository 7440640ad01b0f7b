"""Transfer: a loss, and what keeps a pretrained network near its start while it is fine-tuned."""

import copy
import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.data import Batch
from reprq.detectors.deep.adapters import AdaptedConvolution, adapt
from reprq.detectors.deep.backbone_encoder import BackboneEncoder
from reprq.detectors.deep.exposure import ExposureStep
from reprq.detectors.deep.fine_tuning import FineTunedNetwork, FineTuningDetector, is_number
from reprq.detectors.deep.losses import LOSSES
from reprq.detectors.deep.regularizers import Penalty, ewc, fisher_information, l2_sp, l2_sp_unsquared, start_of
from reprq.detectors.rows.base import check_choice, check_count
from reprq.errors import InputError
from reprq.training import Epoch, Examples, Inputs, Schedule, Step

_SEED_OF_FISHER = 5_000_011
_WEIGHTS = {"l2_sp": 0.01, "ewc": 400.0}  # of Deecke et al. 2021
REGULARIZERS = ("none", "l2_sp", "ewc", "adapters", "early_stop")
STEPS, SAMPLE_WISE = "steps", "sample_wise"


class Parts(NamedTuple):
    """What a detector fine-tunes by; see `Transfer` for each."""

    loss: str
    regularizer: str
    alpha: float | None = None
    norm: str = "squared"
    fisher: str = "true"
    fisher_samples: int = 256
    stop: str = STEPS
    most_steps: int = 2300
    stop_every: int = 5

    @property
    def keeps(self) -> bool:
        """Whether networks along the training are kept, each of which scores."""
        return self.regularizer == "early_stop" and self.stop == SAMPLE_WISE

    def check(self) -> None:
        """Raise an InputError for a part that cannot be used, whatever the data."""
        check_choice("loss", self.loss, tuple(LOSSES))
        check_choice("regularizer", self.regularizer, REGULARIZERS)
        check_choice("norm", self.norm, ("squared", "unsquared"))
        check_choice("fisher", self.fisher, ("true", "empirical"))
        check_choice("stop", self.stop, (STEPS, SAMPLE_WISE))
        for name in ("fisher_samples", "most_steps", "stop_every"):
            check_count(name, getattr(self, name))
        if self.alpha is not None and not is_number(self.alpha, 0, math.inf):
            raise InputError(f"alpha must be a number of at least 0, got {self.alpha!r}; 0.01 is the paper's for l2_sp")
        if self.keeps and not LOSSES[self.loss].distance:
            known = ", ".join(name for name, loss in LOSSES.items() if loss.distance)
            raise InputError(
                f"stop sample_wise compares distances with their mean over benign images, and loss {self.loss} has"
                f" none; use {known}, or stop=steps"
            )


class TransferDetector(FineTuningDetector):
    """A pretrained network, fine-tuned by one of `LOSSES` with one of `REGULARIZERS`, which a subclass names."""

    @abstractmethod
    def _parts(self) -> Parts:
        """Return what it fine-tunes by."""

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
        self._parts().check()
        super().check_parameters()

    def _why_corpus(self) -> str:
        parts = self._parts()
        if LOSSES[parts.loss].corpus:
            return f"loss {parts.loss}"
        return "regularizer ewc" if parts.regularizer == "ewc" else ""

    def _build(self) -> FineTunedNetwork:
        parts = self._parts()
        encoder = BackboneEncoder(self.backbone_, LOSSES[parts.loss].width)
        encoder.requires_grad_(True)
        if parts.regularizer == "adapters":
            adapt(encoder.network)
            self._check_sizes(encoder)
        count = math.ceil(self.epochs / parts.stop_every) if parts.keeps else 0
        return FineTunedNetwork(encoder, LOSSES[parts.loss], count)

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
        parts = self._parts()
        if parts.regularizer == "early_stop" and parts.stop == STEPS:
            steps = max(1, min(-(-len(kept) // self.batch_size), len(kept) // 2))
            schedule = replace(schedule, epochs=max(1, min(self.epochs, parts.most_steps // steps)))
        self._besides, self._kept = besides, kept
        return super()._learn(schedule, kept, besides)

    def _prepare(self, schedule: Schedule, kept: NDArray[np.int64]) -> None:
        if self._net.center is not None:
            self._net.center.copy_(self._in_batches(self._embedding, self.inputs_, kept).double().mean(0))

    def _other(self, besides: dict[str, Inputs | Tensor]) -> Examples | None:
        return super()._other(besides) if LOSSES[self._parts().loss].corpus else None

    def _step(self, schedule: Schedule) -> Step:
        return _FineTuningStep(self, schedule, self._penalty())

    def _keep(self, epoch: int) -> None:
        """Keep the network as it is after every few epochs and the last one, with its mean benign score."""
        every = self._parts().stop_every
        if self._net.kept and (epoch % every == 0 or epoch == self.epochs):
            mean = self._in_batches(self._net.score, self.inputs_, self._kept).double().mean()
            self._net.keep(math.ceil(epoch / every) - 1, mean)

    def _penalty(self) -> Penalty | None:
        """What is added to the loss, of `encoder.network`."""
        parts = self._parts()
        if parts.regularizer not in _WEIGHTS:
            return None
        alpha = _WEIGHTS[parts.regularizer] if parts.alpha is None else parts.alpha
        start = {n: w.to(self.device) for n, w in start_of(self.backbone_.network).items()}
        if parts.regularizer == "ewc":
            return ewc(start, self._fisher(), alpha)
        if parts.norm == "unsquared":
            return l2_sp_unsquared(start, alpha, self._encoder.network)
        return l2_sp(start, alpha)

    def _fisher(self) -> dict[str, Tensor]:
        assert self._corpus is not None
        network = self._classifier()
        inputs = self._besides["auxiliary"]
        rng = np.random.default_rng([self.seed, _SEED_OF_FISHER])
        rows = np.sort(rng.permutation(len(inputs))[: self._parts().fisher_samples])
        samples: Any = self._here(inputs[torch.from_numpy(rows)])
        labels = None
        if self._parts().fisher == "empirical":
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
        return self._net.score_over_kept(x)

    @property
    def _net(self) -> FineTunedNetwork:
        net: FineTunedNetwork = self.network_  # type: ignore[assignment]
        return net


@dataclass(kw_only=True, eq=False, repr=False)
class Transfer(TransferDetector):
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
    - "early_stop", as PANDA (Reiss et al. 2021): with `stop` "steps" no more than `most_steps` steps, in whole epochs;
      with "sample_wise" the network is kept every `stop_every` epochs, and at the last, and the score of an image is
      the largest, over the networks kept, of its distance over the mean distance of the benign training images.
      PANDA's distances are those to nearest neighbors; here they are those of the loss, which "bce" has not.

    Batch normalization is live, but where it was folded into convolutions before the weights were stored: there its
    statistics stay. "deep_sad" and "dsvdd" take their center with the statistics at the start and train with those of
    batches, which puts benign images far from it at once; what is scored has running ones, which follow slowly. Over
    few steps they end below chance for this, and `statistics` "frozen" keeps them where they started. As in the paper
    it trains by SGD with momentum 0.9 to the last epoch. An epoch is a pass over the benign images; a corpus that is
    smaller is gone through again, where the released code ends the epoch.

    Args:
        backbone: A `Backbone` of images, or the name of one.
        loss: "bce", "hsc", "deep_sad" or "dsvdd", which does without a corpus.
        regularizer: One of the above.
        alpha: Its weight: 0.01 for "l2_sp" and 400 for "ewc" by default.
        norm: Of "l2_sp": "squared", or "unsquared", alpha ||theta - theta0|| over 3 x 3 convolutions, as released.
        fisher: Of "ewc": "true", with classes drawn from the classifier, or "empirical", with those of the corpus,
            which then must be the classifier's.
        fisher_samples: How many images of the corpus.
        stop: Of "early_stop": "steps" or "sample_wise".
        most_steps: Of stop="steps".
        stop_every: Of stop="sample_wise", epochs between two networks that are kept; a file holds all of them.
        corpus_size: How many images of the corpus are used, drawn by `seed`; a smaller draw is part of a larger.
        augmentations: Of training images; see `reprq.data.image.augmentation.augmented`.
        epochs: Passes over the benign images.
        batch_size: Benign images a step, and as many of the corpus.
        lr: Learning rate; the paper has 0.1 for "bce", at which sums of squares such as "dsvdd" diverge.
        milestones: Epochs after which the rate is divided by 10; beyond `epochs` they do nothing.
        weight_decay: Half the weight of ||theta||^2, of all that learns.
        momentum: Of SGD.
        held_out: Share of the images that only serve the threshold of `predict`; 0 trains on all of them.
        statistics: Of batch normalization: "live", as in the paper, or "frozen", as they were at the start.
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

    loss: Literal["bce", "hsc", "deep_sad", "dsvdd"] = "dsvdd"
    regularizer: Literal["none", "l2_sp", "ewc", "adapters", "early_stop"] = "l2_sp"
    alpha: float | None = None
    norm: Literal["squared", "unsquared"] = "squared"
    fisher: Literal["true", "empirical"] = "true"
    fisher_samples: int = 256
    stop: Literal["steps", "sample_wise"] = "steps"
    most_steps: int = 2300
    stop_every: int = 5
    lr: float = 1e-3

    def describe(self) -> str:
        """Return for example "transfer[bce,l2_sp,epochs=100,lr=0.001]", and whatever is not at its default."""
        return self._described("loss", "regularizer")

    def _parts(self) -> Parts:
        return Parts(**{name: getattr(self, name) for name in Parts._fields})


class _FineTuningStep(ExposureStep):
    """The mean loss over benign images and as many of the corpus, and what keeps the network near its start; by SGD."""

    def __init__(self, detector: TransferDetector, schedule: Schedule, penalty: Penalty | None) -> None:
        super().__init__(detector._net, schedule, LOSSES[detector._parts().loss].each, detector._augment)
        self.penalty, self.encoder, self.keep = penalty, detector._encoder, detector._keep
        self.fixed = detector._still()
        self.optimizers = detector._optimizers(schedule)

    def start(self, epoch: int) -> None:
        """Keep the statistics of normalizations that were folded away, or all where they are frozen."""
        for module in self.fixed:
            module.eval()

    def end(self, epoch: int) -> None:
        """Keep the network, where it is one that shall score."""
        self.keep(epoch)

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the loss; in training with the penalty."""
        loss = super().loss(batch, other)
        if self.penalty is None or not self.model.training:
            return loss
        return loss + self.penalty(self.encoder.network)

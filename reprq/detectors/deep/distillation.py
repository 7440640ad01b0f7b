"""Knowledge distillation: a student that learned to imitate a teacher on benign samples fails on anomalies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reprq.backbones import Backbone, Layer, Tap, load_backbone
from reprq.backbones.batch import mapped, mask_of
from reprq.backbones.sources.architectures import check_name
from reprq.data import Batch, Dataset
from reprq.data.image.preprocessing import Preprocessing
from reprq.detectors.deep.base import DeepDetector
from reprq.detectors.deep.maps import blurred, check_blur, gradient_map
from reprq.detectors.deep.samples import Samples
from reprq.detectors.deep.scheduled import TrainedDetector
from reprq.detectors.network import check_network, check_same, opened
from reprq.detectors.rows.base import check_choice
from reprq.embeddings.pooling import pool_layer
from reprq.embeddings.registry import check_pooling
from reprq.errors import InputError
from reprq.seeding import seeded
from reprq.training import Examples, Schedule, Step

_STUDENT_SEED = 1_000_003


@dataclass(kw_only=True, eq=False, repr=False)
class Distillation(TrainedDetector):
    """Distance between a frozen teacher h and a student f that learned h on benign samples.

    The student starts from random weights, never the teacher's, and minimizes the mean over samples of
    ||h(x) - f(x)||^2 / d, the mean squared error; the score of a sample is ||h(x) - f(x)||^2, summed over the layers.
    Mai, Davies & Griffin 2021; several layers as in Salehi et al. 2021, each with its own dimension in the mean. A
    tenth of the benign samples is held out for an early stop.

    Args:
        teacher: A `Backbone`, or the name of one: "resnet18", "teacher:PATH".
        student: An architecture; the teacher's by default. A smaller one is given a linear map to each of the
            teacher's layers where their widths differ.
        layers: Which layers of the teacher, as in `Backbone.select_layers`; the last by default. The student's are
            those of the same name, or for another architecture those at the same place from the end.
        pooling: How a layer becomes one row per sample.
        epochs: The most epochs.
        batch_size: Samples a step.
        lr: The learning rate of Adam.
        patience: Epochs without a better loss on the hold-out before training stops.
        precision: "float32", or "bfloat16" for autocast.
        score: "error", or "gradient": the l2 norm of the derivative of that error in the input, through the student
            alone, which is the term of a sample in Mai's brittleness. It needs inputs that have derivatives, as images.
        sigma: Of the Gaussian that blurs maps, in pixels; 0 for none.
        seed: Of the student's weights, the hold-out and the order of samples.
        device: A torch device.
        checkpoint: A file for the state between epochs, so that an interrupted fit goes on.
        progress: Whether to show progress on stderr.

    Attributes:
        inputs_: The benign samples that it was fitted on, as the teacher takes them.
        history_: One row an epoch: epoch, loss, held_out_loss.
        held_out_scores_: Scores of the benign samples held out.

    Example:
        >>> from reprq.data import load_dataset
        >>> zeros = load_dataset("digits").restrict(["0"]).sample(40)
        >>> detector = Distillation(load_backbone("lenet", "random"), epochs=2).fit(zeros)
        >>> detector.anomaly_score(load_dataset("digits", "test").sample(5, seed=1)).shape
        (5,)
    """

    teacher: Backbone | str | None = field(default=None, kw_only=False)
    student: str | None = None
    layers: str | int | Sequence[str | int] = -1
    pooling: str = "avg"
    epochs: int = 30
    batch_size: int = 32
    lr: float = 1e-3
    patience: int = 5
    precision: str = "float32"
    score: str = "error"
    sigma: float = 4.0
    _key = "reprq.distillation"
    _not_saved = ("teacher", *DeepDetector._not_saved)

    @property
    def student_(self) -> "_Student":
        """The student: `network_`."""
        student: _Student = self.network_  # type: ignore[assignment]
        return student

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        check_blur(self.sigma)
        check_choice("score", self.score, ("error", "gradient"))
        check_network(self.teacher, "teacher")
        if self.student is not None and not isinstance(self.student, str):
            raise InputError(f"student must be the name of an architecture, got {self.student!r}")
        if self.student is not None and ":" not in self.student:  # the others have to be loaded to be known
            check_name(self.student)
        if not isinstance(self.layers, str | int) and not len(self.layers):
            raise InputError("layers must name at least one layer, got none")

    def describe(self) -> str:
        """A stable identifier of the method and its settings."""
        layers = self.layers if isinstance(self.layers, str | int) else ",".join(map(str, self.layers))
        said = [f"layers={layers}", self.pooling, f"epochs<={self.epochs}", f"batch={self.batch_size}", f"lr={self.lr}"]
        said += [f"patience={self.patience}"] * (self.patience != 5)
        said += [self.precision] * (self.precision != "float32")
        said += [f"student={self.student}"] * (self.student is not None)
        said += ["score=gradient"] * (self.score == "gradient")
        return f"distillation[{','.join(said)}]"

    def loss(self, x: Tensor) -> Tensor:
        """Compute ||h(x) - f(x)||^2 of (n, C, H, W) inputs: (n,), differentiable in x through the student alone.

        Raises:
            NotFittedError: `fit` has not been called.
        """
        self.check_fitted()
        return self._error(x)

    def anomaly_map(self, X: Any) -> NDArray[np.float64]:
        """Return the sum over channels of |d score / d x| at every pixel, through both networks, blurred: (m, H, W).

        Salehi et al. 2021, section 3.3, with a Gaussian of `sigma` pixels, and without the opening that follows there.
        H and W are those of the teacher's input.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: The teacher takes no images, or `X` is not of the kind that it was fitted on.
        """
        self.check_fitted()
        if not isinstance(self.transform_, Preprocessing):
            modality = self.teacher_.preprocessing.modality
            raise InputError(f"anomaly_map is of images, and this teacher takes another modality, {modality}")
        found: NDArray[np.float64] = self._of_samples(self._map, X).double().numpy()
        return found

    @classmethod
    def load(cls, path: str | Path, teacher: Backbone | str, *, device: str = "cpu") -> Self:  # type: ignore[override]
        """Read a fitted detector that `save` wrote; the teacher is not in the file.

        Args:
            path: The file.
            teacher: The teacher that it was fitted with.
            device: A torch device.

        Raises:
            InputError: The file is missing, damaged or foreign, or the teacher has other weights.
        """
        return super().load(path, device=device, teacher=teacher)

    def _open(self, samples: Samples) -> None:
        assert isinstance(samples, Dataset)
        self._open_teacher(samples)

    def _open_teacher(self, samples: Dataset | None = None) -> None:
        """Load the teacher, with the layers to be read, for the samples that it is to take."""
        found = opened(self.teacher, "teacher", self)
        self.teacher_ = found if samples is None else found.taking(samples)
        self.transform_ = self.teacher_.preprocessing
        self._heads = _Reader(self.teacher_, self.teacher_.select_layers(self.layers), self.pooling)
        self._heads.network.to(torch.device(self.device))
        with torch.no_grad():
            self._widths = [part.shape[1] for part in self._heads(self._here(self.teacher_.preprocessing.blank(2)))]

    def _known(self) -> dict[str, Any]:
        return {"teacher": self.teacher_.weights_digest}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        self._open_teacher()
        check_same(self.teacher_, made["teacher"], "teacher", path)

    @classmethod
    def _what(cls) -> str:
        return "a student"

    def _inputs(self, samples: Samples) -> Any:
        if (
            isinstance(samples, Dataset)
            and self.transform_ is not None
            and samples.modality != self.transform_.modality
        ):
            self.teacher_.check_takes(samples)
        return super()._inputs(samples)

    def _examples(self) -> Examples:
        return Examples(self.inputs_, self._in_batches(self._embedding, self.inputs_, np.arange(len(self.inputs_))))

    def _step(self, schedule: Schedule) -> Step:
        return _ImitationStep(self.network_, schedule, self._widths)

    def _build(self) -> "_Student":
        """Build a student with its own random weights; a random teacher of the same seed must not be its twin."""
        teacher = self.teacher_
        seed = int(np.random.default_rng([self.seed, _STUDENT_SEED]).integers(2**31))
        backbone = load_backbone(
            self.student or teacher.name, "random", preprocessing=teacher.preprocessing.overrides(), seed=seed
        )
        if backbone.preprocessing.to_dict() != teacher.preprocessing.to_dict():
            raise InputError(
                f"student must take what {teacher.name} takes, got {backbone.name}, which takes other input"
            )
        wanted = self._heads.layers
        if self.student in (None, teacher.name):
            layers = backbone.select_layers([layer.name for layer in wanted])
        else:
            places = [teacher.layers.index(layer) - len(teacher.layers) for layer in wanted]
            layers = [backbone.layers[max(place, -len(backbone.layers))] for place in places]
        with seeded(seed):
            return _Student(_Reader(backbone, layers, self.pooling), self._widths, backbone.preprocessing.blank(2))

    def _embedding(self, x: Batch) -> Tensor:
        """The teacher's embeddings, several layers side by side."""
        return torch.cat(self._heads(x), dim=1).float()

    def _scores(self, x: Batch) -> Tensor:
        if self.score == "error":
            return self._error(x)
        if not isinstance(x, Tensor) or not x.is_floating_point():
            raise InputError("score 'gradient' needs inputs that have derivatives, got words; take score 'error'")
        with torch.enable_grad():
            inputs = x.detach().requires_grad_()
            (slopes,) = torch.autograd.grad(self._error(inputs).sum(), inputs)
        norms: Tensor = torch.linalg.vector_norm(slopes.flatten(1).double(), dim=1)
        return norms

    def _error(self, x: Batch) -> Tensor:
        with torch.no_grad():
            known = self._heads(mapped(x, torch.Tensor.detach))
        return _distance(self.student_(x), known)

    def _map(self, x: Any) -> Tensor:
        found = gradient_map(lambda inputs: _distance(self.student_(inputs), self._heads(inputs)), x)
        return blurred(found, self.sigma)


def _distance(mine: list[Tensor], theirs: list[Tensor]) -> Tensor:
    pairs = zip(mine, theirs, strict=True)
    return torch.stack([(one.double() - other.double()).square().sum(1) for one, other in pairs]).sum(0)


class _Reader:
    """Pooled rows of some layers of a network, with gradients."""

    def __init__(self, backbone: Backbone, layers: list[Layer], pooling: str) -> None:
        check_pooling(pooling, layers)
        self.network, self.layers, self.pooling = backbone.network.eval(), layers, pooling

    def __call__(self, x: Batch) -> list[Tensor]:
        mask = mask_of(x)

        def take(layer: Layer, output: Tensor) -> Tensor:
            return pool_layer(layer, output, self.pooling, mask)

        with Tap(self.network, self.layers, take) as tap:
            return list(tap(x).values())


class _Student(nn.Module):
    """A network whose layers are mapped to the teacher's widths where they differ."""

    def __init__(self, reader: _Reader, widths: list[int], blank: Batch) -> None:
        super().__init__()
        self.reader, self.network = reader, reader.network
        with torch.no_grad():
            own = [part.shape[1] for part in reader(blank)]
        self.maps = nn.ModuleList(
            nn.Identity() if mine == theirs else nn.Linear(mine, theirs)
            for mine, theirs in zip(own, widths, strict=True)
        )

    def forward(self, x: Batch) -> list[Tensor]:
        return [layer(rows) for layer, rows in zip(self.maps, self.reader(x), strict=True)]


class _ImitationStep(Step):
    """The mean over samples of ||h(x) - f(x)||^2 / d, summed over the layers; the targets are h(x), side by side."""

    def __init__(self, student: nn.Module, schedule: Schedule, widths: list[int]) -> None:
        super().__init__(student, schedule)
        self.scale = torch.cat([torch.full((width,), 1.0 / width) for width in widths]).to(self.device)

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        error = (torch.cat(self.model(batch.inputs), dim=1).float() - batch.targets).square()
        loss: Tensor = (error * self.scale).sum(1).mean()
        return loss

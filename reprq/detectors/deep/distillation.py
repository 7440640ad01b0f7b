"""Knowledge distillation: a student that learned to imitate a teacher on benign samples fails on anomalies."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from reprq.backbones import Backbone, Layer, Tap, load_backbone
from reprq.backbones.batch import mapped, mask_of
from reprq.backbones.sources.architectures import check_name
from reprq.data import Batch, Dataset
from reprq.detectors.deep.network import NetworkDetector
from reprq.embeddings.pooling import pool_layer
from reprq.embeddings.registry import check_pooling
from reprq.errors import InputError, OutputExistsError
from reprq.numerics.rows import Scores
from reprq.seeding import seeded
from reprq.storage import write_whole
from reprq.training import Epoch, Examples, Inputs, Schedule, Step, split_rows, train

_BATCH = 256
_STUDENT_SEED = 1_000_003
_KEY, _HELD_OUT = "reprq.distillation", "held_out_scores"
_NOT_SAVED = ("teacher", "device", "checkpoint", "progress")


class Distillation(NetworkDetector):
    """Distance between a frozen teacher h and a student f that learned h on benign samples.

    The student starts from random weights, never the teacher's, and minimises the mean over samples of
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

    def __init__(
        self,
        teacher: Backbone | str | None = None,
        *,
        student: str | None = None,
        layers: str | int | Sequence[str | int] = -1,
        pooling: str = "avg",
        epochs: int = 30,
        batch_size: int = 32,
        lr: float = 1e-3,
        patience: int = 5,
        precision: str = "float32",
        seed: int = 0,
        device: str = "cpu",
        checkpoint: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.teacher = teacher
        self.student = student
        self.layers = layers
        self.pooling = pooling
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.patience = patience
        self.precision = precision
        self.seed = seed
        self.device = device
        self.checkpoint = checkpoint
        self.progress = progress

    @property
    def images_(self) -> Inputs:
        """`inputs_`, by the name that it had before there was other data than images."""
        return self.inputs_

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        self._schedule()
        if self.teacher is not None and not isinstance(self.teacher, (Backbone, str)):
            raise InputError(f"teacher must be a Backbone or its name, got {type(self.teacher).__name__}")
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
        return f"distillation[{','.join(said)}]"

    def embed(self, X: Dataset) -> NDArray[np.float32]:
        """Return the teacher's embeddings of samples: (m, d) float32, several layers side by side.

        Raises:
            NotFittedError: `fit` has not been called.
        """
        self.check_fitted()
        return torch.cat(self._embed(Inputs(X, self.teacher_.preprocessing)), dim=1).numpy()

    def loss(self, x: Tensor) -> Tensor:
        """Compute ||h(x) - f(x)||^2 of (n, C, H, W) inputs: (n,), differentiable in x through the student alone.

        Raises:
            NotFittedError: `fit` has not been called.
        """
        self.check_fitted()
        return self._distances(x)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the student, its parameters and the scores held out to a safetensors file; the teacher stays out.

        Raises:
            NotFittedError: `fit` has not been called.
            OutputExistsError: The file is there and `force` is False.
            ReprqError: The file cannot be written.
        """
        self.check_fitted()
        path = Path(path)
        if path.exists() and not force:
            raise OutputExistsError(f"{path} exists already; give another path or force=True")
        parameters = {name: value for name, value in self.get_params().items() if name not in _NOT_SAVED}
        made = {"parameters": parameters, "teacher": self.teacher_.weights_digest, "history": self.history_}
        state = {name: value.detach().cpu().contiguous() for name, value in self.student_.state_dict().items()}
        state[_HELD_OUT] = torch.from_numpy(self.held_out_scores_)
        write_whole(path, lambda temporary: save_file(state, temporary, {_KEY: json.dumps(made)}))

    @classmethod
    def load(cls, path: str | Path, teacher: Backbone | str, *, device: str = "cpu") -> "Distillation":
        """Read a fitted detector that `save` wrote.

        Args:
            path: The file.
            teacher: The teacher that it was fitted with.
            device: A torch device.

        Raises:
            InputError: The file is missing, damaged or foreign, or the teacher has other weights.
        """
        try:
            with safe_open(path, framework="pt") as file:
                made = json.loads((file.metadata() or {})[_KEY])
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            detector = cls(teacher, **made["parameters"], device=device)
            held_out, wanted = state.pop(_HELD_OUT), made["teacher"]
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} must be a student that reprq saved, got {error!r}; save it again") from error
        detector._open()
        if detector.teacher_.weights_digest != wanted:
            raise InputError(f"teacher must be the one that {path} was fitted with, got other weights; give that one")
        with torch.no_grad():
            blank = mapped(detector.teacher_.preprocessing.blank(2), lambda tensor: tensor.to(device))
            widths = [part.shape[1] for part in detector._heads(blank)]
        detector.student_ = detector._build_student(widths).to(device)
        try:
            detector.student_.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"{path} must be a student of this teacher, got {error}; save it again") from error
        detector.student_.eval()
        detector.history_, detector.held_out_scores_ = made["history"], held_out.numpy()
        return detector

    def _open(self) -> None:
        """Load the teacher, with the layers to be read."""
        self.teacher_ = self._load_teacher()
        self._heads = _Reader(self.teacher_, self.teacher_.select_layers(self.layers), self.pooling)
        self._heads.network.to(torch.device(self.device))

    def _schedule(self) -> Schedule:
        return Schedule(self.epochs, self.batch_size, self.lr, self.seed, self.patience, self.precision)  # type: ignore[arg-type]

    def _fit(self, data: Dataset) -> Scores:
        schedule = self._schedule()
        self._open()
        self.teacher_.check_takes(data)
        self.inputs_ = Inputs(data, self.teacher_.preprocessing)
        targets = self._embed(self.inputs_)
        widths = [part.shape[1] for part in targets]
        self.student_ = self._build_student(widths).to(torch.device(self.device))
        self.history_ = self._train(torch.cat(targets, dim=1), schedule, widths)
        _, held_out = split_rows(len(data), self.seed)
        return self._scores(self.inputs_, held_out.tolist())

    def _train(self, targets: Tensor, schedule: Schedule, widths: list[int]) -> list[Epoch]:
        step = _ImitationStep(self.student_, schedule, widths)
        bar = {"desc": "student", "show": self.progress, "leave": False}
        file = None if self.checkpoint is None else Path(self.checkpoint)
        return train(step, Examples(self.inputs_, targets), checkpoint=file, bar=bar)

    def _load_teacher(self) -> Backbone:
        if self.teacher is None:
            raise InputError("teacher must be a Backbone or its name, got None; give Distillation(teacher=...)")
        return self.teacher if isinstance(self.teacher, Backbone) else load_backbone(self.teacher)

    def _build_student(self, widths: list[int]) -> "_Student":
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
            return _Student(_Reader(backbone, layers, self.pooling), widths, backbone.preprocessing.blank(2))

    @torch.no_grad()
    def _embed(self, inputs: Inputs) -> list[Tensor]:
        batches = torch.split(torch.arange(len(inputs)), _BATCH)
        parts = [self._heads(self._here(inputs[rows])) for rows in batches]
        return [torch.cat(layer).float().cpu() for layer in zip(*parts, strict=True)]

    def _distances(self, x: Batch) -> Tensor:
        with torch.no_grad():
            known = self._heads(mapped(x, torch.Tensor.detach))
        pairs = zip(self.student_(x), known, strict=True)
        return torch.stack([(mine.double() - theirs.double()).square().sum(1) for mine, theirs in pairs]).sum(0)

    def _scores(self, inputs: Inputs, rows: Sequence[int]) -> Scores:
        with torch.inference_mode():
            batches = torch.split(torch.as_tensor(rows), _BATCH)
            parts = [self._distances(self._here(inputs[part])) for part in batches]
        return torch.cat(parts).cpu().numpy() if parts else np.empty(0)

    def _score(self, data: Dataset) -> Scores:
        self.teacher_.check_takes(data)
        return self._scores(Inputs(data, self.teacher_.preprocessing), range(len(data)))

    def _here(self, inputs: Batch) -> Batch:
        return mapped(inputs, lambda tensor: tensor.to(self.device))


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

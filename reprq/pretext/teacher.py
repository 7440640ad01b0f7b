"""Trains a teacher on a pretext task and writes it to a file that `load_backbone("teacher:PATH")` reads."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from reprq.backbones import Backbone, load_backbone
from reprq.backbones.batch import MASK, put_out
from reprq.backbones.entries import BACKBONES
from reprq.backbones.layers.probing import probe
from reprq.backbones.layers.stages import head_of
from reprq.data import Dataset, as_dataset
from reprq.data.image.augmentation import augmented, check_augmentations
from reprq.data.modality import modality_named
from reprq.data.views import sets_of
from reprq.errors import DataError, InputError, OutputExistsError, ReprqError
from reprq.pretext.registry import TASKS
from reprq.pretext.task import PretextTask, Shapes
from reprq.provenance import digest, versions
from reprq.registry import Entry
from reprq.seeding import seeded
from reprq.storage import file_name, write_whole
from reprq.training import Epoch, Examples, Inputs, Schedule, Step, train

LEAST_SAMPLES = 4
_ARCHITECTURES = {"image": "lenet", "table": "mlp"}


@dataclass(frozen=True)
class _Training:
    schedule: Schedule
    device: torch.device
    checkpoint: Path
    bar: dict[str, Any]
    sets: NDArray[np.int64] | None
    augmentations: tuple[str, ...]


def train_teacher(
    task: str,
    data: Any,
    *,
    out: Path | str,
    architecture: str | None = None,
    weights: str | Path = "random",
    preprocessing: Mapping[str, Any] | None = None,
    epochs: int = 8,
    batch_size: int = 32,
    lr: float = 1e-3,
    patience: int = 5,
    precision: str = "float32",
    augmentations: tuple[str, ...] | list[str] = (),
    cosine: bool = False,
    warm_up: int = 0,
    weight_decay: float = 0.0,
    balance_sets: bool = False,
    seed: int = 0,
    device: str = "cpu",
    force: bool = False,
    progress: bool = True,
) -> Path:
    """Train a network on a pretext task and write it to a safetensors file, whole or not at all.

    The network starts from `load_backbone(architecture, weights, seed=seed)`, at random that is PyTorch's default, and
    sees the samples through its preprocessing. The task's head stands in place of the network's classifier. Of texts
    the network is a model of Hugging Face, "hf:PATH", whose folder has its configuration and tokenizer and is needed by
    the teacher too; the head stands on its last hidden states. The file holds the network, and the head where it is one
    linear layer (classification, rotation, supervised); its metadata say how it was made. After every epoch the state
    stands in a hidden file beside `out`: the same call goes on from there, and ends with the same bytes as a call that
    was not interrupted, on the same machine.

    Args:
        task: One of `names()`.
        data: The samples, and for classification and supervised their labels: a `Dataset`, the name of a data set,
            whose training samples are taken, or whatever else `reprq.data.as_dataset` takes.
        out: The path of the file.
        architecture: A backbone's name; by default lenet of images and mlp of rows of tables; of texts it must be said.
        weights: What the network starts from: "random", "default" (those of its source), or the path of a file.
        preprocessing: What to change in the architecture's own preprocessing, such as the size.
        epochs: The most epochs; training stops early where a seeded hold-out of a tenth no longer improves.
        batch_size: Samples a step.
        lr: The learning rate of Adam.
        patience: Epochs without a better loss on the hold-out before it stops; byol and simsiam, whose loss is lowest
            where the network has collapsed, never stop early.
        precision: "float32", or "bfloat16" for autocast.
        augmentations: Of the images that train: "jitter", "flip", "crop", "noise"; see
            `reprq.data.image.augmentation.augmented`. None by default.
        cosine: Whether the rate falls towards 0 along half a cosine over all epochs.
        warm_up: Steps over which the rate rises linearly at the start.
        weight_decay: Lambda of (lambda / 2) ||W||^2, added to the gradient before Adam scales it.
        balance_sets: Whether of merged data, such as joint_digits, the smaller sets are resampled to the largest of
            each class, after the hold-out was drawn, and every batch holds all sets.
        seed: Of the initial weights, the hold-out, the order of samples and the views.
        device: A torch device.
        force: Replace an existing file.
        progress: Whether to show progress on stderr.

    Returns:
        `out`.

    Raises:
        UnknownNameError: no such task or architecture.
        OutputExistsError: `out` is a folder, or exists and `force` is not set.
        DataError: fewer than 4 samples, or fewer than 2 classes to tell apart.
        InputError: data of a modality that the task does not take; a number out of its range; or a loss that is no
            longer finite.
        ReprqError: the file cannot be written.
    """
    entry = TASKS.find(task)
    falling: dict[str, Any] = {"cosine": cosine, "warm_up": warm_up, "weight_decay": weight_decay}
    schedule = Schedule(epochs, batch_size, lr, seed, patience, precision, **falling)  # type: ignore[arg-type]
    check_augmentations(augmentations)
    data, out = as_dataset(data, seed=seed), Path(out)
    _check_taught(entry, data)
    if augmentations and data.modality != "image":
        raise InputError(
            f"augmentations must have images, got the {data.noun}s of {data.name}; leave them out (augmentations=,"
            " --augment)"
        )
    kind = entry.load()
    if kind is not None and not kind.by_loss:
        schedule = replace(schedule, patience=None)
    _make_room(out, force)
    if len(data) < LEAST_SAMPLES:
        raise DataError(
            f"a teacher needs at least {LEAST_SAMPLES} {data.noun}s, {data.name} gives {len(data)}; give more"
        )
    architecture = _architecture(architecture, data)
    backbone = load_backbone(architecture, weights, preprocessing=preprocessing, seed=seed)
    if backbone.unloaded:
        said = "; ".join(backbone.notes)
        raise InputError(f"weights must reach every layer of {architecture}: {said}; give a whole file")
    backbone.check_takes(data)
    if not backbone.is_fitted:
        backbone = backbone.fit(data)
    probe(backbone.network, (), backbone.preprocessing)
    made: dict[str, Any] = {
        "architecture": architecture,
        "preprocessing": backbone.preprocessing.to_dict(),
        **({} if backbone.learned is None else {"learned": backbone.learned.to_dict()}),
        "task": task,
        "data": {
            "name": data.name,
            "split": data.split,
            "classes": list(data.classes),
            "n": len(data),
            "fingerprint": data.fingerprint,
        },
        "training": {
            **schedule.to_dict(),
            "device": device,
            **({"augmentations": list(augmentations)} if augmentations else {}),
            **({"balance_sets": True} if balance_sets else {}),
        },
        "seed": seed,
    }
    if str(weights) != "random":
        made["start"] = {"weights": backbone.weights, "digest": backbone.weights_digest}
    history: list[Epoch] = []
    arguments: dict[str, Any] = {}
    if kind is not None:
        checkpoint = out.with_name(f".{file_name(out.name)}.{digest(made)[:12]}.checkpoint")
        bar = {"desc": f"{task} teacher", "show": progress, "leave": False}
        sets = _sets(data) if balance_sets else None
        training = _Training(schedule, torch.device(device), checkpoint, bar, sets, tuple(augmentations))
        history, arguments = _train(backbone, entry, data, training)
    made |= {"arguments": arguments, "history": history, "versions": versions()}
    state = {key: value.detach().cpu().contiguous() for key, value in backbone.network.state_dict().items()}
    write_whole(out, lambda temporary: save_file(state, temporary, {"reprq": json.dumps(made)}))
    return out


def _architecture(asked: str | None, data: Dataset) -> str:
    """The network to train: the one asked for, if it has weights to train, or that of the modality."""
    if asked is None:
        if data.modality not in _ARCHITECTURES:
            raise InputError(
                f"architecture must be given for the {data.noun}s of {data.name}; name a network, as hf:PATH"
                " (architecture=, --architecture)"
            )
        return _ARCHITECTURES[data.modality]
    known = BACKBONES.find(asked).facts if asked in BACKBONES else {}
    if known.get("weightless"):
        fitting = _ARCHITECTURES.get(data.modality, "hf:PATH")
        raise InputError(f"architecture must be a network with weights to train, got {asked}; choose such as {fitting}")
    return asked


def _sets(data: Dataset) -> NDArray[np.int64]:
    """Which set each sample of merged data is of."""
    names, sets = sets_of(data)
    if len(names) < 2:
        raise InputError(f"balance_sets needs merged data, such as joint_digits, got {data.name}; leave it out")
    return sets


_NONE_LEARNS = "no pretext task learns from those: use a network that is trained, `reprq backbones` lists them"


def _check_taught(entry: Entry, data: Dataset) -> None:
    if not entry.takes(data.modality):
        wanted = " or ".join(f"{modality_named(kind).item}s" for kind in entry.inputs.split(", "))
        others = ", ".join(each.name for each in TASKS if each.takes(data.modality))
        advice = f"choose among {others}" if others else _NONE_LEARNS
        raise InputError(f"task {entry.name!r} must have {wanted}, got the {data.noun}s of {data.name}; {advice}")


def _train(
    backbone: Backbone,
    entry: Entry,
    data: Dataset,
    training: _Training,
) -> tuple[list[Epoch], dict[str, Any]]:
    """Train the backbone's network in place; return the history and the arguments that build it again."""
    if backbone.preprocessing.modality == "text":
        return _train_on_texts(backbone, entry, data, training), {}
    network, where = backbone.network, head_of(backbone.network)
    classifier = network.get_submodule(where)
    task: PretextTask = entry.call(Shapes(_width(classifier), backbone.preprocessing))
    with seeded(training.schedule.seed):
        head = task.head(data)
    network.set_submodule(where, nn.Identity())
    history = _learn(task, network, head, backbone, data, training)
    if isinstance(head, nn.Linear) and isinstance(classifier, nn.Linear):
        network.set_submodule(where, head)
        return history, {"num_classes": head.out_features}
    return history, {}


def _train_on_texts(
    backbone: Backbone,
    entry: Entry,
    data: Dataset,
    training: _Training,
) -> list[Epoch]:
    """As `_train`, of a model that has no classifier: its last hidden states are what the head takes."""
    trunk = TextTrunk(backbone.network, tokens=entry.load().of_tokens)
    with torch.no_grad():
        width = trunk(backbone.preprocessing.blank(1)).shape[-1]
    task: PretextTask = entry.call(Shapes(width, backbone.preprocessing))
    with seeded(training.schedule.seed):
        head = task.head(data)
    return _learn(task, trunk, head, backbone, data, training)


def _learn(
    task: PretextTask,
    trunk: nn.Module,
    head: nn.Module,
    backbone: Backbone,
    data: Dataset,
    training: _Training,
) -> list[Epoch]:
    inputs = Inputs(data, backbone.preprocessing)
    task.prepare(trunk, inputs)
    model = task.model(trunk, head).to(training.device)
    examples = Examples(inputs, torch.from_numpy(data.labels), training.sets)
    step = _TeacherStep(model, training.schedule, task, _changing(backbone.preprocessing, training.augmentations))
    return train(step, examples, checkpoint=training.checkpoint, bar=training.bar)


def _changing(seen: Any, names: tuple[str, ...]) -> Callable[[Any], Any]:
    """What training images go through."""
    return (lambda x: seen.normalize(augmented(seen.to_pixels(x), names))) if names else (lambda x: x)


class TextTrunk(nn.Module):
    """What a model of texts makes of a batch: its last hidden states, or their average over the tokens that count.

    Args:
        network: A model of Hugging Face.
        tokens: Whether it gives (n, L, width), not (n, width).
    """

    def __init__(self, network: nn.Module, *, tokens: bool) -> None:
        super().__init__()
        self.network, self.tokens = network, tokens

    def forward(self, inputs: Any) -> Tensor:
        """Return the states of a batch."""
        hidden: Tensor = put_out(self.network, inputs).last_hidden_state
        if self.tokens:
            return hidden
        mask = inputs[MASK][:, :, None]
        found: Tensor = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        return found


class _TeacherStep(Step):
    """A network with a head learns what its pretext task makes of a batch."""

    def __init__(self, model: nn.Module, schedule: Schedule, task: PretextTask, changed: Callable[[Any], Any]) -> None:
        super().__init__(model, schedule)
        self.task, self._changed = task, changed
        self._done = 0

    def start(self, epoch: int) -> None:
        self._done = (epoch - 1) * self.steps  # told by the epoch: training may go on from a checkpoint

    def update(self, batch: Examples, other: Examples | None) -> Tensor:
        loss = super().update(batch, other)
        self._done += 1
        self.task.stepped(self.model, self._done / (self.schedule.epochs * self.steps))
        return loss

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        return self.task.loss(*self._answered(batch._replace(inputs=self._changed(batch.inputs))))

    def judge(self, batch: Examples) -> dict[str, float | None]:
        outputs, targets = self._answered(batch)
        task = self.task
        figures = {"loss": float(task.loss(outputs, targets)), "accuracy": task.accuracy(outputs, targets)}
        return {**figures, **task.figures(outputs, targets)}

    def _answered(self, batch: Examples) -> tuple[Tensor, Tensor]:
        inputs, targets = self.task.views(batch.inputs, batch.targets)
        return self.model(inputs), targets


def _width(classifier: nn.Module) -> int:
    width: Any = classifier.in_channels if isinstance(classifier, nn.Conv2d) else classifier.in_features
    return int(width)


def _make_room(out: Path, force: bool) -> None:
    if out.is_dir():
        raise OutputExistsError(f"{out} is a folder; give the path of a file")
    if out.exists() and not force:
        raise OutputExistsError(f"{out} exists already; give another path, or force=True (--force) to replace it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReprqError(f"the folder {out.parent} cannot be made: {error.strerror or error}") from None
    probe = out.with_name(f"{out.name}.probe")
    write_whole(probe, lambda temporary: None)  # better now than after the training
    probe.unlink(missing_ok=True)

"""Trains a teacher on a pretext task and writes it to a file that `load_backbone("teacher:PATH")` reads."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from reprq.backbones import Backbone, load_backbone
from reprq.backbones.stages import head_of
from reprq.data import ImageDataset
from reprq.errors import DataError, OutputExistsError, ReprqError, UnknownNameError
from reprq.pretext.autoencoder import Autoencoder
from reprq.pretext.classification import Classification
from reprq.pretext.rotation import Rotation
from reprq.pretext.task import PretextTask, Shapes
from reprq.pretext.training import Epoch, Schedule, train
from reprq.provenance import versions

TASKS: dict[str, PretextTask | None] = {
    "random": None,  # the network as it was initialised: the floor
    "classification": Classification(),
    "rotation": Rotation(),
    "autoencoder": Autoencoder(),
}
LEAST_IMAGES = 4


def names() -> list[str]:
    """Return the names of the pretext tasks.

    Example:
        >>> names()
        ['random', 'classification', 'rotation', 'autoencoder']
    """
    return list(TASKS)


def train_teacher(
    task: str,
    data: ImageDataset,
    *,
    out: Path | str,
    architecture: str = "lenet",
    epochs: int = 8,
    batch_size: int = 32,
    lr: float = 1e-3,
    seed: int = 0,
    device: str = "cpu",
    force: bool = False,
    progress: bool = True,
) -> Path:
    """Train a network on a pretext task and write it to a safetensors file, whole or not at all.

    The network starts from `load_backbone(architecture, "random", seed=seed)` and sees the images through its
    preprocessing; all images are held in memory. The task's head stands in place of the network's classifier. The file
    holds the network, and the head where it is one linear layer (classification, rotation); its metadata say how it
    was made. The same arguments give the same bytes on the same machine.

    Args:
        task: One of `names()`.
        data: The images, and for classification their labels.
        out: The path of the file.
        architecture: A backbone's name.
        epochs: The most epochs; training stops early where a seeded hold-out of a tenth no longer improves.
        batch_size: Images a step.
        lr: The learning rate of Adam.
        seed: Of the initial weights, the hold-out and the order of images.
        device: A torch device.
        force: Replace an existing file.
        progress: Whether to show progress on stderr.

    Returns:
        `out`.

    Raises:
        UnknownNameError: no such task or architecture.
        OutputExistsError: `out` is a folder, or exists and `force` is not set.
        DataError: fewer than 4 images, or fewer than 2 classes to tell apart.
        InputError: a number out of its range, or a loss that is no longer finite.
        ReprqError: the file cannot be written.
    """
    if task not in TASKS:
        raise UnknownNameError("pretext task", task, TASKS)
    schedule = Schedule(epochs, batch_size, lr, seed)
    out = Path(out)
    _make_room(out, force)
    if len(data) < LEAST_IMAGES:
        raise DataError(f"a teacher needs at least {LEAST_IMAGES} images, {data.name} gives {len(data)}; give more")
    backbone = load_backbone(architecture, "random", seed=seed)
    learner = TASKS[task]
    history: list[Epoch] = []
    arguments: dict[str, Any] = {}
    if learner is not None:
        bar = {"desc": f"{task} teacher", "disable": not progress}
        history, arguments = _train(backbone, learner, data, schedule, torch.device(device), bar)
    made = {
        "architecture": architecture,
        "preprocessing": backbone.preprocessing.to_dict(),
        "task": task,
        "arguments": arguments,
        "data": {
            "name": data.name,
            "split": data.split,
            "classes": list(data.classes),
            "n": len(data),
            "fingerprint": data.fingerprint,
        },
        "training": {"epochs": epochs, "batch_size": batch_size, "lr": lr, "device": device},
        "seed": seed,
        "history": history,
        "versions": versions(),
    }
    state = {key: value.detach().cpu().contiguous() for key, value in backbone.network.state_dict().items()}
    _write(out, save(state, {"reprq": json.dumps(made)}))
    return out


def _train(
    backbone: Backbone,
    task: PretextTask,
    data: ImageDataset,
    schedule: Schedule,
    device: torch.device,
    bar: dict[str, Any],
) -> tuple[list[Epoch], dict[str, Any]]:
    """Train the backbone's network in place; return the history and the arguments that build it again."""
    network, where = backbone.network, head_of(backbone.network)
    classifier = network.get_submodule(where)
    images, labels = _tensors(backbone, data)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):  # heads and dropout draw from the global state
        torch.default_generator.manual_seed(schedule.seed)
        if devices:
            torch.cuda.manual_seed(schedule.seed)
        head = task.head(Shapes(_width(classifier), backbone.in_channels, backbone.preprocessing.size), data)
        network.set_submodule(where, nn.Identity())
        history = train(nn.Sequential(network, head).to(device), task, images, labels, schedule, bar)
    network.eval()
    if isinstance(head, nn.Linear) and isinstance(classifier, nn.Linear):
        network.set_submodule(where, head)
        return history, {"num_classes": head.out_features}
    return history, {}


def _width(classifier: nn.Module) -> int:
    width: Any = classifier.in_channels if isinstance(classifier, nn.Conv2d) else classifier.in_features
    return int(width)


def _tensors(backbone: Backbone, data: ImageDataset) -> tuple[Tensor, Tensor]:
    images = torch.stack([backbone.preprocessing(data.image(i)) for i in range(len(data))])
    return images, torch.from_numpy(data.labels)


def _make_room(out: Path, force: bool) -> None:
    if out.is_dir():
        raise OutputExistsError(f"{out} is a folder; give the path of a file")
    if out.exists() and not force:
        raise OutputExistsError(f"{out} exists already; give another path or force=True to replace it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReprqError(f"the folder {out.parent} cannot be made: {error.strerror or error}") from None


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise ReprqError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)

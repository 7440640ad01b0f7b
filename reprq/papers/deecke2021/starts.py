"""The networks that fine-tuning starts from, one of them pre-trained here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reprq.backbones import Backbone, load_backbone
from reprq.data import Dataset, load_dataset
from reprq.data.corpus import without_classes
from reprq.papers.deecke2021.presets import DeeckePreset, Pretraining, Start
from reprq.papers.engine import PaperCell, PaperRun
from reprq.papers.ruff2021.deep import CLASSES
from reprq.papers.weights import pretrained
from reprq.study.cells import Row

PRETRAIN = "pretrain"
LENET = "lenet"
_JUDGED = 1000  # held-out images


def synsets(folder: Path) -> tuple[Dataset, Dataset, str]:
    """Return both sides of tiny ImageNet without the synsets that name a class of CIFAR-10, and a line for each."""
    images = folder / "images" / "tiny_imagenet_32"
    sides = [load_dataset(images, side) for side in ("train", "test")]
    train, test = (without_classes(side, CLASSES["cifar10"]) for side in sides)
    left_out = {train.classes[number] for number in np.setdiff1d(sides[0].labels, train.labels)}
    lines = (images / "classes.tsv").read_text(encoding="utf-8").splitlines()
    return train, test, "".join(f"{line}\n" for line in lines if line.split("\t")[0] in left_out)


class Starts:
    """The networks of a preset.

    Args:
        how: The preset.
        folder: Has `weights/` and `images/tiny_imagenet_32`.
        run: Where the pre-trained network stands.
    """

    def __init__(self, how: DeeckePreset, folder: Path, run: PaperRun) -> None:
        self.how, self.folder, self.run = how, folder, run
        self.train, self.test, self.left_out = synsets(folder)

    def open(self, start: Start, *, random: bool = False) -> Backbone:
        """Return a network, opened; with `random` as it was before any training."""
        preprocessing = {"size": start.size, "resize": start.size}
        if start.file == PRETRAIN and not random:
            return load_backbone(f"teacher:{self.pretrained(self.how.pretraining)}", preprocessing=preprocessing)
        file = "random" if random else start.file
        return pretrained(start.network, file, self.folder, preprocessing=preprocessing, seed=self.run.seed)

    def cell(self) -> PaperCell:
        """Return the cell of the pre-training, which has a row an epoch."""
        return PaperCell(
            {**self.made(self.how.pretraining), "judged": _JUDGED, "test": self.test.fingerprint}, self._judged
        )

    def made(self, asked: Pretraining) -> dict[str, Any]:
        """Return what decides a pre-training, of JSON values."""
        return {"pretraining": asked.to_dict(), "data": self._images(asked).fingerprint, "seed": self.run.seed}

    def pretrained(self, asked: Pretraining) -> Path:
        """Return the file of a network that learned tiny ImageNet; it is trained where it is not there."""
        from reprq.pretext import train_teacher

        path = self.run.file(self.made(asked), "safetensors")
        if not path.exists():
            given: dict[str, Any] = {"epochs": asked.epochs, "batch_size": asked.batch_size, "seed": self.run.seed}
            given |= {"device": self.run.device, "progress": self.run.progress, "preprocessing": {"size": asked.size}}
            given |= asked.training
            train_teacher("classification", self._images(asked), out=path, architecture=asked.architecture, **given)
        return path

    def _images(self, asked: Pretraining) -> Dataset:
        return self.train if asked.samples is None else self.train.sample(asked.samples, seed=self.run.seed)

    def _judged(self) -> list[Row]:
        from safetensors import safe_open

        path = self.pretrained(self.how.pretraining)
        with safe_open(path, framework="pt") as file:
            made = json.loads(file.metadata()["reprq"])
        rows: list[Row] = [{"epoch": i + 1, **epoch} for i, epoch in enumerate(made["history"])]
        network = load_backbone(f"teacher:{path}")
        held_out = self.test.sample(min(_JUDGED, len(self.test)), seed=self.run.seed)
        hits = accuracy(network, held_out)
        chance = 1 / len(np.unique(self.train.labels))
        return [*rows, {"epoch": "held out", "accuracy": hits, "n": len(held_out), "chance": chance}]


@torch.no_grad()
def accuracy(network: Backbone, images: Dataset) -> float:
    """Return the share of images whose largest logit is that of their class."""
    from reprq.training import Inputs

    inputs: Any = Inputs(images, network.preprocessing)
    blocks = (range(i, min(i + 64, len(images))) for i in range(0, len(images), 64))
    said = [network.network.eval()(inputs[torch.tensor(list(rows))]).argmax(1) for rows in blocks]
    return float((torch.cat(said).numpy() == images.labels).mean())

"""The extractors of a preset, trained where they are not there yet, and their features of every image."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.backbones import Backbone, load_backbone
from reprq.backbones.sources.downloads import default_weights_file
from reprq.data import Dataset
from reprq.data.views import merged
from reprq.papers.engine import PaperCell, PaperRun
from reprq.papers.robledo2023.presets import NOTHING, PIXELS, TEACHES_LABELS, DigitExtractor
from reprq.study.cells import Row

Features = NDArray[np.float32]
_LR = 1e-3


class Extractors:
    """What the detectors get.

    Args:
        run: Where the trained networks stand.
        folder: Has `weights/`.
        train: The training images of each set.
        test: Their test images.
        whole: All of them, which features are of.
    """

    def __init__(
        self, run: PaperRun, folder: Path, train: dict[str, Dataset], test: dict[str, Dataset], whole: Dataset
    ) -> None:
        self.run, self.folder, self.train, self.test, self.whole = run, folder, train, test, whole
        self.opened: dict[tuple[str, str], Backbone] = {}
        self.kept: dict[tuple[str, str], Features] = {}
        self.preprocessing = {"size": 28, "channels": "gray", **_statistics(merged(list(train.values()), "joint"))}

    def find_weights(self, extractors: Iterable[DigitExtractor]) -> None:
        """Download the weights that some start from and that are not there, before anything is computed.

        Raises:
            DownloadError: They are not to be had.
        """
        for each in extractors:
            if self._downloads(each):
                path = self.folder / "weights" / each.weights
                default_weights_file(each.network, f"put them there, or others in {path}, or run another preset")

    def targets(self, extractor: DigitExtractor) -> tuple[str, ...]:
        """Return which sets an extractor is trained for, each apart; "" is all at once."""
        return tuple(self.train) if extractor.leaves_out else ("",)

    def learned_from(self, extractor: DigitExtractor, target: str) -> Dataset:
        """Return the training images of all sets, without the target where it leaves that out."""
        parts = [part for name, part in self.train.items() if not (extractor.leaves_out and name == target)]
        return merged(parts, "joint")

    def open(self, extractor: DigitExtractor, target: str) -> Backbone:
        """Return the network, trained, for a set."""
        key = (extractor.title, target if extractor.leaves_out else "")
        if key not in self.opened:
            self.opened[key] = self._opened(extractor, target)
        return self.opened[key]

    def features(self, extractor: DigitExtractor, target: str) -> Features:
        """Return the (n, d) features of all images."""
        key = (extractor.title, target if extractor.leaves_out else "")
        if key not in self.kept:
            self.kept[key] = self._features(extractor, target)
        return self.kept[key]

    def decides(self, extractor: DigitExtractor, target: str) -> dict[str, Any]:
        """Return what decides the features, of JSON values."""
        data = self.learned_from(extractor, target).fingerprint if extractor.learns else ""
        given = {name: getattr(extractor, name) for name in ("network", "task", "weights", "layer")}
        training = {"epochs": extractor.epochs, "batch": extractor.batch_size, "lr": _LR, "seed": self.run.seed}
        start = {"start": "default"} if self._downloads(extractor) else {}
        prepared = self._prepared(extractor)
        return {**given, **training, **start, "data": data, "preprocessing": prepared, "version": 1}

    def cells(self, extractor: DigitExtractor) -> list[PaperCell]:
        """Return the cells of the training: a row an epoch, and one of accuracy on the test images of every set."""
        if extractor.task == NOTHING:
            return []
        sides = [part.fingerprint for part in self.test.values()]
        return [
            PaperCell(
                {**self.decides(extractor, target), "judged": sides},
                lambda target=target: self._judged(extractor, target),  # type: ignore[misc]
                {"extractor": extractor.title, "without": target, "published": extractor.published},
            )
            for target in self.targets(extractor)
        ]

    def _prepared(self, extractor: DigitExtractor) -> dict[str, Any]:
        given = extractor.weights != "random" or extractor.network.startswith(
            "pca:"
        )  # these have statistics of their own
        return {"size": 28, "channels": "gray"} if given else self.preprocessing

    def _opened(self, extractor: DigitExtractor, target: str) -> Backbone:
        if extractor.task != NOTHING:
            return load_backbone(f"teacher:{self._trained(extractor, target)}")
        backbone = self._fresh(extractor)
        return backbone if backbone.is_fitted else backbone.fit(self.learned_from(extractor, target))

    def _downloads(self, extractor: DigitExtractor) -> bool:
        """Whether it starts from weights that are no file of the folder: from those of its source."""
        return extractor.weights != "random" and not (self.folder / "weights" / extractor.weights).exists()

    def _weights(self, extractor: DigitExtractor) -> str | Path:
        if extractor.weights == "random":
            return "default" if extractor.network.startswith("pca:") else "random"
        return "default" if self._downloads(extractor) else self.folder / "weights" / extractor.weights

    def _fresh(self, extractor: DigitExtractor) -> Backbone:
        given: dict[str, Any] = {"preprocessing": self._prepared(extractor), "seed": self.run.seed}
        return load_backbone(extractor.network, self._weights(extractor), **given)

    def _trained(self, extractor: DigitExtractor, target: str) -> Path:
        from reprq.pretext import train_teacher

        path = self.run.file(self.decides(extractor, target), "safetensors")
        if not path.exists():
            given: dict[str, Any] = {"epochs": extractor.epochs, "batch_size": extractor.batch_size, "lr": _LR}
            given |= {"seed": self.run.seed, "device": self.run.device, "progress": self.run.progress}
            given |= {"architecture": extractor.network, "weights": self._weights(extractor), "balance_sets": True}
            images = self.learned_from(extractor, target)
            train_teacher(extractor.task, images, out=path, preprocessing=self._prepared(extractor), **given)
        return path

    def _judged(self, extractor: DigitExtractor, target: str) -> list[Row]:
        from safetensors import safe_open

        from reprq.papers.deecke2021.starts import accuracy

        with safe_open(self._trained(extractor, target), framework="pt") as file:
            made = json.loads(file.metadata()["reprq"])
        rows: list[Row] = [{"epoch": i + 1, **epoch} for i, epoch in enumerate(made["history"])]
        if extractor.task == TEACHES_LABELS:
            network = self.open(extractor, target)
            rows += [{"set": name, "accuracy": accuracy(network, side)} for name, side in self.test.items()]
        return rows

    def _features(self, extractor: DigitExtractor, target: str) -> Features:
        from reprq.embeddings import extract

        if extractor.title == PIXELS:
            from reprq.training import Inputs

            plain = load_backbone("lenet5", "random", preprocessing={"channels": "gray"}).preprocessing
            pixels = Inputs(self.whole, plain)[torch.arange(len(self.whole))]
            return np.ascontiguousarray(pixels.flatten(1).numpy())
        caches = self.run.out / "embeddings"
        given: dict[str, Any] = {"device": self.run.device, "cache_dir": caches, "progress": self.run.progress}
        cache = extract(self.open(extractor, target), self.whole, extractor.layer, **given)
        return np.asarray(cache[next(iter(cache))].array)


def _statistics(images: Dataset) -> dict[str, float]:
    """The mean and the standard deviation of the gray values of images, rounded."""
    pixels = (np.asarray(images.item(row).convert("L"), np.float64) / 255 for row in range(len(images)))
    mean, square = np.mean([(each.mean(), np.square(each).mean()) for each in pixels], axis=0)
    return {"mean": round(float(mean), 4), "std": round(float(np.sqrt(square - mean**2)), 4)}

"""From the sections of a study file to samples and networks; a worker makes anew what the main process made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprq import pretext
from reprq.backbones import Backbone, entries, load_backbone
from reprq.data import Dataset, load_dataset, load_protocol
from reprq.data.oneclass import sides_and_splits
from reprq.embeddings import registry
from reprq.embeddings.learning import fitted
from reprq.errors import DataError
from reprq.provenance import digest
from reprq.storage import file_name
from reprq.study.sections import BackboneConfig, DataConfig, PretextConfig


def load_samples(data: DataConfig, seed: int) -> tuple[Dataset, Dataset]:
    """Return the training and the test samples of a study under one seed.

    Raises:
        UnknownNameError: a data set or a class that does not exist.
        DataError: samples that are missing or too few, or splits of different classes.
    """
    if data.is_protocol:
        return sides_and_splits(load_protocol(data.name, data.root, seed=seed))[:2]
    pair = [
        load_dataset(data.name, split, root=data.root, download=data.download, seed=seed, **data.reading)
        for split in ("train", "test")
    ]
    return shown(data, pair, seed)


def shown(data: DataConfig, pair: Sequence[Dataset], seed: int) -> tuple[Dataset, Dataset]:
    """Return those of the training and test samples that a section asks for."""
    counts = data.train_per_class, data.test_per_class
    train, test = (shown_side(data, samples, n, seed) for samples, n in zip(pair, counts, strict=True))
    if train.classes != test.classes:
        raise DataError(
            f"{data.name} must have the same classes in train and test, got {train.classes}, {test.classes}"
        )
    return train, test


def shown_side(data: DataConfig, samples: Dataset, per_class: int | None, seed: int) -> Dataset:
    """Return those of the samples of one side that a section asks for."""
    if data.classes is not None:
        samples = samples.restrict(data.classes)
    return samples if per_class is None else samples.sample(per_class=per_class, seed=seed)


def load_network(config: BackboneConfig, seed: int, benign: Dataset | None = None) -> Backbone:
    """Return a backbone whose weights are there; one with a pretext is a teacher's file by now.

    One that learns from benign samples learns from those that are given.
    """
    network = load_backbone(config.name, config.weights, preprocessing=config.preprocessing or None, seed=seed)
    return network if benign is None else fitted(network, config.pooling, benign)


def learns(config: BackboneConfig) -> bool:
    """Whether a backbone learns from the training rows of every split anew, itself or for its pooling."""
    if config.embeddings is not None:
        return False
    return entries.learns(config.name, config.weights) or registry.learns([config.pooling])


@dataclass(frozen=True)
class Teachers:
    """The backbones that a study trains itself.

    Attributes:
        folder: Where their weights are kept.
        datasets: The study's data sets; the root of one holds for a pretext that learns from it too.
        device: A torch device.
    """

    folder: Path
    datasets: Sequence[DataConfig]
    device: str

    def samples(self, origin: PretextConfig, seed: int) -> Dataset:
        """Return the samples that a teacher learns from."""
        same = next((data for data in self.datasets if data.name == origin.data), None)
        root, reading = (same.root, same.reading) if same else (None, {})
        download = any(data.download for data in self.datasets)
        samples = load_dataset(origin.data, "train", root=root, download=download, seed=seed, **reading)
        return samples if origin.classes is None else samples.restrict(origin.classes)

    def path(self, architecture: str, origin: PretextConfig, seed: int) -> Path:
        """Return the file of a teacher's weights, trained or not yet; its name tells what it is made from."""
        samples = self.samples(origin, seed)
        made_from = {**origin.model_dump(), "architecture": architecture, "seed": seed, "data": samples.fingerprint}
        return self.folder / f"{file_name(architecture)}-{origin.task}-{digest(made_from)[:12]}.safetensors"

    def train(self, architecture: str, origin: PretextConfig, seed: int) -> None:
        """Train a teacher, unless that was done."""
        path = self.path(architecture, origin, seed)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        pretext.train_teacher(
            origin.task,
            self.samples(origin, seed),
            out=path,
            architecture=architecture,
            seed=seed,
            device=self.device,
            progress=False,
            **origin.model_dump(include={"epochs", "batch_size", "lr"}, exclude_none=True),
        )

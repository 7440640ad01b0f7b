"""The sections of a study file: data sets, splits, backbones."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from reprq.errors import ConfigError

if TYPE_CHECKING:
    from reprq.data import Scenario

EMBEDDINGS = "embeddings"  # the name of data that is the rows of embedding files


class Section(BaseModel):
    """A part of a study file: no key beyond those that it names, no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Tasks = str | Annotated[list[str], Field(min_length=1)]


class DataConfig(Section):
    """The samples.

    Attributes:
        name: A data set's name: `digits`, `cifar10`, `folder:PATH`, `text:PATH`; a protocol (`reprq datasets` lists
            them), whose splits are its tasks and whose `root` is its folder; or `embeddings`, the rows of the files
            that are the study's backbones.
        label: What the tables and figures call it; by default its name, of a path the last part.
        root: Where its files are.
        download: Whether they may be downloaded.
        classes: Only these classes; all by default.
        benign: The classes that are benign, in place of `tasks`: its one task is they against all others.
        tasks: The tasks of this data set, in place of the study's.
        train_per_class: Training samples a class, a seeded sample; all by default.
        test_per_class: Test samples a class, a seeded sample; all by default.
        intensity_range: The stored values that become black and white, `[0, 4095]`, for image files of more than 8 bits
            a channel.
        skip_broken: Whether image files that do not decode are left out and listed; by default they stop the study.
    """

    name: str
    label: str | None = Field(default=None, min_length=1)
    root: str | None = None
    download: bool = False
    classes: list[str] | None = None
    benign: list[str] | None = Field(default=None, min_length=1)
    tasks: Tasks | None = None
    train_per_class: int | None = Field(default=None, ge=1)
    test_per_class: int | None = Field(default=None, ge=1)
    intensity_range: list[float] | None = Field(default=None, min_length=2, max_length=2)
    skip_broken: bool = False

    @model_validator(mode="after")
    def _protocol_is_whole(self) -> "DataConfig":
        fixed = ("classes", "benign", "train_per_class", "test_per_class", "intensity_range")
        if (given := [name for name in fixed if getattr(self, name) is not None]) and self.is_protocol:
            raise ValueError(f"data {self.name!r} is a protocol, which says its own {given[0]}; remove it")
        return self

    @property
    def is_protocol(self) -> bool:
        """Whether it is a published protocol, with splits of its own."""
        from reprq.data import PROTOCOLS  # tables are read without it

        return self.name in PROTOCOLS

    @property
    def dataset(self) -> str:
        """What the column `dataset` says."""
        return self.label or dataset_label(self.name)

    @property
    def reading(self) -> dict[str, Any]:
        """How `load_dataset` is to read the files."""
        low_high = None if self.intensity_range is None else (self.intensity_range[0], self.intensity_range[1])
        return {"intensity_range": low_high, "skip_broken": self.skip_broken}


def dataset_label(name: str) -> str:
    """Return what a data set is called where nothing else is said.

    Example:
        >>> dataset_label("digits"), dataset_label("folder:parts/screws")
        ('digits', 'screws')
    """
    return Path(name.partition(":")[2]).name or name


class SplitsConfig(Section):
    """What deviates from the plain tasks; every task is split in each of these ways, as by `reprq detect`.

    Attributes:
        anomaly: The classes that are anomalous at test; by default all that are not benign.
        pollution: Share of the training rows that are anomalies, in [0, 1); several in a list.
        polluting: The classes that pollute; by default those that are anomalous at test.
        labelled: Anomalies that detectors may see: a count, or a share of all training rows below 1; several in a list.
        labelled_from: The classes of these; a number draws so many by the seed, "each" takes each class in turn.
        small_mode: A class that is benign beside the one of a task, each judged by itself; nothing else deviates then.
        share: Of it that trains, in [0, 1]; several in a list.
        external: A data set whose test samples are the anomalies, by name or as a table of the keys of `[data]`; with
            all tasks, all classes of the study's data are benign.
        auxiliary: A corpus, by name or as such a table, for detectors that learn from one: its training samples.
        datasets: The labels of the data sets that are split so; all by default.
    """

    anomaly: list[str] | None = Field(default=None, min_length=1)
    pollution: list[Annotated[float, Field(ge=0, lt=1)]] = Field(default=[0.0], min_length=1)
    polluting: list[str] | None = Field(default=None, min_length=1)
    labelled: list[Annotated[float, Field(ge=0)]] = Field(default=[0.0], min_length=1)
    labelled_from: list[str] | Annotated[int, Field(ge=1)] | Literal["each"] | None = None
    small_mode: str | None = None
    share: list[Annotated[float, Field(ge=0, le=1)]] = Field(default=[1.0], min_length=1)
    external: DataConfig | None = None
    auxiliary: DataConfig | None = None
    datasets: list[str] | None = Field(default=None, min_length=1)

    @field_validator("pollution", "labelled", "share", mode="before")
    @classmethod
    def _one_value(cls, value: Any) -> Any:
        return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("external", "auxiliary", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _classes_have_a_use(self) -> "SplitsConfig":
        for given, name, needed in (
            (self.polluting, "polluting", "pollution"),
            (self.labelled_from, "labelled_from", "labelled"),
        ):
            if given is not None and not any(getattr(self, needed)):
                raise ValueError(f"splits has {name} without {needed}; say how much, or remove it")
        if self.small_mode is None and self.share != [1.0]:
            raise ValueError("splits has share without small_mode; name the class, or remove it")
        if self.small_mode is not None:
            others = ("anomaly", "pollution", "polluting", "labelled", "labelled_from", "external")
            plain = type(self).model_fields
            if given := [name for name in others if getattr(self, name) != plain[name].default]:
                raise ValueError(f"splits has small_mode and {given[0]}; give either a section of its own")
        return self

    def scenarios(self) -> "list[Scenario]":
        """Return one scenario a share of pollution and a share of labelled anomalies, or a share of the small mode."""
        from reprq.data import Scenario

        if self.small_mode is not None:
            return [Scenario(small_mode=self.small_mode, share=share) for share in self.share]
        known = self.labelled_from
        return [
            Scenario(
                anomaly=None if self.anomaly is None else tuple(self.anomaly),
                pollution=pollution,
                polluting=tuple(self.polluting) if self.polluting and pollution else None,
                labelled=labelled,
                labelled_from=None if not labelled else tuple(known) if isinstance(known, list) else known,
            )
            for pollution in self.pollution
            for labelled in self.labelled
        ]


class PretextConfig(Section):
    """How to train a backbone's weights before the study.

    Attributes:
        task: A pretext task: `random`, `classification`, `rotation`, `autoencoder`.
        data: The data set that it learns from, its training split.
        classes: Only these classes of it. Keep them apart from the study's, or the teacher sees anomalies.
        epochs: The most epochs; `train_teacher`'s own by default, as with the two that follow.
        batch_size: Samples a step.
        lr: The learning rate.
    """

    task: str
    data: str
    classes: list[str] | None = None
    epochs: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    lr: float | None = Field(default=None, gt=0)


class BackboneConfig(Section):
    """One backbone: a network, or files of embeddings that somebody else extracted.

    Attributes:
        name: Its name (`reprq backbones` lists them); of files what made them, for the column `network`.
        label: What the tables and figures call it; made from name and weights by default.
        weights: "default", "random" or a weights file.
        layers: Which layers; "all" by default.
        pooling: How a layer's output becomes one row.
        preprocessing: What to change in its own preprocessing.
        pretext: Train its weights first; then `weights` and `preprocessing` are the teacher's.
        datasets: The labels of the data sets that it is run on; all by default.
        embeddings: A file or folder of embeddings in place of a network, as `reprq.embeddings.load_embeddings` reads
            them; several in a list or in a table `{ layer = "file" }` are the layers of one backbone. `{dataset}` in a
            path stands for the label of the data set.
        keys: The arrays or columns of vectors that are read; several of one file are its layers.
        columns: The columns of numbers that are the embedding ("emb_*").
        labels: The array or column of the labels.
        groups: The array or column that says what each row is a part of, as a patient or a recording: none is in
            training and test. Of files that are their own data set; the first file's hold for all.
    """

    name: str
    label: str = ""
    weights: str = "default"
    layers: str | int | list[str | int] = "all"
    pooling: str = "avg"
    preprocessing: dict[str, Any] = Field(default_factory=dict)
    pretext: PretextConfig | None = None
    datasets: list[str] | None = Field(default=None, min_length=1)
    embeddings: str | Annotated[list[str], Field(min_length=1)] | dict[str, str] | None = None
    keys: list[str] | None = Field(default=None, min_length=1)
    columns: str | None = None
    labels: str | None = None
    groups: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _own_label(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("embeddings") is not None:
            files = values["embeddings"]
            paths = [files] if isinstance(files, str) else [*(files.values() if isinstance(files, dict) else files)]
            called = values.get("label") or values.get("name") or _stem(str(paths[0]) if paths else "")
            return {"name": called, "label": called, "weights": "file", **values}
        if isinstance(values, dict) and "label" not in values and isinstance(values.get("name"), str):
            pretext = values.get("pretext")
            origin = pretext.get("task") if isinstance(pretext, dict) else values.get("weights", "default")
            return {**values, "label": f"{values['name']} {Path(str(origin)).stem}"}
        return values

    @model_validator(mode="after")
    def _one_origin(self) -> "BackboneConfig":
        of_files = self.embeddings is not None
        if not of_files and self.pretext is not None and (self.weights != "default" or self.preprocessing):
            raise ValueError(f"backbone {self.label!r} has a pretext: remove its weights and preprocessing")
        if of_files and (self.pretext is not None or self.preprocessing or self.pooling != "avg"):
            raise ValueError(
                f"backbone {self.label!r} is embedding files: remove its pretext, preprocessing and pooling"
            )
        if self.embeddings is None and (self.keys or self.columns or self.labels or self.groups):
            raise ValueError(
                f"backbone {self.label!r} is a network: keys, columns, labels and groups go with embeddings"
            )
        if self.keys is not None and len(self.keys) > 1 and not isinstance(self.embeddings, str):
            raise ValueError(f"backbone {self.label!r} has several files and several keys; give one file or one key")
        return self

    def runs_on(self, data: DataConfig) -> bool:
        """Whether it is run on a data set: a network needs samples."""
        asked = self.datasets is None or data.dataset in self.datasets
        return asked and (self.embeddings is not None or data.name != EMBEDDINGS)

    def layer_files(self, dataset: str) -> list[tuple[str, str, str | None]]:
        """Return name, path and array of every layer that `layers` asks for, of embedding files on a data set.

        Raises:
            ConfigError: `layers` names one that is not there.
        """
        keys: Sequence[str | None] = self.keys or [None]
        if isinstance(self.embeddings, dict):
            found = [(name, path, keys[0]) for name, path in self.embeddings.items()]
        elif isinstance(self.embeddings, list):
            found = [(_stem(path), path, keys[0]) for path in self.embeddings]
        else:
            found = [(key or _stem(str(self.embeddings)), str(self.embeddings), key) for key in keys]
        names = [name for name, _, _ in found]
        wanted = names if self.layers == "all" else self.layers if isinstance(self.layers, list) else [self.layers]
        if lacking := [layer for layer in wanted if layer not in names]:
            raise ConfigError(f"{self.label!r} has no layer {lacking[0]!r}; it has {', '.join(names)}")
        if len(set(names)) < len(names):
            raise ConfigError(f"two files of {self.label!r} have one name; name the layers: {{ layer = 'file' }}")
        return [(name, path.replace("{dataset}", dataset), key) for name, path, key in found if name in wanted]


def _stem(path: str) -> str:
    """The name of a file without ending and without a place for the data set."""
    return Path(path).name.split(".")[0].replace("{dataset}", "").strip("-_ ") or EMBEDDINGS

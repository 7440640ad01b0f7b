"""What a study file may say. Every key is checked, with its path and the expected type, before any work is done."""

import difflib
import os
import string
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from reprq.errors import ConfigError

EMBEDDINGS = "embeddings"  # the name of data that is the rows of embedding files
_LONGEST = 120  # letters of a wrong value in a message


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Tasks = str | Annotated[list[str], Field(min_length=1)]


class DataConfig(_Section):
    """The samples.

    Attributes:
        name: A data set's name: `digits`, `cifar10`, `folder:PATH`, `text:PATH`; or `embeddings`, the rows of the files
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


def _one_or_several(value: Any) -> str:
    several = isinstance(value, list | tuple) and value and isinstance(value[0], Mapping | DataConfig)
    return "[several]" if several else "[one]"


class PretextConfig(_Section):
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


class BackboneConfig(_Section):
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
        if self.pretext is not None and (self.weights != "default" or self.preprocessing):
            raise ValueError(f"backbone {self.label!r} has a pretext: remove its weights and preprocessing")
        if self.embeddings is not None and (self.pretext is not None or self.preprocessing or self.pooling != "avg"):
            raise ValueError(
                f"backbone {self.label!r} is embedding files: remove its pretext, preprocessing and pooling"
            )
        if self.embeddings is None and (self.keys or self.columns or self.labels):
            raise ValueError(f"backbone {self.label!r} is a network: keys, columns and labels go with embeddings")
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


class StudyConfig(_Section):
    """A whole study.

    Attributes:
        title: What the study is; stands over the figure.
        data: The samples, or a list of several data sets; may be left out where every backbone is embedding files.
        backbones: The networks.
        tasks: "all", "unimodal", "multimodal", or task names such as "unimodal:cat".
        metrics: Names of metrics; all of `reprq.metrics.names()` by default. "linear_probe" is the test accuracy of a
            linear head on all classes; "brittleness" trains a student to each layer, as the detector `distillation`,
            with the parameters that this has among `detectors`.
        detectors: Names, or tables of a name and its parameters.
        seeds: From 0 to 2^32 - 1; each draws its own sample of samples and its own random weights.
        dtype: "float32" or "float16" in the caches.
        batch_size: Samples a forward pass.
        workers: How many processes compute cells, each on one thread; no result depends on it.
    """

    title: str = ""
    data: Annotated[
        Annotated[DataConfig, Tag("[one]")] | Annotated[list[DataConfig], Tag("[several]")],
        Discriminator(_one_or_several),
    ]
    backbones: list[BackboneConfig] = Field(min_length=1)
    tasks: Tasks = "all"
    metrics: list[str] | None = Field(default=None, min_length=1)
    detectors: list[str | dict[str, Any]] = Field(default=["knn", "mahalanobis", "centroid"], min_length=1)
    seeds: list[Annotated[int, Field(ge=0, le=2**32 - 1)]] = Field(default=[0], min_length=1)
    dtype: Literal["float32", "float16"] = "float32"
    batch_size: int = Field(default=64, ge=1)
    workers: int = Field(default=1, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _rows_of_files(cls, values: Any) -> Any:
        sections = values.get("backbones") if isinstance(values, dict) and "data" not in values else None
        if isinstance(sections, list) and all(isinstance(b, dict) and b.get("embeddings") for b in sections):
            return {**values, "data": {"name": EMBEDDINGS}}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "StudyConfig":
        labels = [backbone.label for backbone in self.backbones]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(f"two backbones are called {twice[0]!r}; give each its own label")
        datasets = [data.dataset for data in self.datasets]
        if same := sorted({name for name in datasets if datasets.count(name) > 1}):
            raise ValueError(f"two data sets are called {same[0]!r}; give each its own label")
        for data in self.datasets:
            if data.benign is not None and (data.tasks or (self.tasks != "all" and len(datasets) == 1)):
                raise ValueError("data.benign and tasks both say what is benign; remove one of them")
            if not any(backbone.runs_on(data) for backbone in self.backbones):
                raise ValueError(f"no backbone runs on the data set {data.dataset!r}; give it one, or remove it")
        for backbone in self.backbones:
            if unknown := sorted(set(backbone.datasets or ()) - set(datasets)):
                raise ValueError(f"backbone {backbone.label!r} names the data set {unknown[0]!r}; there is {datasets}")
            if not any(backbone.runs_on(data) for data in self.datasets):
                raise ValueError(f"backbone {backbone.label!r} is a network and needs samples; name them in [data]")
        if again := sorted({seed for seed in self.seeds if self.seeds.count(seed) > 1}):
            raise ValueError(f"seeds holds {again[0]} more than once; give each seed once")
        return self

    @property
    def datasets(self) -> list[DataConfig]:
        """The data sets, one or several."""
        return [self.data] if isinstance(self.data, DataConfig) else self.data

    def record(self) -> dict[str, Any]:
        """Return what decides the results, as JSON values: everything but the number of workers."""
        record = self.model_dump(mode="json", exclude={"workers"})
        sections = [record["data"]] if isinstance(record["data"], dict) else record["data"]
        for section in sections:
            for name in ("label", "benign", "tasks"):  # records of older studies lack them
                if section[name] is None:
                    del section[name]
        for section in record["backbones"]:
            for name in ("datasets", "embeddings", "keys", "columns", "labels"):
                if section[name] is None:
                    del section[name]
        return record


def load_config(source: str | Path | Mapping[str, Any] | StudyConfig) -> StudyConfig:
    """Read and check a study's configuration.

    In a file, `${NAME}` stands for an environment variable, and relative paths of weights, roots and folders of data
    start at the file's own folder.

    Args:
        source: The path of a TOML file, a mapping of the same shape, or a configuration.

    Raises:
        ConfigError: the file is missing or no TOML, a key is unknown or missing, a value has the wrong type (its
            path and the expected type are named), or an environment variable is not set.

    Example:
        >>> load_config({"data": {"name": "digits"}, "backbones": [{"name": "lenet", "weights": "random"}]}).seeds
        [0]
    """
    if isinstance(source, StudyConfig):
        return source
    if isinstance(source, Mapping):
        return _validate(_with_text(source), "the study")
    if not isinstance(source, str | Path):
        raise ConfigError(f"config must be a TOML file, a mapping or a StudyConfig, got {type(source).__name__}")
    path = Path(source)
    raw = _read_toml(path)
    return _anchored(_validate(_expand(raw, str(path)), str(path)), path.resolve().parent)


def load_backbones(path: str | Path) -> list[BackboneConfig]:
    """Read the `[[backbones]]` of a TOML file, a study's or one of its own; other sections are passed over.

    Raises:
        ConfigError: as for `load_config`.
    """
    path = Path(path)
    sections = _read_toml(path).get("backbones", [])
    for section in sections:
        section.pop("datasets", None)  # which of the study's data sets it is run on
    raw = _expand({"backbones": sections}, str(path))
    config = _validate({"data": {"name": "digits"}, **raw}, str(path))
    return _anchored(config, path.resolve().parent).backbones


def load_backbone_section(source: str | Mapping[str, Any]) -> BackboneConfig:
    """Check one backbone, given by its name or as a mapping of the shape of a `[[backbones]]` section.

    Raises:
        ConfigError: as for `load_config`.
    """
    section = {"name": source} if isinstance(source, str) else _with_text(source)
    return _validate({"data": {"name": "digits"}, "backbones": [section]}, "the backbone").backbones[0]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"the study file {path} does not exist; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from None


def _validate(raw: dict[str, Any], where: str) -> StudyConfig:
    try:
        return StudyConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_sentence(error)}") from None


def _sentence(error: ValidationError) -> str:
    """The first complaint, as a path, what was expected and what was got."""
    first = min(error.errors(), key=lambda found: len(found["loc"]))
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in _plain(first["loc"])).lstrip(".")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        valid = _keys_at(first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), valid, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"unknown key {path}{hint} Valid: {', '.join(valid)}{more}"
    if first["type"] == "missing":
        return f"the key {path} is missing{more}"
    if first["type"] == "value_error":
        return f"{first['msg'].removeprefix('Value error, ')}{more}"
    message = first["msg"].split(" after validation")[0]
    return f"{path}: {message[0].lower()}{message[1:]}, got {_shown(first['input'])}{more}"


def _shown(value: Any) -> str:
    """A value as a file would hold it; anything else by its type, since its text may be pages."""
    if isinstance(value, str | int | float | list | dict | None):
        text = repr(value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    return f"a {type(value).__name__}, which a study cannot hold: its file names data, networks and detectors"


def _with_text(value: Any) -> Any:
    """Replace every Path by its text; one that names the samples is their folder."""
    if isinstance(value, Mapping):
        texts = {key: _with_text(inner) for key, inner in value.items()}
        data = value.get("data")
        if isinstance(data, Mapping) and isinstance(data.get("name"), Path):
            texts["data"]["name"] = f"folder:{data['name']}"
        for i, section in enumerate(data if isinstance(data, list | tuple) else ()):
            if isinstance(section, Mapping) and isinstance(section.get("name"), Path):
                texts["data"][i]["name"] = f"folder:{section['name']}"
        return texts
    if isinstance(value, list | tuple):
        return [_with_text(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def _plain(loc: tuple[int | str, ...]) -> list[int | str]:
    """The path in the file: pydantic adds the name of the union member that it tried."""
    return [part for part in loc if isinstance(part, int) or not (part in ("str", "int") or "[" in part)]


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    """The valid keys of the section at a path."""
    model: type[BaseModel] = StudyConfig
    for part in _plain(loc):
        if isinstance(part, str):
            model = _section_of(model.model_fields[part].annotation)
    return sorted(model.model_fields)


def _section_of(annotation: Any) -> type[BaseModel]:
    """The section inside `Section`, `list[Section]`, `Section | None` or one of several forms."""
    inner = next((part for part in get_args(annotation) if part is not type(None)), None)
    section: type[BaseModel] = annotation if inner is None else _section_of(inner)
    return section


def _expand(value: Any, where: str) -> Any:
    """Replace `${NAME}` in every string by the environment variable."""
    if isinstance(value, dict):
        return {key: _expand(inner, where) for key, inner in value.items()}
    if isinstance(value, list):
        return [_expand(inner, where) for inner in value]
    if not isinstance(value, str):
        return value
    try:
        return string.Template(value).substitute(os.environ)
    except KeyError as error:
        raise ConfigError(f"{where}: {value!r} needs the environment variable {error.args[0]}; set it") from None
    except ValueError:
        raise ConfigError(f"{where}: {value!r} has a '$' that names no variable; write '$$' for the sign") from None


def _anchored(config: StudyConfig, folder: Path) -> StudyConfig:
    """Let relative paths start at the study file's folder."""

    def at(path: str) -> str:
        return str(folder / Path(path).expanduser())

    def at_data(name: str) -> str:
        prefix, _, path = name.partition(":")
        return f"{prefix}:{at(path)}" if f"{prefix}:PATH" in with_paths else name

    from reprq.data import available  # tables are read without it

    with_paths = {info.name for info in available()}
    datasets = [
        data.model_copy(update={"name": at_data(data.name), "root": at(data.root) if data.root else None})
        for data in config.datasets
    ]
    backbones = []
    for backbone in config.backbones:
        update: dict[str, Any] = {}
        if backbone.embeddings is not None:
            update["embeddings"] = _each_path(backbone.embeddings, at)
        elif backbone.weights not in ("default", "random"):
            update["weights"] = at(backbone.weights)
        if backbone.pretext is not None:
            update["pretext"] = backbone.pretext.model_copy(update={"data": at_data(backbone.pretext.data)})
        if backbone.name.startswith("teacher:"):
            update["name"] = f"teacher:{at(backbone.name.removeprefix('teacher:'))}"
        backbones.append(backbone.model_copy(update=update))
    data = datasets[0] if isinstance(config.data, DataConfig) else datasets
    return config.model_copy(update={"data": data, "backbones": backbones})


def _each_path(files: str | list[str] | dict[str, str], at: Callable[[str], str]) -> str | list[str] | dict[str, str]:
    if isinstance(files, str):
        return at(files)
    return {name: at(path) for name, path in files.items()} if isinstance(files, dict) else [at(path) for path in files]

"""What a study file may say. Every key is checked, with its path and the expected type, before any work is done."""

import difflib
import os
import string
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from reprq.detectors.registry import DETECTORS, stands_alone
from reprq.errors import ConfigError
from reprq.study.sections import EMBEDDINGS, BackboneConfig, DataConfig, Section, SplitsConfig, Tasks

_LONGEST = 120  # letters of a wrong value in a message


def _one_or_several(value: Any) -> str:
    several = isinstance(value, list | tuple) and value and isinstance(value[0], Mapping | DataConfig)
    return "[several]" if several else "[one]"


class StudyConfig(Section):
    """A whole study.

    Attributes:
        title: What the study is; stands over the figure.
        data: The samples, or a list of several data sets; may be left out where every backbone is embedding files.
        splits: What deviates from the plain tasks, once or several times; nothing by default.
        backbones: The networks; none where every detector needs none.
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
    splits: list[SplitsConfig] = Field(default_factory=list)
    backbones: list[BackboneConfig] = Field(default_factory=list)
    tasks: Tasks = "all"
    metrics: list[str] | None = Field(default=None, min_length=1)
    detectors: list[str | dict[str, Any]] = Field(default=["knn", "mahalanobis", "centroid"], min_length=1)
    seeds: list[Annotated[int, Field(ge=0, le=2**32 - 1)]] = Field(default=[0], min_length=1)
    dtype: Literal["float32", "float16"] = "float32"
    batch_size: int = Field(default=64, ge=1)
    workers: int = Field(default=1, ge=1)

    @field_validator("splits", mode="before")
    @classmethod
    def _one_section(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping | SplitsConfig) else value

    @model_validator(mode="before")
    @classmethod
    def _rows_of_files(cls, values: Any) -> Any:
        sections = values.get("backbones") if isinstance(values, dict) and "data" not in values else None
        if (
            isinstance(sections, list)
            and sections
            and all(isinstance(b, dict) and b.get("embeddings") for b in sections)
        ):
            return {**values, "data": {"name": EMBEDDINGS}}
        return values

    @model_validator(mode="after")
    def _needs_no_backbone(self) -> "StudyConfig":
        if self.backbones:
            return self
        if self.metrics is not None:
            raise ValueError(
                "metrics measure the layers of [[backbones]], and there is none; add one or remove metrics"
            )
        for spec in self.detectors:
            name = spec if isinstance(spec, str) else str(spec.get("name"))
            if name in DETECTORS and not stands_alone(name):  # a name that no detector has is explained later
                raise ValueError(f"detector {name!r} needs one of [[backbones]], and there is none; add one")
        if files := [data.dataset for data in self.datasets if data.name == EMBEDDINGS]:
            raise ValueError(f"no backbone is the embedding files of {files[0]!r}; add one to [[backbones]]")
        return self

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
            if self.backbones and not any(backbone.runs_on(data) for backbone in self.backbones):
                raise ValueError(f"no backbone runs on the data set {data.dataset!r}; give it one, or remove it")
        for backbone in self.backbones:
            if unknown := sorted(set(backbone.datasets or ()) - set(datasets)):
                raise ValueError(f"backbone {backbone.label!r} names the data set {unknown[0]!r}; there is {datasets}")
            split = [data.dataset for data in self.datasets if backbone.runs_on(data) and data.name != EMBEDDINGS]
            if backbone.groups is not None and split:
                raise ValueError(
                    f"backbone {backbone.label!r} has groups, and {split[0]!r} has its own split; remove groups"
                )
            if not any(backbone.runs_on(data) for data in self.datasets):
                raise ValueError(f"backbone {backbone.label!r} is a network and needs samples; name them in [data]")
        for section in self.splits:
            if unknown := sorted(set(section.datasets or ()) - set(datasets)):
                raise ValueError(f"splits names the data set {unknown[0]!r}; there is {datasets}")
        if again := sorted({seed for seed in self.seeds if self.seeds.count(seed) > 1}):
            raise ValueError(f"seeds holds {again[0]} more than once; give each seed once")
        return self

    def splits_of(self, data: DataConfig) -> list[SplitsConfig]:
        """Return what deviates from the plain tasks on a data set."""
        return [section for section in self.splits if section.datasets is None or data.dataset in section.datasets]

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
        if not record["splits"]:
            del record["splits"]
        for section in record["backbones"]:
            for name in ("datasets", "embeddings", "keys", "columns", "labels", "groups"):
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
        hint = f"; did you mean {near[0]!r}?" if near else "."
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
    return [part for part in loc if isinstance(part, int) or not (part in ("str", "int", "float") or "[" in part)]


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

    def at_name(name: str, known: Collection[str]) -> str:
        prefix, _, path = name.partition(":")
        return f"{prefix}:{at(path)}" if f"{prefix}:PATH" in known else name

    def at_section(data: DataConfig) -> DataConfig:
        name = at_name(data.name, names())
        return data.model_copy(update={"name": name, "root": at(data.root) if data.root else None})

    from reprq.backbones.entries import BACKBONES
    from reprq.data import names  # tables are read without it

    networks = BACKBONES.names()
    datasets = [at_section(data) for data in config.datasets]
    splits = [
        section.model_copy(
            update={
                name: at_section(data)
                for name, data in (("external", section.external), ("auxiliary", section.auxiliary))
                if data is not None
            }
        )
        for section in config.splits
    ]
    backbones = []
    for backbone in config.backbones:
        update: dict[str, Any] = {}
        if backbone.embeddings is not None:
            update["embeddings"] = _each_path(backbone.embeddings, at)
        elif backbone.weights not in ("default", "random"):
            update["weights"] = at(backbone.weights)
        if backbone.pretext is not None:
            update["pretext"] = backbone.pretext.model_copy(update={"data": at_name(backbone.pretext.data, names())})
        update["name"] = at_name(backbone.name, networks)
        backbones.append(backbone.model_copy(update=update))
    data = datasets[0] if isinstance(config.data, DataConfig) else datasets
    return config.model_copy(update={"data": data, "splits": splits, "backbones": backbones})


def _each_path(files: str | list[str] | dict[str, str], at: Callable[[str], str]) -> str | list[str] | dict[str, str]:
    if isinstance(files, str):
        return at(files)
    return {name: at(path) for name, path in files.items()} if isinstance(files, dict) else [at(path) for path in files]

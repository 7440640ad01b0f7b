"""Reading a study file. Every key is checked, with its path and the expected type, before any work is done."""

import difflib
import os
import string
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from reprq.errors import ConfigError
from reprq.study.config import StudyConfig
from reprq.study.sections import BackboneConfig, DataConfig

_LONGEST = 120  # letters of a wrong value in a message


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
        raise ConfigError(f"the configuration {path} does not exist; check the path") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder; give the TOML file of a configuration") from None
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

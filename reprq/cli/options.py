"""Options that several commands share, so that each has one name and one help text everywhere."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from reprq.cli.specifications import assignments
from reprq.embeddings.registry import POOLINGS
from reprq.errors import InputError, OutputExistsError, first_line
from reprq.explain.methods import METHODS

Command = TypeVar("Command", bound=Callable[..., Any])

MAX_SEED = 2**32 - 1  # of NumPy's and scikit-learn's random states


PREPROCESSING = (
    "size",
    "mean",
    "std",
    "channels",
    "value_range",
    "crop",
    "squash",
    "max_length",
    "max_features",
    "components",
    "scaler",
    "impute",
    "sound",
)
_OF_NETWORKS = {*PREPROCESSING, "weights", "layers", "pooling"}
_OF_BACKBONES = {*_OF_NETWORKS, "data", "root", "download", "intensity_range", "skip_broken", "split", "tasks"}


def _stack(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def apply(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


def _numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> list[float] | None:
    try:
        return None if value is None else [float(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"expected numbers with commas, got {value!r}", context, parameter) from None


def _names(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """What is named with commas, or by the option again."""
    return tuple(name.strip() for each in value for name in each.split(",") if name.strip())


metrics = click.option(
    "--metric",
    "metrics",
    multiple=True,
    callback=_names,
    metavar="NAME[,NAME]",
    help="Only this metric; may be repeated.",
)


def seed(help: str) -> Callable[[Any], Any]:
    """Return the option `--seed`; every generator here takes the same range."""
    return click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MAX_SEED), help=help)


map_method = click.option(
    "--map-method",
    type=click.Choice(METHODS),
    metavar="METHOD",
    help="Make maps that explain the score, instead of the detector's own: by"
    f" {', '.join(METHODS[:-1])} or {METHODS[-1]}.",
)

scenario = click.option(
    "--scenario",
    metavar="plain|NAME",
    help="Of several scenarios: which one, by the column `scenario` of its tables.  [default: the plain tasks]",
)


def cluster(default: str, help: str) -> Callable[[Any], Any]:
    """Return the option `--cluster`: what counts as one independent observation."""
    return click.option("--cluster", default=default, show_default=True, metavar="architecture|backbone", help=help)


output = _stack(
    click.option("--json", "form", flag_value="json", help="Print one JSON object with its schema_version."),
    click.option("--csv", "form", flag_value="csv", help="Print a CSV table."),
)


def _range(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, float] | None:
    found = _numbers(context, parameter, value)
    if found is None:
        return None
    if len(found) != 2 or not found[0] < found[1]:
        raise click.BadParameter(f"expected LOW,HIGH with LOW below HIGH, got {value!r}", context, parameter)
    return found[0], found[1]


def _one_way(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Refuse --squash beside --crop, whose kinds both keep the aspect ratio."""
    if value is not None and any(context.params.get(name) is not None for name in ("crop", "squash")):
        raise click.UsageError("give either --crop or --squash: --squash loses the aspect ratio that --crop keeps")
    return value


def _values(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, Any] | None:
    """NAME=VALUE,... as a mapping."""
    try:
        return None if value is None else assignments(value)
    except ValueError:
        raise click.BadParameter(f"expected NAME=VALUE,NAME=VALUE, got {value!r}", context, parameter) from None


whole_images = _stack(
    click.option(
        "--crop",
        type=click.Choice(["center", "centre", "none", "reflect"]),
        callback=_one_way,
        help="none keeps whole images: the longer side fits, the rest is the mean color; with reflect the rest mirrors"
        " the image, so that maps do not light up there. [default: the network's own]",
    ),
    click.option(
        "--squash",
        is_flag=True,
        default=None,
        callback=_one_way,
        help="Keep whole images; the aspect ratio is lost. Not with --crop.",
    ),
)

rows = _stack(
    click.option(
        "--scaler",
        metavar="standard|robust|minmax|quantile|none",
        help="Of a table's columns of numbers, fitted on benign training rows.",
    ),
    click.option(
        "--impute",
        type=click.Choice(["mean", "median"]),
        help="What of the benign training rows a table's missing numbers become; rows with some are refused without.",
    ),
)

terms = _stack(
    click.option(
        "--max-features",
        type=click.IntRange(min=1),
        help="The most terms that bow, tfidf and lsa count; 2,000 or 20,000.",
    ),
    click.option("--components", type=click.IntRange(min=1), help="The most columns of lsa; 100 by default."),
)

inputs = _stack(
    click.option(
        "--size", type=click.IntRange(min=1), help="Side of the input in pixels; the network's own by default."
    ),
    click.option("--mean", callback=_numbers, metavar="R,G,B", help="Subtracted from each channel."),
    click.option("--std", callback=_numbers, metavar="R,G,B", help="Divides each channel."),
    click.option("--channels", type=click.Choice(["rgb", "bgr", "gray"]), help="Order of the channels."),
    click.option("--value-range", type=float, metavar="1|255", help="Largest pixel value before mean and std."),
    whole_images,
    click.option(
        "--max-length", type=click.IntRange(min=1), help="Tokens of a text that count; the network's by default."
    ),
    terms,
    rows,
    click.option(
        "--sound",
        callback=_values,
        metavar="NAME=VALUE,...",
        help="How sounds are brought to one length and drawn, for a network or a detector without one: seconds=5,"
        " short=loop, long=windows, n_mels=64, ...",
    ),
)

network = _stack(
    click.option("--backbone", metavar="NAME", help="The network; `reprq backbones` lists them."),
    click.option(
        "--weights",
        default="default",
        show_default=True,
        metavar="default|random|PATH[#PART]",
        help="The network's weights.",
    ),
    inputs,
)

networks = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="The networks: [[backbones]] as of a study, each with its own weights, preprocessing, layers and pooling; an"
    " option that is typed holds for all.",
)

false_alarms = click.option(
    "--false-alarms",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="The share of new benign samples that may be called anomalous.",
)

files = _stack(
    click.option(
        "--intensity-range",
        callback=_range,
        metavar="LOW,HIGH",
        help="Stored values that become black and white; needed by images of more than 8 bits a channel.",
    ),
    click.option("--skip-broken", is_flag=True, help="Leave out files that cannot be read, and list them."),
)

target = click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="METRIC=VALUE",
    help="Beside a metric its distance from this value, as alpha_req=1: a sweet spot. May be repeated.",
)

placed = _stack(
    click.option("--root", type=click.Path(path_type=Path), help="Where the data set's files are."),
    click.option("--download", is_flag=True, help="Download the data set where its files are missing."),
    files,
)

data = _stack(
    click.option(
        "--data",
        default="digits",
        show_default=True,
        metavar="NAME",
        help="The data; `reprq datasets` lists what there is.",
    ),
    placed,
)

work = _stack(
    click.option("--device", default="cpu", show_default=True, help="A torch device: cpu, cuda, cuda:1, mps."),
    click.option("--cache", "cache_dir", type=click.Path(path_type=Path), help="Folder of the embedding caches."),
    click.option("--quiet", is_flag=True, help="No progress on stderr."),
)

run = _stack(seed("Seeds samples, splits and random weights."), work)

_POOLING = f"How a layer becomes one row per sample: {', '.join(entry.name for entry in POOLINGS.built_in())}"
pooling = click.option("--pooling", default="avg", show_default=True, metavar="NAME", help=f"{_POOLING}.")
poolings = click.option(
    "--pooling",
    default="avg",
    show_default=True,
    metavar="NAME[,NAME]",
    help=f"{_POOLING}; several are made in one pass.",
)


class _PathOrUrl(click.Path):
    """A path; a URL stays as it was typed, since a path has one slash where it has two."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if isinstance(value, str) and "://" in value else super().convert(value, param, ctx)


embeddings = _stack(
    click.option(
        "--embeddings",
        "file",
        type=_PathOrUrl(path_type=Path),
        help="Instead of a backbone: arrays (.npy, .npz, .safetensors, .pt, .mat, .h5, zarr), a table (.csv, .tsv,"
        " .csv.gz, .jsonl, .parquet, .feather), a folder of shards, or a cache; or the URL of one.",
    ),
    click.option(
        "--key", metavar="NAME", help="The array, list column, kind of shards or layer, if there are several."
    ),
    click.option(
        "--columns", metavar="NAME,PATTERN*", help="The columns of a table that are the embedding; '*' is all numbers."
    ),
    click.option(
        "--labels",
        metavar="NAME",
        help="The array or column of the labels.  [default: y, label, Class, target, ...]",
    ),
)

benign = click.option(
    "--benign",
    multiple=True,
    metavar="NAME[,NAME]",
    help="What is benign: classes of the data, labels of a file, or a pattern such as '*'; may be repeated.",
)


def preprocessing(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options change in the network's own preprocessing."""
    plain = {name: asked[name] for name in PREPROCESSING if asked.get(name) is not None}
    of_sounds: dict[str, Any] = plain.pop("sound", {})
    return plain | of_sounds


def drawing(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options say of how detectors without a network read what is no image."""
    return {**(asked["sound"] or {}), **{name: asked[name] for name in ("scaler", "impute") if asked[name] is not None}}


def load_networks(config: Path) -> list[Any]:
    """Return the sections of the networks that a TOML file has; what was typed holds for all of them."""
    from reprq.study.loading import load_backbones

    sections = load_backbones(config)
    if _typed_names({"weights"}) and all("weights" in section.model_fields_set for section in sections):
        raise click.UsageError(f"--weights is for networks that say none, and all of {config} do; leave it out")
    asked = click.get_current_context().params
    typed = {name: asked[name] for name in _typed_names({"layers", "pooling"})}
    changed = preprocessing({name: asked[name] for name in _typed_names(set(PREPROCESSING))})
    return [
        section.model_copy(update={**typed, "preprocessing": {**section.preprocessing, **changed}})
        for section in sections
    ]


def one_source(backbone: object, file: Path | str | None) -> None:
    """Raise a usage error unless there is exactly one source of embeddings."""
    if (backbone is None) == (file is None):
        raise click.UsageError("give either --backbone NAME or --embeddings FILE")


def only_with_backbone() -> None:
    """Raise a usage error if an option was typed that says something of a backbone or its data."""
    if typed := _typed(_OF_BACKBONES):
        raise click.UsageError(f"{', '.join(typed)} goes with --backbone, not with --embeddings")


def refuse_network() -> None:
    """Raise a usage error if an option was typed that says something of a backbone, where there is none.

    How sounds are drawn and tables encoded can be said of the detectors too.
    """
    if typed := _typed(_OF_NETWORKS - {"sound", "scaler", "impute"}):
        raise click.UsageError(f"{', '.join(typed)} goes with --backbone, and there is none; leave it out")


def _typed(names: set[str]) -> list[str]:
    """Those of these options that were typed, as they are written."""
    typed = _typed_names(names)
    return [each.opts[0] for each in click.get_current_context().command.params if each.name in typed]


def _typed_names(names: set[str]) -> set[str]:
    """Those of these options that were typed, by the names of their parameters."""
    source = click.get_current_context().get_parameter_source
    return {name for name in names if source(name) is ParameterSource.COMMANDLINE}


def check_output(path: Path, force: bool) -> None:
    """Raise an `OutputExistsError` if there is such a file already and nobody asked to replace it."""
    if path.exists() and not force:
        raise OutputExistsError(f"{path} exists; give another path, or --force to replace it")


def check_device(device: str) -> None:
    """Raise an `InputError` if torch does not know the device or this machine does not have it."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"--device must be a device of this machine, got {device!r} ({first_line(error)}); use cpu"
        ) from None

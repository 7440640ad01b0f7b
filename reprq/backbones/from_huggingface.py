"""Vision models of Hugging Face, as `hf:NAME_OR_PATH`; an optional extra."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from torch import nn

from reprq.backbones.assembly import assemble, fit_file
from reprq.backbones.backbone import Backbone
from reprq.backbones.children import head_input, numbered
from reprq.backbones.extras import offline_reason, require
from reprq.backbones.hub import hub_session
from reprq.backbones.layers import Layer
from reprq.backbones.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from reprq.backbones.seeding import seeded
from reprq.backbones.submodules import in_order
from reprq.errors import DownloadError, InputError, ReprqError, WeightsError

PREFIX = "hf:"
_EMBEDDINGS = ("embeddings", "embedder")
_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


def load_huggingface(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return `hf:NAME_OR_PATH`, a model of the hub or a folder that `save_pretrained` wrote; see `load_backbone`.

    Its layers are the embeddings ("stem"), the blocks or stages of the encoder, named by their modules, and "pooled",
    which is `pooler_output` or, of a classifier, what its head takes. Of a model of images and texts the vision part is
    taken. A weights file names its weights as `state_dict()` does. No code that comes with a model is run.
    """
    transformers: Any = require("transformers", "hf", name)
    source = name.removeprefix(PREFIX)
    local = Path(source).expanduser().is_dir()
    source = str(Path(source).expanduser()) if local else source
    fitted = None
    notes: list[str] = []
    missing: tuple[str, ...] = ()
    with _quiet(transformers), seeded(seed), nullcontext() if local else hub_session():
        config = _fetched(name, lambda: transformers.AutoConfig.from_pretrained(source))
        expected, stated = _fetched(name, lambda: _preprocessing(transformers, source, config))
        if str(weights) == "default":
            network, info = _fetched(
                name, lambda: transformers.AutoModel.from_pretrained(source, output_loading_info=True)
            )
            label, missing = f"default: {Path(source).name}", tuple(info["missing_keys"])
        else:
            network, label = transformers.AutoModel.from_config(config), f"random(seed={seed})"
    network = getattr(network, "vision_model", network).eval().float()
    if str(weights) not in ("default", "random"):
        path = Path(weights).expanduser()
        label = f"file:{path.name}"
        fitted = fit_file(network, path, name=name, head=None)
    if not stated:
        notes.append(f"{name} states no preprocessing: the mean and standard deviation of ImageNet are assumed")
    prepared = expected.replace(**(preprocessing or {}))
    layers = huggingface_layers(network, (prepared.in_channels, prepared.size, prepared.size))
    if missing:
        notes.append(f"{Path(source).name} lacks {', '.join(sorted(missing)[:2])}, among {len(missing)} weights")
        layers = _with_weights(name, layers, missing)
    return assemble(name, network, prepared, layers, label, fitted=fitted, notes=notes)


def huggingface_layers(network: nn.Module, image_shape: tuple[int, int, int]) -> list[Layer]:
    """Return the stages of a vision model of Hugging Face."""
    embeddings = [name for name, _ in network.named_modules() if name.rpartition(".")[2] in _EMBEDDINGS]
    stem = [Layer(0, "stem", name, layout="auto", call=-1) for name in embeddings[:1]]
    lists = [name for name, module in network.named_modules() if isinstance(module, nn.ModuleList)]
    blocks = [f"{lists[0]}.{name}" for name, _ in network.get_submodule(lists[0]).named_children()] if lists else []
    stages = [*stem, *(Layer(0, name, name, layout="auto", call=-1) for name in blocks)]
    found = in_order(network, stages, image_shape, optional=[stage.name for stage in stages])
    pooled = Layer(0, "pooled", "", layout="auto", item="pooler_output", call=-1)
    with suppress(InputError):  # a model without pooler_output
        return numbered([*found, *in_order(network, [pooled], image_shape)])
    return numbered([*found, *in_order(network, head_input(network, image_shape), image_shape)])


def _with_weights(name: str, layers: list[Layer], missing: tuple[str, ...]) -> list[Layer]:
    """Leave out the pooled layer should weights be missing that only it has, and refuse what else lacks weights."""
    if all(key.split(".")[-2].startswith("pooler") or ".pooler." in f".{key}" for key in missing):
        return [layer for layer in layers if layer.name != "pooled"]
    raise WeightsError(
        f"the weights of {name} lack {sorted(missing)[0]!r}, among {len(missing)}; name a model of this architecture"
    )


def _preprocessing(transformers: Any, source: str, config: Any) -> tuple[Preprocessing, bool]:
    """Return what the model's image processor does, and whether it has one."""
    config = getattr(config, "vision_config", config)
    try:
        stated = transformers.AutoImageProcessor.from_pretrained(source).to_dict()
    except (OSError, ValueError):
        size = getattr(config, "image_size", 224)
        return Preprocessing(size=size, resize=size), False
    return processor_preprocessing(stated), True


def processor_preprocessing(stated: Mapping[str, Any]) -> Preprocessing:
    """Return the preprocessing of an image processor's configuration.

    A size with height and width squashes images to it; a "shortest_edge" keeps their aspect ratio. Where the processor
    does not crop, the centre is cropped here, since all images of a batch must be of one size.
    """
    size, crop = stated.get("size") or {}, stated.get("crop_size") or {}
    resize = int(size.get("shortest_edge") or size.get("height") or 224)
    side = int(crop.get("height") or crop.get("shortest_edge") or resize) if stated.get("do_center_crop") else resize
    squash = "shortest_edge" not in size
    if (fraction := stated.get("crop_pct")) and not squash:  # ConvNeXt: a crop below 384 pixels, a squash from there on
        side, squash = resize, resize >= 384
        resize = resize if squash else int(resize / fraction)
    normalise = stated.get("do_normalize", True)
    return Preprocessing(
        size=side,
        resize=max(resize, side),
        mean=tuple(stated.get("image_mean") or IMAGENET_MEAN) if normalise else (0.0,) * 3,
        std=tuple(stated.get("image_std") or IMAGENET_STD) if normalise else (1.0,) * 3,
        value_range=1.0 if stated.get("do_rescale", True) else 255.0,
        interpolation=_FILTERS.get(int(stated.get("resample", 2)), "bilinear"),  # type: ignore[arg-type]
        squash=squash,
    )


def _fetched(name: str, fetch: Any) -> Any:
    """Return what `fetch` gets from a folder or the hub, its errors in one sentence."""
    try:
        return fetch()
    except ReprqError:
        raise
    except Exception as error:  # the hub, the network, the disk: each has errors of its own
        reason = offline_reason(error)
        if Path(name.removeprefix(PREFIX)).expanduser().is_dir():
            raise WeightsError(f"{name} is not the folder of a model of Hugging Face: {reason}") from error
        raise DownloadError(
            f"{name} is neither a folder, nor on this machine, nor could it be downloaded: {reason}; give hf:PATH with"
            f" the path of a folder that save_pretrained wrote"
        ) from error


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep the library from writing its warnings and progress, which say nothing that is not in notes or errors."""
    log = transformers.utils.logging
    verbosity, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bar:
            log.enable_progress_bar()

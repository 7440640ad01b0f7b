"""Models of Hugging Face for images and for texts, as `hf:NAME_OR_PATH`; an optional extra."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from torch import nn

from reprq.backbones.assembly import assemble, fit_file
from reprq.backbones.backbone import Backbone
from reprq.backbones.layers.children import head_input, numbered
from reprq.backbones.layers.selection import Layer
from reprq.backbones.layers.submodules import in_order
from reprq.backbones.sources import image_models, text_models
from reprq.backbones.sources.hub import hub_session
from reprq.backbones.sources.sentence_models import with_sentence
from reprq.backbones.sources.text_models import reads_text
from reprq.backbones.sources.timm import timm_head, timm_layers
from reprq.data import Transform
from reprq.errors import DownloadError, InputError, ReprqError, WeightsError, first_line
from reprq.optional import require
from reprq.seeding import seeded

PREFIX = "hf:"
_EMBEDDINGS = ("embeddings", "embedder")


def load_huggingface(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return `hf:NAME_OR_PATH`, a model of the hub or a folder that `save_pretrained` wrote; see `load_backbone`.

    Its layers are the embeddings ("stem"), the blocks or stages of the encoder, named by their modules, and "pooled",
    which is `pooler_output` or, of a classifier, what its head takes. Of a model of images and texts the vision part is
    taken. A model of texts takes the tokens of its own tokenizer. A weights file names its weights as `state_dict()`
    does. Of a folder of sentence-transformers "sentence" is the last layer: its own pooling. No code that comes with a
    model is run.
    """
    transformers: Any = require("transformers", "hf", name)
    source = name.removeprefix(PREFIX)
    local = Path(source).expanduser().is_dir()
    source = str(Path(source).expanduser()) if local else source
    fitted = None
    missing: tuple[str, ...] = ()
    with _quiet(transformers), seeded(seed), nullcontext() if local else hub_session():
        config = _fetched(name, lambda: transformers.AutoConfig.from_pretrained(source))
        models: Any = text_models if reads_text(transformers, config, name) else image_models
        prepare = _fetched(name, lambda: models.reader(transformers, name, source, config, preprocessing or {}))
        if str(weights) == "default":
            network, info = _fetched(
                name, lambda: transformers.AutoModel.from_pretrained(source, output_loading_info=True)
            )
            label, missing = f"default: {Path(source).name}", tuple(info["missing_keys"])
        else:
            network, label = transformers.AutoModel.from_config(config), f"random(seed={seed})"
    network, prepared, notes = prepare(network)
    network = network.eval().float()
    if str(weights) not in ("default", "random"):
        path = Path(weights).expanduser()
        label = f"file:{path.name}"
        fitted = fit_file(network, path, name=name, head=None)
    layers = huggingface_layers(network, prepared)
    if missing:
        notes.append(f"{Path(source).name} lacks {', '.join(sorted(missing)[:2])}, among {len(missing)} weights")
        layers = _with_weights(name, layers, missing)
    backbone = assemble(name, network, prepared, layers, label, fitted=fitted, notes=notes)
    return with_sentence(backbone, Path(source)) if local and models is text_models else backbone


def huggingface_layers(network: nn.Module, transform: Transform) -> list[Layer]:
    """Return the stages of a model of Hugging Face, or of one of timm that it wraps."""
    if hasattr(network, "feature_info"):
        return timm_layers(network, timm_head(getattr(network, "pretrained_cfg", {})), transform)
    embeddings = [name for name, _ in network.named_modules() if name.rpartition(".")[2] in _EMBEDDINGS]
    stem = [Layer(0, "stem", name, layout="auto", call=-1) for name in embeddings[:1]]
    lists = [name for name, module in network.named_modules() if isinstance(module, nn.ModuleList)]
    blocks = [f"{lists[0]}.{name}" for name, _ in network.get_submodule(lists[0]).named_children()] if lists else []
    stages = [*stem, *(Layer(0, name, name, layout="auto", call=-1) for name in blocks)]
    found = in_order(network, stages, transform, optional=[stage.name for stage in stages])
    pooled = Layer(0, "pooled", "", layout="auto", item="pooler_output", call=-1)
    with suppress(InputError):  # a model without pooler_output
        return numbered([*found, *in_order(network, [pooled], transform)])
    if transform.modality != "image":
        return numbered(found)
    return numbered([*found, *in_order(network, head_input(network, transform), transform)])


def _with_weights(name: str, layers: list[Layer], missing: tuple[str, ...]) -> list[Layer]:
    """Leave out the pooled layer should weights be missing that only it has, and refuse what else lacks weights."""
    if all(key.split(".")[-2].startswith("pooler") or ".pooler." in f".{key}" for key in missing):
        return [layer for layer in layers if layer.name != "pooled"]
    raise WeightsError(
        f"the weights of {name} lack {sorted(missing)[0]!r}, among {len(missing)}; name a model of this architecture"
    )


def _fetched(name: str, fetch: Any) -> Any:
    """Return what `fetch` gets from a folder or the hub, its errors in one sentence."""
    try:
        return fetch()
    except ReprqError:
        raise
    except Exception as error:  # the hub, the network, the disk: each has errors of its own
        reason = first_line(error)
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

"""What the text models of Hugging Face take: their tokenizers, and how many tokens fit."""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from reprq.backbones.sources.prepared import Prepared
from reprq.data.text.tokenization import Tokenization
from reprq.errors import InputError, WeightsError, first_line

_ARGUMENTS = ("input_ids", "attention_mask", "token_type_ids")
_MOST = 512  # tokens, where a model takes more: the cost grows with the square
_SENTENCE_LENGTHS = "sentence_bert_config.json"  # how many tokens Sentence-BERT's models were trained on
_NO_TOKENIZER = "save one beside it (tokenizer.save_pretrained), the one that it was trained with"


def reads_text(transformers: Any, config: Any, name: str) -> bool:
    """Whether a model of Hugging Face takes texts, and not images.

    Of a model of images and texts the vision part is taken, so that it takes images.

    Raises:
        InputError: It takes something else, such as sound.
    """
    if hasattr(config, "vision_config") or hasattr(config, "image_size"):
        return False
    try:
        model = transformers.MODEL_MAPPING[type(config)]
    except KeyError:
        return False
    model = model[0] if isinstance(model, tuple | list) else model
    takes = str(getattr(model, "main_input_name", "pixel_values"))
    if takes not in ("pixel_values", "input_ids"):
        raise InputError(f"{name} takes {takes}, and here models take images or texts; choose another model")
    return takes == "input_ids"


def reader(
    transformers: Any, name: str, source: str, config: Any, overrides: Mapping[str, Any]
) -> Callable[[nn.Module], Prepared]:
    """Read the tokenizer of a model, and return what turns its network into one of texts.

    Args:
        transformers: The library.
        name: The backbone, for messages.
        source: The folder or name of the model.
        config: Its configuration.
        overrides: What the user says of the preprocessing: `max_length`. Without it texts are cut where a Sentence-BERT
            model states, else where the model ends, at 512 tokens at most.

    Raises:
        WeightsError: It has no tokenizer.
    """
    tokenizer = _tokenizer(transformers, name, source)
    stated = _stated(transformers, source) or _MOST

    def prepare(model: nn.Module) -> Prepared:
        network = _encoder(model) if config.is_encoder_decoder else model
        return Prepared(network, _tokenization(name, network, tokenizer, stated).replace(**overrides), [])

    return prepare


def _tokenizer(transformers: Any, name: str, source: str) -> Any:
    """The tokenizer of a model, where it has one: transformers makes an empty one up in silence."""
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, TypeError, ImportError, KeyError, AttributeError) as error:
        raise WeightsError(f"the tokenizer of {name} cannot be read ({first_line(error)}); {_NO_TOKENIZER}") from error
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise WeightsError(f"{name} is a text model and has no tokenizer; {_NO_TOKENIZER}")
    return tokenizer


def _encoder(model: Any) -> nn.Module:
    """What embeds a text, of a model that translates or summarizes."""
    encoder: nn.Module = model.get_encoder()
    return encoder


def _tokenization(name: str, network: nn.Module, tokenizer: Any, stated: int) -> Tokenization:
    known = _embedded(network)
    if known is not None and len(tokenizer) > known:
        raise WeightsError(
            f"the tokenizer of {name} has {len(tokenizer)} tokens and the model {known}; {_NO_TOKENIZER}"
        )
    limit = _limit(network, tokenizer)
    asked = inspect.signature(network.forward).parameters
    made = (*_ARGUMENTS[:2], *tokenizer.model_input_names)
    return Tokenization(tokenizer, min(limit, stated), limit, tuple(x for x in _ARGUMENTS if x in asked and x in made))


def _embedded(network: nn.Module) -> int | None:
    """How many tokens a model knows."""
    embedding = getattr(network, "get_input_embeddings", lambda: None)()
    return getattr(embedding, "num_embeddings", None)


def _limit(network: nn.Module, tokenizer: Any) -> int:
    """The most tokens that a model and its tokenizer take; RoBERTa's positions begin behind that of the padding."""
    stated = getattr(getattr(network, "config", None), "max_position_embeddings", None)
    most = int(stated) if isinstance(stated, int) and stated > 0 else int(tokenizer.model_max_length)
    for module_name, module in network.named_modules():
        if module_name.rpartition(".")[2] == "position_embeddings" and isinstance(module, nn.Embedding):
            most = min(most, module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1))
    return min(most, int(tokenizer.model_max_length))


def _stated(transformers: Any, source: str) -> int | None:
    quiet = {f"_raise_exceptions_for_{what}": False for what in ("missing_entries", "gated_repo", "connection_errors")}
    file = transformers.utils.cached_file(source, _SENTENCE_LENGTHS, **quiet)
    if file is None:
        return None
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8")).get("max_seq_length")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, int) and found > 0 else None

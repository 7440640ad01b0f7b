"""Which backbones must learn from benign samples before they embed, themselves or for a pooling."""

from collections.abc import Sequence

from reprq.backbones import Backbone
from reprq.backbones.learning import unfitted
from reprq.data import Dataset
from reprq.embeddings.registry import learns, poolings_named
from reprq.errors import InputError


def must_learn(backbone: Backbone, pooling: str | Sequence[str]) -> bool:
    """Whether a backbone has yet to learn what it or one of the poolings needs."""
    return not backbone.is_fitted or (backbone.learned is None and learns(poolings_named(pooling)))


def fitted(backbone: Backbone, pooling: str | Sequence[str], benign: Dataset) -> Backbone:
    """Return a backbone that has learned what it and the poolings need; as it is where that is nothing.

    Args:
        backbone: The network.
        pooling: How its layers are pooled.
        benign: What it learns from where it must: the training side of some data.

    Raises:
        InputError: It must learn, and the samples are those of a test side.
    """
    if not must_learn(backbone, pooling):
        return backbone
    if benign.split != "train":
        what = backbone.name if not backbone.is_fitted else f"pooling {pooling!r}"
        raise InputError(unfitted(what, benign.noun))
    return backbone.fit(benign)

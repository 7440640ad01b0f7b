"""Rows of tables: as they are or scaled, and a multilayer perceptron; both learn the columns from benign rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from reprq.backbones.backbone import Backbone
from reprq.backbones.layers.selection import Layer
from reprq.backbones.layers.stages import layers_of
from reprq.backbones.learning import UNFITTED, Learned, Lesson, Unfitted
from reprq.backbones.networks.perceptron import Perceptron
from reprq.data import Dataset
from reprq.data.modality import modality_named
from reprq.data.table.encoding import Encoding
from reprq.errors import InputError
from reprq.provenance import digest
from reprq.seeding import seeded

IDENTITY, MLP = "identity", "mlp"
_VERSION = 1  # joins the digest of every backbone: rows that are computed otherwise must not be found again
_FRESH = {IDENTITY: Encoding(), MLP: Encoding("standard")}


@dataclass(frozen=True, eq=False)
class RowRecipe:
    """What a backbone of rows learns: columns, categories, what is imputed, scales.

    Args:
        name: "identity" or "mlp".
        encoding: The scaler, and what is imputed.
        seed: Of the weights of an mlp.
    """

    name: str
    encoding: Encoding
    seed: int

    def learn(self, benign: Dataset) -> Lesson:
        """Return the columns and scales; see `Encoding.learned`."""
        found = self.encoding.learned(benign)
        return Lesson(found.scales, found.record())

    def build(self, lesson: Lesson, **arguments: Any) -> tuple[nn.Module, Encoding]:
        """Return the network, its weights drawn by the seed, and the encoding; arguments are those of `Perceptron`."""
        encoding = self.encoding.with_record(lesson.record, lesson.arrays)
        if self.name == IDENTITY or encoding.shape is None:
            return nn.Identity(), encoding
        with seeded(self.seed):
            return Perceptron(*encoding.shape, **arguments), encoding


def load_rows(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return `identity` or `mlp`, which learn the columns of tables from benign training rows; see `load_backbone`.

    The one layer of `identity` is "rows". Those of `mlp` are "block1" to "block3" and "pooled", 256 wide; its weights
    are random until a teacher is trained (`reprq train`).

    Args:
        name: "identity" (rows as they are, or scaled) or "mlp".
        weights: "default"; of `mlp` the same as "random"; of `identity` also the file of what it learned.
        preprocessing: `scaler`, "none" for `identity` and "standard" for `mlp` where nothing is said; `impute`.
        seed: Of random weights.

    Raises:
        InputError: Other weights, or wrong preprocessing.
        WeightsError: A file that is missing or another's.
    """
    encoding, given = _FRESH[name].replace(**(preprocessing or {})), str(weights)
    if name == IDENTITY and given == "random":
        raise InputError("identity has no random weights: it gives rows as they are; leave the weights out")
    if name == MLP and given not in ("default", "random"):
        raise InputError(f"mlp has random weights, got {given!r}; a network that was trained is teacher:PATH")
    drawn = {"seed": seed} if name == MLP else {}
    backbone = Backbone(
        name=name,
        network=Unfitted(name, modality_named(encoding.modality).item).eval(),
        preprocessing=encoding,
        layers=_perceptron_layers() if name == MLP else (Layer(0, "rows", "", layout="ND"),),
        weights=f"random(seed={seed}); {UNFITTED}" if name == MLP else UNFITTED,
        weights_digest=digest({"recipe": name, "version": _VERSION, **encoding.overrides(), **drawn}),
        recipe=RowRecipe(name, encoding, seed),
    )
    if given in ("default", "random"):
        return backbone
    return backbone.with_learned(Learned.load(Path(weights).expanduser()))


def _perceptron_layers() -> tuple[Layer, ...]:
    """The layers of an mlp, which are the same whatever the width of its input."""
    with seeded(0):  # the global generator stays as it was
        return layers_of(Perceptron(1))

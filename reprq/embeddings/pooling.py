"""From what a layer puts out to one vector per item."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F  # noqa: N812

from reprq.backbones import Layer
from reprq.embeddings.registry import find_pooling, refusal, unmet
from reprq.errors import InputError

_GEM_POWER = 3  # where Radenovic et al. start, and what they find the learned powers close to
_GEM_LEAST = 1e-6


def pool(
    output: torch.Tensor,
    pooling: str = "avg",
    *,
    layout: str = "NCHW",
    class_token: bool = False,
    registers: int = 0,
    mask: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Pool the output of a layer to one row per item.

    Over positions p, which are the pixels of a map or the patches of tokens, class token and registers left out, a row
    is for every channel c: "avg" (or "mean") mean_p x_pc; "max" max_p x_pc; "gem" (mean_p max(x_pc, 1e-6)^3)^(1/3), the
    generalized mean of Radenovic et al. 2018, equation 3, with p = 3 and their code's clamp. "cls" is the class token,
    "cls+avg" it and the average after it. "flatten" is everything, class token and registers too, in the order of the
    layout. "grid:RxC" averages a map over R x C cells, as `adaptive_avg_pool2d` cuts them, channel by channel and row
    by row.

    Of texts, whose tokens vary in number, p are all tokens that the mask counts, the first and the last too, as
    Sentence-BERT averages them (Reimers & Gurevych 2019); padding never counts. "tfidf" is sum_p w_p x_pc / sum_p w_p,
    w_p the inverse document frequency of token p in benign training texts: each occurrence counts, so that a term's
    share is tf idf (Ruff et al. 2019, section 4.1).

    Args:
        output: (N, C, H, W), (N, H, W, C), (N, L, D), (L, N, D) or (N, D), as `layout` says.
        pooling: One of the above. An output that has no positions, (N, D), comes back as it is.
        layout: "NCHW", "NHWC", "NLD", "LND" or "ND".
        class_token: Whether the first token is a class token.
        registers: How many more tokens before the patches are none.
        mask: (N, L), 1 where a token counts and 0 where it is padding; at least one counts in every row.
        weights: (N, L), what "tfidf" weighs the tokens by; positive.

    Returns:
        (N, C), (N, 2 D) for "cls+avg", (N, C R C') for "grid:RxC'", (N, everything) for "flatten"; float32 at least for
        "gem", else of the output's dtype; never a view that a later in-place operation could change.

    Raises:
        UnknownNameError: a pooling that does not exist.
        InputError: "cls" where the layer has no class token, "grid" of tokens or of more cells than pixels, "flatten"
            with a mask, or an output of another number of axes than its layout.

    Example:
        >>> pool(torch.ones(2, 3, 4, 4)).shape, pool(torch.ones(2, 3, 4, 4), "grid:2x1").shape
        (torch.Size([2, 3]), torch.Size([2, 6]))
    """
    entry, words = find_pooling(pooling)
    if output.ndim != len(layout):
        raise InputError(f"a layer of layout {layout} must put out {len(layout)} axes, got shape {tuple(output.shape)}")
    if layout == "LND":
        output, layout = output.transpose(0, 1), "NLD"
    if layout == "ND":
        return _copy(output)
    if lacks := unmet(entry, layout, class_token, mask is not None):
        shown = {"class token": f"layout {layout}", "fixed length": "tokens with a mask", "maps": "tokens"}
        raise InputError(refusal(pooling, lacks, shown.get(lacks, "maps")))
    leading = 0 if mask is not None else int(class_token) + registers
    given = LayerOutput(output, layout, leading, None if mask is None else mask.to(torch.bool), weights)
    rows: torch.Tensor = entry.load()(given, *words)
    return rows


@dataclass(frozen=True, eq=False)
class LayerOutput:
    """What a layer puts out of a batch, as a pooling takes it.

    Attributes:
        values: (N, C, H, W), (N, H, W, C) or (N, L, D), as `layout` says.
        layout: "NCHW", "NHWC" or "NLD".
        leading: How many tokens come before the patches of an image: its class token and registers.
        mask: (N, L), True where a token of a text counts; None where all do.
        weights: (N, L), the weight of each token; None where nobody learned them.
    """

    values: torch.Tensor
    layout: str
    leading: int = 0
    mask: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    @property
    def positions(self) -> torch.Tensor:
        """(N, P, C): the pixels of a map, the patches of an image, or all tokens of a text, padding too.

        Raises:
            InputError: There are no patches.
        """
        x = self.values
        if self.layout == "NCHW":
            x = x.flatten(2).transpose(1, 2)
        elif self.layout == "NHWC":
            x = x.flatten(1, 2)
        if x.shape[1] <= self.leading:
            raise InputError(f"pooling needs patches after the first {self.leading} tokens, got none; use 'flatten'")
        return x[:, self.leading :]

    def filled(self, x: torch.Tensor, value: float) -> torch.Tensor:
        """Return (N, P, C) with a value in place of padding."""
        return x if self.mask is None else x.masked_fill(~self.mask[:, :, None], value)

    def mean(self, x: torch.Tensor) -> torch.Tensor:
        """Average (N, P, C) over the positions that count; float32 at least where there is a mask."""
        if self.mask is None:
            return x.mean(dim=1)
        return self.filled(_float32(x), 0.0).sum(dim=1) / self.mask.sum(dim=1)[:, None]


def average(output: LayerOutput) -> torch.Tensor:
    """Return mean_p x_pc."""
    return output.mean(output.positions)


def weighted_by_terms(output: LayerOutput) -> torch.Tensor:
    """Return sum_p w_p x_pc / sum_p w_p."""
    if output.weights is None:
        raise InputError(
            "pooling 'tfidf' needs the weights of terms, which a backbone learns from benign training texts; fit it:"
            " backbone.fit(texts)"
        )
    weights = _float32(output.weights)[:, :, None]
    x = output.filled(_float32(output.positions), 0.0)
    return (x * weights).sum(dim=1) / output.filled(weights, 0.0).sum(dim=1)


def largest(output: LayerOutput) -> torch.Tensor:
    """Return max_p x_pc."""
    return output.filled(output.positions, -torch.inf).amax(dim=1)


def generalized_mean(output: LayerOutput) -> torch.Tensor:
    """Return (mean_p max(x_pc, 1e-6)^3)^(1/3)."""
    raised = _float32(output.positions).clamp(min=_GEM_LEAST).pow(_GEM_POWER)
    return output.mean(raised).pow(1 / _GEM_POWER)


def class_token(output: LayerOutput) -> torch.Tensor:
    """Return the first token."""
    return output.values[:, 0].clone()


def class_token_and_average(output: LayerOutput) -> torch.Tensor:
    """Return the first token, and after it the average."""
    return torch.cat([output.values[:, 0], average(output)], dim=1)


def flat(output: LayerOutput) -> torch.Tensor:
    """Return everything, in the order of the layout."""
    return _copy(output.values)


def grid(output: LayerOutput, cells: str) -> torch.Tensor:
    """Average a map over the cells that "RxC" names."""
    rows, columns = map(int, cells.split("x"))
    maps = output.values.movedim(-1, 1) if output.layout == "NHWC" else output.values
    height, width = maps.shape[2:]
    if rows > height or columns > width:
        raise InputError(
            f"pooling 'grid:{cells}' needs maps of at least {rows} x {columns}, got {height} x {width}; use fewer cells"
        )
    return F.adaptive_avg_pool2d(maps, (rows, columns)).flatten(1)


def _copy(output: torch.Tensor) -> torch.Tensor:
    return output.clone(memory_format=torch.contiguous_format).flatten(1)


def _float32(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def pool_layer(
    layer: Layer,
    output: torch.Tensor,
    pooling: str,
    mask: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Pool what a layer puts out as `pool` does; `mask` and `weights` are the batch's.

    Raises:
        InputError: As for `pool`; or a layer whose tokens are others than those that the mask counts.
    """
    if layer.layout != "ND" and (
        lacks := unmet(find_pooling(pooling)[0], layer.layout, layer.class_token, layer.varying)
    ):
        raise InputError(refusal(pooling, lacks, layer.name))
    if not layer.varying or layer.layout == "ND":
        mask = weights = None
    elif mask is not None and mask.shape != (shape := (output.shape[layer.batch_axis], _tokens(layer, output))):
        raise InputError(
            f"layer {layer.name!r} must put out a token for each that goes in, got {shape[1]} for {mask.shape[1]}, so"
            " that padding cannot be told; choose another layer"
        )
    how = {"layout": layer.layout, "class_token": layer.class_token, "registers": layer.registers, "mask": mask}
    how |= {"weights": weights}
    return pool(output, pooling, **how)  # type: ignore[arg-type]


def pooled_width(layer: Layer, shape: Sequence[int], pooling: str) -> int | None:
    """Return the width of a layer's rows, None where it cannot be pooled so.

    Args:
        layer: The layer.
        shape: Of its output, without the batch axis.
        pooling: See `pool`.

    Example:
        >>> pooled_width(Layer(4, "layer4", "layer4"), (512, 7, 7), "grid:2x2")
        2048
    """
    axes = [*shape]
    axes.insert(layer.batch_axis, 1)
    output = torch.empty(axes, device="meta")
    try:
        rows = pool_layer(layer, output, pooling)
    except InputError:
        return None
    return rows.shape[1]


def _tokens(layer: Layer, output: torch.Tensor) -> int:
    return output.shape[layer.layout.index("L")]

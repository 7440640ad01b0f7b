"""From what a layer puts out to one vector per item."""

from collections.abc import Sequence

import torch
from torch.nn import functional as F  # noqa: N812

from reprq.backbones import Layer
from reprq.embeddings.pooling_names import check_pooling, no_class_token, standard_name, varying_tokens
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
) -> torch.Tensor:
    """Pool the output of a layer to one row per item.

    Over positions p, which are the pixels of a map or the patches of tokens, class token and registers left out, a row
    is for every channel c: "avg" (or "mean") mean_p x_pc; "max" max_p x_pc; "gem" (mean_p max(x_pc, 1e-6)^3)^(1/3), the
    generalised mean of Radenovic et al. 2018, equation 3, with p = 3 and their code's clamp. "cls" is the class token,
    "cls+avg" it and the average after it. "flatten" is everything, class token and registers too, in the order of the
    layout. "grid:RxC" averages a map over R x C cells, as `adaptive_avg_pool2d` cuts them, channel by channel and row
    by row.

    Of texts, whose tokens vary in number, p are all tokens that the mask counts, the first and the last too, as
    Sentence-BERT averages them (Reimers & Gurevych 2019); padding never counts.

    Args:
        output: (N, C, H, W), (N, H, W, C), (N, L, D), (L, N, D) or (N, D), as `layout` says.
        pooling: One of the above. An output that has no positions, (N, D), comes back as it is.
        layout: "NCHW", "NHWC", "NLD", "LND" or "ND".
        class_token: Whether the first token is a class token.
        registers: How many more tokens before the patches are none.
        mask: (N, L), 1 where a token counts and 0 where it is padding; at least one counts in every row.

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
    check_pooling(pooling)
    pooling = standard_name(pooling)
    if output.ndim != len(layout):
        raise InputError(f"a layer of layout {layout} must put out {len(layout)} axes, got shape {tuple(output.shape)}")
    if layout == "LND":
        output, layout = output.transpose(0, 1), "NLD"
    if layout == "ND" or (pooling == "flatten" and mask is None):
        return output.clone(memory_format=torch.contiguous_format).flatten(1)
    if "cls" in pooling and not class_token:
        raise InputError(no_class_token(pooling, f"layout {layout}"))
    if pooling == "cls":
        return output[:, 0].clone()
    if pooling.startswith("grid:"):
        return _grid(output, pooling, layout)
    if mask is not None:
        return _masked(output, pooling, mask.to(torch.bool))
    leading = int(class_token) + registers
    positions = _positions(output, layout)[:, leading:]
    if not positions.shape[1]:
        raise InputError(f"pooling {pooling!r} needs patches after the first {leading} tokens, got none; use 'flatten'")
    if pooling == "max":
        return positions.amax(dim=1)
    if pooling == "gem":
        positions = positions.to(torch.promote_types(positions.dtype, torch.float32))
        return positions.clamp(min=_GEM_LEAST).pow(_GEM_POWER).mean(dim=1).pow(1 / _GEM_POWER)
    average = positions.mean(dim=1)
    return torch.cat([output[:, 0], average], dim=1) if pooling == "cls+avg" else average


def pool_layer(layer: Layer, output: torch.Tensor, pooling: str, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Pool what a layer puts out as `pool` does; `mask` is the batch's.

    Raises:
        InputError: As for `pool`; or a layer whose tokens are others than those that the mask counts.
    """
    if not layer.varying or layer.layout == "ND":
        mask = None
    elif pooling == "flatten":
        raise InputError(varying_tokens(pooling, layer.name))
    elif mask is not None and mask.shape != (shape := (output.shape[layer.batch_axis], _tokens(layer, output))):
        raise InputError(
            f"layer {layer.name!r} must put out a token for each that goes in, got {shape[1]} for {mask.shape[1]}, so"
            " that padding cannot be told; choose another layer"
        )
    how = {"layout": layer.layout, "class_token": layer.class_token, "registers": layer.registers, "mask": mask}
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


def _masked(output: torch.Tensor, pooling: str, mask: torch.Tensor) -> torch.Tensor:
    """Pool (N, L, D) over the tokens that count."""
    if pooling == "flatten":
        raise InputError(varying_tokens(pooling, "tokens with a mask"))
    mask = mask[:, :, None]
    if pooling == "max":
        return output.masked_fill(~mask, -torch.inf).amax(dim=1)
    x = output.to(torch.promote_types(output.dtype, torch.float32))
    if pooling == "gem":
        x = x.clamp(min=_GEM_LEAST).pow(_GEM_POWER)
    mean = x.masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1)
    if pooling == "gem":
        return mean.pow(1 / _GEM_POWER)
    return torch.cat([output[:, 0], mean], dim=1) if pooling == "cls+avg" else mean


def _grid(output: torch.Tensor, pooling: str, layout: str) -> torch.Tensor:
    if layout == "NLD":
        raise InputError(f"pooling {pooling!r} needs a layer that puts out maps, got tokens; use 'avg'")
    rows, columns = map(int, pooling.removeprefix("grid:").split("x"))
    maps = output.movedim(-1, 1) if layout == "NHWC" else output
    height, width = maps.shape[2:]
    if rows > height or columns > width:
        raise InputError(
            f"pooling {pooling!r} needs maps of at least {rows} x {columns}, got {height} x {width}; use fewer cells"
        )
    return F.adaptive_avg_pool2d(maps, (rows, columns)).flatten(1)


def _positions(output: torch.Tensor, layout: str) -> torch.Tensor:
    """Bring the output to (N, positions, channels)."""
    if layout == "NCHW":
        return output.flatten(2).transpose(1, 2)
    if layout == "NHWC":
        return output.flatten(1, 2)
    return output

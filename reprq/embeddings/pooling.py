"""From what a layer puts out to one vector an image."""

import torch

from reprq.errors import InputError, UnknownNameError

POOLINGS = ("avg", "max", "cls", "flatten")


def pool(
    output: torch.Tensor, pooling: str = "avg", *, layout: str = "NCHW", class_token: bool = False
) -> torch.Tensor:
    """Pool the output of a layer to one row an image.

    Args:
        output: (N, C, H, W), (N, H, W, C), (N, L, D) or (N, D), as `layout` says.
        pooling: "avg" or "max" over positions (the class token left out), "cls" for the class token, or "flatten".
            A layer whose output has no positions, (N, D), comes back as it is.
        layout: "NCHW", "NHWC", "NLD" or "ND".
        class_token: Whether the first token of an "NLD" output is a class token.

    Returns:
        (N, C), (N, D), or (N, everything) for "flatten"; never a view that a later in-place operation could change.

    Raises:
        UnknownNameError: a pooling that does not exist.
        InputError: "cls" where the layer has no class token, or an output of another number of axes than its layout.

    Example:
        >>> pool(torch.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3])
    """
    if pooling not in POOLINGS:
        raise UnknownNameError("pooling", pooling, POOLINGS)
    if output.ndim != len(layout):
        raise InputError(f"a layer of layout {layout} must put out {len(layout)} axes, got shape {tuple(output.shape)}")
    if layout == "ND" or pooling == "flatten":
        return output.flatten(1).clone()
    if pooling == "cls":
        if not class_token:
            raise InputError(f"pooling 'cls' needs a layer with a class token, got layout {layout}; use 'avg' or 'max'")
        return output[:, 0].clone()
    tokens = _positions(output, layout)[:, int(class_token) :]
    return tokens.mean(dim=1) if pooling == "avg" else tokens.amax(dim=1)


def _positions(output: torch.Tensor, layout: str) -> torch.Tensor:
    """Bring the output to (N, positions, channels)."""
    if layout == "NCHW":
        return output.flatten(2).transpose(1, 2)
    if layout == "NHWC":
        return output.flatten(1, 2)
    return output

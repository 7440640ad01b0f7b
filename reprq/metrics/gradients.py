"""How far a loss moves with its inputs: gradient norms, and Mai's brittleness score."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError
from reprq.validation import as_matrix

Norm = Literal["l1", "l2", "linf"]
Reduction = Literal["sum", "mean"]
Loss = Callable[[torch.Tensor], torch.Tensor]

_DUAL: dict[Norm, Norm] = {"l1": "linf", "l2": "l2", "linf": "l1"}
_ORDERS = {"l1": 1.0, "l2": 2.0, "linf": float("inf")}
_TOLERANCE = 1e-2


def gradient_norms(
    loss: Loss, inputs: torch.Tensor, *, norms: str | tuple[str, ...] = "l2", batch_size: int = 64
) -> dict[str, NDArray[np.float64]]:
    """Compute ||dL_i / dx_i|| for every input x_i with its own loss L_i, one backward pass a batch.

    The gradient of the sum of a batch's losses is, row by row, each input's own, as long as no input changes another's
    loss. Batch normalization in training mode does; the first input is computed alone to notice it.

    Args:
        loss: From (b, C, H, W) inputs to their (b,) losses, differentiable in the inputs.
        inputs: (n, C, H, W) float, on the loss's device.
        norms: "l2", "l1" or "linf", or several.
        batch_size: Inputs a pass.

    Returns:
        By norm, (n,) float64, 0 or more, in units of the loss per unit of input.

    Raises:
        InputError: no inputs, an unknown norm, a batch size below 1, a loss of another shape, one that does not depend
            on the inputs, one that mixes inputs, or a gradient that is not finite.

    Example:
        >>> weight = torch.tensor([3.0, 4.0])
        >>> gradient_norms(lambda x: x.flatten(1) @ weight, torch.zeros(2, 1, 1, 2), norms=("l2", "l1"))
        {'l2': array([5., 5.]), 'l1': array([7., 7.])}
    """
    wanted = (norms,) if isinstance(norms, str) else tuple(norms)
    for norm in wanted:
        if norm not in _ORDERS:
            raise InputError(f"norms must be of {', '.join(_ORDERS)}, got {norm!r}")
    if not (isinstance(inputs, torch.Tensor) and inputs.is_floating_point() and inputs.ndim >= 2 and len(inputs)):
        shape = tuple(getattr(inputs, "shape", ()))
        raise InputError(f"inputs must be a float tensor (n, C, H, W) of at least one input, got shape {shape}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"batch_size must be a positive whole number, got {batch_size!r}")
    found: dict[str, list[torch.Tensor]] = {norm: [] for norm in wanted}
    for number, batch in enumerate(torch.split(inputs, batch_size)):
        gradients = _gradients(loss, batch)
        if number == 0:
            _check_alone(loss, inputs, gradients)
        for norm in wanted:  # a norm a batch: all gradients at once would be as large as all inputs
            found[norm].append(torch.linalg.vector_norm(gradients, _ORDERS[norm], dim=1))
    norms_of = {norm: torch.cat(parts).cpu().numpy() for norm, parts in found.items()}
    for values in norms_of.values():
        if not np.isfinite(values).all():
            raise InputError(
                f"loss must have finite gradients, got {values[~np.isfinite(values)][0]}; check its inputs"
            )
    return norms_of


def brittleness(
    loss: Loss,
    inputs: torch.Tensor,
    embeddings: ArrayLike,
    *,
    norm: Norm = "l2",
    reduction: Reduction = "sum",
    batch_size: int = 64,
    unit_free: bool = False,
) -> float:
    """Mai's brittleness: E ||dL/dx|| over inputs, divided by the trace of the covariance of the teacher's embeddings.

    Mai, Davies & Griffin 2021, where L is the distillation loss and the gradient flows through the student; see
    `reprq.detectors.Distillation.loss`. Any other differentiable loss will do.

    Args:
        loss: From (b, C, H, W) inputs to their (b,) losses.
        inputs: (n, C, H, W) benign training inputs, as the network takes them.
        embeddings: (m, d) the teacher's embeddings of benign inputs, m >= 2; their covariance divides by m - 1.
        norm: "l2" as in the paper, "l1" or "linf".
        reduction: "sum" takes the loss as it is, a sum of squared errors over the d columns of the embeddings;
            "mean" divides it by d, as the mean squared error of the paper does. The two rank networks of different
            widths differently, so say which: `brittleness[l2,sum]` or `brittleness[l2,mean]`.
        batch_size: Inputs a pass.
        unit_free: Whether to multiply by the mean distance of an input to the mean input, in the dual norm (l2 of l2,
            linf of l1, l1 of linf). The number is then the change of the loss, in units of the trace, as an input
            moves along its gradient by as far as inputs differ.

    Returns:
        0 or more, higher is more brittle. It is one over the unit of the inputs: pixels in 0 to 255 give 1 / 255 of
        what pixels in 0 to 1 do, a normalization by standard deviations of 0.25 a quarter; and it changes with their
        number: the same inputs at twice the height and width give half in l2. Compare it within one preprocessing, or
        use `unit_free`, which neither changes. Either form moves with z where the loss does not: with L fixed, z -> cz
        divides it by c^2.

    Raises:
        InputError: as `gradient_norms`; or embeddings that do not vary, so that their trace is 0; or, where it is to be
            free of units, inputs that do not vary.

    Example:
        >>> weight = torch.tensor([3.0, 4.0])
        >>> brittleness(lambda x: x.flatten(1) @ weight, torch.zeros(2, 1, 1, 2), [[0.0, 1.0], [2.0, 1.0]])
        2.5
    """
    rows = as_matrix(embeddings, "embeddings")
    if len(rows) < 2:
        raise InputError("embeddings must have at least 2 rows to have a covariance, got 1; give more inputs")
    trace = float(np.asarray(rows, dtype=np.float64).var(axis=0, ddof=1).sum())
    if trace <= 0:
        raise InputError("embeddings must vary, got the same row everywhere; the trace of their covariance is 0")
    if reduction not in ("sum", "mean"):
        raise InputError(f"reduction must be 'sum' or 'mean', got {reduction!r}")
    width = rows.shape[1] if reduction == "mean" else 1
    score = float(gradient_norms(loss, inputs, norms=norm, batch_size=batch_size)[norm].mean() / (trace * width))
    return score * _spread(inputs, _DUAL[norm]) if unit_free else score


def _spread(inputs: torch.Tensor, norm: Norm) -> float:
    """Return the mean distance of an input to the mean input."""
    values = inputs.detach().flatten(1).double()
    distance = float(torch.linalg.vector_norm(values - values.mean(dim=0), _ORDERS[norm], dim=1).mean())
    if distance <= 0:
        raise InputError("inputs must vary for a form free of units, got the same input everywhere; give more inputs")
    return distance


def _gradients(loss: Loss, batch: torch.Tensor) -> torch.Tensor:
    """Return (b, C * H * W) float64 gradients of each input's own loss."""
    with torch.enable_grad():
        inputs = batch.detach().requires_grad_()
        losses: Any = loss(inputs)
        if not isinstance(losses, torch.Tensor) or losses.shape != (len(batch),):
            shape = tuple(getattr(losses, "shape", ()))
            raise InputError(f"loss must return one loss per input, shape ({len(batch)},), got shape {shape}")
        if not losses.requires_grad:
            raise InputError("loss must depend on the inputs, got one without a gradient; do not detach the inputs")
        (gradient,) = torch.autograd.grad(losses.sum(), inputs, allow_unused=True)
    if gradient is None:
        raise InputError("loss must depend on the inputs, got one without a gradient; do not detach the inputs")
    return gradient.flatten(1).double()


def _check_alone(loss: Loss, inputs: torch.Tensor, gradients: torch.Tensor) -> None:
    if len(gradients) < 2:
        return
    alone = _gradients(loss, inputs[:1])[0]
    if torch.linalg.vector_norm(alone - gradients[0]) > _TOLERANCE * torch.linalg.vector_norm(alone):
        raise InputError(
            "loss must treat each input by itself, got another gradient for an input alone than in a batch;"
            " put its networks into evaluation mode"
        )

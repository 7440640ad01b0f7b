"""Explanations of any differentiable score: by derivatives, along a line from nothing, and by hiding parts."""

from collections.abc import Callable

import torch
from torch import Tensor

from reprq.optional import require

Explanation = Callable[[Tensor], Tensor]

BATCH = 8
STEPS = 20
_WINDOWS = 10  # of a side, each as far from the next as it is wide


def attribution(name: str, forward: Explanation) -> Explanation:
    """Return one of `OF_ANY_SCORE` as a function from a batch of images (n, C, H, W) to maps (n, H, W).

    Args:
        name: Which.
        forward: From (n, C, H, W) to the (n,) scores, each of its own image alone.

    Raises:
        ReprqError: captum is needed and not there.
    """
    if name in ("gradient", "gradient_x_input"):
        return lambda x: _gradient(forward, x, times=name == "gradient_x_input")
    captum = require("captum.attr", "explain", f"method {name}", package="captum")
    if name == "integrated_gradients":
        integrated = captum.IntegratedGradients(forward)
        return lambda x: integrated.attribute(x, n_steps=STEPS, internal_batch_size=BATCH).sum(1)
    hidden = captum.Occlusion(without_graph(forward))
    return lambda x: hidden.attribute(x, **_windows(x)).mean(1)


def _gradient(forward: Explanation, x: Tensor, *, times: bool) -> Tensor:
    x = x.clone().requires_grad_()
    with torch.enable_grad():
        (found,) = torch.autograd.grad(forward(x).sum(), x)
    return (found * x).sum(1) if times else found.abs().sum(1)


def _windows(x: Tensor) -> dict[str, tuple[int, int, int]]:
    sides = (x.shape[1], *(max(side // _WINDOWS, 1) for side in x.shape[2:]))
    return {"sliding_window_shapes": sides, "strides": sides}  # type: ignore[dict-item]


def without_graph(forward: Explanation) -> Explanation:
    """Return the same function, for which no graph is kept."""

    def score(x: Tensor) -> Tensor:
        with torch.no_grad():
            return forward(x)

    return score

"""What keeps a network near the one that it started from while it is fine-tuned: parts that go with any loss."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from reprq.errors import InputError

Start = Mapping[str, Tensor]
Penalty = Callable[[nn.Module], Tensor]


def start_of(network: nn.Module) -> dict[str, Tensor]:
    """Return theta0: a copy of every weight of a network, which no training changes."""
    return {name: weight.detach().clone() for name, weight in network.named_parameters()}


def l2_sp(start: Start, alpha: float) -> Penalty:
    """Return alpha ||theta - theta0||^2 over every weight that the start has (Deecke et al. 2021, equation 2).

    What it has not, such as a new head, is left alone. The gradient is 2 alpha (theta - theta0).

    Example:
        >>> network = nn.Linear(2, 1, bias=False)
        >>> penalty = l2_sp({"weight": network.weight.detach() - torch.tensor([[3.0, 4.0]])}, 0.1)
        >>> round(float(penalty(network).detach()), 4)
        2.5
    """

    def penalty(network: nn.Module) -> Tensor:
        squares = [(w - start[name]).square().sum() for name, w in network.named_parameters() if name in start]
        return alpha * torch.stack(squares).sum()

    return penalty


def l2_sp_unsquared(start: Start, alpha: float, network: nn.Module) -> Penalty:
    """Return alpha ||theta - theta0|| over the 3 x 3 convolutions, as ADIB's released code has it.

    Its pull has the same length wherever theta is, and is 0 at theta0.

    Raises:
        InputError: The network has no such convolution.
    """
    square = [n for n, each in network.named_modules() if isinstance(each, nn.Conv2d) and each.kernel_size == (3, 3)]
    names = {f"{name}.weight" for name in square}
    if not names:
        raise InputError("norm unsquared is over 3 x 3 convolutions, and the backbone has none; give norm=squared")

    def penalty(network: nn.Module) -> Tensor:
        moved = [(w - start[name]).flatten() for name, w in network.named_parameters() if name in names]
        length: Tensor = torch.linalg.vector_norm(torch.cat(moved))
        return alpha * length

    return penalty


def ewc(start: Start, fisher: Mapping[str, Tensor], weight: float) -> Penalty:
    """Return (lambda / 2) sum_i F_i (theta_i - theta0_i)^2, elastic weight consolidation (Kirkpatrick et al. 2017).

    Args:
        start: theta0.
        fisher: F, for every weight of which there is one.
        weight: lambda.
    """

    def penalty(network: nn.Module) -> Tensor:
        pairs = ((name, w) for name, w in network.named_parameters() if name in fisher)
        return weight / 2 * torch.stack([(fisher[n] * (w - start[n]).square()).sum() for n, w in pairs]).sum()

    return penalty


def fisher_information(network: nn.Module, samples: Tensor, labels: Tensor | None, seed: int = 0) -> dict[str, Tensor]:
    """Return the diagonal of the Fisher information of a classifier: F_i = E (d log p(y | x) / d theta_i)^2.

    The expectation is over samples x, with one y each: drawn from p(y | x) for the true one, the label of x for the
    empirical one, which is another number where the classifier is wrong (Kunstner et al. 2019). Squares are those of
    single samples; the square of a mean over a batch is not F.

    Args:
        network: From inputs to (n, k) logits; in evaluation mode.
        samples: (n, ...) inputs.
        labels: (n,) their classes for the empirical one; None for the true one.
        seed: Of the draws.

    Returns:
        F by the name of the weight; of those that the logits depend on.
    """
    weights = dict(network.named_parameters())
    total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    generator = torch.Generator().manual_seed(seed)
    for i in range(len(samples)):
        logits = log_softmax(network(samples[i : i + 1]), dim=1)[0]
        if labels is None:
            drawn = int(torch.multinomial(logits.detach().exp().cpu(), 1, generator=generator))
        else:
            drawn = int(labels[i])
        gradients = torch.autograd.grad(logits[drawn], list(weights.values()), allow_unused=True)
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                total[name] += gradient.square()
    return {name: square / len(samples) for name, square in total.items()}

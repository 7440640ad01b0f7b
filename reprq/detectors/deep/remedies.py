"""What keeps the network of Deep SVDD from becoming constant, beside a fixed center (Ruff 2021, section 2.2.3)."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from reprq.errors import InputError
from reprq.training import Examples, Schedule, Step

_EPS = 1e-6
_NAMES = ("reconstruction", "inverse_variance", "artificial_negatives", "pseudo_labels")
TURNS = 4


@dataclass(frozen=True)
class Remedies:
    """Weights of the terms that are added to the loss; 0 leaves one out.

    Attributes:
        reconstruction: Of ||x - x'||^2, x scaled and x' by a decoder that mirrors phi and learns beside it.
        inverse_variance: Of 1 / (trace of the covariance of the embeddings of a batch + 1e-6).
        artificial_negatives: Of 1 / (d + 1e-6), for as much uniform noise between the extremes of the batch.
        frozen: Whether all but the last layer of phi stays as it is.
        pseudo_labels: Of the cross-entropy of a linear classifier on phi, which learns by how many quarter turns each
            of four copies of an image was turned.

    Raises:
        InputError: A weight below 0, or something else than True and False.
    """

    reconstruction: float = 0.0
    inverse_variance: float = 0.0
    artificial_negatives: float = 0.0
    frozen: bool = False
    pseudo_labels: float = 0.0

    def __post_init__(self) -> None:
        for name in _NAMES:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InputError(f"{name} must be a number of at least 0, got {value!r}; 0 leaves it out")
        if not isinstance(self.frozen, bool):
            raise InputError(f"frozen must be True or False, got {self.frozen!r}")

    def __bool__(self) -> bool:
        return self.frozen or any(getattr(self, name) for name in _NAMES)


class RemedyStep(Step):
    """An objective of squared distances to the center, and what `Remedies` adds to it.

    Args:
        sphere: With `scaling`, `phi`, `center`, where it rebuilds its input `mirror`, where it tells turns `turns`.
        schedule: Learning rate and the like.
        remedies: What is added.
        objective: Of the squared distances of a batch.
        conclude: What is done after an epoch, given its number.
    """

    def __init__(
        self,
        sphere: Any,
        schedule: Schedule,
        remedies: Remedies,
        objective: Callable[[Tensor], Tensor],
        conclude: Callable[[int], None],
    ) -> None:
        super().__init__(sphere, schedule)
        self.sphere, self.remedies, self.objective, self.conclude = sphere, remedies, objective, conclude
        if remedies.frozen:
            for weight in sphere.phi[:-1].parameters():
                weight.requires_grad_(False)

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        """Return the mean loss; samples and artificial negatives go through phi in one pass."""
        sphere, of, x = self.sphere, self.remedies, batch.inputs
        n = len(x)
        if of.frozen:
            sphere.phi[:-1].eval()  # the statistics of its batch normalization stay too
        if of.artificial_negatives:
            low, high = x.amin(0), x.amax(0)
            x = torch.cat([x, low + (high - low) * torch.rand_like(x)])
        scaled = sphere.scaling(x)
        z = sphere.phi(scaled).float()
        distances = (z - sphere.center).square().sum(1)
        total = self.objective(distances[:n])
        if of.reconstruction:
            error = sphere.mirror(z[:n]).float() - scaled[:n]
            total = total + of.reconstruction * error.square().flatten(1).sum(1).mean()
        if of.inverse_variance:
            total = total + of.inverse_variance / (z[:n].var(0, correction=0).sum() + _EPS)
        if of.artificial_negatives:
            total = total + of.artificial_negatives * (1 / (distances[n:] + _EPS)).mean()
        if of.pseudo_labels:
            total = total + of.pseudo_labels * self._confusion(batch.inputs)
        return total

    def _confusion(self, x: Tensor) -> Tensor:
        """The cross-entropy of the classifier of quarter turns."""
        turned = torch.cat([torch.rot90(x, turn, dims=(2, 3)) for turn in range(TURNS)])
        said = self.sphere.turns(self.sphere.phi(self.sphere.scaling(turned))).float()
        return cross_entropy(said, torch.arange(TURNS, device=x.device).repeat_interleave(len(x)))

    def end(self, epoch: int) -> None:
        """Conclude an epoch as the objective asks."""
        self.conclude(epoch)


def encoder_weights(path: str | Path, key: str) -> dict[str, Tensor]:
    """Return the weights of the encoder of a deep detector that reprq saved.

    Raises:
        InputError: The file is missing, damaged or foreign, or its detector has no encoder.
    """
    try:
        with safe_open(path, framework="pt") as file:
            saved = key in (file.metadata() or {})
            names = [name for name in file.keys() if name.startswith("phi.")]  # noqa: SIM118
            found = {name.removeprefix("phi."): file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, TypeError) as error:
        raise InputError(f"start_from must be a deep detector that reprq saved, got {path}: {error}") from None
    if not saved or not found:
        raise InputError(f"start_from must be a saved deep_svdd, deep_sad or autoencoder, got {path}; give such a file")
    return found


def weights_digest(weights: dict[str, Tensor]) -> str:
    """Return 12 letters that tell the weights of an encoder from others, wherever their file is."""
    sha = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        sha.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        sha.update(weight.contiguous().numpy().tobytes())
    return sha.hexdigest()[:12]


def start_encoder(phi: nn.Module, weights: dict[str, Tensor], path: str | Path) -> None:
    """Give an encoder the weights of another.

    Raises:
        InputError: They are of another network.
    """
    try:
        phi.load_state_dict(weights)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(
            f"start_from must be of the same network, dim and number of columns, got {path}: {said}"
        ) from None

"""What a network takes: one tensor, or several by the names of its arguments, of which axis 0 counts the rows."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from reprq.data import Batch

TOKENS = "input_ids"
MASK = "attention_mask"  # 1 for what counts and 0 for padding, by the name that transformers' networks give it


def put_out(network: nn.Module, inputs: Batch) -> Any:
    """Return what a network puts out for a batch."""
    return network(**inputs) if isinstance(inputs, Mapping) else network(inputs)


def count(inputs: Batch) -> int:
    """Return how many rows a batch has."""
    return len(next(iter(inputs.values()))) if isinstance(inputs, Mapping) else len(inputs)


def part(inputs: Batch, rows: slice | torch.Tensor) -> Batch:
    """Return some rows of a batch, without padding that none of them needs.

    Example:
        >>> ids, mask = torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([[1, 1, 1], [1, 0, 0]])
        >>> part({"input_ids": ids, "attention_mask": mask}, slice(1, 2))["input_ids"]
        tensor([[8]])
    """
    chosen = mapped(inputs, lambda tensor: tensor[rows])
    mask = mask_of(chosen)
    if mask is None or not len(mask):
        return chosen
    columns = mask.shape[1]
    longest = int(mask.sum(1).max())
    return mapped(chosen, lambda tensor: tensor[:, :longest] if tensor.shape[1:2] == (columns,) else tensor)


def mapped(inputs: Batch, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    """Return a batch with every tensor changed."""
    if isinstance(inputs, Mapping):
        return {name: change(tensor) for name, tensor in inputs.items()}
    return change(inputs)


def sent(tensor: torch.Tensor, device: torch.device, form: torch.memory_format | None = None) -> torch.Tensor:
    """Return a tensor on a device; to a GPU it is copied from pinned memory, while the processor goes on.

    Args:
        tensor: On the CPU, or there already.
        device: Where to.
        form: The memory format of four axes there; as it is by default.
    """
    form = form if form is not None and tensor.ndim == 4 else torch.preserve_format
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device, memory_format=form)
    return tensor.pin_memory().to(device, non_blocking=True, memory_format=form)


def mask_of(inputs: Batch) -> torch.Tensor | None:
    """Return (n, L), 1 for the tokens that count; None where all do."""
    return inputs.get(MASK) if isinstance(inputs, Mapping) else None

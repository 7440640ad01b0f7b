"""The processes that share one extraction, as `torchrun` starts them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Ranks:
    """This process among those that share the work.

    Attributes:
        rank: Its number, from 0.
        size: How many there are; 1 outside `torchrun`.
        local_rank: Its number on this machine, which chooses its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def from_environment(cls) -> "Ranks":
        """Read the variables that `torchrun` sets."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        if not all(os.environ.get(name, "").isdigit() for name in names):
            return cls()
        return cls(*(int(os.environ[name]) for name in names))

    def device(self, name: str) -> torch.device:
        """Return the device that this process works on: of "cuda", the GPU of its local rank."""
        return torch.device(f"cuda:{self.local_rank}" if name == "cuda" and self.size > 1 else name)

    def owns(self, block: int) -> bool:
        """Return whether a block is this process's to write: every `size`-th is."""
        return block % self.size == self.rank


@contextmanager
def together(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Leave the body only when every process has left it, by gloo on CPUs and nccl on GPUs."""
    if ranks.size == 1:
        yield
        return
    own = not distributed.is_initialized()
    if own:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
        distributed.barrier()
    finally:
        if own:
            distributed.destroy_process_group()

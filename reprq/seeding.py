"""Seeds for torch's random numbers that leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_CPU = torch.device("cpu")


@contextmanager
def seeded(seed: int, device: torch.device = _CPU) -> Iterator[None]:
    """Seed torch's generators of the CPU and of the device, and leave them afterwards as they were."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every accelerator
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield

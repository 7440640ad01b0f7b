from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from reprq.backbones import build_network


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose more to the handing out of work than they win."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def lenet() -> nn.Module:
    """A LeNet with four classes, whose weights are not those of seed 0."""
    return build_network("lenet", num_classes=4, seed=7)


@pytest.fixture
def lenet_file(lenet: nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / "lenet.safetensors"
    save_file(lenet.state_dict(), path)
    return path


@pytest.fixture
def resnet_state() -> dict[str, torch.Tensor]:
    return dict(build_network("cifar_resnet20", seed=7).state_dict())

"""Batch normalization folded into convolutions: the same function up to rounding, and nothing else is touched."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from reprq.backbones import Backbone, as_backbone, load_backbone
from reprq.backbones.folding import folded
from reprq.embeddings import extract
from reprq.errors import InputError


def normalizations(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.fixture(scope="module")
def resnet() -> Backbone:
    backbone = load_backbone("resnet18", "random", preprocessing={"size": 32})
    generator = torch.Generator().manual_seed(0)
    for module in backbone.network.modules():  # as after training; fresh ones do nothing
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
    return backbone


def test_a_folded_network_is_the_same_function(resnet: Backbone) -> None:
    found = folded(resnet, resnet.select_layers("all"))
    assert normalizations(found.network) == []
    assert len(normalizations(resnet.network)) == 20
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before, after = resnet.network(images), found.network(images)
    assert not torch.equal(before, after)
    assert (before - after).abs().max() < 1e-5 * before.abs().max()


@pytest.mark.parametrize(
    ("layers", "kept"),
    [("layer1.0.conv1", ["layer1.0.bn1"]), ("conv1,bn1,layer2", ["bn1"]), ("layer1.0.bn1", []), ("layer4", [])],
)
def test_what_is_read_between_is_not_folded(layers: str, kept: list[str], resnet: Backbone) -> None:
    assert normalizations(folded(resnet, resnet.select_layers(layers)).network) == kept


class Shared(nn.Module):
    """One convolution is called twice, of another two take the output; the last pair alone can be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.first = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.both, self.second = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.last, self.third = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(self.twice(self.twice(x)))
        y = self.both(x)
        z: torch.Tensor = self.third(self.last(self.second(y) + y))
        return z


class Branching(nn.Module):
    """Its path depends on its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.bn(self.conv(x)) if x.sum() >= 0 else x
        return y


def test_what_another_call_takes_is_not_folded() -> None:
    backbone = as_backbone(Shared().eval(), preprocessing={"size": 4})
    assert normalizations(folded(backbone, backbone.select_layers(-1)).network) == ["first", "second"]


def test_a_network_that_cannot_be_folded_is_one_sentence() -> None:
    backbone = as_backbone(Branching().eval(), preprocessing={"size": 4})
    with pytest.raises(InputError, match=r"must be traced by torch\.fx for fold_batchnorm, got .*; leave it out"):
        folded(backbone, [])
    plain = as_backbone(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()).eval(), preprocessing={"size": 4})
    with pytest.raises(InputError, match="batch normalization that follows a convolution to fold, got none"):
        folded(plain, plain.select_layers("all"))


def test_folded_rows_are_cached_apart(resnet: Backbone, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    how: dict[str, Any] = {"cache_dir": tmp_path, "progress": False}
    quick = extract(resnet, images, "1-5", fold_batchnorm=True, **how)
    plain = extract(resnet, images, "1-5", **how)
    assert quick.path != plain.path
    for layer in plain:
        x, y = plain[layer].array, quick[layer].array
        assert np.abs(x - y).max() < 1e-5 * np.abs(x).max()
    assert (plain["layer4"].array != quick["layer4"].array).any()

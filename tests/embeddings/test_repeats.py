import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from reprq.backbones import as_backbone, load_backbone
from reprq.data import ArraySource, ImageDataset
from reprq.embeddings import extract
from reprq.embeddings.repeats import repeat_notes, repeated_layers, repeated_on_noise


@pytest.mark.parametrize(
    ("name", "repeated"),
    [
        ("resnet18", {"layer4": "pooled"}),
        ("cifar_resnet20", {"layer3": "pooled"}),
        ("mobilenet_v2", {"head": "pooled"}),
        ("lenet", {}),
    ],
)
def test_a_last_stage_averaged_is_what_the_head_reads(
    name: str, repeated: dict[str, str], images: ImageDataset, tmp_path: Path
) -> None:
    backbone = load_backbone(name, "random", preprocessing=None if name == "lenet" else {"size": 64})
    assert repeated_on_noise(backbone) == repeated
    few = images.select(range(12))
    for dtype in ("float32", "float16"):
        assert repeated_layers(extract(backbone, few, cache_dir=tmp_path, progress=False, dtype=dtype)) == repeated
    largest = extract(backbone, few, cache_dir=tmp_path, progress=False, pooling="max")
    assert repeated_layers(largest) == {}
    both = extract(backbone, few, [-2, -1], cache_dir=tmp_path, progress=False, pooling="avg,max")
    assert repeated_layers(both) == {"pooled@max": "pooled", **repeated}


def test_layers_that_differ_in_one_late_row_are_two(images: ImageDataset, tmp_path: Path) -> None:
    class Brighter(nn.Module):
        """Changes what is bright: the last image alone."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x > 2.5, x + 1, x)

    pixels = np.zeros((600, 8, 8), np.uint8)
    pixels[-1] = 255
    data = dataclasses.replace(images.select(range(600)), source=ArraySource(pixels), rows=np.arange(600))
    network = nn.Sequential(nn.AvgPool2d(2), Brighter(), nn.Identity())
    how = {"size": 8, "mean": [0.0] * 3, "std": [0.25] * 3}
    cache = extract(network, data, preprocessing=how, cache_dir=tmp_path, progress=False)
    assert repeated_layers(cache) == {"1": "2"}
    assert repeat_notes({"1": "2"}) == ["1 is the same rows as 2, and is left out"]


def test_of_three_layers_of_the_same_rows_the_deepest_stays(images: ImageDataset, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Identity(), nn.Identity(), nn.Tanh(), nn.Conv2d(4, 4, 3))
    backbone = as_backbone(network, preprocessing={"size": 16})
    cache = extract(backbone, images.select(range(4)), cache_dir=tmp_path, progress=False)
    assert repeated_layers(cache) == {"0": "2", "1": "2"}

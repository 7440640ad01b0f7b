"""A few images and a small backbone that every test of this folder starts from."""

from collections.abc import Callable
from typing import Any

import pytest

from reprq.backbones import Backbone, load_backbone
from reprq.data import ImageDataset, load_dataset


@pytest.fixture(scope="session")
def images() -> ImageDataset:
    """1,100 digits: three blocks of a cache, the last one short."""
    return load_dataset("digits").sample(1100, seed=0)


@pytest.fixture
def lenet() -> Backbone:
    return load_backbone("lenet", "random")


@pytest.fixture
def extracted() -> Callable[[Any], list[int]]:
    """Watches a network and collects the sizes of its batches, without the few images on which it is tried."""

    def watch(network: Any) -> list[int]:
        sizes: list[int] = []
        network.register_forward_pre_hook(
            lambda module, inputs: sizes.append(len(inputs[0])) if len(inputs[0]) > 4 else None
        )
        return sizes

    return watch

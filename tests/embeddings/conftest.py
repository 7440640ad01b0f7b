"""A few images and a small backbone that every test of this room starts from."""

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

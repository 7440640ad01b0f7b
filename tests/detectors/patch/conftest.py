import numpy as np
import pytest

from reprq.backbones import load_backbone
from reprq.data import as_dataset


@pytest.fixture(scope="session")
def network():
    return load_backbone("lenet", "random", seed=3)


def plates(n, seed, spots=()):
    """Gray plates of one color each, with noise, and dark spots in the middle of some."""
    rng = np.random.default_rng(seed)
    images = rng.integers(100, 156, (n, 1, 1, 1)) + rng.integers(-4, 5, (n, 32, 32, 1))
    for i in spots:
        images[i, 12:19, 12:19] = 10
    return np.repeat(images, 3, axis=3).astype(np.uint8)


@pytest.fixture(scope="session")
def benign():
    return as_dataset(plates(30, 0))


@pytest.fixture(scope="session")
def mixed():
    """Eight plates, of which the last four have a spot in the middle."""
    return as_dataset(plates(8, 1, spots=(4, 5, 6, 7)))


@pytest.fixture(scope="session")
def patches(network):
    """The patches of some images in layers 1 and 2: (n, positions, d) float64."""

    def read(images, **how):
        from reprq.detectors.patch.reader import PatchReader
        from reprq.training import Inputs

        found = PatchReader(network, "1,2", **how)(Inputs(images, network.preprocessing)[range(len(images))])
        return found.detach().double().numpy()

    return read

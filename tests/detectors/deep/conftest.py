import numpy as np
import pytest

from reprq.backbones import load_backbone
from reprq.data import as_dataset, load_dataset


@pytest.fixture(scope="session")
def zeros():
    return load_dataset("digits").restrict(["0"]).sample(60)


@pytest.fixture(scope="session")
def mixed():
    """Twenty zeros that are new, and twenty images of noise."""
    new = load_dataset("digits", "test").restrict(["0"]).sample(20)
    images = np.stack([np.asarray(new.item(i)) for i in range(20)])
    noise = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
    return as_dataset(np.concatenate([images, noise]))


@pytest.fixture(scope="session")
def random_teacher():
    return load_backbone("lenet", "random", seed=3)


@pytest.fixture(scope="session")
def table():
    """Benign rows near a plane, and rows to score: 20 like them, then 20 that are far off."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(80, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(80, 5)) + 3
    return near[:60].astype(np.float32), np.concatenate([near[60:], 6 * rng.normal(size=(20, 5))]).astype(np.float32)


@pytest.fixture(scope="session")
def corpora(mixed):
    """What some detectors use besides: samples that are not benign."""
    noise = np.random.default_rng(1).integers(0, 256, (40, *np.asarray(mixed.item(0)).shape), dtype=np.uint8)
    far = 6 * np.random.default_rng(1).normal(size=(40, 5)).astype(np.float32)
    others = {"images": as_dataset(noise), "rows": far}
    classes = as_dataset((noise, ["one", "other"] * 20))
    return {"auxiliary": {**others, "images": classes}, "labelled": others}

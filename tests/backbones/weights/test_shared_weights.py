"""The pretrained files that others made: what they classify proves architecture and preprocessing together."""

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reprq.backbones import Backbone, layer_shapes, load_backbone

pytestmark = pytest.mark.shared_data

MOBILE: dict[str, Any] = {"size": 96, "mean": 127.5, "std": 127.5, "value_range": 255}
SQUEEZE: dict[str, Any] = {"size": 96, "channels": "bgr", "mean": [104, 117, 123], "std": 1, "value_range": 255}
FILES: dict[str, tuple[dict[str, Any], int, int]] = {  # preprocessing, layers, classes
    "mobilenet_v2-imagenet_qat": (MOBILE, 10, 1001),
    "mobilenet_v2-imagenet_tf2": (MOBILE, 10, 1001),
    "mobilenet_v2-inat_birds": (MOBILE, 10, 965),
    "mobilenet_v2-inat_insects": (MOBILE, 10, 1022),
    "mobilenet_v2-voc_segmentation": (MOBILE, 8, 1000),
    "squeezenet1_0-imagenet": (SQUEEZE, 10, 1000),
    "squeezenet1_1-imagenet_features": (SQUEEZE, 10, 1000),
    "cifar_resnet20-cifar10": ({}, 5, 10),
    "cifar_resnet32-cifar10": ({}, 5, 10),
    "cifar_resnet56-cifar10": ({}, 5, 10),
}


def _load(folder: Path, file: str, **overrides: Any) -> Backbone:
    path = folder / "weights" / f"{file}.safetensors"
    if not path.exists():
        pytest.skip(f"needs {path}")
    return load_backbone(file.split("-")[0], path, preprocessing=FILES[file][0] | overrides)


@pytest.mark.parametrize("file", FILES)
def test_every_file_loads(shared_data: Path, file: str) -> None:
    _, layers, classes = FILES[file]
    backbone = _load(shared_data, file)
    assert len(layer_shapes(backbone)) == len(backbone.layers) == layers
    size = backbone.preprocessing.size
    with torch.inference_mode():
        assert backbone.network(torch.zeros(1, 3, size, size)).shape == (1, classes)


def test_a_file_of_features_says_what_it_lacks(shared_data: Path) -> None:
    voc = _load(shared_data, "mobilenet_v2-voc_segmentation")
    assert voc.notes == (
        "mobilenet_v2-voc_segmentation.safetensors lacks features.18.0.weight, features.18.1.weight and 5 more",
        "left out: 8 head, 9 pooled",
    )
    squeeze = _load(shared_data, "squeezenet1_1-imagenet_features")
    assert squeeze.notes == (
        "squeezenet1_1-imagenet_features.safetensors lacks classifier.1.weight, classifier.1.bias",
    )
    assert squeeze.layers[-1].name == "pooled"


@pytest.fixture(scope="module")
def cifar_images(shared_data: Path) -> tuple[list[Image.Image], np.ndarray]:
    """The first 20 test images of every class, read from the archive as it streams by."""
    archive = shared_data / "images" / "cifar10_jpeg.tar.xz"
    if not archive.exists():
        pytest.skip(f"needs {archive}")
    images: dict[str, list[Image.Image]] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts[-3:]
            if len(parts) == 3 and parts[0] == "test" and parts[2] < "0020" and member.isfile():
                stream = tar.extractfile(member)
                assert stream is not None
                images.setdefault(parts[1], []).append(Image.open(stream).convert("RGB"))
            if len(images) == 10 and min(map(len, images.values())) == 20:
                break
    classes = sorted(images)
    return [image for name in classes for image in images[name]], np.repeat(np.arange(10), 20)


@pytest.mark.parametrize("depth", [20, 32, 56])
def test_cifar_resnets_classify_jpeg_cifar10(
    shared_data: Path, cifar_images: tuple[list[Image.Image], np.ndarray], depth: int
) -> None:
    images, labels = cifar_images
    backbone = _load(shared_data, f"cifar_resnet{depth}-cifar10")
    with torch.inference_mode():
        logits = backbone.network(torch.stack([backbone.preprocessing(image) for image in images]))
    assert 0.74 < np.mean(logits.argmax(1).numpy() == labels) < 0.90  # .81 to .83 on all 10,000


@pytest.mark.parametrize("file", ["mobilenet_v2-imagenet_tf2", "mobilenet_v2-imagenet_qat"])
def test_mobilenets_recognise_a_photograph(shared_data: Path, file: str) -> None:
    from sklearn.datasets import load_sample_image

    backbone = _load(shared_data, file, size=224, resize=256)
    image = Image.fromarray(load_sample_image("china.jpg"))  # the Summer Palace
    with torch.inference_mode():
        probabilities = backbone.network(backbone.preprocessing(image)[None]).softmax(1)[0]
    assert probabilities.argmax() == 1 + 698  # "palace" after "background"
    assert probabilities.max() > 0.4

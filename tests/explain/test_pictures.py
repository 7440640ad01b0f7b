"""Explanations of photos: relevance is conserved through the layers, integrated gradients are complete."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("zennit")
pytest.importorskip("captum")

import torch

import reprq
from reprq.backbones import load_backbone
from reprq.data import as_dataset
from reprq.detectors import KNN, PCA, Centroid, Mahalanobis
from reprq.errors import InputError, UnknownNameError
from reprq.explain import maps, relevance
from reprq.explain.pictures import METHODS, Explained
from reprq.explain.torch_scores import torch_score


def fitted(backbone: str, layer: Any, side: int, detector: Any = "knn") -> Any:
    images = np.random.default_rng(0).integers(0, 256, (30, side, side, 3), dtype=np.uint8)
    network = load_backbone(backbone, "random", preprocessing={"size": side, "resize": side})
    return reprq.fit(network, as_dataset(images), layer, detector=detector, false_alarms=0.1, progress=False)


@pytest.mark.parametrize("detector", [KNN(2), KNN(2, aggregation="mean"), PCA(0.8), Centroid(), Mahalanobis()], ids=str)
def test_scores_in_torch_are_those_of_the_detector(detector: Any) -> None:
    rng = np.random.default_rng(0)
    detector.fit(rng.normal(size=(30, 4)))
    new = rng.normal(size=(5, 4))
    np.testing.assert_allclose(torch_score(detector)(torch.from_numpy(new)), detector.anomaly_score(new), rtol=1e-9)


@pytest.mark.parametrize(
    ("backbone", "layer", "side"), [("resnet18", "layer3", 64), ("mobilenet_v2", 4, 64), ("lenet", "conv3", 32)]
)
def test_relevance_through_the_network_is_conserved(backbone: str, layer: Any, side: int) -> None:
    """Biases take none; what is lost is the epsilon of denominators and channels that no input reaches."""
    model = fitted(backbone, layer, side)
    explained = Explained(model)
    x = torch.randn(3, *explained.backbone.input_shape, generator=torch.Generator().manual_seed(0))
    found = explained.method("relevance")(x)
    with torch.no_grad():
        output = explained._maps(explained.backbone, x)
    rows = output.mean((2, 3)) if output.ndim == 4 else output
    wanted = relevance(model.detector, rows.numpy()).sum(1)
    np.testing.assert_allclose(found.sum((1, 2)).numpy(), wanted, rtol=1e-3)


def test_integrated_gradients_sum_to_the_difference_of_scores() -> None:
    model = fitted("lenet", -1, 32, {"name": "mahalanobis"})
    explained = Explained(model)
    x = torch.randn(2, *explained.backbone.input_shape, generator=torch.Generator().manual_seed(0))
    found = explained.method("integrated_gradients")(x).sum((1, 2)).detach()
    forward = explained.forward(torch_score(model.detector))
    with torch.no_grad():
        wanted = forward(x) - forward(torch.zeros_like(x))
    np.testing.assert_allclose(found, wanted, rtol=0.05)


def test_the_network_is_left_as_it_was() -> None:
    model = fitted("resnet18", "layer2", 64)
    before = {name: value.clone() for name, value in model.embedder.backbone.network.state_dict().items()}
    x = torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        first = model.embedder.backbone.network(x)
        Explained(model).method("relevance")(x + 1)  # gradients of its own, even here
        np.testing.assert_array_equal(first, model.embedder.backbone.network(x))
    assert all(torch.equal(before[name], value) for name, value in model.embedder.backbone.network.state_dict().items())


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_in_the_pixels_of_the_photo(method: str) -> None:
    model = fitted("lenet", "conv2", 32)
    images = np.random.default_rng(1).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    found = dict(maps(model, as_dataset(images), method, any_kind=True))
    assert [each.shape for each in found.values()] == [(40, 40)] * 2
    assert all(np.isfinite(each).all() and each.any() for each in found.values())


def test_errors_say_what_to_do() -> None:
    model = fitted("lenet", -1, 32)
    with pytest.raises(UnknownNameError, match="method"):
        maps(model, as_dataset(np.zeros((1, 32, 32, 3), np.uint8)), "magic")
    with pytest.raises(InputError, match="gradients are of knn"):
        maps(fitted("lenet", -1, 32, {"name": "iforest"}), as_dataset(np.zeros((1, 32, 32, 3), np.uint8)), "gradient")
    with pytest.raises(InputError, match="layer pooled is what fc takes; fit on another layer"):
        Explained(model).method("relevance")
    with pytest.raises(InputError, match="explanations are of one layer, got .*; fit on one of them"):
        Explained(fitted("lenet", [-1, -2], 32))

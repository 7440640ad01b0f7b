"""Explanations of photos: relevance is conserved through the layers, integrated gradients are complete."""

import operator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("zennit")
pytest.importorskip("captum")

import torch

import reprq
from reprq.backbones import as_backbone, load_backbone
from reprq.data import as_dataset, load_dataset
from reprq.detectors import KNN, PCA, Centroid, Mahalanobis
from reprq.errors import InputError, UnknownNameError
from reprq.explain import maps, relevance
from reprq.explain.methods import METHODS
from reprq.explain.pictures import explanation, score_of
from reprq.explain.propagation import _is_known, canonical, rule
from reprq.explain.tokens import _Vectors
from reprq.explain.torch_scores import torch_score


def fitted(backbone: str, layer: Any, side: int, detector: Any = "knn", pooling: str = "avg") -> Any:
    images = np.random.default_rng(0).integers(0, 256, (30, side, side, 3), dtype=np.uint8)
    network = load_backbone(backbone, "random", preprocessing={"size": side, "resize": side})
    given: dict[str, Any] = {"detector": detector, "pooling": pooling, "false_alarms": 0.1, "progress": False}
    return reprq.fit(network, as_dataset(images), layer, **given)


@pytest.mark.parametrize("detector", [KNN(2), KNN(2, aggregation="mean"), PCA(0.8), Centroid(), Mahalanobis()], ids=str)
def test_scores_in_torch_are_those_of_the_detector(detector: Any) -> None:
    rng = np.random.default_rng(0)
    detector.fit(rng.normal(size=(30, 4)))
    new = rng.normal(size=(5, 4))
    np.testing.assert_allclose(torch_score(detector)(torch.from_numpy(new)), detector.anomaly_score(new), rtol=1e-9)


@pytest.mark.parametrize(
    ("backbone", "layer", "side", "pooling"),
    [
        ("resnet18", "layer2", 64, "avg"),
        ("mobilenet_v2", 2, 64, "max"),
        ("lenet", "conv3", 32, "grid:2x2"),
        ("lenet", ["conv2", "conv3"], 32, "gem"),  # several layers, which stand side by side
        ("lenet", "pooled", 32, "avg"),  # what a module takes
    ],
)
def test_relevance_through_the_network_is_conserved(backbone: str, layer: Any, side: int, pooling: str) -> None:
    """Biases take none; what is lost is the epsilon of denominators and channels that no input reaches."""
    model = fitted(backbone, layer, side, pooling=pooling)
    score: Any = score_of(model)
    x = torch.randn(3, *score.backbone.input_shape, generator=torch.Generator().manual_seed(0))
    found = score.relevance()(x)
    with torch.no_grad():
        rows = score._rows(score.outputs(score.backbone, x), x)
    wanted = relevance(model.detector, rows.numpy()).sum(1)
    np.testing.assert_allclose(found.sum((1, 2)).numpy(), wanted, rtol=1e-3)


class _AtAnyAddress:
    """A function as torch.fx names it, at an address that happens to spell a word."""

    __name__ = "stack"

    def __repr__(self) -> str:
        return "<built-in method stack of type object at 0x7f1adda0>"


@pytest.mark.parametrize(
    ("target", "known"), [(_AtAnyAddress(), True), (operator.add, False), (operator.iadd, False), ("add_", False)]
)
def test_sums_are_told_by_the_names_of_functions_not_their_addresses(
    monkeypatch: pytest.MonkeyPatch, target: Any, known: bool
) -> None:
    nodes = [SimpleNamespace(op="call_function", target=target)]
    monkeypatch.setattr(torch.fx, "symbolic_trace", lambda _: SimpleNamespace(graph=SimpleNamespace(nodes=nodes)))
    assert _is_known(torch.nn.Identity()) is known


def test_integrated_gradients_sum_to_the_difference_of_scores() -> None:
    model = fitted("lenet", -1, 32, {"name": "mahalanobis"})
    score: Any = score_of(model)
    x = torch.randn(2, *score.backbone.input_shape, generator=torch.Generator().manual_seed(0))
    found = explanation(score, "integrated_gradients")(x).sum((1, 2)).detach()
    forward = score.forward()
    with torch.no_grad():
        wanted = forward(x) - forward(torch.zeros_like(x))
    np.testing.assert_allclose(found, wanted, rtol=0.05)


def test_the_network_is_left_as_it_was() -> None:
    model = fitted("resnet18", "layer2", 64)
    before = {name: value.clone() for name, value in model.embedder.backbone.network.state_dict().items()}
    x = torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        first = model.embedder.backbone.network(x)
        score_of(model).relevance()(x + 1)  # gradients of its own, even here
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
    with pytest.raises(InputError, match="gradients and occlusion are of knn"):
        maps(fitted("lenet", -1, 32, {"name": "iforest"}), as_dataset(np.zeros((1, 32, 32, 3), np.uint8)), "gradient")


@pytest.mark.parametrize("name", ["deep_svdd", "deep_sad"])
def test_relevance_of_a_network_of_its_own_sums_to_the_distance(name: str) -> None:
    from reprq.detectors import create

    rng = np.random.default_rng(0)
    images = as_dataset(rng.integers(0, 256, (24, 28, 28), dtype=np.uint8))
    for X, network in ((images, "mnist"), (rng.normal(size=(24, 6)), "mlp:64-32")):
        detector = create({"name": name, "network": network, "epochs": 1}).fit(X)
        found = relevance(detector, X)
        assert found.shape == ((24, 1, 28, 28) if X is images else (24, 6))
        sums = found.reshape(24, -1).sum(1)  # of few inputs all can be negative: then some is lost
        np.testing.assert_allclose(sums, detector.anomaly_score(X), rtol=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_of_its_own_has_maps_by_every_method(method: str) -> None:
    images = as_dataset(np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8))
    given: dict[str, Any] = {"detector": {"name": "deep_svdd", "epochs": 1}, "false_alarms": 0.2, "progress": False}
    model = reprq.fit(None, images, **given)
    found = dict(maps(model, images.select([0, 1]), method))
    assert all(each.shape == (28, 28) and each.any() for each in found.values())


@pytest.mark.parametrize("method", METHODS)
def test_tokens_of_texts_have_values_by_every_method_of_gradients(method: str, tmp_path: Any) -> None:
    """Of word vectors that are averaged and a centroid all three have a closed form."""
    (tmp_path / "vectors.txt").write_text("be 1 0\nba 0 2\nda 3 1\n")
    texts = as_dataset({"text": ["be ba", "da be", "ba", "be be da", "da ba"] * 8})
    given: dict[str, Any] = {"detector": "centroid", "false_alarms": 0.2, "progress": False}
    model = reprq.fit(f"words:{tmp_path / 'vectors.txt'}", texts, "words", **given)
    if method == "relevance":
        with pytest.raises(
            InputError, match="relevance of texts goes through transformers, from a detector of rows, got another"
        ):
            maps(model, texts, method)
        return
    found = dict(maps(model, texts.select([3]), method))["00003"]
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [3.0, 1.0]])
    center = model.detector.mean_
    slope = 2 / 3 * (vectors.mean(0) - center)
    wanted = {
        "gradient": np.tile(np.abs(slope).sum(), 3),
        "gradient_x_input": vectors @ slope,
        "integrated_gradients": vectors @ (vectors.mean(0) / 3 - center * 2 / 3),  # the mean slope on the way from 0
        "occlusion": np.square(vectors.mean(0) - center).sum()
        - np.square(np.array([[2.0, 0.5], [2.0, 0.5], [1.0, 0.0]]) - center).sum(1),
    }
    np.testing.assert_allclose(found, wanted[method], rtol=1e-5)
    if method == "integrated_gradients":
        moved = np.square(vectors.mean(0) - center).sum() - np.square(center).sum()
        np.testing.assert_allclose(found.sum(), moved, rtol=1e-5)


@pytest.mark.parametrize("method", ["relevance", "gradient"])
def test_maps_of_sounds_are_of_their_spectrograms(method: str, write_sounds: Any, tmp_path: Any) -> None:
    sounds = load_dataset(f"audio:{write_sounds(tmp_path / 'sounds', classes=1, each=24)}", whole=True)
    network = load_backbone("lenet", "random")
    model = reprq.fit(network, sounds, "conv2", detector="knn", false_alarms=0.2, progress=False)
    for found in dict(maps(model, sounds.select([0]), method)).values():
        transform = model.embedder.backbone.preprocessing
        assert found.shape == transform.picture_size(sounds, 0)[::-1]
        assert np.nanmax(np.abs(found)) > 0


def test_what_relevance_does_not_know_is_said_before_any_map() -> None:
    with pytest.raises(InputError, match="relevance is of the detectors autoencoder, .* got iforest; use one of them"):
        score_of(fitted("lenet", -1, 32, {"name": "iforest"})).relevance()


def test_blocks_that_are_only_called_as_those_that_are_known_are_left_as_they_are() -> None:
    """ShuffleNet's InvertedResidual concatenates: relevance goes through, less what channels without input lose."""
    model = fitted("shufflenet_v2_x0_5", 2, 64)
    score: Any = score_of(model)
    x = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rows = score._rows(score.outputs(score.backbone, x), x)
    shares = score.relevance()(x).sum((1, 2)).numpy() / relevance(model.detector, rows.numpy()).sum(1)
    assert ((shares > 0.7) & (shares < 1.001)).all()


@pytest.mark.parametrize("name", ["vit_b_32", "regnet_x_400mf", "mobilenet_v3_small", "cifar_resnet20"])
def test_networks_with_other_sums_or_attention_are_told_so(name: str) -> None:
    """Blocks that are called as torchvision's, but sum otherwise, too."""
    network = load_backbone(name, "random")
    with pytest.raises(InputError, match=f"no rule for other sums or attention, got {name}; choose another method"):
        rule(canonical(network, network.select_layers(-1)).network, network.name)


def test_networks_whose_way_depends_on_inputs_are_told_so() -> None:
    class Choosing(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match="got choosing; choose another method, such as gradient_x_input"):
        rule(Choosing(), "choosing")


def still(network: torch.nn.Module) -> None:
    """Take away what adds to a network without its inputs: biases, positions, class tokens."""
    with torch.no_grad():
        for name, values in network.named_parameters():
            if any(word in name for word in ("bias", "pos_embed", "position_emb", "token_type_emb", "cls_token")):
                values.zero_()


@pytest.mark.parametrize("detector", ["centroid", "kde", "knn"])
def test_relevance_through_attention_is_conserved(detector: str) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    tiny = timm.models.VisionTransformer(img_size=16, patch_size=4, embed_dim=8, depth=2, num_heads=2, num_classes=0)
    still(tiny)
    digits = load_dataset("digits").restrict(["3"]).select(np.arange(24))
    given: dict[str, Any] = {"detector": detector, "false_alarms": 0.1, "progress": False}
    score: Any = score_of(reprq.fit(as_backbone(tiny, preprocessing={"size": 16}), digits, "blocks.1", **given))
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rows = score._rows(score.outputs(score.backbone, x), x)
    wanted = relevance(score.detector, rows.numpy()).sum(1)
    np.testing.assert_allclose(score.relevance()(x).sum((1, 2)).numpy(), wanted, rtol=1e-3)


def test_relevance_of_tokens_is_conserved() -> None:
    transformers = pytest.importorskip("transformers")
    from reprq.backbones.batch import MASK, TOKENS
    from reprq.explain.attention import HeldConstant

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )
    network = transformers.BertModel(config, add_pooling_layer=False).eval()
    still(network)
    batch = {TOKENS: torch.tensor([[3, 5, 7, 9]]), MASK: torch.ones(1, 4, dtype=torch.long)}
    with _Vectors(network, batch[TOKENS], 1.0) as taken, HeldConstant():
        out = network(**batch).last_hidden_state
        (slopes,) = torch.autograd.grad(out[0, 2, 3], taken.vectors)
    np.testing.assert_allclose((slopes * taken.vectors).sum().item(), out[0, 2, 3].item(), rtol=1e-4)


@pytest.mark.parametrize("method", ["gradient_x_input", "integrated_gradients"])
def test_a_transformer_of_images_has_maps_by_derivatives(method: str) -> None:
    timm = pytest.importorskip("timm")
    tiny = timm.models.VisionTransformer(img_size=16, patch_size=4, embed_dim=8, depth=2, num_heads=2, num_classes=0)
    network = as_backbone(tiny, preprocessing={"size": 16})
    digits = load_dataset("digits").restrict(["3"]).select(np.arange(24))
    model = reprq.fit(network, digits, -1, detector="centroid", false_alarms=0.1, progress=False)
    score = score_of(model)
    x = score.transform.collate([score.transform(digits.item(i)) for i in range(2)])
    found = explanation(score, method)(x).detach()
    assert found.shape == (2, 16, 16)
    if method == "integrated_gradients":
        values = score.values(x) - score.values(torch.zeros_like(x))
        np.testing.assert_allclose(found.sum((1, 2)).numpy(), values, rtol=0.02)

"""The thesis' networks: their sizes, what they leave out, and what samples are scaled to."""

import numpy as np
import pytest
import torch
from torch import nn

from reprq.backbones import as_backbone
from reprq.backbones.entries import BACKBONES
from reprq.detectors import Autoencoder, DeepSVDD, load
from reprq.detectors.deep.networks import ARCHITECTURES, Scaling, architecture_named, decoder, encoder
from reprq.errors import InputError, UnknownNameError
from reprq.registry import Entry
from reprq.seeding import seeded

SHAPES = {
    "mnist": (1, 28, 28),
    "fashion_mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
    "exposure": (3, 32, 32),
    "mlp": (21,),
}
SIZES = {
    "mnist": 8 * 25 + 4 * 8 * 25 + 32 * 4 * 7 * 7,
    "fashion_mnist": 16 * 25 + 32 * 16 * 25 + 64 * 32 * 7 * 7 + 32 * 64,
    "cifar10": 32 * 3 * 25 + 64 * 32 * 25 + 128 * 64 * 25 + 128 * 128 * 4 * 4,
    "exposure": 32 * 3 * 25 + 64 * 32 * 25 + 128 * 64 * 25 + 512 * 2048 + 256 * 512,
    "mlp": 32 * 21 + 16 * 32 + 8 * 16,
}


def count(network):
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_shapes_and_mirror(name):
    of, shape = ARCHITECTURES[name], SHAPES[name]
    phi, mirror = encoder(of, shape[0]), decoder(of, shape[0])
    assert count(phi) == count(mirror) == SIZES[name]
    outputs = phi(torch.randn(5, *shape))
    assert outputs.shape == (5, of.widths[-1])
    back = mirror(outputs)
    assert back.shape == (5, *shape)
    assert not of.filters or (back.min() >= 0 and back.max() <= 1)


def test_the_counts_of_the_thesis_networks():
    assert SIZES == {"mnist": 7272, "fashion_mnist": 115600, "cifar10": 520544, "exposure": 1438048, "mlp": 1312}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_no_bias_and_no_bounded_activation(name):
    phi = encoder(ARCHITECTURES[name], SHAPES[name][0])
    assert {key.rpartition(".")[2] for key, _ in phi.named_parameters()} == {"weight"}
    assert not any(layer.affine for layer in phi if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d))
    assert all(isinstance(layer, nn.LeakyReLU) for layer in phi if "activation" in type(layer).__module__)
    x = torch.randn(4, *SHAPES[name])
    phi.eval()
    assert torch.equal(phi(torch.zeros(1, *SHAPES[name])), torch.zeros(1, ARCHITECTURES[name].widths[-1]))
    assert float(phi(1e6 * x).detach().abs().max()) > 1e4


def test_names():
    assert architecture_named("mlp:128-64-32").widths == (128, 64, 32)
    assert architecture_named("cifar10", dim=16).widths == (16,)
    with pytest.raises(UnknownNameError, match="unknown network 'mnits': did you mean 'mnist'"):
        architecture_named("mnits")
    assert (architecture_named("cifar10:64").size, architecture_named("mnist:56", 3).widths) == (64, (3,))
    for name in ("mnist:3", "mnist:0", "mnist:x", "mnist:"):
        with pytest.raises(
            InputError, match=f"network mnist must have a side in multiples of 4, such as mnist:32, got {name}"
        ):
            architecture_named(name)
    with pytest.raises(InputError, match="network must have widths such as mlp:128-64-32, got 'mlp:0-3'"):
        architecture_named("mlp:0-3")


def test_contrast_is_that_of_each_image():
    images = torch.from_numpy(np.random.default_rng(0).random((6, 3, 4, 4), dtype=np.float32))
    images[2] = 0.3  # an image that does not vary, whose mean is rounded
    scaling = Scaling("contrast")
    scaling.learn([images[:4], images[4:]])
    slow = images.numpy().copy()
    for image in slow:
        image -= image.mean()
        image /= np.abs(image).mean() if np.abs(image).mean() > 1e-6 else 1.0
    slow = (slow - slow.min()) / (slow.max() - slow.min())
    np.testing.assert_allclose(scaling(images).numpy(), slow, atol=1e-6)
    assert (float(scaling(images).min()), float(scaling(images).max())) == (0, pytest.approx(1))


def test_rows_are_scaled_by_column():
    rows = np.random.default_rng(0).normal(3, [1, 5, 0], (20, 3)).astype(np.float32)
    for name, shift, scale in (
        ("z-score", rows.mean(0), rows.std(0)),
        ("min-max", rows.min(0), rows.max(0) - rows.min(0)),
    ):
        scaling = Scaling(name, 3)
        scaling.learn([torch.from_numpy(part) for part in np.array_split(rows, 3)])
        expected = (rows - shift) / np.where(scale > 0, scale, 1)
        np.testing.assert_allclose(scaling(torch.from_numpy(rows)).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["lenet", "cifar_resnet20", "resnet18:32"])
def test_the_architecture_of_a_backbone_without_its_biases(name):
    of = architecture_named(name, dim=6)
    assert (of.widths, of.size, of.channels) == ((6,), 32, "rgb")
    torch.manual_seed(0)
    phi = encoder(of, 3)
    assert not any(key.endswith("bias") for key, _ in phi.named_parameters())
    assert torch.equal(phi.eval()(torch.zeros(1, 3, 32, 32)), torch.zeros(1, 6))
    assert phi(torch.randn(2, 3, 32, 32)).shape == (2, 6)
    assert any(key.endswith("bias") for key, _ in encoder(of, 3, bias=True).named_parameters())
    torch.manual_seed(0)
    again = encoder(of, 3)
    assert all(torch.equal(a, b) for a, b in zip(phi.parameters(), again.parameters(), strict=True))
    with pytest.raises(InputError, match=f"network {of.backbone} has no decoder; name one of mnist"):
        decoder(of, 3)


def test_the_size_of_a_backbone_is_that_of_its_preprocessing_or_given():
    assert architecture_named("resnet18").size == 224
    with pytest.raises(InputError, match="network resnet18 must have a size such as resnet18:64, got 'resnet18:0'"):
        architecture_named("resnet18:0")


class Maps(nn.Module):
    """A network without a classifier: its deepest layer is a map."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4))

    def forward(self, x):
        return self.body(x)


def made_maps(name, weights, preprocessing, seed):
    with seeded(seed):
        return as_backbone(Maps(), preprocessing={"size": 12, "resize": 12, **(preprocessing or {})}, name=name)


@pytest.fixture
def source():
    BACKBONES.register(Entry(name="maps:NAME", target=made_maps, inputs="image", about="small maps"))
    yield "maps:one"
    BACKBONES.remove("maps:NAME")


def test_a_backbone_of_any_source_is_an_encoder(source, zeros, mixed, tmp_path):
    assert [architecture_named(name).size for name in (source, f"{source}:8")] == [12, 8]
    of = architecture_named(f"{source}:8", dim=5)
    assert (of.backbone, of.widths, of.channels) == (source, (5,), "rgb")
    torch.manual_seed(3)
    phi = encoder(of, 3).eval()
    assert not any(key.endswith("bias") for key, _ in phi.named_parameters())
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(phi(x), phi.network(x).mean((2, 3)) @ phi.last.weight.T)
    settings = {"network": f"{source}:8", "epochs": 1, "batch_size": 16, "dim": 4}
    detector = DeepSVDD(**settings).fit(zeros)
    detector.save(tmp_path / "d")
    np.testing.assert_array_equal(load(tmp_path / "d").anomaly_score(mixed), detector.anomaly_score(mixed))
    with pytest.raises(InputError, match="network maps:one has no decoder"):
        Autoencoder(**settings).fit(zeros)


def test_the_classifier_of_a_network_of_timm_is_left_out():
    pytest.importorskip("timm")
    phi = encoder(architecture_named("timm:test_resnet.r160_in1k:32", dim=3), 3)
    assert [name for name, _ in phi.named_parameters() if "fc" in name or "last" in name] == ["last.weight"]
    phi(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(weight.grad is not None for weight in phi.parameters())


@pytest.mark.parametrize("name", ["teacher:t.safetensors", "os:abort", "maps:one"])
def test_what_brings_weights_or_code_is_no_architecture(name):
    with pytest.raises(UnknownNameError, match=f"unknown network '{name}'"):
        DeepSVDD(network=name).check_parameters()


def test_deep_svdd_with_a_backbone(zeros, mixed, tmp_path):
    settings = {"network": "lenet", "epochs": 1, "batch_size": 16, "dim": 4}
    detector = DeepSVDD(**settings).fit(zeros)
    assert detector.embed(mixed).shape == (40, 4)
    detector.save(tmp_path / "d")
    np.testing.assert_array_equal(load(tmp_path / "d").anomaly_score(mixed), detector.anomaly_score(mixed))
    with pytest.raises(InputError, match="network lenet can be neither frozen nor rebuilt from, nor pretrained"):
        DeepSVDD(pretrain_epochs=1, **settings).fit(zeros)
    with pytest.raises(InputError, match="network lenet has no decoder"):
        Autoencoder(**settings).fit(zeros)

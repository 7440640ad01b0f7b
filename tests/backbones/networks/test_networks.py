import re

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from reprq.backbones import CifarResNet, LeNet, build_network, default_preprocessing
from reprq.errors import InputError, UnknownNameError


# He et al. 2016, table 6, in millions of parameters.
@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_cifar_resnets_have_the_papers_sizes(depth: int, millions: float) -> None:
    network = build_network(f"cifar_resnet{depth}")
    parameters = sum(p.numel() for p in network.parameters())
    assert parameters / 1e6 == pytest.approx(millions, abs=0.03 if depth == 110 else 0.005)
    weighted = [m for m in network.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(weighted) == depth


def test_a_shortcut_takes_every_second_pixel_and_pads_both_sides() -> None:
    network = CifarResNet(20).eval()
    block = network.layer2[0]
    torch.nn.init.zeros_(block.bn2.weight)  # the residual branch gives its bias, nothing
    x = torch.rand(2, 16, 8, 8)
    expected = torch.zeros(2, 32, 4, 4)
    for channel in range(16):
        expected[:, 8 + channel] = x[:, channel, 0::2, 0::2]
    with torch.inference_mode():
        assert torch.equal(block(x), expected)


def test_resnet26_has_the_sizes_that_were_released() -> None:
    network = build_network("resnet26", num_classes=1)
    spatial = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(spatial) == 25
    assert sum(m.weight.numel() for m in spatial) == 5_826_240
    assert sum(p.numel() for p in network.parameters()) == 5_834_305  # what ADIB learns
    released = {"pre_conv.weight", "pre_bn.weight", "layer1.0.conv1.weight", "layer3.3.bn2.running_var"}
    assert released | {"end_bn_relu.0.bias", "linears.weight"} <= set(network.state_dict())
    last = network.layer3[3].conv2.weight.detach()
    assert float(last.var()) == pytest.approx(2 / (9 * 256), rel=0.02)
    assert build_network("resnet26", in_channels=1)(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_the_shortcut_of_resnet26_averages_and_pads_after() -> None:
    block = build_network("resnet26").eval().layer2[0]
    torch.nn.init.zeros_(block.bn2.weight)  # the residual branch gives its bias, nothing
    x = torch.rand(2, 64, 8, 8)
    expected = torch.zeros(2, 128, 4, 4)
    for i in range(4):
        for j in range(4):
            expected[:, :64, i, j] = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((2, 3))
    with torch.inference_mode():
        torch.testing.assert_close(block(x), expected)


def test_lenet5_is_its_layers() -> None:
    network = build_network("lenet5", num_classes=4, in_channels=1)
    x = torch.rand(3, 1, 28, 28)
    (one, two, three), six = ((getattr(network, f"conv{i}")[0] for i in (1, 2, 3)), network.f6[0])
    expected = F.avg_pool2d(torch.tanh(F.conv2d(x, one.weight, one.bias, padding=2)), 2)
    expected = F.avg_pool2d(torch.tanh(F.conv2d(expected, two.weight, two.bias)), 2)
    expected = torch.tanh(F.conv2d(expected, three.weight, three.bias)).flatten(1)
    assert expected.shape == (3, 144)
    expected = torch.tanh(F.linear(expected, six.weight, six.bias))
    torch.testing.assert_close(network(x), F.linear(expected, network.fc.weight, network.fc.bias))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "squeezenet1_1", "densenet121"])
def test_a_network_of_one_channel_answers_to_gray_as_one_of_three_does(name: str) -> None:
    gray = torch.rand(2, 1, 64, 64)
    of_three, of_one = (build_network(name, in_channels=n).eval() for n in (3, 1))
    with torch.inference_mode():
        torch.testing.assert_close(of_one(gray), of_three(gray.expand(2, 3, 64, 64)), atol=1e-4, rtol=1e-3)


def test_resnet18_of_one_channel_at_28_pixels_gives_512_numbers_without_an_average() -> None:
    network = build_network("resnet18", in_channels=1).eval()
    blocks = [
        network.conv1,
        network.bn1,
        network.relu,
        network.maxpool,
        *(getattr(network, f"layer{i}") for i in (1, 2, 3, 4)),
    ]
    x = torch.rand(2, 1, 28, 28)
    with torch.inference_mode():
        features = torch.nn.Sequential(*blocks)(x)
        assert features.shape == (2, 512, 1, 1)
        torch.testing.assert_close(network(x), network.fc(features.flatten(1)))


def test_lenet_is_its_layers() -> None:
    network = LeNet(num_classes=4, in_channels=1).eval()
    x = torch.rand(3, 1, 32, 32)
    with torch.inference_mode():
        y = x
        for module in (network.conv1, network.conv2, network.conv3):
            conv, norm = module[0], module[1]
            y = F.conv2d(y, conv.weight, conv.bias, padding=2)
            y = F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias)
            y = F.max_pool2d(F.leaky_relu(y, 0.01), 2)
        embedding = y.flatten(1) @ network.embedding.weight.T + network.embedding.bias
        assert torch.allclose(network.features(x), embedding, atol=1e-5)
        assert network(x).shape == (3, 4)


@pytest.mark.parametrize("name", ["lenet", "cifar_resnet20", "resnet26", "squeezenet1_1", "googlenet"])
def test_a_seed_gives_the_same_network_and_leaves_torchs_state_alone(name: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two, other = (build_network(name, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    pairs = list(zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_the_head_has_the_classes_asked_for() -> None:
    assert build_network("resnet18", num_classes=4).fc.out_features == 4
    assert build_network("lenet", num_classes=4, in_channels=1).conv1[0].in_channels == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vit_b_32", {"size": 40}, "vit_b_32 cuts images into patches of 32 pixels, got size 40; give a multiple"),
        ("inception_v3", {"size": 64}, "inception_v3 takes images of size 75 or more, got 64; give a larger size"),
        ("lenet", {"size": 64}, "lenet takes images of size 32, got 64; give that or another backbone"),
        ("lenet5", {"size": 32}, "lenet5 takes images of size 28, got 32; give that or another backbone"),
        ("maxvit_t", {"size": 96}, "maxvit_t cannot take images of size 96; give a multiple of 224"),
    ],
)
def test_what_an_architecture_cannot_take(name: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        build_network(name, **options)


def test_an_unknown_backbone_suggests_the_nearest() -> None:
    for call in (build_network, default_preprocessing):
        with pytest.raises(UnknownNameError, match="unknown backbone 'resnet5': did you mean 'resnet50'.*teacher:PATH"):
            call("resnet5")


@pytest.mark.parametrize(
    ("name", "form"), [("pca", "pca:K, such as pca:150"), ("PCA:", "pca:K, such"), ("timm:", "timm:NAME")]
)
def test_a_bare_prefix_is_told_in_the_form_that_it_has(name: str, form: str) -> None:
    with pytest.raises(InputError, match=f"backbone '{name}' must be named with what follows it, as {form}"):
        default_preprocessing(name)

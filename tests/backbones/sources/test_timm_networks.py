import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from reprq.backbones import Backbone, Tap, available, load_backbone
from reprq.embeddings.pooling import pool
from reprq.errors import DownloadError, InputError, UnknownNameError, WeightsError

timm = pytest.importorskip("timm", reason="timm is an optional extra")

VIT = "timm:vit_tiny_patch16_224"


def _read(backbone: Backbone, spec: Any, x: torch.Tensor) -> dict[str, torch.Tensor]:
    with (
        torch.inference_mode(),
        Tap(backbone.network, backbone.select_layers(spec), lambda layer, output: output.clone()) as tap,
    ):
        return tap(x)


def _images(size: int, n: int = 2) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_the_blocks_of_a_vision_transformer_are_its_own_intermediates() -> None:
    backbone = load_backbone(VIT, "random", preprocessing={"size": 64})
    names = ["patch_embed", *(f"blocks.{i}" for i in range(12)), "pooled"]
    assert [(layer.number, layer.name) for layer in backbone.layers] == list(enumerate(names))
    assert [layer.class_token for layer in backbone.layers] == [False, *[True] * 12, False]
    x = _images(64)
    found = _read(backbone, "all", x) | _read(backbone, "norm", x)
    network: Any = backbone.network
    with torch.inference_mode():
        theirs = network.forward_intermediates(
            x, intermediates_only=True, output_fmt="NLC", return_prefix_tokens=True, norm=False
        )
        final = network.forward_features(x)
        assert torch.equal(found["pooled"], network.forward_head(final, pre_logits=True))
    for number, (patches, prefix) in enumerate(theirs):
        assert torch.equal(found[f"blocks.{number}"], torch.cat([prefix, patches], dim=1)), number
    assert torch.equal(found["norm"], final)


CNNS = {"resnet18": 64, "convnext_atto": 64, "efficientnet_b0": 64, "mobilenetv3_small_050": 64}


@pytest.mark.parametrize("name", CNNS)
def test_the_stages_of_a_convolutional_network_are_its_own_intermediates(name: str) -> None:
    backbone = load_backbone(f"timm:{name}", "random", preprocessing={"size": CNNS[name]})
    x = _images(CNNS[name])
    found = _read(backbone, "all", x)
    network: Any = backbone.network
    with torch.inference_mode():
        theirs = network.forward_intermediates(x, intermediates_only=True)
        logits = network(x)
        head = network.get_classifier()
        assert torch.equal(head(found["pooled"]), logits)
    inner = [layer.name for layer in backbone.layers if layer.name not in ("stem", "pooled")]
    assert len(inner) == len(theirs) >= 4
    for layer_name, expected in zip(inner, theirs, strict=True):
        assert torch.equal(found[layer_name], expected), layer_name


def test_registers_and_a_distillation_token_are_no_patches() -> None:
    expected = {
        "vit_small_patch14_reg4_dinov2": (28, True, 4),
        "vit_medium_patch16_reg4_gap_256": (64, False, 4),
        "deit_tiny_distilled_patch16_224": (32, True, 1),
        "vit_base_patch16_siglip_gap_224": (32, False, 0),
    }
    for name, (size, class_token, registers) in expected.items():
        backbone = load_backbone(f"timm:{name}", "random", preprocessing={"size": size})
        last = backbone.select_layers("-2")[0]
        assert (last.layout, last.class_token, last.registers) == ("NLD", class_token, registers), name
        x = _images(size)
        tokens = _read(backbone, [last.number], x)[last.name]
        network: Any = backbone.network
        with torch.inference_mode():
            (patches,) = network.forward_intermediates(x, indices=1, intermediates_only=True, norm=False)
        averaged = pool(tokens, "avg", layout="NLD", class_token=class_token, registers=registers)
        torch.testing.assert_close(averaged, patches.mean((2, 3)))


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("swin_tiny_patch4_window7_224", {"patch_embed": "NHWC", "layers.0": "NHWC", "layers.3": "NHWC"}),
        ("coat_lite_tiny", {"patch_embed1": "NLD", "serial_blocks1.0": "NLD"}),
        ("tresnet_m", {"body.layer1": "NCHW", "body.layer4": "NCHW"}),
        ("xcit_nano_12_p16_224", {"patch_embed": "NLD", "blocks.0": "NLD"}),
    ],
)
def test_families_that_keep_to_other_layouts_are_read_as_they_are(name: str, layers: dict[str, str]) -> None:
    backbone = load_backbone(f"timm:{name}", "random")
    found = {layer.name: layer.layout for layer in backbone.layers}
    assert layers.items() <= found.items()
    assert (backbone.layers[-1].name, "" in found) == ("pooled", False)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "vit_base_patch16_siglip_224", "convnext_atto"])
@pytest.mark.parametrize("size", [(500, 375), (300, 300), (100, 200)])
def test_images_are_prepared_as_timm_prepares_them(name: str, size: tuple[int, int]) -> None:
    config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    theirs = timm.data.create_transform(**config)
    ours = load_backbone_preprocessing(name)
    noise = torch.randint(0, 256, (*size[::-1], 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    image = Image.fromarray(noise.numpy())
    torch.testing.assert_close(ours(image), theirs(image), rtol=0, atol=1e-5)


def load_backbone_preprocessing(name: str) -> Any:
    from reprq.backbones.sources.timm import timm_preprocessing

    return timm_preprocessing(timm.get_pretrained_cfg(name).to_dict())[0]


def test_random_weights_follow_the_seed_and_leave_the_state_of_torch() -> None:
    before = torch.random.get_rng_state()
    digests = {load_backbone("timm:resnet18", "random", seed=seed).weights_digest for seed in (0, 0, 1)}
    assert len(digests) == 2
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_weights_file_is_fitted_with_its_classes(tmp_path: Path) -> None:
    other = timm.create_model("resnet18", num_classes=7)
    save_file({f"module.{key}": value for key, value in other.state_dict().items()}, tmp_path / "w.safetensors")
    backbone = load_backbone("timm:resnet18", tmp_path / "w.safetensors", preprocessing={"size": 32})
    network: Any = backbone.network
    assert network.fc.out_features == 7
    assert torch.equal(network.layer4[1].conv2.weight, other.layer4[1].conv2.weight)
    assert (backbone.weights, backbone.notes) == ("file:w.safetensors", ())
    with pytest.raises(WeightsError, match="are not of timm:resnet34: 102 of 182 keys match"):
        load_backbone("timm:resnet34", tmp_path / "w.safetensors")


def test_gray_images_go_into_a_network_of_one_channel() -> None:
    gray = {"size": 32, "channels": "gray", "mean": 0.5, "std": 0.5}
    backbone = load_backbone("timm:resnet18", "random", preprocessing=gray)
    assert backbone.network.get_parameter("conv1.weight").shape[1] == 1


def test_a_name_that_timm_does_not_know_and_a_size_it_cannot_take() -> None:
    with pytest.raises(UnknownNameError, match=r"'timm:resnet19': did you mean 'timm:resnet18'\? Valid: timm:resnet18"):
        load_backbone("timm:resnet19", "random")
    with pytest.raises(InputError, match=r"timm:vit_tiny_patch16_224 cannot be built with|must run on images of shape"):
        load_backbone(VIT, "random", preprocessing={"size": 10})


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    message = r"timm:resnet18 needs timm, which is not installed; run pip install 'reprq\[timm\]'"
    with pytest.raises(InputError, match=message):
        load_backbone("timm:resnet18", "random")
    assert {info.source for info in available("resnet18")} == {"torchvision"}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    yield hub
    assert hub.HF_HUB_OFFLINE


@pytest.mark.usefixtures("offline")
def test_default_weights_that_cannot_be_had_name_the_ways_out() -> None:
    message = (
        r"the default weights of timm:resnet18 are not on this machine.*; give --weights random or --weights PATH$"
    )
    with pytest.raises(DownloadError, match=message) as caught:
        load_backbone("timm:resnet18")
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="timm:convnext_atto_rms has no default weights; give --weights random or"):
        load_backbone("timm:convnext_atto_rms")


def test_default_weights_are_named_by_their_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    create = timm.create_model

    def cached(name: str, pretrained: bool = False, **options: Any) -> nn.Module:
        asked.update(name=name, pretrained=pretrained)
        network: nn.Module = create(name, pretrained=False, **options)
        return network

    monkeypatch.setattr(timm, "create_model", cached)
    monkeypatch.setattr("reprq.backbones.sources.hub._reachable", lambda endpoint: False)
    backbone = load_backbone("timm:resnet18.a1_in1k")
    assert asked == {"name": "resnet18.a1_in1k", "pretrained": True}
    assert backbone.weights == "default: a1_in1k"
    assert (backbone.preprocessing.size, backbone.preprocessing.resize) == (224, 235)


def test_the_listing_counts_parameters_where_it_is_short() -> None:
    listed = {info.name: info for info in available("resnet18", "timm")}
    assert listed["timm:resnet18"].parameters == 11689512
    assert listed["timm:resnet18"].default_weights == "a1_in1k"
    assert {info.source for info in listed.values()} == {"timm"}
    everything = available(source="timm")
    assert len(everything) > 900
    assert {info.parameters for info in everything} == {None}
    with pytest.raises(UnknownNameError, match="unknown source of backbones 'tim': did you mean 'timm'"):
        available(source="tim")

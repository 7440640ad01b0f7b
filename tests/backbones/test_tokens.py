"""Which tokens of a layer are patches, where the network has tokens of its own, and where it drops patches."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reprq.backbones import as_backbone, load_backbone
from reprq.data import load_dataset
from reprq.embeddings import extract
from reprq.errors import InputError


class Tokens(nn.Module):
    """Some tokens of its own before the first of 64 patches."""

    def __init__(self, kept: int, own: dict[str, int], stated: int | None = None) -> None:
        super().__init__()
        self.patch, self.block, self.kept = nn.Conv2d(3, 6, 4, stride=4), nn.Identity(), kept
        for name, number in own.items():
            setattr(self, name, nn.Parameter(torch.full((1, number, 6), 1000.0)))
        self.names = list(own)
        if stated is not None:
            self.num_prefix_tokens = stated

    def forward(self, x: torch.Tensor) -> Any:
        patches = self.patch(x).flatten(2).transpose(1, 2)[:, : self.kept]
        own = [getattr(self, name).expand(len(x), -1, -1) for name in self.names]
        return self.block(torch.cat([*own, patches], dim=1))


@pytest.mark.parametrize(
    ("network", "class_token", "registers"),
    [
        (Tokens(64, {}), False, 0),
        (Tokens(64, {"cls_token": 1}), True, 0),
        (Tokens(64, {"token_of_mine": 1}), True, 0),
        (Tokens(64, {"cls_token": 1, "dist_token": 1}), True, 1),
        (Tokens(64, {"cls_token": 1, "register_tokens": 4}), True, 4),
        (Tokens(64, {"reg_token": 3}), False, 3),
        (Tokens(17, {"cls_token": 1}), True, 0),
        (Tokens(17, {"cls_token": 1, "register_tokens": 4}), True, 4),
        (Tokens(11, {"reg_token": 3}), False, 3),
        (Tokens(17, {"cls_token": 1}, stated=1), True, 0),
        (Tokens(49, {"cls_token": 1, "reg_token": 2}, stated=3), True, 2),
        (Tokens(36, {}, stated=1), False, 0),
    ],
)
def test_the_average_over_patches_leaves_the_networks_own_tokens_out(
    network: Tokens, class_token: bool, registers: int, tmp_path: Path
) -> None:
    few = load_dataset("digits").sample(10)
    backbone = as_backbone(network, preprocessing={"size": 32}, layers="block")
    (layer,) = backbone.layers
    assert (layer.layout, layer.class_token, layer.registers) == ("NLD", class_token, registers)
    found = extract(backbone, few, cache_dir=tmp_path, progress=False)["block"].array
    assert abs(found).max() < 100  # far below the tokens that are no patches


def test_a_masked_autoencoder_sees_every_patch(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.ViTMAEConfig(**small, image_size=32, patch_size=8, mask_ratio=0.75)
    transformers.ViTMAEModel(config).save_pretrained(tmp_path / "mae")
    few = load_dataset("digits").sample(10)
    backbone = load_backbone(f"hf:{tmp_path / 'mae'}", preprocessing={"size": 32})
    assert "it masks 75% of the patches at random when it is trained, here none" in backbone.notes
    assert {(layer.class_token, layer.registers) for layer in backbone.layers if layer.layout == "NLD"} == {(True, 0)}
    cache = extract(backbone, few, "stem", pooling="flatten", cache_dir=tmp_path / "caches", progress=False)
    assert cache["stem@flatten"].width == 17 * 16
    network = transformers.ViTMAEModel(config)
    with pytest.raises(InputError, match="must put out the same for the same images.*mask_ratio=0"):
        extract(network, few, preprocessing={"size": 32}, cache_dir=tmp_path / "caches", progress=False)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_is_refused_by_name() -> None:
    script = torch.jit.trace(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8))
    for module in (script, nn.Sequential(script)):
        with pytest.raises(InputError, match="must be of Python, got TorchScript"):
            as_backbone(module, preprocessing={"size": 8})

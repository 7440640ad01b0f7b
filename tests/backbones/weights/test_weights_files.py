import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import DenseNet, VisionTransformer

from reprq.backbones import Backbone, build_network, load_backbone
from reprq.backbones.weights.fitting import digest, fit
from reprq.errors import UnknownNameError, WeightsError

State = dict[str, torch.Tensor]


def _same(network: nn.Module, state: State) -> bool:
    own = network.state_dict()
    return all(torch.equal(own[key], state[key].float()) for key in own if not key.endswith("num_batches_tracked"))


def test_a_safetensors_file_gives_its_weights_and_classes(lenet: nn.Module, lenet_file: Path) -> None:
    backbone = load_backbone("lenet", lenet_file)
    assert _same(backbone.network, lenet.state_dict())
    assert backbone.network.fc.out_features == 4
    assert (backbone.weights, backbone.notes, backbone.unloaded) == ("file:lenet.safetensors", (), ())
    assert not backbone.network.training


SAVES: dict[str, Callable[[Any, Path], None]] = {
    "plain": torch.save,
    "legacy": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    "nested": lambda state, path: torch.save({"epoch": 3, "state_dict": state}, path),
    "model": lambda state, path: torch.save({"model": state, "lr": 0.1}, path),
}


@pytest.mark.parametrize("how", SAVES)
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_state_dicts_are_read_however_they_were_saved(how: str, lenet: nn.Module, tmp_path: Path) -> None:
    SAVES[how](lenet.state_dict(), tmp_path / "w.pt")
    assert _same(load_backbone("lenet", tmp_path / "w.pt").network, lenet.state_dict())


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "backbone.",
        "encoder.",
        "module.backbone.",
        "module.encoder_q.",
        "backbone.module.",
        "encoder.backbone.",
        "model.module.encoder.",
        "module.module.",
    ],
)
def test_prefixes_are_taken_off(prefix: str, resnet_state: State, tmp_path: Path) -> None:
    state = {f"{prefix}{key}": value for key, value in resnet_state.items()}
    torch.save(state | {"projector.weight": torch.zeros(2, 2)}, tmp_path / "w.pt")
    backbone = load_backbone("cifar_resnet20", tmp_path / "w.pt")
    assert _same(backbone.network, resnet_state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(dtype: torch.dtype, resnet_state: State, tmp_path: Path) -> None:
    state = {key: value.to(dtype) for key, value in resnet_state.items()}
    save_file(state, tmp_path / "w.safetensors")
    network = load_backbone("cifar_resnet20", tmp_path / "w.safetensors").network
    assert _same(network, state)
    assert next(network.parameters()).dtype == torch.float32


def test_a_file_without_a_head_keeps_every_layer(resnet_state: State, tmp_path: Path) -> None:
    save_file({key: value for key, value in resnet_state.items() if "linear" not in key}, tmp_path / "w.safetensors")
    backbone = load_backbone("cifar_resnet20", tmp_path / "w.safetensors")
    assert [layer.name for layer in backbone.layers] == ["stem", "layer1", "layer2", "layer3", "pooled"]
    assert backbone.notes == ("w.safetensors lacks linear.weight, linear.bias",)


def _cut(resnet_state: State, tmp_path: Path) -> Backbone:
    kept = {key: value for key, value in resnet_state.items() if not key.startswith(("layer3.2", "linear"))}
    save_file(kept, tmp_path / "cut.safetensors")
    return load_backbone("cifar_resnet20", tmp_path / "cut.safetensors")


def test_a_file_that_is_cut_off_keeps_the_layers_that_it_reaches(resnet_state: State, tmp_path: Path) -> None:
    backbone = _cut(resnet_state, tmp_path)
    assert [(layer.number, layer.name) for layer in backbone.layers] == [(0, "stem"), (1, "layer1"), (2, "layer2")]
    assert backbone.notes == (
        "cut.safetensors lacks layer3.2.conv1.weight, layer3.2.bn1.weight and 10 more",
        "left out: 3 layer3, 4 pooled",
    )
    assert backbone.select_layers("-1")[0].name == "layer2"
    with pytest.raises(WeightsError, match="layer layer3 of cifar_resnet20 has no weights: cut.safetensors lacks"):
        backbone.select_layers("layer3")
    with pytest.raises(WeightsError, match="layer 1-4 of cifar_resnet20 has no weights"):
        backbone.select_layers("1-4")
    with pytest.raises(UnknownNameError, match="Valid: 0 stem, 1 layer1, 2 layer2$"):
        backbone.select_layers("-4")


def test_the_digest_of_a_cut_file_ignores_what_it_lacks(resnet_state: State, tmp_path: Path) -> None:
    backbone = _cut(resnet_state, tmp_path)
    assert backbone.weights_digest == _cut(resnet_state, tmp_path).weights_digest
    changed = resnet_state | {"conv1.weight": resnet_state["conv1.weight"] + 1}
    assert backbone.weights_digest != _cut(changed, tmp_path).weights_digest


def test_digests_tell_seeds_apart_and_files_from_their_seed(tmp_path: Path) -> None:
    one, two = (load_backbone("lenet", "random", seed=seed) for seed in (1, 2))
    assert one.weights_digest != two.weights_digest
    assert len(one.weights_digest) == 64
    save_file(one.network.state_dict(), tmp_path / "w.safetensors")
    assert load_backbone("lenet", tmp_path / "w.safetensors").weights_digest == one.weights_digest


def test_other_parts_of_a_file_are_passed_over_with_a_note(resnet_state: State, tmp_path: Path) -> None:
    save_file(resnet_state | {"decoder.weight": torch.zeros(3)}, tmp_path / "w.safetensors")
    backbone = load_backbone("cifar_resnet20", tmp_path / "w.safetensors")
    assert backbone.notes == ("passed over decoder.weight of w.safetensors",)


def _refused(path: Path, message: str, name: str = "lenet") -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        load_backbone(name, path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    _refused(tmp_path / "none.pt", r"none\.pt does not exist; give 'default', 'random' or the path of a file")
    _refused(tmp_path, "is a folder; give 'default', 'random' or the path of a file")


@pytest.mark.parametrize("keep", [9, 100, 0.5, 0.999])
def test_a_truncated_safetensors_file(lenet_file: Path, keep: float) -> None:
    content = lenet_file.read_bytes()
    lenet_file.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    _refused(lenet_file, r"lenet\.safetensors is truncated or damaged \(.*\); fetch or save it again")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("keep", [10, 0.5, 0.99])
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_a_truncated_state_dict(lenet: nn.Module, tmp_path: Path, keep: float, legacy: bool) -> None:
    path = tmp_path / "w.pt"
    torch.save(lenet.state_dict(), path, _use_new_zipfile_serialization=not legacy)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    _refused(path, r"w\.pt is (truncated or damaged; fetch or save it again|damaged or not a PyTorch state dict)")


@pytest.mark.parametrize("content", [b"", b"hello", b"<html><body>404 Not Found</body></html>", b"\x00" * 100])
def test_a_file_of_something_else(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    _refused(
        tmp_path / "w.safetensors", r"w\.safetensors is not a weights file: neither safetensors nor a PyTorch state"
    )


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_pickled_code_is_not_run(lenet: nn.Module, tmp_path: Path) -> None:
    torch.save({"state_dict": lenet.state_dict(), "config": _Trap(tmp_path / "sprung")}, tmp_path / "w.pt")
    _refused(tmp_path / "w.pt", r"w\.pt holds Python objects, which are not run here; save its state_dict alone")
    torch.save(lenet, tmp_path / "w.pt")
    _refused(tmp_path / "w.pt", r"w\.pt holds Python objects, which are not run here")
    assert not (tmp_path / "sprung").exists()


def test_tensors_that_are_no_state_dict(tmp_path: Path) -> None:
    torch.save([torch.zeros(2)], tmp_path / "w.pt")
    _refused(tmp_path / "w.pt", r"w\.pt holds a list, not a state dict")
    torch.save({"epoch": 3}, tmp_path / "w.pt")
    _refused(tmp_path / "w.pt", r"w\.pt holds no tensors; give a state dict or a safetensors file")


def test_a_nan_is_named(resnet_state: State, tmp_path: Path) -> None:
    state = resnet_state | {"layer1.0.bn1.weight": torch.full((16,), torch.nan)}
    save_file(state, tmp_path / "w.safetensors")
    _refused(tmp_path / "w.safetensors", r"has a nan or an inf in 'layer1\.0\.bn1\.weight'", "cifar_resnet20")


@pytest.mark.parametrize(
    ("of", "into", "message"),
    [
        ("lenet", "cifar_resnet20", r"0 of 97 keys match \(unknown here: conv1.0.bias, conv1.0.weight and 4 more"),
        (
            "cifar_resnet32",
            "cifar_resnet20",
            r"97 of 97 keys match \(unknown here: layer1.3.bn1.bias, .* and 58 more\)",
        ),
        ("cifar_resnet20", "cifar_resnet32", r"97 of 157 keys match \(missing there: layer1.3.conv1.weight, .*more\)"),
        (
            "squeezenet1_0",
            "squeezenet1_1",
            r"30 of 52 keys match \(features.0.weight is \(96, 3, 7, 7\) there and",
        ),
        ("resnet18", "resnet34", r"102 of 182 keys match \(missing there: layer1.2.conv1.weight"),
        ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", r"16 of 282 keys match \(stage2.0.branch1.2.weight is"),
    ],
)
def test_weights_of_another_architecture_say_how_many_keys_match(
    of: str, into: str, message: str, tmp_path: Path
) -> None:
    save_file(build_network(of).state_dict(), tmp_path / "w.safetensors")
    _refused(tmp_path / "w.safetensors", rf"the weights in w\.safetensors are not of {into}: {message}", into)


def test_weights_that_reach_no_layer(resnet_state: State, tmp_path: Path) -> None:
    save_file({"conv1.weight": resnet_state["conv1.weight"]}, tmp_path / "w.safetensors")
    _refused(tmp_path / "w.safetensors", "reach no layer of cifar_resnet20: w.safetensors lacks bn1", "cifar_resnet20")


def test_a_refused_file_leaves_the_network_as_it_was() -> None:
    network, other = build_network("cifar_resnet20"), build_network("cifar_resnet32", seed=3)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(WeightsError):
        fit(network, dict(other.state_dict()), name="cifar_resnet20", source="w")
    assert _same(network, before)


def test_old_densenet_files_are_understood() -> None:
    tiny: dict[str, Any] = {"growth_rate": 4, "block_config": (1, 1, 1, 1), "num_init_features": 8}
    old, new = DenseNet(**tiny), DenseNet(**tiny)
    renamed = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): value
        for key, value in old.state_dict().items()
    }
    assert set(renamed) != set(old.state_dict())
    assert fit(new, renamed, name="densenet", source="w").missing == ()
    assert _same(new, old.state_dict())


def _tiny_vit(size: int) -> VisionTransformer:
    return VisionTransformer(size, 8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5)


def test_old_vision_transformers_and_other_sizes_are_understood() -> None:
    old, new = _tiny_vit(32), _tiny_vit(48)
    renamed = OrderedDict(
        (key.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."), value)
        for key, value in old.state_dict().items()
    )
    assert fit(new, dict(renamed), name="vit", source="w").missing == ()
    positions = new.encoder.pos_embedding
    assert positions.shape == (1, 37, 16)
    corners = [(1, 1), (6, 4), (31, 13), (36, 16)]  # bicubic with aligned corners keeps the corners of the 6 x 6 grid
    for here, there in corners:
        assert torch.allclose(positions[0, here], old.encoder.pos_embedding[0, there], atol=1e-5)
    assert torch.equal(positions[0, 0], old.encoder.pos_embedding[0, 0])


def test_a_part_that_shares_a_prefixs_name_keeps_it() -> None:
    vit = _tiny_vit(32)
    for prefix in ("", "module.", "encoder.", "module.encoder."):
        network = _tiny_vit(32)
        state = {f"{prefix}{key}": value for key, value in vit.state_dict().items()}
        assert fit(network, state, name="vit", source="w", head="heads.head").missing == ()
        assert _same(network, vit.state_dict())


def test_counters_of_batches_are_no_weights(resnet_state: State) -> None:
    with_counters, without = build_network("cifar_resnet20"), build_network("cifar_resnet20", seed=1)
    fit(with_counters, resnet_state, name="cifar_resnet20", source="w")
    counted = fit(
        without,
        {key: value for key, value in resnet_state.items() if not key.endswith("num_batches_tracked")},
        name="cifar_resnet20",
        source="w",
    )
    assert (counted.missing, counted.notes) == ((), ())
    assert digest(with_counters) == digest(without)


def test_a_stem_of_three_channels_is_summed_for_gray_images(resnet_state: State, tmp_path: Path) -> None:
    save_file(resnet_state, tmp_path / "resnet.safetensors")
    backbone = load_backbone("cifar_resnet20", tmp_path / "resnet.safetensors", preprocessing={"channels": "gray"})
    stem = backbone.network.get_parameter("conv1.weight")
    assert torch.equal(stem, resnet_state["conv1.weight"].float().sum(1, keepdim=True))
    (note,) = (each for each in backbone.notes if "summed" in each)
    assert note == "summed the first convolution of resnet.safetensors over its three channels: images are gray"
    wrong = {**resnet_state, "conv1.weight": resnet_state["conv1.weight"][:, :2].clone()}
    save_file(wrong, tmp_path / "two.safetensors")
    with pytest.raises(WeightsError, match=r"conv1.weight is \(16, 2, 3, 3\) there and \(16, 1, 3, 3\) here"):
        load_backbone("cifar_resnet20", tmp_path / "two.safetensors", preprocessing={"channels": "gray"})

"""Weights as frameworks wrap them: what they save is read, and where more than one part fits, the person chooses."""

import argparse
import collections
import datetime
import decimal
import pathlib
import re
import sys
import types
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from reprq.backbones import build_network, load_backbone
from reprq.backbones.assembly import fit_file
from reprq.backbones.networks.cifar_resnet import CifarResNet
from reprq.backbones.weights.files import split_part
from reprq.backbones.weights.fitting import Fit
from reprq.errors import WeightsError
from reprq.seeding import seeded

State = dict[str, torch.Tensor]


def _under(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def _headless(state: State) -> State:
    return {key: value for key, value in state.items() if not key.startswith("linear")}


def _inserted(wrapper: str, state: State) -> State:
    """Keys of a network whose blocks are wrapped one by one."""
    return {re.sub(r"^(layer\d\.\d\.)", rf"\1{wrapper}", key): value for key, value in state.items()}


def _numbered(state: State) -> State:
    """Keys of nn.Sequential(conv1, bn1, relu, layer1, layer2, layer3): the ReLU takes a number and has no weights."""
    numbers = {"conv1": 0, "bn1": 1, "layer1": 3, "layer2": 4, "layer3": 5, "linear": 8}
    split = {key: key.partition(".") for key in state}
    return {f"{numbers[first]}.{rest}": state[key] for key, (first, _, rest) in split.items()}


HEAD = {"weight": torch.zeros(2, 64), "bias": torch.zeros(2)}
ARGUMENTS = argparse.Namespace(lr=0.1, arch="resnet20", path=pathlib.PurePosixPath("/data"))
MOMENTS = {"state": {0: {"exp_avg": torch.zeros(16, 3, 3, 3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}

# One part fits. Every entry makes what the framework saves of a network's state dict.
WRAPPERS: dict[str, Callable[[State], Any]] = {
    "DataParallel": lambda s: _under("module.", s),
    "DataParallel in DataParallel": lambda s: _under("module.module.", s),
    "torch.compile": lambda s: _under("_orig_mod.", s),
    "torch.compile of DDP": lambda s: _under("_orig_mod.module.", s),
    "DDP of torch.compile": lambda s: _under("module._orig_mod.", s),
    "torch.compile of each block": lambda s: _inserted("_orig_mod.", s),
    "FSDP": lambda s: _inserted("_fsdp_wrapped_module.", _under("_fsdp_wrapped_module.", s)),
    "activation checkpointing": lambda s: _inserted("_checkpoint_wrapped_module.", s),
    "stochastic weight averaging": lambda s: {"n_averaged": torch.tensor(3), **_under("module.", s)},
    "Lightning, self.net": lambda s: {"state_dict": _under("net.", s), "epoch": 3, "hyper_parameters": {"lr": 0.1}},
    "Lightning, self.model": lambda s: {"state_dict": _under("model.", s), "callbacks": {"x": {"best": 0.1}}},
    "Lightning, self.backbone": lambda s: {"state_dict": _under("backbone.", s) | _under("head.", HEAD)},
    "Lightning, self.model.net": lambda s: {"state_dict": _under("model.net._orig_mod.", s)},
    "Lightning Fabric": lambda s: {"model": _under("_forward_module.", s)},
    "Lightning, a feature extractor of children": lambda s: {
        "state_dict": _under("feature_extractor.", _numbered(_headless(s))) | _under("classifier.", HEAD)
    },
    "timm": lambda s: {"epoch": 1, "arch": "resnet20", "state_dict": s, "optimizer": MOMENTS, "args": ARGUMENTS},
    "torchvision's references": lambda s: {
        "model": s,
        "optimizer": MOMENTS,
        "lr_scheduler": {"a": 1},
        "args": ARGUMENTS,
    },
    "pytorch-cifar": lambda s: {"net": _under("module.", s), "acc": 93.1, "epoch": 7},
    "ignite": lambda s: {"model": s, "optimizer": MOMENTS, "trainer": {"iteration": 3}},
    "catalyst": lambda s: {"model_state_dict": s, "optimizer_state_dict": MOMENTS, "epoch_metrics": {"loss": 0.1}},
    "Composer": lambda s: {"state": {"model": _under("module.", s), "timestamp": {}}, "rng": [{"python": (3, (1, 2))}]},
    "DeepSpeed": lambda s: {"module": s, "ds_config": {"zero": 1}, "optimizer": None},
    "Hugging Face's Trainer": lambda s: _under("resnet.", _headless(s)) | _under("classifier.1.", HEAD),
    "PEFT": lambda s: _under("base_model.model.", s),
    "MoCo v2, the query encoder alone": lambda s: {"arch": "r20", "state_dict": _under("module.encoder_q.", s)},
    "MoCo v3": lambda s: {"state_dict": _under("module.base_encoder.", s)},
    "SimCLR": lambda s: _under("encoder.", _headless(s)) | _under("projector.0.", HEAD),
    "SimSiam": lambda s: {"state_dict": _under("module.encoder.", _headless(s)) | _under("module.predictor.0.", HEAD)},
    "Barlow Twins": lambda s: {"model": _under("module.backbone.", _headless(s)), "epoch": 3},
    "VICReg": lambda s: _under("module.backbone.", _headless(s)) | _under("module.projector.0.", HEAD),
    "SwAV": lambda s: _under("module.", _headless(s)) | _under("module.projection_head.0.", HEAD),
    "lightly": lambda s: {
        "state_dict": _under("backbone.", _numbered(_headless(s))) | _under("projection_head.0.", HEAD)
    },
    "solo-learn": lambda s: {"state_dict": _under("backbone.", _headless(s)) | _under("classifier.", HEAD)},
    "MAE and BEiT": lambda s: {"model": s, "optimizer": MOMENTS, "scaler": {"scale": 65536.0}, "args": ARGUMENTS},
    "DINO, a linear probe": lambda s: {"state_dict": _under("module.linear.", HEAD), "backbone": _headless(s)},
    "mmpretrain": lambda s: {
        "meta": {"time": "now"},
        "state_dict": _under("backbone.", _headless(s)) | _under("head.fc.", HEAD),
    },
    "mmselfsup": lambda s: {"state_dict": _under("backbone.", _headless(s)) | _under("neck.mlp.0.", HEAD)},
    "fastai": lambda s: {"model": _under("0.", _numbered(_headless(s))) | _under("1.8.", HEAD), "opt": MOMENTS},
    "detectron2": lambda s: {"model": _under("backbone.bottom_up.", s), "iteration": 9, "__author__": "me"},
    "VISSL": lambda s: {
        "classy_state_dict": {"base_model": {"model": {"trunk": _under("_feature_blocks.", s), "heads": HEAD}}}
    },
    "OpenCLIP": lambda s: {
        "epoch": 3,
        "state_dict": _under("module.visual.", s) | {"module.logit_scale": torch.ones(1)},
    },
    "segmentation-models": lambda s: _under("encoder.", _headless(s)) | _under("segmentation_head.0.", HEAD),
    "anomalib": lambda s: {
        "state_dict": _under("model.feature_extractor.feature_extractor.", s),
        "hparams_name": "kwargs",
    },
    "torchreid": lambda s: {"state_dict": _under("module.", s), "rank1": np.float64(0.91), "epoch": np.int64(60)},
    "a list of models": lambda s: {"models": [s], "step": 3},
    "a state dict in NumPy": lambda s: {key: value.numpy() for key, value in s.items()},
    "nn.Sequential of the children": _numbered,
    "nn.Sequential of the children but the last": lambda s: _numbered(_headless(s)),
    "an ensemble's only member": lambda s: {"members": {"seed_3": {"weights": s}}},
}


@pytest.fixture
def own() -> State:
    """The state dict of the network that the files are of."""
    return dict(_resnet8(1).state_dict())


def _resnet8(seed: int) -> CifarResNet:
    with seeded(seed):
        return CifarResNet(depth=8)


def _loaded(path: Path | str) -> tuple[CifarResNet, Fit]:
    network = _resnet8(0)
    return network, fit_file(network, Path(path), name="resnet8", head="linear")


def _same(network: nn.Module, state: State, but: tuple[str, ...] = ()) -> bool:
    found = network.state_dict()
    counted = {key for key in state if key.endswith("num_batches_tracked")}
    return all(torch.equal(found[key], state[key]) for key in state.keys() - counted - set(but))


@pytest.mark.parametrize("how", WRAPPERS)
def test_the_one_part_that_fits_is_found(how: str, own: State, tmp_path: Path) -> None:
    torch.save(WRAPPERS[how](own), tmp_path / "w.pt")
    network, fitted = _loaded(tmp_path / "w.pt")
    assert fitted.missing in ((), ("linear.weight", "linear.bias"))
    assert _same(network, own, but=fitted.missing)


def _momentum(first: str, second: str) -> Callable[[State, State], Any]:
    return lambda one, two: {"state_dict": _under(f"{first}.", one) | _under(f"{second}.", two)}


# Two parts fit, and they differ: what is saved, and the names of the first and the second.
RIVALS: dict[str, tuple[Callable[[State, State], Any], str, str]] = {
    "DINO": (
        lambda one, two: {"student": _under("module.backbone.", one), "teacher": _under("backbone.", two)},
        "student.module.backbone",
        "teacher.backbone",
    ),
    "DINOv2": (
        lambda one, two: {"model": _under("student.backbone.", one) | _under("teacher.backbone.", two)},
        "model.student.backbone",
        "model.teacher.backbone",
    ),
    "I-JEPA": (
        lambda one, two: {"encoder": _under("module.", one), "target_encoder": _under("module.", two), "opt": MOMENTS},
        "encoder.module",
        "target_encoder.module",
    ),
    "MoCo": (
        _momentum("module.encoder_q", "module.encoder_k"),
        "state_dict.module.encoder_q",
        "state_dict.module.encoder_k",
    ),
    "BYOL": (_momentum("online.net", "target.net"), "state_dict.online.net", "state_dict.target.net"),
    "lightly": (_momentum("backbone", "backbone_momentum"), "state_dict.backbone", "state_dict.backbone_momentum"),
    "solo-learn": (_momentum("backbone", "momentum_backbone"), "state_dict.backbone", "state_dict.momentum_backbone"),
    "timm EMA": (lambda one, two: {"state_dict": one, "state_dict_ema": two}, "state_dict", "state_dict_ema"),
    "torchvision EMA": (
        lambda one, two: {"model": one, "model_ema": {"n_averaged": torch.tensor(3), **_under("module.", two)}},
        "model",
        "model_ema.module",
    ),
    "mmengine EMA": (
        lambda one, two: {
            "state_dict": _under("backbone.", one),
            "ema_state_dict": {"steps": torch.tensor(2), **_under("module.backbone.", two)},
        },
        "state_dict.backbone",
        "ema_state_dict.module.backbone",
    ),
    "ema-pytorch": (
        lambda one, two: _under("online_model.", one) | _under("ema_model.", two),
        "online_model",
        "ema_model",
    ),
    "an ensemble": (lambda one, two: {"models": [one, two]}, "models.0", "models.1"),
    "itself and its EMA": (lambda one, two: {**one, "ema": two}, ".", "ema"),
    "two sequences": (
        lambda one, two: _under("a.", _numbered(one)) | _under("b.", _numbered(two)),
        "a",
        "b",
    ),
    "one without a head": (lambda one, two: {"model": one, "ema": _headless(two)}, "model", "ema"),
}


@pytest.mark.parametrize("how", RIVALS)
def test_of_two_that_fit_none_is_taken_until_it_is_named(how: str, own: State, tmp_path: Path) -> None:
    make, *names = RIVALS[how]
    states = [own, dict(_resnet8(2).state_dict())]
    torch.save(make(*states), tmp_path / "w.pt")
    listed = ", ".join(map(re.escape, names))
    with pytest.raises(
        WeightsError, match=f"more than one part of w.pt fits resnet8: {listed}; name the one"
    ) as refused:
        _loaded(tmp_path / "w.pt")
    assert str(refused.value).endswith(f"as w.pt#{names[0]}")
    for name, state in zip(names, states, strict=True):
        network, fitted = _loaded(f"{tmp_path}/w.pt#{name}")
        assert _same(network, state, but=fitted.missing)


def test_equal_parts_are_one(own: State, tmp_path: Path) -> None:
    torch.save({"model": own, "ema": {key: value.clone() for key, value in own.items()}}, tmp_path / "w.pt")
    assert _loaded(tmp_path / "w.pt")[1].notes == ("took the part 'model' of w.pt, 37 of 74 tensors",)
    assert _loaded(f"{tmp_path}/w.pt#ema")[1].notes == ("took the part 'ema' of w.pt, 37 of 74 tensors",)


def test_a_part_of_another_architecture_is_no_rival(own: State, tmp_path: Path) -> None:
    deeper = {f"{key.replace('.0.', '.1.')}": value for key, value in own.items()}
    torch.save({"student": own, "teacher": own | deeper}, tmp_path / "w.pt")
    assert _loaded(tmp_path / "w.pt")[1].notes == ("took the part 'student' of w.pt, 37 of 104 tensors",)
    with pytest.raises(WeightsError, match="37 of 37 keys match .unknown here: layer1.1.conv1.weight"):
        _loaded(f"{tmp_path}/w.pt#teacher")


def test_an_optimizers_moments_are_never_weights(tmp_path: Path) -> None:
    network = build_network("lenet")
    moments = {key: torch.ones_like(value) for key, value in network.state_dict().items()}
    torch.save({"model": network.state_dict(), "optimizer": {"exp_avg": moments}}, tmp_path / "w.pt")
    loaded = load_backbone("lenet", tmp_path / "w.pt")
    assert loaded.notes == ()
    assert torch.equal(loaded.network.get_submodule("fc").weight, network.get_submodule("fc").weight)


def test_a_part_that_there_is_not_names_those_that_there_are(own: State, tmp_path: Path) -> None:
    torch.save({"model": own, "ema": own}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="w.pt has no part 'teacher' that fits resnet8; it has model, ema"):
        _loaded(f"{tmp_path}/w.pt#teacher")


@pytest.mark.parametrize("part", ["layer1", "conv1", "nowhere"])
def test_a_plain_state_dict_has_no_part_to_name(part: str, resnet_state: State, tmp_path: Path) -> None:
    torch.save(resnet_state, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=f"no part '{part}' that fits cifar_resnet20; it has none but the whole"):
        load_backbone("cifar_resnet20", f"{tmp_path}/w.pt#{part}")


def test_a_part_of_a_network_is_named_in_what_does_not_match(own: State, tmp_path: Path) -> None:
    torch.save(own, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="the weights in w.pt#layer1 are not of resnet8: 4 of 37 keys match"):
        _loaded(f"{tmp_path}/w.pt#layer1")


def test_a_prefix_that_chooses_nothing_names_those_that_do(own: State, tmp_path: Path) -> None:
    other = {key: value + 1 for key, value in own.items()}
    torch.save({"model": {**_under("encoder_q.", own), **_under("encoder_k.", other)}}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="it has model.encoder_q, model.encoder_k"):
        _loaded(f"{tmp_path}/w.pt#encoder_q")
    assert _loaded(f"{tmp_path}/w.pt#model.encoder_q")


def test_weights_that_are_all_zero_are_noted(own: State, tmp_path: Path) -> None:
    torch.save({key: torch.zeros_like(value) for key, value in own.items()}, tmp_path / "w.pt")
    assert _loaded(tmp_path / "w.pt")[1].notes == ("every weight taken of w.pt is zero: it may never have been filled",)


def test_a_file_may_have_a_hash_in_its_own_name(lenet_file: Path) -> None:
    renamed = lenet_file.rename(lenet_file.with_name("run#3.safetensors"))
    assert split_part(renamed) == (renamed, None)
    assert load_backbone("lenet", renamed).weights == "file:run#3.safetensors"


def test_a_sequence_of_another_network_is_refused(own: State, tmp_path: Path) -> None:
    numbered = _numbered(own)
    save_file(
        {k: v for k, v in numbered.items() if not k.startswith("1.")}, tmp_path / "w.safetensors"
    )  # no batch norm
    with pytest.raises(WeightsError, match=r"0 of 37 keys match .*; its first keys are 0.weight, 3.0.bn1.bias"):
        _loaded(tmp_path / "w.safetensors")


@pytest.mark.parametrize("first", [b"\x80", b"PK", b"\x08", b"x"])
def test_a_safetensors_file_is_one_whatever_its_first_byte(first: bytes, own: State, tmp_path: Path) -> None:
    """It begins with the length of its header, which may read as the beginning of a pickle or of an archive."""
    path = tmp_path / "w.safetensors"
    save_file(own, path, metadata={"pad": ""})
    length = int.from_bytes(path.read_bytes()[:8], "little")
    wanted = next(n for n in range(length + 8, 1 << 16, 8) if n.to_bytes(8, "little").startswith(first))
    save_file(own, path, metadata={"pad": " " * (wanted - length)})
    assert path.read_bytes().startswith(first)
    assert _loaded(path)[1].notes == ()


def test_a_childs_weights_that_were_saved_alone(tmp_path: Path) -> None:
    network = build_network("squeezenet1_1", seed=4)
    features = network.get_submodule("features")
    save_file(features.state_dict(), tmp_path / "w.safetensors")
    backbone = load_backbone("squeezenet1_1", tmp_path / "w.safetensors")
    assert torch.equal(backbone.network.features[3].squeeze.weight, features[3].squeeze.weight)
    assert backbone.notes == (
        "took w.safetensors for the weights of 'features' alone",
        "w.safetensors lacks classifier.1.weight, classifier.1.bias",
    )


class _Configuration(dict[str, Any]):
    """A dictionary of a package that is not there."""


_Configuration.__module__, _Configuration.__qualname__ = "omegaconf", "DictConfig"

BESIDE: dict[str, Any] = {
    "numpy scalar": np.float64(0.91),
    "numpy integer": np.int64(3),
    "numpy boolean": np.bool_(True),
    "numpy text": np.str_("resnet"),
    "numpy array": np.arange(3),
    "numpy objects": np.array([{"a": 1}, None], dtype=object),
    "random states": np.random.RandomState(0).get_state(),
    "namespace": argparse.Namespace(lr=0.1, out=pathlib.Path("/tmp")),
    "simple namespace": types.SimpleNamespace(lr=0.1),
    "path": pathlib.Path("/data/run"),
    "windows path": pathlib.PureWindowsPath("C:/data"),
    "ordered dictionary": collections.OrderedDict(a=1),
    "default dictionary": collections.defaultdict(list, a=[1]),
    "deque": collections.deque([1, 2], maxlen=3),
    "counter": collections.Counter("aab"),
    "date": datetime.date(2024, 2, 29),
    "date and time": datetime.datetime(2024, 2, 29, 1, 2, tzinfo=datetime.UTC),
    "duration": datetime.timedelta(seconds=3),
    "decimal": decimal.Decimal("0.1"),
    "identifier": uuid.UUID(int=3),
    "frozen set": frozenset({1}),
    "range": range(3),
    "slice": slice(1, 2),
    "complex": 1j,
    "bytes": b"abc",
    "torch's version": torch.torch_version.TorchVersion("2.14"),
    "torch's types": (torch.float16, torch.device("cpu"), torch.Size([1])),
}


@pytest.mark.parametrize("what", BESIDE)
def test_harmless_things_beside_the_weights_are_passed_over(what: str, lenet: nn.Module, tmp_path: Path) -> None:
    torch.save(
        {"state_dict": lenet.state_dict(), "beside": BESIDE[what], "nested": [{"a": BESIDE[what]}]}, tmp_path / "w.pt"
    )
    backbone = load_backbone("lenet", tmp_path / "w.pt")
    assert torch.equal(backbone.network.fc.weight, lenet.get_submodule("fc").weight)


def test_a_configuration_of_a_package_that_is_not_installed_is_passed_over(
    lenet: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = types.ModuleType("omegaconf")
    package.DictConfig = _Configuration  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "omegaconf", package)
        torch.save({"model": lenet.state_dict(), "cfg": _Configuration(lr=_Configuration(a=1))}, tmp_path / "w.pt")
    assert load_backbone("lenet", tmp_path / "w.pt").weights == "file:w.pt"

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from reprq.backbones import build_network, default_preprocessing, load_backbone
from reprq.errors import InputError, UnknownNameError, WeightsError


def _teacher(path: Path, **changes: Any) -> Path:
    preprocessing = default_preprocessing("lenet").replace(channels="gray", mean=0.3, std=0.2)
    made = {
        "architecture": "lenet",
        "preprocessing": preprocessing.to_dict(),
        "task": "rotation",
        "arguments": {"num_classes": 4, "in_channels": 1},
    } | changes
    state = build_network("lenet", num_classes=4, in_channels=1, seed=5).state_dict()
    save_file(state | {"decoder.weight": torch.zeros(1)}, path, metadata={"reprq": json.dumps(made)})
    return path


def test_a_teacher_brings_its_architecture_weights_and_preprocessing(tmp_path: Path) -> None:
    path = _teacher(tmp_path / "rotation.safetensors")
    backbone = load_backbone(f"teacher:{path}")
    expected = build_network("lenet", num_classes=4, in_channels=1, seed=5).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in backbone.network.state_dict().items())
    assert backbone.in_channels == 1
    assert (backbone.preprocessing.mean, backbone.preprocessing.size) == ((0.3,), 32)
    assert (backbone.name, backbone.weights) == ("lenet", "teacher:rotation.safetensors")
    assert backbone.notes[0] == "a lenet trained on the task 'rotation'"
    assert [layer.name for layer in backbone.layers] == ["conv1", "conv2", "conv3", "pooled"]
    assert load_backbone(f"teacher:{path}", preprocessing={"mean": 0.5}).preprocessing.mean == (0.5,)


def test_the_weights_are_the_teachers_own(tmp_path: Path) -> None:
    path = _teacher(tmp_path / "t.safetensors")
    with pytest.raises(InputError, match="brings its own weights, got weights 'random'; leave them out"):
        load_backbone(f"teacher:{path}", "random")


def test_a_file_that_is_not_a_teacher(lenet_file: Path, tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"lenet\.safetensors is not a teacher of reprq: its metadata has no key 'reprq'"
    ):
        load_backbone(f"teacher:{lenet_file}")
    with pytest.raises(WeightsError, match="none does not exist"):
        load_backbone(f"teacher:{tmp_path / 'none'}")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(WeightsError, match="text is not a weights file"):
        load_backbone(f"teacher:{tmp_path / 'text'}")


@pytest.mark.parametrize("changes", [{"arguments": 3}, {"preprocessing": 3}, {"arguments": {"depth": 3}}])
def test_metadata_that_makes_no_sense(changes: dict[str, Any], tmp_path: Path) -> None:
    path = _teacher(tmp_path / "t.safetensors", **changes)
    with pytest.raises(WeightsError, match=r"t\.safetensors is not a teacher of reprq: its metadata is damaged"):
        load_backbone(f"teacher:{path}")


def test_metadata_that_is_no_json(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "t", metadata={"reprq": "{"})
    with pytest.raises(WeightsError, match=re.escape("is not a teacher of reprq: its metadata is damaged")):
        load_backbone(f"teacher:{tmp_path / 't'}")


def test_an_architecture_that_there_is_not(tmp_path: Path) -> None:
    path = _teacher(tmp_path / "t.safetensors", architecture="lenett")
    with pytest.raises(UnknownNameError, match="unknown backbone 'lenett': did you mean 'lenet'"):
        load_backbone(f"teacher:{path}")

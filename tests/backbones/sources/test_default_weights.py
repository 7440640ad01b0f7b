from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import models

from reprq.backbones import build_network, load_backbone
from reprq.errors import DownloadError, WeightsError


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def _cached_name(name: str) -> str:
    return models.get_model_weights(name).DEFAULT.url.rpartition("/")[2]


def test_weights_in_torchs_cache_are_used(checkpoints: Path) -> None:
    network = build_network("squeezenet1_1", seed=9)
    checkpoints.mkdir(parents=True)
    torch.save(network.state_dict(), checkpoints / _cached_name("squeezenet1_1"))
    backbone = load_backbone("squeezenet1_1", preprocessing={"size": 96})
    assert backbone.weights == "default: IMAGENET1K_V1"
    assert torch.equal(backbone.network.features[0].weight, network.features[0].weight)
    assert (backbone.preprocessing.size, backbone.preprocessing.mean) == (96, (0.485, 0.456, 0.406))


def test_without_cache_and_network_the_ways_out_are_named(
    checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DownloadError) as caught:
        load_backbone("resnet50")
    assert str(caught.value) == (
        f"the default weights of resnet50 (IMAGENET1K_V2) are not in {checkpoints} and could not be downloaded:"
        f" no network in tests; give --weights random or --weights PATH"
    )
    assert list(checkpoints.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_a_download_that_breaks_off_leaves_nothing(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Response:
        def __enter__(self) -> "Response":
            return self

        def __exit__(self, *args: object) -> None: ...

        def info(self) -> Any:
            from email.message import Message

            return Message()

        def read(self, size: int) -> bytes:
            self.reads = getattr(self, "reads", 0) + 1
            if self.reads > 2:
                raise ConnectionResetError("connection reset by peer")
            return b"some bytes"

    monkeypatch.setattr("torch.hub.urlopen", lambda request: Response())
    with pytest.raises(DownloadError, match="could not be downloaded: connection reset by peer; give --weights random"):
        load_backbone("resnet18")
    assert list(checkpoints.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_named(checkpoints: Path) -> None:
    checkpoints.mkdir(parents=True)
    (checkpoints / _cached_name("resnet18")).write_bytes(b"PK broken")
    with pytest.raises(WeightsError, match=rf"{_cached_name('resnet18')} is damaged or not a PyTorch state dict"):
        load_backbone("resnet18")


def test_our_own_networks_have_no_default_weights() -> None:
    with pytest.raises(WeightsError, match="lenet has no default weights; give --weights random or --weights PATH"):
        load_backbone("lenet")

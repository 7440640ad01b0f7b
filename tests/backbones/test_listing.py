import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reprq.cli import cli
from reprq.errors import UnknownNameError


def _rows(*words: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)["rows"]
    return rows


def test_backbones_are_searched_by_name_and_source() -> None:
    assert {row["source"] for row in _rows("backbones", "CIFAR_ResNet")} == {"reprq"}
    (resnet18,) = _rows("backbones", "resnet18", "--source", "torchvision")
    assert resnet18 == {
        "name": "resnet18",
        "source": "torchvision",
        "parameters": 11689512,
        "default_weights": "IMAGENET1K_V1",
        "takes": "image, audio",
    }
    assert _rows("backbones", "no such") == []
    assert CliRunner().invoke(cli, ["backbones", "--source", "hub"]).exit_code == 2


def test_timms_backbones_are_listed_where_it_is_installed() -> None:
    pytest.importorskip("timm", reason="timm is an optional extra")
    assert _rows("backbones", "convnext_atto", "--source", "timm")[0] == {
        "name": "timm:convnext_atto",
        "source": "timm",
        "parameters": 3695520,
        "default_weights": "d2_in1k",
        "takes": "image, audio",
    }


def test_layers_state_their_width_for_every_pooling() -> None:
    rows = _rows("layers", "vit_b_32", "--size", "64", "--layers", "0-1,pooled,encoder.ln")
    assert [[row[key] for key in ("number", "name", "shape", "width", "cls+avg", "flattened")] for row in rows] == [
        [0, "stem", "768 x 2 x 2", 768, None, 3072],
        [1, "block1", "5 x 768", 768, 1536, 3840],
        [12, "encoder.ln", "5 x 768", 768, 1536, 3840],
        [13, "pooled", "768", 768, 768, 768],
    ]


def test_the_layers_of_a_network_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from torch import nn\n\ndef make():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
    (tmp_path / "listed_network.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    rows = _rows("layers", "listed_network:make", "--size", "8")
    assert [(row["name"], row["shape"], row["width"]) for row in rows] == [("0", "4 x 6 x 6", 4), ("1", "4 x 6 x 6", 4)]
    with pytest.raises(UnknownNameError, match="unknown layer of listed_network:make '2'. Valid: 0 0, 1 1"):
        CliRunner().invoke(
            cli, ["layers", "listed_network:make", "--size", "8", "--layers", "2"], catch_exceptions=False
        )

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from reprq.backbones import Backbone, Tap, load_backbone
from reprq.embeddings.pooling import pool
from reprq.errors import DownloadError, InputError, WeightsError

transformers: Any = pytest.importorskip("transformers", reason="transformers is an optional extra")

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}
CONVOLUTIONAL = {"hidden_sizes": [4, 6, 8, 10], "depths": [1, 1, 1, 1], "image_size": 32}
MODELS: dict[str, Any] = {
    "vit": lambda: transformers.ViTModel(transformers.ViTConfig(**TINY)),
    "dinov2": lambda: transformers.Dinov2WithRegistersModel(transformers.Dinov2WithRegistersConfig(**TINY)),
    "siglip": lambda: transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**TINY)),
    "convnext": lambda: transformers.ConvNextModel(transformers.ConvNextConfig(**CONVOLUTIONAL)),
    "swin": lambda: transformers.SwinModel(
        transformers.SwinConfig(
            image_size=32, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4
        )
    ),
}


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A model with random weights and a processor, as `save_pretrained` writes them."""
    kind = getattr(request, "param", "vit")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        MODELS[kind]().save_pretrained(tmp_path / kind)
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32}, resample=3)
    processor.save_pretrained(tmp_path / kind)
    return tmp_path / kind


X = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def _read(backbone: Backbone, spec: Any = "all") -> dict[str, torch.Tensor]:
    layers = backbone.select_layers(spec)
    with torch.inference_mode(), Tap(backbone.network, layers, lambda layer, output: output.clone()) as tap:
        return tap(X)


@pytest.mark.parametrize("folder", ["vit", "dinov2", "siglip"], indirect=True)
def test_every_layer_is_a_hidden_state_of_the_model(folder: Path) -> None:
    backbone = load_backbone(f"hf:{folder}")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        theirs = model(X, output_hidden_states=True)
    found = list(_read(backbone).values())
    assert [layer.number for layer in backbone.layers] == [0, 1, 2, 3, 4]
    assert [backbone.layers[0].name, backbone.layers[-1].name] == ["stem", "pooled"]
    for ours, expected in zip(found, [*theirs.hidden_states, theirs.pooler_output], strict=True):
        assert torch.equal(ours, expected)
    assert torch.equal(_read(backbone, "#last_hidden_state")["#last_hidden_state"], theirs.last_hidden_state)
    leading = {"vit": (True, 0), "dinov2": (True, 4), "siglip": (False, 0)}[folder.name]
    assert {(layer.class_token, layer.registers) for layer in backbone.layers[:-1]} == {leading}
    patches = theirs.hidden_states[2][:, int(leading[0]) + leading[1] :]
    layer = backbone.layers[2]
    averaged = pool(found[2], layout=layer.layout, class_token=layer.class_token, registers=layer.registers)
    assert patches.shape[1] == 16
    torch.testing.assert_close(averaged, patches.mean(1))


@pytest.mark.parametrize(
    ("folder", "layouts"),
    [("convnext", ["NCHW"] * 5 + ["ND"]), ("swin", ["NLD"] * 3 + ["ND"])],
    indirect=["folder"],
)
def test_hierarchical_models_have_their_stages(folder: Path, layouts: list[str]) -> None:
    backbone = load_backbone(f"hf:{folder}")
    assert [layer.layout for layer in backbone.layers] == layouts
    assert not any(layer.class_token or layer.registers for layer in backbone.layers)
    with torch.inference_mode():
        theirs = transformers.AutoModel.from_pretrained(folder).eval()(X, output_hidden_states=True)
    found = _read(backbone)
    assert torch.equal(found["pooled"], theirs.pooler_output)
    if folder.name == "convnext":
        for ours, expected in zip(found.values(), theirs.hidden_states, strict=False):
            assert torch.equal(ours, expected)


def test_a_model_of_images_and_texts_gives_its_vision_part(tmp_path: Path) -> None:
    texts = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.CLIPConfig(text_config=texts, vision_config=TINY)
    model = transformers.CLIPModel(config).eval()
    model.save_pretrained(tmp_path)
    backbone = load_backbone(f"hf:{tmp_path}")
    with torch.inference_mode():
        theirs = model.vision_model(X)
    assert torch.equal(_read(backbone, "pooled")["pooled"], theirs.pooler_output)
    assert backbone.notes[0].endswith(
        "states no preprocessing: the mean and standard deviation of ImageNet are assumed"
    )
    assert backbone.preprocessing.size == 32


def test_images_are_prepared_as_the_processor_prepares_them(folder: Path) -> None:
    image = Image.fromarray(
        torch.randint(0, 256, (40, 60, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()
    )
    theirs = transformers.ViTImageProcessorPil.from_pretrained(folder)(image, return_tensors="pt")["pixel_values"][0]
    ours = load_backbone(f"hf:{folder}").preprocessing
    assert ours.squash
    torch.testing.assert_close(ours(image), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224}}, (224, 256, False)),
        ({"size": {"height": 224, "width": 224}}, (224, 224, True)),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, (224, 256, False)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, 384, True)),
        ({"size": {"shortest_edge": 224}}, (224, 224, False)),
    ],
)
def test_a_processors_sizes_are_understood(stated: dict[str, Any], expected: tuple[int, int, bool]) -> None:
    from reprq.backbones.sources.image_processors import processor_preprocessing

    found = processor_preprocessing(stated)
    assert (found.size, found.resize, found.squash) == expected
    plain = processor_preprocessing(stated | {"do_normalize": False, "do_rescale": False})
    assert (plain.mean, plain.std, plain.value_range) == ((0.0,) * 3, (1.0,) * 3, 255.0)


def test_weights_may_be_random_or_of_a_file(folder: Path, tmp_path: Path) -> None:
    default = load_backbone(f"hf:{folder}")
    digests = [load_backbone(f"hf:{folder}", "random", seed=seed).weights_digest for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2] != default.weights_digest
    state = {f"module.encoder.{key}": value for key, value in default.network.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    again = load_backbone(f"hf:{folder}", tmp_path / "w.safetensors")
    assert again.weights_digest == default.weights_digest
    assert (default.weights, again.weights) == ("default: vit", "file:w.safetensors")


def test_a_pooler_without_weights_is_left_out(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in state.items() if "pooler" not in k}, folder / "model.safetensors", {"format": "pt"})
    backbone = load_backbone(f"hf:{folder}")
    assert [layer.name for layer in backbone.layers][-1] == "layers.2"
    assert backbone.notes == ("vit lacks pooler.dense.bias, pooler.dense.weight, among 2 weights",)
    save_file({k: v for k, v in state.items() if "layernorm" not in k}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match="the weights of hf:.*vit lack 'layernorm.bias', among"):
        load_backbone(f"hf:{folder}")


def test_loading_says_nothing_on_its_own(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_backbone(f"hf:{folder}")
    assert capfd.readouterr() == ("", "")


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="hf:.* is not the folder of a model of Hugging Face: ") as caught:
        load_backbone(f"hf:{tmp_path}")
    assert "\n" not in str(caught.value)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "none such"}))
    with pytest.raises(WeightsError, match="is not the folder of a model of Hugging Face"):
        load_backbone(f"hf:{tmp_path}")


def test_a_model_that_cannot_be_had_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reprq.backbones.sources.hub._reachable", lambda endpoint: False)
    with pytest.raises(
        DownloadError, match=r"hf:no/such is neither a folder, nor on this machine.*give hf:PATH"
    ) as caught:
        load_backbone("hf:no/such")
    assert "\n" not in str(caught.value)


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"needs transformers, which is not installed; run pip install 'reprq\[hf\]'"):
        load_backbone("hf:google/vit-base-patch16-224")

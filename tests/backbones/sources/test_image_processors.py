"""Every image processor of Hugging Face is followed, or refused in one sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reprq.backbones import load_backbone
from reprq.backbones.sources.image_processors import followed
from reprq.errors import InputError

transformers: Any = pytest.importorskip("transformers", reason="transformers is an optional extra")

SQUARE, SHORT = {"height": 40, "width": 40}, {"shortest_edge": 40}
CROP = {"do_center_crop": True, "crop_size": {"height": 32, "width": 32}}
FOLLOWED: dict[str, tuple[str, dict[str, Any]]] = {
    "squash": ("ViTImageProcessor", {"size": SQUARE}),
    "squash in PIL": ("ViTImageProcessorPil", {"size": SQUARE}),
    "nearest": ("ViTImageProcessorPil", {"size": SQUARE, "resample": 0}),
    "lanczos": ("ViTImageProcessorPil", {"size": SQUARE, "resample": 1}),
    "bicubic": ("ViTImageProcessor", {"size": SQUARE, "resample": 3}),
    "shorter side, then a crop": ("CLIPImageProcessor", {"size": SHORT, **CROP}),
    "squash, then a crop": ("DeiTImageProcessor", {"size": SQUARE, **CROP}),
    "size as a number": ("ViTImageProcessor", {"size": 40}),
    "crop_pct below 384": ("ConvNextImageProcessor", {"size": SHORT, "crop_pct": 0.8}),
    "crop_pct from 384": ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
    "crop_pct of PoolFormer": ("PoolFormerImageProcessor", {"size": SHORT, "crop_size": SQUARE, "crop_pct": 0.8}),
    "LeViT's rule in code": (
        "LevitImageProcessor",
        {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}},
    ),
    "BGR without normalization": ("MobileViTImageProcessor", {"size": SHORT, "crop_size": {"height": 32, "width": 32}}),
    "another factor": (
        "ViTImageProcessor",
        {"size": SQUARE, "rescale_factor": 1 / 127.5, "image_mean": 1.0, "image_std": 1.0},
    ),
    "a factor without normalization": (
        "ViTImageProcessor",
        {"size": SQUARE, "rescale_factor": 1 / 256, "do_normalize": False},
    ),
    "no rescaling": ("ViTImageProcessor", {"size": SQUARE, "do_rescale": False, "image_mean": [100.0, 90.0, 80.0]}),
    "neither": ("ViTImageProcessor", {"size": SQUARE, "do_rescale": False, "do_normalize": False}),
    "an offset": ("VivitImageProcessor", {"size": SHORT, "crop_size": {"height": 32, "width": 32}}),
    "normalized twice": ("EfficientNetImageProcessor", {"size": SQUARE, "include_top": True, "rescale_offset": True}),
    "defaults of its own": ("ChameleonImageProcessor", {"size": SHORT, "crop_size": {"height": 40, "width": 40}}),
    "frames": ("VideoMAEImageProcessor", {"size": SHORT, "crop_size": {"height": 32, "width": 32}}),
}


def _photo(width: int, height: int) -> Image.Image:
    """Slopes, an edge and texture, unlike the images that the comparison itself uses."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(x / (7 + 2 * c)) * np.cos(y / 11) + 30 * (x > y) for c in range(3)]
    return Image.fromarray(np.clip(np.stack(waves, -1), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("how", FOLLOWED)
@pytest.mark.parametrize("shape", [(200, 130), (50, 90)])
def test_what_a_processor_does_is_followed(how: str, shape: tuple[int, int]) -> None:
    kind, options = FOLLOWED[how]
    processor = getattr(transformers, kind)(**options)
    image = _photo(*shape)
    theirs = torch.as_tensor(np.asarray(processor(image, return_tensors="pt")["pixel_values"])).float()
    ours = followed(processor, "hf:x", {})(image)
    theirs = theirs.reshape(ours.shape)
    assert (ours - theirs).abs().mean() < 0.02 * (theirs.max() - theirs.min())  # a crop may lie one pixel elsewhere


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a longer side": (
        "DetrImageProcessor",
        {"size": {"shortest_edge": 40, "longest_edge": 60}},
        "here they are squares",
    ),
    "height and width": (
        "ViTImageProcessor",
        {"size": {"height": 40, "width": 60}},
        r"40 x 60 pixels, and here they are",
    ),
    "a shorter side, whole": ("CLIPImageProcessor", {"size": SHORT, "do_center_crop": False}, "here they are squares"),
    "no resizing": ("ViTImageProcessor", {"do_resize": False}, "makes images of .* pixels, and here they are squares"),
    "a border": (
        "CLIPImageProcessor",
        {"size": SHORT, "crop_size": {"height": 64, "width": 64}},
        "resizes or crops in a way",
    ),
    "padding": ("Owlv2ImageProcessor", {"size": SQUARE}, "resizes or crops in a way"),
    "a crop before": ("PerceiverImageProcessor", {"size": SQUARE}, "resizes or crops in a way"),
    "gray": ("SuperPointImageProcessor", {"size": SQUARE, "do_grayscale": True}, "changes colors in a way"),
    "patches": ("Siglip2ImageProcessor", {}, r"makes a tensor of shape \(1, 256, 768\) of one image"),
    "clusters": ("ImageGPTImageProcessor", {}, "makes no tensor of one image"),
    "more than an image": ("VitPoseImageProcessor", {}, "makes no tensor of one image .*boxes"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_cannot_be_followed_is_refused_unless_the_user_decides(how: str) -> None:
    kind, options, message = REFUSED[how]
    processor = getattr(transformers, kind)(**options)
    with pytest.raises(InputError, match=rf"the image processor of hf:x \({kind}\) .*{message}.*--size") as refused:
        followed(processor, "hf:x", {})
    assert "\n" not in str(refused.value)
    own = {"size": 32, "mean": 0.5, "std": 0.25}
    chosen = followed(processor, "hf:x", own)
    assert (chosen.size, chosen.mean, chosen.std) == (32, (0.5,) * 3, (0.25,) * 3)
    if "--mean" not in str(refused.value):  # the colors alone can be followed
        assert followed(processor, "hf:x", {"size": 32}).size == 32


@pytest.mark.skipif(
    tuple(map(int, transformers.__version__.split(".")[:2])) < (5, 22), reason="it resized otherwise before"
)
def test_a_pad_to_a_square_of_the_mean_color_is_followed() -> None:
    processor = transformers.JanusImageProcessor(size={"height": 48, "width": 48}, background_color=[127, 127, 127])
    chosen = followed(processor, "hf:x", {})
    assert (chosen.size, chosen.crop, chosen.squash) == (48, "none", False)


TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "patch_size": 8}


def _saved(folder: Path, image_size: Any = 32) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = transformers.ViTModel(transformers.ViTConfig(**TINY, image_size=32)).eval()
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"image_size": image_size}))
    return model


def test_a_mobilevit_sees_bgr_from_0_to_1(tmp_path: Path) -> None:
    config = transformers.MobileViTConfig(
        image_size=64, hidden_sizes=[12, 16, 20], neck_hidden_sizes=[4, 8, 12, 16, 16, 16, 24], num_attention_heads=2
    )
    transformers.MobileViTModel(config).save_pretrained(tmp_path)
    size = {"height": 64, "width": 64}
    transformers.MobileViTImageProcessor(size={"shortest_edge": 72}, crop_size=size).save_pretrained(tmp_path)
    prepared = load_backbone(f"hf:{tmp_path}").preprocessing
    assert (prepared.size, prepared.resize, prepared.channels) == (64, 72, "bgr")
    assert [str(value) for value in (*prepared.mean, *prepared.std)] == ["0.0"] * 3 + [
        "1.0"
    ] * 3  # -0.0 is another text
    torch.testing.assert_close(prepared(Image.new("RGB", (9, 9), "red"))[:, 0, 0], torch.tensor([0.0, 0.0, 1.0]))


def test_a_model_of_timm_that_transformers_wraps_has_timms_layers_and_preprocessing(tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="timm is an optional extra")
    stated = {"input_size": [3, 64, 64], "crop_pct": 0.875, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    stated |= {"interpolation": "bicubic", "crop_mode": "center", "classifier": "fc", "first_conv": "conv1"}
    config = transformers.TimmWrapperConfig.from_dict(
        {"architecture": "resnet10t", "num_classes": 10, "pretrained_cfg": stated}
    )
    transformers.TimmWrapperModel(config).save_pretrained(tmp_path)
    backbone = load_backbone(f"hf:{tmp_path}")
    prepared = backbone.preprocessing
    assert (prepared.size, prepared.resize, prepared.mean, prepared.interpolation) == (
        64,
        73,
        (0.1, 0.2, 0.3),
        "bicubic",
    )
    assert [layer.name for layer in backbone.layers] == ["act1", "layer1", "layer2", "layer3", "layer4", "pooled"]
    theirs = transformers.AutoImageProcessor.from_pretrained(tmp_path)(_photo(90, 120), return_tensors="pt")[
        "pixel_values"
    ][0]
    torch.testing.assert_close(prepared(_photo(90, 120)), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("stated", [32, [32, 32]])
def test_a_size_may_be_stated_as_a_list(stated: Any, tmp_path: Path) -> None:
    _saved(tmp_path, stated)
    backbone = load_backbone(f"hf:{tmp_path}")
    assert backbone.preprocessing.size == 32
    assert backbone.notes[0].endswith(
        "states no preprocessing: the mean and standard deviation of ImageNet are assumed"
    )


def test_images_that_are_no_squares_are_refused(tmp_path: Path) -> None:
    _saved(tmp_path, [32, 64])
    with pytest.raises(InputError, match="takes images of 32 x 64 pixels, and here they are squares"):
        load_backbone(f"hf:{tmp_path}")


def test_positions_are_interpolated_to_the_size_that_the_user_gives(tmp_path: Path) -> None:
    model = _saved(tmp_path)
    backbone = load_backbone(f"hf:{tmp_path}", preprocessing={"size": 48})
    assert backbone.notes[1] == "positions are interpolated from images of 32 pixels to 48"
    assert (backbone.layers[1].class_token, backbone.layers[1].registers) == (True, 0)
    images = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = backbone.network(images).last_hidden_state
        theirs = model(images, interpolate_pos_encoding=True).last_hidden_state
    assert ours.shape == (2, 37, 16)
    torch.testing.assert_close(ours, theirs)


def test_a_processor_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    _saved(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "OurOwnImageProcessor"}))
    with pytest.raises(InputError, match=r"the image processor of hf:.* cannot be read \(.*--size, --mean, --std"):
        load_backbone(f"hf:{tmp_path}")
    chosen = load_backbone(f"hf:{tmp_path}", preprocessing={"size": 32, "mean": 0.5, "std": 0.5})
    assert chosen.preprocessing.mean == (0.5,) * 3


def test_a_processor_that_may_be_on_the_hub_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--some--vit"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123")
    _saved(repository / "snapshots" / "0123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("reprq.backbones.sources.hub._reachable", lambda endpoint: False)
    with pytest.raises(
        InputError, match=r"the image processor of hf:some/vit cannot be read \(.*--size, --mean, --std"
    ):
        load_backbone("hf:some/vit")
    assert load_backbone("hf:some/vit", preprocessing={"size": 32, "mean": 0.5, "std": 0.5}).notes == ()
    (repository / ".no_exist" / "0123").mkdir(parents=True)
    (repository / ".no_exist" / "0123" / "preprocessor_config.json").touch()  # the hub was asked, and has none
    assert "states no preprocessing" in load_backbone("hf:some/vit").notes[0]

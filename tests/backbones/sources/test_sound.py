"""The statistics of sounds that need no network."""

import numpy as np
import pytest
import torch

from reprq.backbones import load_backbone
from reprq.data.audio.decoding import Clip
from reprq.errors import InputError

CLIP = Clip(np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32), 8000)
SMALL = {"sample_rate": 8000, "seconds": 0.5, "n_fft": 256, "hop": 80, "n_mels": 24}


def test_coefficients_are_their_formula_and_statistics_the_moments_of_frames() -> None:
    backbone = load_backbone("mfcc", preprocessing=SMALL)
    level = backbone.preprocessing(CLIP).numpy().astype(np.float64)
    k, m = np.arange(20)[:, None], np.arange(24)[None]
    scale = np.where(k == 0, np.sqrt(1 / 24), np.sqrt(2 / 24))
    expected = (scale * np.cos(np.pi * k * (2 * m + 1) / 48)) @ level
    frames = backbone.network.frames(backbone.preprocessing(CLIP)[None])[0].numpy()  # type: ignore[operator]
    np.testing.assert_allclose(frames.T, expected, atol=1e-3)
    found = backbone.network(backbone.preprocessing(CLIP)[None])[0].detach().numpy()
    np.testing.assert_allclose(found, np.r_[expected.mean(1), expected.std(1)], atol=1e-3)


def test_coefficients_are_librosas() -> None:
    librosa = pytest.importorskip("librosa", reason="an oracle that need not be installed")
    backbone = load_backbone("mfcc", preprocessing=SMALL)
    named = {"n_fft": 256, "hop_length": 80, "n_mels": 24, "pad_mode": "constant"}
    expected = librosa.feature.mfcc(y=CLIP.values.astype(np.float64), sr=8000, n_mfcc=20, **named)
    frames = backbone.network.frames(backbone.preprocessing(CLIP)[None])[0].numpy()  # type: ignore[operator]
    np.testing.assert_allclose(frames.T, expected, atol=1e-4, rtol=1e-5)


def test_bands_alone_have_their_moments_too() -> None:
    backbone = load_backbone("logmel", preprocessing=SMALL)
    level = backbone.preprocessing(CLIP)
    assert [(layer.name, layer.layout) for layer in backbone.layers] == [("frames", "NLD"), ("statistics", "ND")]
    expected = torch.cat([level.mean(1), level.std(1, correction=0)])
    torch.testing.assert_close(backbone.network(level[None])[0], expected)


def test_weights_and_too_few_bands_are_refused() -> None:
    with pytest.raises(InputError, match="mfcc has no weights, got 'random'; leave them out"):
        load_backbone("mfcc", "random")
    with pytest.raises(InputError, match="mfcc needs at least 20 bands, got n_mels 12; give more"):
        load_backbone("mfcc", preprocessing={"n_mels": 12})
    with pytest.raises(InputError, match="preprocessing of sounds has no key 'size'; valid are sample_rate"):
        load_backbone("logmel", preprocessing={"size": 32})

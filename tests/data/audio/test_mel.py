"""Log-Mel spectrograms: their formula as a loop, and librosa's and torchaudio's values where these are installed."""

import numpy as np
import pytest

from reprq.data.audio.decoding import Clip
from reprq.data.audio.lengths import Lengths
from reprq.data.audio.mel import LogMel, to_hertz, to_mel
from reprq.data.audio.transforms import Spectrogram
from reprq.errors import InputError, UnknownNameError

SETTINGS = [
    {"n_fft": 256, "hop": 80, "n_mels": 20},
    {"n_fft": 255, "hop": 100, "n_mels": 12, "mel": "htk", "f_min": 100.0, "f_max": 3500.0},
]
SOUND = np.random.default_rng(0).normal(0, 0.1, 1000) + 0.5 * np.sin(2 * np.pi * 700 * np.arange(1000) / 8000)


@pytest.mark.parametrize("how", SETTINGS)
def test_it_is_its_formula(how: dict[str, float]) -> None:
    logmel = LogMel(**how)  # type: ignore[arg-type]
    n, hop = logmel.n_fft, logmel.hop
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    padded = np.concatenate([np.zeros(n // 2), SOUND, np.zeros(n)])
    edges = to_hertz(
        np.linspace(*to_mel(np.array([logmel.f_min, logmel.f_max or 4000.0]), logmel.mel), logmel.n_mels + 2),
        logmel.mel,
    )
    expected = np.zeros((logmel.n_mels, 1 + len(SOUND) // hop))
    for t in range(expected.shape[1]):
        power = np.abs(np.fft.fft(padded[t * hop : t * hop + n] * window)[: n // 2 + 1]) ** 2
        for m in range(logmel.n_mels):
            low, peak, high = edges[m : m + 3]
            for k, value in enumerate(power):
                f = k * 8000 / n
                weight = max(0.0, min((f - low) / (peak - low), (high - f) / (high - peak)))
                expected[m, t] += 2 / (high - low) * weight * value
    level = 10 * np.log10(np.maximum(expected, 1e-10))
    np.testing.assert_allclose(logmel(SOUND, 8000), np.maximum(level, level.max() - 80), atol=1e-4)


@pytest.mark.parametrize("how", SETTINGS)
def test_it_is_librosas(how: dict[str, float]) -> None:
    librosa = pytest.importorskip("librosa", reason="an oracle that need not be installed")
    named = {"n_fft": how["n_fft"], "hop_length": how["hop"], "n_mels": how["n_mels"], "htk": how.get("mel") == "htk"}
    named |= {"fmin": how.get("f_min", 0.0), "fmax": how.get("f_max"), "pad_mode": "constant"}
    power = librosa.feature.melspectrogram(y=SOUND, sr=8000, **named)
    expected = librosa.power_to_db(power, ref=1.0, top_db=80)
    found = LogMel(**how)(SOUND, 8000)  # type: ignore[arg-type]
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=1e-5)  # an odd n_fft has a frame more here


@pytest.mark.parametrize("mel", ["slaney", "htk"])
def test_its_filters_are_torchaudios(mel: str) -> None:
    functional = pytest.importorskip("torchaudio.functional", reason="an oracle that need not be installed")
    expected = functional.melscale_fbanks(129, 0.0, 4000.0, 20, 8000, norm="slaney", mel_scale=mel).T.numpy()
    np.testing.assert_allclose(LogMel(n_fft=256, n_mels=20, mel=mel).filters(8000), expected, atol=1e-5)


@pytest.mark.parametrize("mel", ["slaney", "htk"])
def test_the_scale_rises_and_is_undone(mel: str) -> None:
    hertz = np.linspace(0, 20000, 999)
    found = to_mel(hertz, mel)
    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose(to_hertz(found, mel), hertz, atol=1e-8)


def test_twice_as_loud_is_six_decibels_more_and_silence_is_the_floor() -> None:
    logmel = LogMel(n_fft=256, n_mels=20)
    np.testing.assert_allclose(logmel(2 * SOUND, 8000) - logmel(SOUND, 8000), 20 * np.log10(2), atol=1e-4)
    assert (logmel(np.zeros(500), 8000) == -100).all()
    assert np.ptp(LogMel(n_fft=256, n_mels=20, top_db=10)(SOUND, 8000)) <= 10


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"n_mels": 0}, "n_mels must be a whole number from 1"),
        ({"n_fft": 1}, "n_fft must be a whole number from 2"),
        ({"hop": 2.5}, "hop must be a whole number from 1 to 65536, got 2.5"),
        ({"top_db": -3}, "top_db must be a number of dB above 0, got -3"),
        ({"f_min": -1}, "f_min must be a frequency in Hz of 0 or more, got -1"),
        ({"f_min": 5000, "f_max": 4000}, "f_min and f_max must rise and end at half the sample rate, 8000 Hz"),
        ({"f_max": 9000}, "got 0 and 9000"),
        ({"n_mels": 500}, r"n_mels 500 leaves \d+ bands without a frequency of n_fft 1024 at 16000 Hz; give fewer"),
    ],
)
def test_what_cannot_be_is_told(how: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Spectrogram(Lengths(), LogMel(**how))  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="unknown value of preprocessing mel 'bark'"):
        LogMel(mel="bark")


@pytest.mark.parametrize("n_fft", [4, 5, 255, 256, 1023, 1024])
def test_a_window_fills_half_a_frame_or_is_refused(n_fft: int) -> None:
    logmel = LogMel(n_fft=n_fft, n_mels=1)
    enough = -(-n_fft // 2)
    shortest = Lengths(sample_rate=8000, seconds=enough / 8000)
    assert Spectrogram(shortest, logmel)(Clip(np.ones(enough, np.float32), 8000)).shape[0] == 1
    with pytest.raises(InputError, match=r"seconds must fill half a frame, .* s at 8000 Hz, got .* s; give more"):
        Spectrogram(Lengths(sample_rate=8000, seconds=(enough - 1) / 8000), logmel)

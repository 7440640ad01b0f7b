"""Spectrograms as the pictures that networks of images take."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from reprq.backbones import Preprocessing, load_backbone
from reprq.data.audio.decoding import Clip
from reprq.data.audio.mel import LogMel
from reprq.data.audio.picture import SpectrogramPicture
from reprq.data.audio.sources import Clips
from reprq.data.audio.transforms import Spectrogram
from reprq.data.dataset import Dataset
from reprq.errors import InputError

RATE = 8000
OF_SOUND = {"sample_rate": RATE, "seconds": 0.5, "n_fft": 256, "hop": 80, "n_mels": 32}
SOUND = np.random.default_rng(0).normal(0, 0.1, RATE // 2).astype(np.float32)
CLIP = Clip(SOUND, RATE)


def dataset(*clips: Clip) -> Dataset:
    n = len(clips)
    ids = np.array([f"{i}" for i in range(n)])
    rows = np.arange(n)
    return Dataset("toy", "train", ("a",), np.zeros(n, np.int64), ids, Clips(clips), rows, modality="audio")


def test_a_picture_is_the_level_between_the_floor_and_the_reference() -> None:
    drawn = Preprocessing(mean=(0.5,) * 3, std=(0.25,) * 3).replace(size=32, **OF_SOUND)
    assert isinstance(drawn, SpectrogramPicture)
    level = LogMel(256, 80, 32)(SOUND, RATE)
    gray = np.clip((level - level.max()) / 80 + 1, 0, 1)[::-1]
    np.testing.assert_allclose(drawn.gray(CLIP), gray, atol=1e-6)
    resized = np.asarray(Image.fromarray(gray.astype(np.float32)).resize((32, 32), Image.Resampling.BILINEAR))
    expected = (resized - 0.5) / 0.25
    assert drawn(CLIP).shape == (3, 32, 32)
    for channel in drawn(CLIP).numpy():
        np.testing.assert_allclose(channel, expected, atol=1e-5)


def test_a_fixed_reference_tells_how_loud_a_clip_is_and_the_clips_own_does_not() -> None:
    quiet = Clip(SOUND / 10, RATE)
    own = Preprocessing().replace(size=16, **OF_SOUND)
    fixed = own.replace(reference=10)
    np.testing.assert_allclose(own(quiet), own(CLIP), atol=1e-4)
    assert (fixed(quiet) < fixed(CLIP) - 0.5).float().mean() > 0.9
    assert fixed.to_dict() == own.replace(reference=10.0).to_dict()
    black = own(Clip(np.zeros(100, np.float32), RATE))
    np.testing.assert_allclose(black[:, 0, 0], [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rtol=1e-5)


def test_channels_and_ranges_of_values_are_those_of_the_network() -> None:
    caffe = Preprocessing().replace(size=16, channels="bgr", value_range=255, mean=[104, 117, 123], std=1, **OF_SOUND)
    pixels = 255 * Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3).replace(size=16, **OF_SOUND)(CLIP)
    np.testing.assert_allclose(caffe(CLIP), pixels - torch.tensor([104.0, 117, 123]).view(3, 1, 1), atol=1e-3)
    gray = Preprocessing().replace(size=16, channels="gray", **OF_SOUND)
    assert gray(CLIP).shape == (1, 16, 16)


def test_time_runs_right_and_pitch_upwards_and_axes_say_so() -> None:
    time = np.arange(RATE // 2) / RATE
    late_and_high = np.where(time > 0.25, np.sin(2 * np.pi * 3000 * time), 0).astype(np.float32)
    drawn = Preprocessing().replace(size=32, **OF_SOUND)
    row, column = np.unravel_index(drawn.gray(Clip(late_and_high, RATE))[:, 30:].argmax(), (32, 21))
    axes = drawn.axes
    assert drawn.picture(CLIP).size == drawn.picture_size(dataset(CLIP), 0) == (51, 32)
    assert abs(axes.rows[row] - 3000) < 150
    assert axes.columns[30 + column] > 0.25
    assert (axes.across, axes.up) == ("time in s", "frequency in Hz")
    assert (np.diff(axes.rows) < 0).all()
    np.testing.assert_allclose(axes.columns[[0, -1]], [0, 0.5])


def test_of_several_windows_the_mean_is_drawn() -> None:
    how = OF_SOUND | {"seconds": 0.25, "long": "windows"}
    transform = Spectrogram().replace(**how)
    both = [Clip(SOUND[: RATE // 4], RATE), Clip(SOUND[RATE // 4 :], RATE)]
    np.testing.assert_allclose(transform(CLIP), (transform(both[0]) + transform(both[1])) / 2, atol=1e-4)


@pytest.mark.parametrize(
    ("key", "value"),
    [("seconds", 0.25), ("n_mels", 16), ("mel", "htk"), ("short", "loop"), ("reference", 3), ("hop", 7)],
)
def test_every_option_is_in_the_address(key: str, value: object) -> None:
    drawn = Preprocessing().replace(size=32, **OF_SOUND)
    other = drawn.replace(**{key: value})
    assert other.to_dict() != drawn.to_dict()
    assert json.loads(json.dumps(other.to_dict())) == other.to_dict()
    assert Preprocessing(size=64, resize=80).replace(**other.overrides()) == other


def test_what_cannot_be_asked_is_told() -> None:
    drawn = Preprocessing().replace(size=32, **OF_SOUND)
    with pytest.raises(InputError, match="preprocessing of sounds has no key 'crop'; valid are size, mean, std"):
        drawn.replace(crop="center")
    assert drawn.replace(squash=True, crop="none") == drawn
    with pytest.raises(InputError, match="reference must be a level in dB or 'clip', got 'loudest'"):
        drawn.replace(reference="loudest")
    with pytest.raises(InputError, match=r"a sound must be a reprq.data.audio.decoding.Clip, got a ndarray"):
        drawn(np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="preprocessing has no key 'n_melz'"):
        Preprocessing().replace(n_melz=3)


def test_a_network_of_images_takes_sounds_and_then_no_images() -> None:
    backbone = load_backbone("lenet", "random")
    drawn = backbone.taking(dataset(CLIP))
    assert (drawn.preprocessing.modality, drawn.input_shape) == ("audio", (3, 32, 32))
    assert drawn.taking(dataset(CLIP)) is drawn
    digits = pytest.importorskip("reprq").load_dataset("digits")
    assert backbone.taking(digits) is backbone
    with pytest.raises(InputError, match="backbone lenet takes clips, and digits holds images; give clips"):
        drawn.taking(digits)
    with pytest.raises(InputError, match="backbone mfcc takes clips, and digits holds images; give clips"):
        load_backbone("mfcc").taking(digits)


def test_what_is_heard_of_clips_is_said() -> None:
    long, other = Clip(np.resize(SOUND, RATE), RATE), Clip(SOUND[:1000], 4000)
    seen = Preprocessing().replace(size=32, **OF_SOUND).seen(dataset(CLIP, long, other))
    assert seen.record == {"clips": {"resampled": 1, "short": 1, "long": 1, "dropped": round(0.5 / 1.75, 4)}}
    assert seen.notes == [
        "1 of 3 clips of toy train are resampled to 8000 Hz",
        "1 of 3 clips of toy train last less than 0.5 s: silence is put after them",
        "1 of 3 clips of toy train last more than 0.5 s: the middle counts, and 29 % of all sound is cut off; --sound"
        " seconds=N or long=windows keeps more",
    ]
    whole = Preprocessing().replace(size=32, **OF_SOUND, long="windows", short="loop").seen(dataset(long, other))
    assert whole.record["clips"]["dropped"] == 0
    assert whole.notes[1:] == [
        "1 of 2 clips of toy train last less than 0.5 s: they are repeated",
        "1 of 2 clips of toy train last more than 0.5 s: their windows are averaged",
    ]

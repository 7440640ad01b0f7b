"""Sound files that are whole, and the many ways in which they are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from reprq.data import load_dataset
from reprq.data.audio.decoding import Clip, SoundFileError, decode, read_header
from reprq.errors import DataError, InputError

Write = Callable[..., Path]
Tone = Callable[..., NDArray[np.float32]]

FORMATS = [
    ("a.wav", {"subtype": "PCM_16"}, 2**-15),
    ("a.wav", {"subtype": "PCM_24"}, 2**-23),
    ("a.wav", {"subtype": "PCM_U8"}, 2**-7),
    ("a.wav", {"subtype": "FLOAT"}, 0.0),
    ("a.flac", {}, 2**-15),
    ("a.ogg", {}, 0.05),
    ("a.aiff", {}, 2**-15),
]


@pytest.mark.parametrize(("name", "how", "tolerance"), FORMATS)
def test_a_file_gives_the_values_that_were_written(
    name: str, how: dict[str, str], tolerance: float, write: Write, tone: Tone
) -> None:
    values = tone(440)
    clip = decode(write(name, values, **how))
    assert (clip.rate, clip.values.dtype, clip.seconds) == (8000, np.float32, 0.5)
    assert np.abs(clip.values - values).max() <= tolerance


def test_several_channels_are_averaged_and_a_header_says_how_many(write: Write, tone: Tone) -> None:
    path = write("a.wav", np.stack([tone(440), np.zeros(4000, np.float32)], axis=1), subtype="FLOAT")
    np.testing.assert_array_equal(decode(path).values, tone(440) / 2)
    header = read_header(path)
    assert (header.rate, header.channels, header.values, header.seconds) == (8000, 2, 4000, 0.5)


def test_what_a_file_holds_counts_and_not_what_it_is_called(write: Write, tone: Tone) -> None:
    path = write("a.flac", tone(440))
    assert decode(path.rename(path.with_suffix(".wav"))) == decode(path.with_suffix(".wav"))
    assert len(decode(path.with_suffix(".wav")).values) == 4000


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


def made(content: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return make


BROKEN = {
    "empty": (made(b""), "is no sound that libsndfile reads: it is empty; repair or remove it"),
    "page": (made(b"<html>not found</html>"), "it is an HTML or XML page"),
    "video": (made(b"\0\0\0\x18ftypmp42" + bytes(64)), "it is a video, or sound packed as one"),
    "webm": (made(b"\x1a\x45\xdf\xa3" + bytes(64)), "it is a video"),
    "avi": (made(b"RIFF\x10\0\0\0AVI " + bytes(64)), "it is a video"),
    "png": (made(b"\x89PNG\r\n\x1a\n" + bytes(64)), "it is an image"),
    "pointer": (made(b"version https://git-lfs.github.com/spec/v1\n"), "it is a pointer of Git LFS"),
    "archive": (made(b"PK\x03\x04" + bytes(64)), "it is a compressed archive"),
    "noise": (made(bytes(range(1, 256))), "is no sound that libsndfile reads: "),
    "missing": (lambda path: path, "cannot be read: No such file or directory"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_sound_is_told_in_a_sentence(what: str, tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="sounds need soundfile, of the extra audio")
    make, sentence = BROKEN[what]
    path = make(tmp_path / "a.wav")
    with pytest.raises(SoundFileError) as caught:
        decode(path)
    assert str(caught.value).startswith(f"the sound {path} ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_truncated_file_is_refused(name: str, write: Write) -> None:
    path = write(name, np.random.default_rng(0).uniform(-0.5, 0.5, 40000))
    decode(path)
    with pytest.raises(SoundFileError, match=r"is truncated|does not decode|is no sound"):
        decode(cut(path))


def test_no_value_and_values_that_are_no_numbers_are_refused(write: Write) -> None:
    with pytest.raises(SoundFileError, match="holds no sound: it has no value"):
        decode(write("a.wav", np.zeros(0)))
    for bad in (np.nan, np.inf):
        with pytest.raises(SoundFileError, match="holds a nan or an inf"):
            decode(write("a.wav", np.array([0.0, bad]), subtype="FLOAT"))


def test_a_wav_of_unknown_size_is_read(write: Write, tone: Tone) -> None:
    path = write("a.wav", tone(440))
    content = bytearray(path.read_bytes())
    content[4:8] = b"\xff" * 4
    path.write_bytes(content)
    assert len(decode(path).values) == 4000


def test_broken_files_are_named_together_or_left_out(write: Write, tmp_path: Path, tone: Tone) -> None:
    for label in ("a", "b"):
        for i in range(4):
            write(f"{label}/{i}.wav", tone(200 + 50 * i))
    (tmp_path / "a" / "0.wav").write_bytes(b"")
    cut(tmp_path / "b" / "1.wav")
    with pytest.raises(DataError, match=r"2 of 8 clips of audio:.* cannot be used: .*--skip-broken"):
        load_dataset(f"audio:{tmp_path}", whole=True).verify()
    data = load_dataset(f"audio:{tmp_path}", whole=True, skip_broken=True)
    assert len(data) == 6
    assert data.reading["skipped"] == ["a/0.wav", "b/1.wav"]


@pytest.mark.parametrize(
    ("values", "rate", "sentence"),
    [
        (np.zeros(3), 8000, r"must be \(n,\) float32 with n at least 1, got float64 of shape \(3,\)"),
        (np.zeros((2, 2), np.float32), 8000, r"got float32 of shape \(2, 2\)"),
        (np.zeros(0, np.float32), 8000, r"got float32 of shape \(0,\)"),
        ([0.0], 8000, "got a list"),
        (np.zeros(3, np.float32), 0, "rate of a clip must be a whole number of values a second, got 0"),
        (np.zeros(3, np.float32), 8e3, "got 8000.0"),
    ],
)
def test_a_clip_says_what_it_must_be(values: object, rate: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Clip(values, rate)  # type: ignore[arg-type]

"""Vectors of words from files: their formats, their faults, and rows that hang on no batch."""

import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest

from reprq import extract
from reprq.backbones import load_backbone
from reprq.backbones.sources.word_vectors import read_word_vectors
from reprq.errors import InputError, WeightsError

GLOVE = "the 0.5 1 -2\ncat 1e-1 0 3\nsat 4 5 6\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("header", ["", "3 3\n"])
@pytest.mark.parametrize("suffix", ["txt", "vec", "txt.gz", "txt.xz"])
def test_the_text_formats_of_glove_and_word2vec_packed_or_not(tmp_path: Path, header: str, suffix: str) -> None:
    path, content = tmp_path / f"vectors.{suffix}", (header + GLOVE).encode()
    packed = {"gz": gzip.compress, "xz": lzma.compress}.get(suffix[-2:], bytes)
    path.write_bytes(packed(content))
    words, vectors = read_word_vectors(path)
    assert words == ("the", "cat", "sat")
    np.testing.assert_array_equal(vectors, np.array([[0.5, 1, -2], [0.1, 0, 3], [4, 5, 6]], np.float32))


def test_a_word_may_hold_spaces_and_the_first_of_two_counts(tmp_path: Path) -> None:
    words, vectors = read_word_vectors(write(tmp_path / "v.txt", "a 1 2\n. . . 3 4\na 5 6\n\u00e9t\u00e9 7 8 \n"))
    assert words == ("a", ". . .", "été")
    assert vectors[0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold a word and its vector a line, got no line"),
        ("the\n", "must hold a word and numbers a line, got 'the' in line 1"),
        ("the cat sat\n", "got 'the cat sat' in line 1"),
        ("a 1 2\nb 1\n", "must hold a word and 2 finite numbers a line, got 'b 1' in line 2"),
        ("a 1 2\nb 1 nan\n", "in line 2"),
        ("3 2\na 1 2\nb 3 4\n", "must hold 3 words, as its first line says, got 2"),
        ("\x00\x01", "in line 1"),
    ],
)
def test_a_file_of_something_else_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WeightsError) as caught:
        load_backbone(f"words:{write(tmp_path / 'v.txt', text)}")
    assert said in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(GLOVE.encode())[:-9])
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("cut.gz", "binary.txt", "missing.txt", "."):
        with pytest.raises(WeightsError, match="cannot be read"):
            load_backbone(f"words:{tmp_path / name}")
    with pytest.raises(InputError, match="brings its own vectors, got weights 'other.pt'"):
        load_backbone(f"words:{write(tmp_path / 'v.txt', GLOVE)}", "other.pt")


def test_a_row_is_the_mean_or_the_largest_of_its_words_in_any_batch(tmp_path: Path) -> None:
    backbone = load_backbone(f"words:{write(tmp_path / 'v.txt', GLOVE)}")
    texts = ["The cat", "sat", "nothing known", "the the cat sat sat sat"]
    one, four = (
        extract(backbone, texts, cache_dir=tmp_path / str(size), pooling="mean,max", batch_size=size, progress=False)
        for size in (1, 4)
    )
    vectors = dict(zip(*read_word_vectors(tmp_path / "v.txt"), strict=True))
    of_texts = [["the", "cat"], ["sat"], [], ["the", "the", "cat", "sat", "sat", "sat"]]
    for name, pool in (("words", np.mean), ("words@max", np.max)):
        expected = [pool([vectors[w] for w in words], axis=0) if words else np.zeros(3) for words in of_texts]
        np.testing.assert_allclose(one[name].array, expected, rtol=1e-6)
        np.testing.assert_array_equal(one[name].array, four[name].array)

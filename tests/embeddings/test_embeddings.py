from pathlib import Path

import numpy as np
import pytest

from reprq.embeddings import Embeddings, load_embeddings
from reprq.errors import CacheError, InputError


def test_ids_default_to_row_numbers_and_the_width_is_the_number_of_columns() -> None:
    x = Embeddings(np.zeros((3, 2), np.float16), "layer1")
    assert (len(x), x.width, list(x.ids)) == (3, 2, ["0", "1", "2"])
    assert repr(x) == "Embeddings(? layer1, 3 x 2 float16)"


def test_a_nan_is_refused_with_its_row_and_column() -> None:
    array = np.zeros((3, 2))
    array[1, 0] = np.nan
    with pytest.raises(InputError, match="embeddings of layer 'layer1' must be finite, got nan at row 1, column 0"):
        Embeddings(array, "layer1")


@pytest.mark.parametrize("field", ["ids", "labels"])
def test_ids_and_labels_of_another_length_are_refused(field: str) -> None:
    with pytest.raises(InputError, match=rf"{field} must have shape \(3,\), one a row of the array, got \(2,\)"):
        Embeddings(np.zeros((3, 2)), **{field: np.array([1, 2])})  # type: ignore[arg-type]


def test_npy_and_npz_files_are_read_with_their_labels(tmp_path: Path) -> None:
    x, y = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0, 1, 0])
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "b.npz", X=x, y=y)
    plain, labelled = load_embeddings(tmp_path / "a.npy"), load_embeddings(tmp_path / "b.npz")
    assert np.array_equal(plain.array, x)
    assert plain.labels is None
    assert np.array_equal(labelled.array, x)
    assert labelled.labels is not None
    assert np.array_equal(labelled.labels, y)


def test_an_npz_with_two_matrices_asks_which(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.eye(2), b=np.eye(3))
    with pytest.raises(InputError, match=r"must hold one \(n, d\) array, got \['a', 'b'\]; name one"):
        load_embeddings(tmp_path / "two.npz")
    assert len(load_embeddings(tmp_path / "two.npz", "b")) == 3
    with pytest.raises(InputError, match=r"key must be an array of .*, got 'c'; it has \['a', 'b'\]"):
        load_embeddings(tmp_path / "two.npz", "c")


def test_missing_foreign_truncated_and_pickled_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="does not exist"):
        load_embeddings(tmp_path / "none.npy")
    (tmp_path / "x.txt").write_text("1 2")
    with pytest.raises(CacheError, match=r"must be a \.npy or \.npz file"):
        load_embeddings(tmp_path / "x.txt")
    np.savez(tmp_path / "whole.npz", X=np.ones((50, 50)))
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:500])
    with pytest.raises(CacheError, match="cannot be read as embeddings"):
        load_embeddings(tmp_path / "half.npz")
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(CacheError, match="cannot be read as embeddings"):
        load_embeddings(tmp_path / "pickled.npy")


@pytest.mark.shared_data
def test_the_adbench_files_go_straight_in(shared_data: Path) -> None:
    x = load_embeddings(shared_data / "embeddings" / "CV_by_ResNet18" / "MVTec-AD_bottle.npz")
    assert x.array.shape == (292, 512)
    assert x.labels is not None
    assert set(x.labels) == {0, 1}

import numpy as np
import pytest
import torch

from reprq.errors import InputError
from reprq.validation import as_labels, as_matrix, as_scores, check_finite


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_kept_without_a_copy(dtype: type) -> None:
    x = np.ones((2, 3), dtype)
    assert as_matrix(x) is x


@pytest.mark.parametrize("x", [[[1, 2], [3, 4]], np.array([[True, False]]), np.ones((2, 2), np.int8)])
def test_integers_and_booleans_become_float64(x: object) -> None:
    assert as_matrix(x).dtype == np.float64


def test_tensors_are_taken_from_any_graph() -> None:
    assert as_matrix(torch.ones(2, 3, requires_grad=True)).shape == (2, 3)
    assert as_matrix(torch.ones(2, 3, dtype=torch.bfloat16)).dtype == np.float32


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        ([[1, 2], [3]], "must be an (n, d) array, got a ragged sequence; give rows of one length"),
        (np.ones(3), "got shape (3,); reshape one row to (1, d) or one column to (n, 1)"),
        (np.ones((2, 2, 2)), "got shape (2, 2, 2)"),
        (np.ones((2, 2), complex), "must be real numbers, got dtype complex128"),
        (np.array([["a", "b"]]), "must be real numbers, got dtype <U1"),
        (np.ones((3, 0)), "must have at least one column, got shape (3, 0)"),
        (np.ones((0, 3)), "must have at least 1 row, got 0"),
        (np.array([[1.0, np.inf]]), "must be finite, got inf at row 0, column 1 (counted from 0) (1 such values)"),
    ],
)
def test_what_is_no_matrix_is_refused_in_one_sentence(x: object, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        as_matrix(x, "z")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("z ")


def test_too_few_rows_and_another_width_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2 rows, got 1"):
        as_matrix([[1.0]], min_rows=2)
    with pytest.raises(InputError, match="must have 3 columns .* got 1"):
        as_matrix([[1.0]], columns=3)


def test_infinities_of_both_signs_do_not_cancel_and_huge_values_are_fine() -> None:
    with pytest.raises(InputError, match="got -?inf at row 10"):
        check_finite(np.array([[np.inf, -np.inf]]), "x", first_row=10)
    check_finite(np.full((4, 4), 1.7e308), "x")


def test_labels_and_scores() -> None:
    assert as_labels([0.0, 1.0], 2).dtype == np.int64
    with pytest.raises(InputError, match=r"labels must have shape \(3,\)"):
        as_labels([0, 1], 3)
    with pytest.raises(InputError, match=r"must be 0 \(benign\) or 1 \(anomalous\), got \[0, 2\]"):
        as_labels([0, 2], 2)
    with pytest.raises(InputError, match="must be finite, got nan at row 1"):
        as_scores([0, np.nan])
    with pytest.raises(InputError, match="must be a non-empty"):
        as_scores([])

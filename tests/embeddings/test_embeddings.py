import numpy as np
import pytest

from reprq.embeddings import Embeddings
from reprq.errors import InputError


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
    with pytest.raises(InputError, match=rf"{field} must have shape \(3,\), one a row(| of the array), got \(2,\)"):
        Embeddings(np.zeros((3, 2)), **{field: np.array([1, 2])})  # type: ignore[arg-type]

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.evaluation import max_over_groups


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.floats(-5, 5)), min_size=1, max_size=20))
def test_it_is_the_maximum_of_each_group(parts):
    groups, scores = zip(*parts, strict=True)
    expected = [max(s for g, s in parts if g == group) for group in sorted(set(groups))]
    np.testing.assert_array_equal(max_over_groups(scores, groups), expected)


def test_labels_of_objects():
    np.testing.assert_array_equal(max_over_groups([0, 0, 1, 0], [1, 1, 0, 0]), [1, 0])


@pytest.mark.parametrize("groups", [[1, 2], [0.5, 1.0, 2.0], [[0], [1], [2]]])
def test_groups_that_cannot_be(groups):
    with pytest.raises(InputError, match=r"groups must be integers of shape \(3,\), one a score"):
        max_over_groups([1.0, 2.0, 3.0], groups)
    with pytest.raises(InputError, match="scores must be finite"):
        max_over_groups([np.nan], [0])

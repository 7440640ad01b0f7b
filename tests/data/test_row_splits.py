"""Splits of rows that come without one: by row or by group, polluted, with known anomalies."""

import numpy as np
import pytest

from reprq.data.row_splits import row_split
from reprq.errors import InputError

TRUTH = np.repeat([0, 1], [40, 20])


def test_every_row_is_in_one_place() -> None:
    split = row_split(TRUTH, pollution=0.1, labelled=4, seed=3)
    parts = [split.train, split.labelled, split.test]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(60))
    assert TRUTH[split.labelled].tolist() == [1] * 4
    assert int(TRUTH[split.train].sum()) == 3
    assert np.array_equal(split.labels, TRUTH[split.test])


def test_known_anomalies_change_neither_what_trains_nor_what_pollutes() -> None:
    one, other = (row_split(TRUTH, pollution=0.1, labelled=n) for n in (0, 0.2))
    assert np.array_equal(one.train, other.train)
    assert len(other.labelled) == round(0.25 * len(one.train))
    assert set(other.test) < set(one.test)


def test_no_group_is_on_both_sides() -> None:
    groups = np.arange(60) // 3  # the group of rows 39 to 41 has both kinds
    split = row_split(TRUTH, groups=groups, pollution=0.1, labelled=2)
    seen = {int(group) for group in groups[np.concatenate([split.train, split.labelled])]}
    assert not seen & set(groups[split.test].tolist())
    assert 13 not in set(groups[split.train][TRUTH[split.train] == 0].tolist())
    assert np.array_equal(row_split(TRUTH, groups=np.arange(60) * 7).train, row_split(TRUTH).train)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"pollution": 0.5}, "has 20 anomalies, 28 of them would pollute; lower --pollution$"),
        ({"labelled": 20}, "20 be known; lower --pollution or --labelled"),
        ({"groups": np.zeros(60, dtype=np.int64)}, "at least 2 groups without an anomalous row, got 0"),
    ],
)
def test_what_cannot_be_split_is_said(how: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        row_split(TRUTH, **how)  # type: ignore[arg-type]

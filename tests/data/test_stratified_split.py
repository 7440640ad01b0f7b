import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.data.stratified import stratified_rows

counts = st.lists(st.integers(2, 40), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(counts=counts, seed=st.integers(0, 1000))
def test_the_sides_partition_the_rows_and_hold_every_class(counts: list[int], seed: int) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    train, test = (stratified_rows(labels, split, seed) for split in ("train", "test"))
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert set(labels[train]) == set(labels[test]) == set(range(len(counts)))
    assert (np.diff(train) > 0).all()
    shares = np.bincount(labels[test]) / counts
    assert np.abs(shares - 0.3)[np.array(counts) >= 4].max(initial=0) <= 0.13


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_seed_decides(split: str) -> None:
    labels = np.repeat([0, 1], 50)
    rows = [stratified_rows(labels, split, seed).tolist() for seed in (0, 0, 1)]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]

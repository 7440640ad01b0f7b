"""Sets that are learned from together: as many of each, none beside the hold-out, all in every batch."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reprq.data import load_dataset
from reprq.data.views import merged
from reprq.errors import InputError
from reprq.pretext import train_teacher
from reprq.training import Examples, Schedule, Step, split_rows, train
from reprq.training.balance import balanced, mixed


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=60), st.integers(0, 5), st.randoms()
)
def test_of_each_label_every_set_that_has_it_comes_as_often_as_the_largest(pairs, seed, chance):
    sets, labels = np.array(pairs).T
    rows = np.array(sorted(chance.sample(range(len(pairs)), max(1, len(pairs) // 2))))
    found = balanced(rows, sets, labels, np.random.default_rng(seed))
    times = Counter(found.tolist())
    assert set(times) == set(rows.tolist())  # none is lost, none is new
    for label in set(labels[rows].tolist()):
        groups = {each: rows[(sets[rows] == each) & (labels[rows] == label)] for each in set(sets[rows].tolist())}
        most = max(map(len, groups.values()))
        for group in groups.values():
            counts = [times[row] for row in group.tolist()]
            assert sum(counts) == (most if counts else 0)
            assert not counts or max(counts) - min(counts) <= 1


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 5))
def test_any_stretch_has_the_share_of_every_set(sizes, seed):
    sets = np.repeat(np.arange(len(sizes)), sizes)
    order = mixed(np.arange(len(sets)), sets, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(sets)))
    for each, size in enumerate(sizes):
        before = np.concatenate([[0], np.cumsum(sets[order] == each)])
        expected = size / len(sets) * np.arange(len(sets) + 1)
        assert np.abs(before - expected).max() <= len(sizes)
    if len(sets) > 8:
        again = mixed(np.arange(len(sets)), sets, np.random.default_rng(seed + 1))
        assert len(sizes) == len(sets) or max(sizes) == 1 or not np.array_equal(order, again)


class _Recording(Step):
    def __init__(self, model, schedule):
        super().__init__(model, schedule)
        self.batches = []

    def loss(self, batch, other):
        if self.model.training:
            self.batches.append(batch.inputs[:, 0].int().tolist())
        return (self.model(batch.inputs) ** 2).mean()


def test_training_resamples_after_the_split_and_every_batch_holds_all_sets():
    n, sets = 130, np.repeat([0, 1, 2], [90, 30, 10])
    labels = np.arange(n) % 2
    schedule = Schedule(3, 12, 1e-3, seed=0, held_out=0.2)
    step = _Recording(torch.nn.Linear(1, 1), schedule)
    train(step, Examples(torch.arange(n).float()[:, None], torch.from_numpy(labels), sets))
    kept, held_out = split_rows(n, 0, 0.2)
    largest = sum(((sets[kept] == 0) & (labels[kept] == label)).sum() for label in (0, 1))
    of_epoch = len(step.batches) // 3
    for epoch in range(3):
        batches = step.batches[epoch * of_epoch : (epoch + 1) * of_epoch]
        seen = np.concatenate(batches)
        assert not set(seen.tolist()) & set(held_out.tolist())
        assert np.bincount(sets[seen]).tolist() == [largest] * 3
        for batch in batches:
            assert np.ptp(np.bincount(sets[batch], minlength=3)) <= 2
            assert min(np.bincount(sets[batch], minlength=3)) >= 3
    assert step.batches[:of_epoch] != step.batches[of_epoch : 2 * of_epoch]


@pytest.fixture
def both():
    digits = load_dataset("digits").restrict(["0", "1"])
    drawn = load_dataset("drawn_digits").restrict(["0", "1"])
    return merged([digits.sample(80), drawn.sample(12)], "both")


def test_a_teacher_of_merged_data_says_that_it_was_balanced(both, tmp_path):
    from safetensors import safe_open

    how = {"epochs": 1, "batch_size": 8, "progress": False}
    balance = train_teacher("classification", both, out=tmp_path / "a", balance_sets=True, **how)
    plain = train_teacher("classification", both, out=tmp_path / "b", **how)
    said = []
    for path in (balance, plain):
        with safe_open(path, "np") as file:
            said.append(file.metadata()["reprq"])
    assert ['"balance_sets": true' in each for each in said] == [True, False]
    assert balance.read_bytes() != plain.read_bytes()
    with pytest.raises(InputError, match="balance_sets needs merged data, such as joint_digits, got digits; leave it"):
        train_teacher("classification", load_dataset("digits").sample(20), out=tmp_path / "c", balance_sets=True, **how)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.numerics import coreset
from reprq.numerics.coreset import k_center_greedy, random_projection


def greedy(rows, size, start=0):
    """The definition, one distance after another in float64."""
    x, chosen = np.asarray(rows, dtype=np.float64), [start]
    while len(chosen) < size:
        far = ((x[:, None] - x[chosen]) ** 2).sum(axis=2).min(axis=1)
        if far.max() == 0:
            break
        chosen.append(int(np.argmax(far)))
    return chosen


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(1, 6), st.integers(0, 2**31), st.booleans(), st.sampled_from([2, 5, 1024]))
def test_it_is_the_greedy_k_centre(n, d, seed, whole, candidates):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d)).astype(np.float32)
    if whole:  # ties and copies, which float32 sees as such where the mean row is 0
        rows = np.concatenate([half := rng.integers(-3, 4, size=(n, d)), -half]).astype(np.float32)
    size, start = int(rng.integers(1, len(rows) + 1)), int(rng.integers(len(rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coreset, "_CANDIDATES", candidates)
        assert k_center_greedy(rows, size, start=start).tolist() == greedy(rows, size, start)


def test_blocks_and_candidates_change_nothing(monkeypatch):
    rows = np.random.default_rng(0).standard_normal((3000, 12), dtype=np.float32) + 5
    whole = k_center_greedy(rows, 200, start=7)
    monkeypatch.setattr(coreset, "_CANDIDATES", 40)
    monkeypatch.setattr(coreset, "_ROWS", 100)
    assert k_center_greedy(rows, 200, start=7).tolist() == whole.tolist()
    assert len(set(whole.tolist())) == 200


def test_it_covers_as_well_as_is_promised():
    centers = 100 * np.random.default_rng(1).standard_normal((20, 3))
    rows = (centers[:, None] + np.random.default_rng(2).standard_normal((20, 30, 3))).reshape(-1, 3).astype(np.float32)
    assert len(set((k_center_greedy(rows, 20) // 30).tolist())) == 20  # one of every cluster


def test_copies_are_chosen_once_and_a_few_rows_suffice():
    rows = np.repeat(np.float32([[0, 0], [4, 0], [0, 3]]), 5, axis=0)
    assert k_center_greedy(rows, 9, start=1).tolist() == [1, 5, 10]
    assert k_center_greedy(rows[:5], 5).tolist() == [0]
    assert k_center_greedy(np.ones((1, 2), dtype=np.float32), 1).tolist() == [0]


@pytest.mark.parametrize(("size", "start", "said"), [(0, 0, "size"), (4, 0, "size"), (2, 3, "start"), (2, -1, "start")])
def test_what_it_refuses(size, start, said):
    with pytest.raises(InputError, match=f"^{said} must be"):
        k_center_greedy(np.eye(3, dtype=np.float32), size, start=start)


def test_a_projection_keeps_distances():
    x = np.random.default_rng(0).standard_normal((30, 500), dtype=np.float32)
    before, after = (np.sum((y[:, None] - y[None]) ** 2, axis=2) for y in (x, x @ random_projection(500, 256, seed=0)))
    ratio = after[~np.eye(30, dtype=bool)] / before[~np.eye(30, dtype=bool)]
    assert 0.6 < ratio.min() < ratio.max() < 1.5
    assert not np.array_equal(random_projection(5, 2, seed=0), random_projection(5, 2, seed=1))

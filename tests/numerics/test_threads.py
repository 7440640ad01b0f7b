import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from reprq.numerics.nearest import ExactNeighbours
from reprq.numerics.threads import in_threads


def _blas_threads() -> int:
    """Of NumPy's and SciPy's: libraries that were loaded later, as FAISS's, are left as they are."""
    return min(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


def test_stretches_make_up_the_whole_each_with_one_thread_of_blas() -> None:
    seen, inside = [], []

    def work(stretch: slice) -> None:
        inside.append(_blas_threads())
        in_threads(lambda part: seen.append((stretch.start + part.start, stretch.start + part.stop)), 4, least=1)

    with threadpool_limits(2, user_api="blas"):
        in_threads(work, 8, least=2)
        assert _blas_threads() == 2
    assert inside == [1, 1]
    assert sorted(seen) == [(0, 4), (4, 8)]


def test_a_thread_shares_its_work_no_further_though_a_blas_on_openmp_tells_it_of_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reprq.numerics.threads._allowed_threads", lambda: 2)
    seen: list[slice] = []
    in_threads(lambda _: in_threads(seen.append, 4, least=1), 2, least=1)
    assert seen == [slice(0, 4)] * 2
    in_threads(seen.append, 4, least=1)
    assert len(seen) == 4


def test_threads_are_given_back_when_the_last_of_several_calls_is_done_and_after_an_error() -> None:
    meet = threading.Barrier(2)

    def call(number: int) -> None:
        def work(_: slice) -> None:
            if number == 1:
                raise ValueError("broken")
            meet.wait(10)  # both are inside until the first call has failed

        in_threads(work, 2, least=1)

    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(2) as pool:
        whole, broken = pool.submit(call, 0), pool.submit(call, 1)
        with pytest.raises(ValueError, match="broken"):
            broken.result(10)
        whole.result(10)
        assert _blas_threads() == 2


@pytest.mark.parametrize("own", [False, True])
def test_neighbours_do_not_depend_on_the_number_of_threads(own: bool) -> None:
    rows = np.random.default_rng(0).normal(size=(4000, 40)).astype(np.float32)
    search = ExactNeighbours(rows, engine="product")
    itself = np.arange(len(rows)) if own else None
    found = {}
    for threads in (1, 3):
        with threadpool_limits(threads, user_api="blas"):
            found[threads] = (*search.search(rows, 4, itself), search.kth(rows, 4, itself))
    for one, three in zip(found[1], found[3], strict=True):
        np.testing.assert_array_equal(one, three)

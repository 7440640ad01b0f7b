"""How many threads array code may use, and using them."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, Self
from weakref import WeakSet

from threadpoolctl import ThreadpoolController


def _allowed_threads() -> int:
    """Return how many threads BLAS may use, which `threadpool_limits` and `OMP_NUM_THREADS` set.

    Example:
        >>> _allowed_threads() >= 1
        True
    """
    return max((pool.num_threads for pool in _libraries().lib_controllers if pool.user_api == "blas"), default=1)


def in_threads(work: Callable[[slice], None], count: int, least: int) -> None:
    """Call `work` on stretches that make up `range(count)`, one for each allowed thread.

    Meanwhile BLAS has one thread for each of them: what `work` multiplies, and what it gives to `in_threads` itself,
    stays in its own.

    Args:
        work: What NumPy does without holding Python's lock.
        count: How much of it there is.
        least: How much is worth a thread.
    """
    shared = count >= 2 * least and threading.current_thread() not in _one_for_each().workers
    threads = min(count // least, _allowed_threads()) if shared else 1
    if threads < 2:
        work(slice(0, count))
        return
    edges = [count * number // threads for number in range(threads + 1)]
    with _one_for_each() as one, ThreadPoolExecutor(threads, initializer=one.enroll) as pool:
        list(pool.map(work, map(slice, edges[:-1], edges[1:])))


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep BLAS and OpenMP to one thread, those of them that are loaded."""
    with _libraries().limit(limits=1):
        yield


class _OneThread:
    """One thread for BLAS while anybody is inside, and as many as before when the last has left.

    Attributes:
        workers: The threads that have one each; a BLAS that is built on OpenMP tells them of as many as ever.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._limiter: Any = None
        self.workers: WeakSet[threading.Thread] = WeakSet()

    def enroll(self) -> None:
        """Count the calling thread among those that have one each."""
        self.workers.add(threading.current_thread())

    def __enter__(self) -> Self:
        with self._lock:
            if not self._inside:
                self._limiter = _libraries().limit(limits=1, user_api="blas")
            self._inside += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limiter.restore_original_limits()


@cache
def _one_for_each() -> _OneThread:
    return _OneThread()


def _libraries() -> ThreadpoolController:
    return _libraries_of(len(sys.modules))  # a module that is imported may load one more


@lru_cache(maxsize=1)
def _libraries_of(modules: int) -> ThreadpoolController:
    return ThreadpoolController()  # looks through every loaded library, which takes milliseconds

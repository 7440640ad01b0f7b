"""How many threads array code may use, and using them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

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

    Args:
        work: What NumPy does without holding Python's lock.
        count: How much of it there is.
        least: How much is worth a thread.
    """
    threads = min(count // least, _allowed_threads()) if count >= 2 * least else 1
    if threads < 2:
        work(slice(0, count))
        return
    edges = [count * number // threads for number in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, map(slice, edges[:-1], edges[1:])))


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # looks through every loaded library, which takes milliseconds

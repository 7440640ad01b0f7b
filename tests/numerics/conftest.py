from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Matrices this small lose more to the hand-over between threads than they win."""
    with threadpool_limits(1):
        yield

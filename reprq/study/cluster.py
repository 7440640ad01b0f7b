"""Cells on the workers of a dask.distributed cluster."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

from reprq.errors import ReprqError
from reprq.numerics.threads import one_thread
from reprq.optional import require
from reprq.study.compute import CellOutcome, CellRunner
from reprq.study.execute import Executor
from reprq.study.jobs import Job
from reprq.study.registered import Registered, adopt, registered

_PATIENCE = "20s"


class Cluster(Executor):
    """The workers of a running dask scheduler; they must see the folder of the embedding caches under the same path.

    A cell is computed on one thread; start as many workers, of one thread each, as there are cores.

    Args:
        address: Of the scheduler, like "tcp://10.0.0.1:8786".

    Raises:
        ReprqError: dask.distributed is not installed, or no scheduler answers.
    """

    def __init__(self, address: str) -> None:
        self._dask: Any = require("distributed", "distributed", "--scheduler", package="dask.distributed")
        try:
            self._client = self._dask.Client(address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ReprqError(f"no dask scheduler answers at {address!r} ({error}); start `dask scheduler`") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def run(self, jobs: Sequence[Job]) -> Iterator[CellOutcome]:
        """Compute the jobs; on an interruption those that have not begun are taken back."""
        futures = self._client.map(_attempt, jobs, entries=registered(elsewhere=True), pure=False)
        cells = {future.key: job.cell for future, job in zip(futures, jobs, strict=True)}
        try:
            for future in self._dask.as_completed(futures, loop=self._client.loop):
                lost = future.exception()  # a worker that died three times, or cannot read what it was sent
                yield future.result() if lost is None else CellOutcome.failed(cells[future.key], lost)
        finally:
            self._client.cancel(futures)


def _attempt(job: Job, entries: Registered) -> CellOutcome:
    """Compute a cell on a dask worker, which keeps its state from one to the next."""
    worker: Any = require("distributed", "distributed", "a worker").get_worker()
    if not hasattr(worker, "reprq_runner"):
        adopt(entries)
        worker.reprq_runner = CellRunner()
    runner: CellRunner = worker.reprq_runner
    with one_thread():
        return runner.attempt(job)

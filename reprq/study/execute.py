"""Where cells are computed: in this process, in several, or on a cluster; the outcomes come back as they finish.

A cell is computed on one thread wherever it is. So no core is asked for twice, and no number depends on how many there
are: eigenvalues from one and from two BLAS threads differ in their last digits.
"""

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing import connection, get_context
from typing import Any, Protocol, Self

from reprq.errors import ReprqError
from reprq.numerics.threads import one_thread
from reprq.study.compute import CellOutcome, CellRunner
from reprq.study.jobs import Job
from reprq.study.registered import Registered, adopt, registered

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Executor(AbstractContextManager["Executor"], Protocol):
    """Computes cells; a context manager that leaves no process behind."""

    def run(self, jobs: Sequence[Job]) -> Iterator[CellOutcome]:
        """Compute the jobs and yield what became of each, in the order in which they finish."""


class InProcess(Executor):
    """One cell after another in this process."""

    def __exit__(self, *error: object) -> None:
        """Nothing to leave."""

    def run(self, jobs: Sequence[Job]) -> Iterator[CellOutcome]:
        """Compute the jobs in their order."""
        runner = CellRunner()
        with one_thread():
            yield from map(runner.attempt, jobs)


class Processes(Executor):
    """Several worker processes.

    A worker keeps to one layer as long as there are cells of it. One that dies (killed for memory, say) costs the cell
    that it was at, and another takes its place.

    Args:
        workers: How many processes, at most one a core to fill the machine.
    """

    def __init__(self, workers: int) -> None:
        self._context = get_context("spawn")  # fork would copy the locks of the threads that BLAS and torch started
        self._size = workers
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.close()
        self._workers = []

    def run(self, jobs: Sequence[Job]) -> Iterator[CellOutcome]:
        """Compute the jobs; `KeyboardInterrupt` passes through, and leaving the context then stops the workers."""
        queue: dict[Any, deque[Job]] = {}
        for job in jobs:
            queue.setdefault(job.place, deque()).append(job)
        self._start(min(self._size, len(jobs)))
        for worker in self._workers:
            worker.take(queue)
        while busy := [worker for worker in self._workers if worker.job is not None]:
            ready = connection.wait([worker.link for worker in busy])
            for worker in [worker for worker in busy if worker.link in ready]:
                yield worker.collect()
                if worker.alive:
                    worker.take(queue)
                    continue
                self._workers.remove(worker)
                if queue:
                    self._start(len(self._workers) + 1)
                    self._workers[-1].take(queue)

    def _start(self, size: int) -> None:
        with _one_thread():
            self._workers += [_Worker(self._context) for _ in range(size - len(self._workers))]


class _Worker:
    """The main process's end of one worker."""

    def __init__(self, context: Any) -> None:
        self.link, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, registered()), daemon=True)
        self._process.start()
        other.close()
        self.job: Job | None = None
        self.alive, self._place, self._started = True, None, False

    def take(self, queue: dict[Any, deque[Job]]) -> None:
        """Send the next job: of the layer that this worker has read, else of the layer with the most left."""
        if not queue:
            self.job = None
            return
        place = self._place if self._place in queue else max(queue, key=lambda place: len(queue[place]))
        self.job, self._place = queue[place].popleft(), place
        if not queue[place]:
            del queue[place]
        with suppress(OSError):  # it died; `collect` finds out
            self.link.send(self.job)

    def collect(self) -> CellOutcome:
        """Return what became of the job."""
        assert self.job is not None
        try:
            outcome: CellOutcome = self.link.recv()
        except (EOFError, OSError):
            return self._died(self.job)
        self._started = True
        return outcome

    def end(self) -> None:
        """Let an idle process leave and free its semaphores; end a busy one at once, what it computes is not stored."""
        if self.job is None:
            self.link.close()
        else:
            self._process.kill()

    def close(self) -> None:
        """Let go of a process that has ended."""
        self._process.join()
        self._process.close()
        self.link.close()

    def _died(self, job: Job) -> CellOutcome:
        self.alive = False
        self._process.join()
        code = self._process.exitcode or 0
        if not self._started and code > 0:
            raise ReprqError(
                f"a worker process could not start (exit status {code}); in a script of your own call run_study under"
                " `if __name__ == '__main__':`, or use workers=1"
            )
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
        hint = "; too little memory, perhaps: use fewer workers" if -code == signal.SIGKILL else ""
        self.close()
        return CellOutcome.failed(job.cell, ReprqError(f"its worker process ended {how}{hint}"))


def _serve(link: Any, entries: Registered) -> None:
    """A worker's life: cells in, outcomes out, until the main process goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the main process ends the workers
    adopt(entries)
    runner = CellRunner()
    while True:
        try:
            link.send(runner.attempt(link.recv()))
        except (EOFError, OSError):
            return


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start in here load BLAS, OpenMP and torch with one thread."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

"""How do metrics of a dask array scale with workers, and what travels? Run `python benchmarks/scaling.py --save`.

For 1, 2 and 4 worker processes on this machine, one thread each: all spectral metrics of one (n, d) float32 array, and
the linear CKA of two, both read by the workers from zarr on disk in the blocks of an embedding cache. Each round starts
every number of workers once. Printed are the shortest time, the speed-up over one worker, the processor's seconds of
all workers together over those of one, the most bytes that workers took from each other, as dask counts them, and their
share of the data. Where cores are fewer than workers, or busy, the clock says little of scaling, and the processor's
seconds still say what is lost by it: 1 where nothing is. `measure` in this process, from the same files, stands first.
By default there is work for some seconds: of 32,768 x 512 one eigendecomposition and the start of the workers' threads
are most of the time, and no number of workers shortens it.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import dask.array as da
import distributed
import numpy as np
import zarr
from recording import Record, Timing, add_option, timed

from reprq.embeddings.cache.cache import BLOCK_ROWS
from reprq.metrics import cka, measure

ALONE = "this process"


def stored(folder: Path, name: str, n: int, d: int, seed: int) -> zarr.Array:
    """Random rows of a decaying spectrum, in the blocks of a cache."""
    array = zarr.create_array(folder / name, shape=(n, d), chunks=(BLOCK_ROWS, d), dtype="float32", compressors=None)
    rng, scale = np.random.default_rng(seed), np.arange(1, d + 1, dtype=np.float32) ** -0.5
    for start in range(0, n, 16 * BLOCK_ROWS):
        rows = min(16 * BLOCK_ROWS, n - start)
        array[start : start + rows] = rng.standard_normal((rows, d), dtype=np.float32) * scale
    return array


@contextmanager
def workers(number: int) -> Iterator[Any]:
    """Start worker processes of one thread each; yields their client, which dask then uses."""
    with (
        distributed.LocalCluster(
            n_workers=number, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(number, timeout=60)
        client.run(lambda: import_module("reprq.metrics"))
        yield client


def received(client: Any) -> int:
    """Bytes that the workers have taken from each other since they started."""
    return sum(client.run(lambda dask_worker: sum(one["total"] for one in dask_worker.transfer_incoming_log)).values())


def used(client: Any) -> float:
    """Seconds of the processor that all workers have used."""
    return float(sum(client.run(time.process_time).values()))


def main() -> None:
    """Print a table for the metrics and one for CKA."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=131_072)
    parser.add_argument("--columns", type=int, default=1024)
    parser.add_argument("--block-rows", type=int, default=16_384, help="rows that a worker reads at once")
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--rounds", type=int, default=2)
    add_option(parser)
    arguments = parser.parse_args()
    record = Record("scaling", {key: value for key, value in vars(arguments).items() if key != "save"})
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of the workers
    numbers = [int(number) for number in arguments.workers.split(",")]
    n, d = arguments.rows, arguments.columns
    print(f"{os.cpu_count()} cores, {n:,} x {d:,} float32: {4 * n * d / 1e9:.2f} GB a matrix")
    with tempfile.TemporaryDirectory() as folder:
        files = [stored(Path(folder), name, n, d, seed) for seed, name in enumerate("xy")]
        x, y = (da.from_array(file, chunks=(arguments.block_rows, d), name=False) for file in files)
        cases: dict[str, tuple[Callable[[], object], int]] = {
            f"measure {n:,} x {d:,}": (lambda: measure(x), 4 * n * d),
            f"cka of two {n:,} x {d:,}": (lambda: cka(x, y), 2 * 4 * n * d),
        }
        walls: dict[tuple[str, str], list[float]] = defaultdict(list)
        cpus: dict[tuple[str, str], list[float]] = defaultdict(list)
        moved: dict[tuple[str, str], list[int]] = defaultdict(list)
        for _ in range(arguments.rounds):
            alone = timed(lambda: measure(files[0]), 1)
            walls[next(iter(cases)), ALONE].append(alone.wall)
            cpus[next(iter(cases)), ALONE].append(alone.cpu)
            for number in numbers:
                with workers(number) as client:
                    for case, (call, _size) in cases.items():
                        before, start, key = received(client), used(client), (case, f"{number} workers")
                        walls[key].append(timed(call, 1).wall)
                        cpus[key].append(used(client) - start)
                        moved[key].append(received(client) - before)
    for case, (_call, size) in cases.items():
        table(record, case, size, walls, cpus, moved)
    if arguments.save:
        record.save()


def table(
    record: Record,
    case: str,
    size: int,
    walls: dict[tuple[str, str], list[float]],
    cpus: dict[tuple[str, str], list[float]],
    moved: dict[tuple[str, str], list[int]],
) -> None:
    """Print and keep what a case took on each number of workers, the least of them first."""
    print(f"\n{case}\n{'':>16} {'wall s':>8} {'speed-up':>9} {'cpu s':>8} {'of one':>7} {'MB moved':>9} {'share':>8}")
    rows = {name: taken for (of, name), taken in walls.items() if of == case}
    first, alone = next((min(taken), min(cpus[case, name])) for name, taken in rows.items() if name != ALONE)
    for name, taken in rows.items():
        timing, among = Timing(taken, cpus[case, name]), max(moved.get((case, name), [0]))
        numbers = {
            "speedup": first / timing.wall,
            "cpu_of_one": timing.cpu / alone,
            "moved": among,
            "share": among / size,
        }
        record.add(case, name, timing, **numbers)
        speedup = f"{first / timing.wall:9.2f} {timing.cpu:8.2f} {timing.cpu / alone:7.2f}"
        print(f"{name:>16} {timing.wall:8.2f} {speedup} {among / 1e6:9.1f} {among / size:8.2%}", flush=True)


if __name__ == "__main__":
    main()

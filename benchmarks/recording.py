"""What a benchmark measured, as rows that are kept as JSON beside the commit that they are of.

A benchmark prints its rows as it goes and adds them here; with `--save` they stand in `benchmarks/results/`, and
`python benchmarks/compare.py OLD NEW` sets two such files side by side.
"""

import argparse
import importlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

from reprq.provenance import versions

SCHEMA_VERSION = 1
FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Timing:
    """Seconds of every run of one call, on the clock and of the processor; the shortest is the one to quote."""

    walls: list[float]
    cpus: list[float]

    @property
    def wall(self) -> float:
        """The shortest on the clock."""
        return min(self.walls)

    @property
    def cpu(self) -> float:
        """The shortest of the processor."""
        return min(self.cpus)


def timed(call: Callable[[], object], repeats: int) -> Timing:
    """Run a call some times and return how long each took."""
    walls, cpus = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), _processor_time()
        call()
        walls.append(time.perf_counter() - start)
        cpus.append(_processor_time() - used)
    return Timing(walls, cpus)


def _processor_time() -> float:
    """Seconds of the processor that this process and those that it started and that have ended took."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def timed_in_turn(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Run all calls once, and all again: what slows the machine down for a while slows all of them down.

    Between two there is a pause, in which the threads of OpenMP stop waiting for more work: they keep a core busy.
    """

    def one(call: Callable[[], object]) -> Timing:
        time.sleep(0.05)
        return timed(call, 1)

    rounds = [{name: one(call) for name, call in calls.items()} for _ in range(repeats)]
    return {name: Timing([one[name].wall for one in rounds], [one[name].cpu for one in rounds]) for name in calls}


@dataclass
class Record:
    """The rows of one run of a benchmark.

    Args:
        benchmark: Its name.
        settings: What it was asked for; only runs with the same settings can be compared.
    """

    benchmark: str
    settings: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, case: str, name: str, timing: Timing | None = None, **numbers: float) -> None:
        """Add a row: what was measured in which case, its times, and numbers such as an error or a ratio."""
        times = {} if timing is None else {"wall": _rounded(timing.walls), "cpu": _rounded(timing.cpus)}
        self.rows.append({"case": case, "name": name, **times, **{key: float(one) for key, one in numbers.items()}})

    def save(self) -> Path:
        """Write `results/BENCHMARK-KERNEL-COMMIT.json`; "-changed" where the files are not those of the commit.

        The kernel is that of NumPy's BLAS, which `OPENBLAS_CORETYPE` chooses and every ratio depends on.
        """
        commit = _git("rev-parse", "--short=10", "HEAD")
        changed = bool(_git("status", "--porcelain", "--untracked-files=no", "--", "reprq", "benchmarks"))
        found = machine()
        content = {
            "schema_version": SCHEMA_VERSION,
            "benchmark": self.benchmark,
            "commit": commit + "-changed" * changed,
            "date": _git("show", "-s", "--format=%cI", "HEAD"),
            "machine": found,
            "versions": versions(),
            "settings": self.settings,
            "rows": self.rows,
        }
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / f"{self.benchmark}-{found['blas'].rpartition(' ')[2].lower()}-{content['commit']}.json"
        lines = ",\n".join(f"  {json.dumps(row)}" for row in content.pop("rows"))
        head = json.dumps(content, indent=1).removesuffix("\n}")
        path.write_text(f'{head},\n "rows": [\n{lines}\n ]\n}}\n', encoding="utf-8")
        print(f"kept in {path}")
        return path


def peer(name: str) -> Any:
    """Return a peer's module, or None with a printed reason."""
    path = sys.path[:]
    sys.path[:] = [folder for folder in path if folder != str(FOLDER.parent)]  # `coverage` is a package to them
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"  (skipped {name}: {error})")
        return None
    finally:
        sys.path[:] = path


def add_option(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the option `--save`."""
    parser.add_argument("--save", action="store_true", help="keep the rows as JSON in benchmarks/results")


def machine() -> dict[str, Any]:
    """What times depend on: the processor, how many cores, NumPy's BLAS, and the threads that were allowed."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "blas": _blas(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }


def _blas() -> str:
    """The library that NumPy is linked to, and its kernel: it is loaded first, others by the packages that follow."""
    for library in ThreadpoolController().select(user_api="blas").info():
        if "numpy" in library["filepath"]:
            return f"{library['internal_api']} {library['version']} {library.get('architecture', '')}".strip()
    return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _rounded(seconds: list[float]) -> list[float]:
    return [float(f"{second:.4g}") for second in seconds]


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=FOLDER.parents[1], capture_output=True, text=True, check=False)
    return done.stdout.strip() or ("unknown" if words[0] == "rev-parse" else "")

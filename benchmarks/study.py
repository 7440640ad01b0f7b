"""How many cells a study computes in a second, what they cost beside their work, and a very large study of stub cells.

    python benchmarks/study.py                     # digits through a small network: cells a second, overhead a cell
    python benchmarks/study.py --cells 1000000     # as many stub cells: plan, run, resume; seconds and peak memory

Work is the processor's time inside the metrics, the detectors and their scores; overhead is that of making cells and
their digests, reading layers, keeping finished cells, and whatever else a run does for each. Embeddings are extracted
already. Stub cells have the keys of real ones, over 20 layers, 10 tasks and 10 seeds of embedding files, but their rows
are made up; every phase of theirs runs in a process of its own.
"""

import argparse
import inspect
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from recording import Record, Timing, add_option, timed

from reprq.study import compute, load_config, run_study
from reprq.study.cells import CellStore
from reprq.study.compute import CellOutcome, LayerRows
from reprq.study.execute import Executor, InProcess
from reprq.study.jobs import Cell, name_of
from reprq.study.plan import Plan, StudyPart
from reprq.study.results import StudyResults
from reprq.study.runner import StudyRun
from reprq.study.sources import Teachers

LAYERS, CLASSES, SEEDS, METRICS = 20, 5, 10, ["rankme", "trace"]
DETECTORS = ["centroid", *({"name": "knn", "k": k} for k in (1, 5, 10))]
A_BACKBONE = LAYERS * 2 * CLASSES * SEEDS * (len(DETECTORS) + 1)
DIGITS: dict[str, Any] = {
    "data": {"name": "digits"},
    "backbones": [{"name": "lenet", "weights": "random"}],
    "detectors": ["centroid", "knn", "mahalanobis"],
}
PHASES = ("run", "resume")


class Profile:
    """Processor seconds inside some functions, which do not call each other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def watch(self, stack: ExitStack, owner: Any, name: str, what: str) -> None:
        """Add the time of a function to what it is for, until the stack is closed."""
        original = inspect.getattr_static(owner, name)
        call = getattr(owner, name) if isinstance(original, classmethod) else original

        def watched(*arguments: Any, **named: Any) -> Any:
            start = time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds[what] = self.seconds.get(what, 0.0) + time.thread_time() - start

        setattr(owner, name, watched)
        stack.callback(setattr, owner, name, original)


def throughput(record: Record, repeats: int) -> None:
    """Run a study whose embeddings are there already in this process, and say where the time of its cells goes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        how: dict[str, Any] = {"cache_dir": folder / "cache", "progress": False}
        run_study({**DIGITS, "detectors": ["centroid"], "metrics": ["trace"]}, folder / "extracted", **how)
        runs = [_profiled(folder / f"run{turn}", how) for turn in range(repeats)]
    cells, spent = min(runs, key=lambda found: found[1]["all"])
    case = f"digits, lenet: {cells} cells"
    print(f"{case}, {cells / spent['all']:.1f} a second of the processor")
    for what, seconds in sorted(spent.items(), key=lambda item: item[0] != "work"):  # shares are of the first
        record.add(case, what, Timing([], [seconds]), share_of_work=seconds / spent["work"])
        share = f"{seconds / spent['work']:8.2%} of work {seconds / cells * 1e3:8.3f} ms a cell"
        print(f"  {what:<40} {seconds:8.3f} s {share}")


def _profiled(out: Path, how: dict[str, Any]) -> tuple[int, dict[str, float]]:
    """How many cells a study has, and the seconds of all of them, of the work, and of what stands beside it."""
    found = Profile()
    with ExitStack() as stack:
        for function in ("measure", "detect"):
            found.watch(stack, compute, function, "work")
        found.watch(stack, Plan, "cells", "hashing")
        found.watch(stack, LayerRows, "read", "reading")
        found.watch(stack, CellStore, "add_all", "writing")
        found.watch(stack, StudyRun, "_extract", "finding the embeddings, once a backbone")
        found.watch(stack, StudyRun, "_results", "tables, once a study")
        found.watch(stack, StudyRun, "finish", "all")
        results = run_study(DIGITS, out, **how)
    spent, once = found.seconds, ("finding the embeddings, once a backbone", "tables, once a study")
    spent["all"] -= sum(spent[name] for name in once)
    spent["overhead"] = spent["all"] - spent["work"]
    cells = len(results.detectors) + results.metrics.groupby(["layer", "task"]).ngroups
    return cells, spent


class StubRun(StudyRun):
    """A run whose cells are made up in place of extracted and computed."""

    def _outcomes(self, part: StudyPart, todo: Sequence[Cell], where: Executor, bar: Any) -> Iterator[CellOutcome]:
        rng = np.random.default_rng(part.seed)
        for cell in todo:
            values = rng.random(len(cell.keys) + 2 * CLASSES).round(6).tolist()
            made = [self._row(cell, name, value, values) for name, value in zip(cell.keys, values, strict=False)]
            yield CellOutcome(cell, dict(zip(cell.keys.values(), made, strict=True)))

    def _row(self, cell: Cell, name: str, value: float, others: list[float]) -> dict[str, Any]:
        counts = {"n_train": 400, "n_test": 400, "n_anomalies": 300, "seconds": 0.012345}
        if cell.detector is None:
            said = {"metric": name, "definition": self.plan.metrics[name], "value": value, "low": None, "high": None}
            return {**said, "n": 400, "d": 512, "notes": "", "seconds": 0.012345}
        judged = {"auroc": value, "auroc_low": value / 2, "auroc_high": others[1]}
        halves = {"auroc_half_1": others[2], "auroc_half_2": others[3]}
        anomalous = CLASSES - 1 if cell.split.kind == "unimodal" else 1
        by_class = {str(i): [others[i], 0.25, 0.75, 80] for i in range(anomalous)}
        said = {"detector": name_of(cell.detector), "definition": name}
        return {**said, **judged, **halves, **counts, "by_class": by_class}


def stub_config(folder: Path, backbones: int) -> dict[str, Any]:
    """A study of embedding files, which are written where they are not there yet."""
    rng = np.random.default_rng(0)
    labels, layers = np.repeat(np.arange(CLASSES), 12), [f"layer{i}" for i in range(LAYERS)]
    for number in range(backbones):
        path = folder / f"net{number}.npz"
        if not path.exists():
            rows = rng.standard_normal((LAYERS, len(labels), 4)).astype(np.float32)
            np.savez(path, labels=labels, **dict(zip(layers, rows, strict=True)))
    files = [
        {"embeddings": str(folder / f"net{i}.npz"), "keys": layers, "labels": "labels", "label": f"net{i}"}
        for i in range(backbones)
    ]
    how = {"seeds": list(range(SEEDS)), "metrics": METRICS, "detectors": DETECTORS}
    return {"data": {"name": "embeddings"}, "backbones": files, **how}


def phase(folder: Path, backbones: int) -> None:
    """Plan a study, compute what is missing, write and read its tables, and print the processor's seconds of each."""
    times: dict[str, float] = {}

    def lap(name: str) -> None:
        nonlocal start
        times[name], start = time.process_time() - start, time.process_time()
        times["peak memory, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(f"  {name}: {times[name]:.1f} s, peak {times['peak memory, GB']:.2f} GB", file=sys.stderr, flush=True)

    config = load_config(stub_config(folder, backbones))
    start = time.process_time()
    plan = Plan(config, Teachers(folder / "teachers", config.datasets, "cpu"))
    times["cells"] = sum(map(plan.count, plan.parts))
    lap("plan")
    run = StubRun(plan, folder, "cpu", None, progress=False)
    lap("open the store")
    found = run.finish(InProcess())
    lap("cells and tables")
    found.save()
    lap("write tables")
    del found, run, plan
    found = StudyResults.load(folder)
    lap("read tables")
    times["rows"] = len(found.metrics) + len(found.detectors) + len(found.classes)
    print(json.dumps(times))


def many(record: Record, cells: int) -> None:
    """Run and resume a study of stub cells, each in a process of its own."""
    backbones = max(1, round(cells / A_BACKBONE))
    with tempfile.TemporaryDirectory() as folder:
        for name in PHASES:
            words = [sys.executable, __file__, "--phase", folder, "--backbones", str(backbones)]
            printed: list[str] = []
            took = timed(lambda words=words, to=printed: to.append(_output(words)), 1)
            found = json.loads(printed[0])
            case = f"{found['cells']:,} stub cells"
            record.add(case, name, took, **{key: round(value, 3) for key, value in found.items()})
            peak = f"peak {found['peak memory, GB']:.2f} GB, {found['rows']:,} rows"
            print(f"{case}, {name}: {took.cpu:.0f} s of the processor, {took.wall:.0f} s, {peak}", flush=True)


def _output(words: list[str]) -> str:
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, help="so many stub cells in place of a real study")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--phase", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--backbones", type=int, help=argparse.SUPPRESS)
    add_option(parser)
    asked = parser.parse_args()
    if asked.phase is not None:
        phase(asked.phase, asked.backbones)
        return
    if asked.cells is None:
        record = Record("study", {"repeats": asked.repeats})
        throughput(record, asked.repeats)
    else:
        record = Record("study-cells", {"cells": asked.cells})
        many(record, asked.cells)
    if asked.save:
        record.save()


if __name__ == "__main__":
    main()

"""Cells in several processes and on a dask cluster; cells that fail; runs that are killed."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import reprq.study.compute as compute
from reprq.embeddings import extract
from reprq.errors import InputError, ReprqError
from reprq.study import StudyResults, load_config, run_study
from reprq.study.execute import InProcess, Processes
from reprq.study.jobs import Job
from reprq.study.plan import Plan
from reprq.study.runner import executor
from reprq.study.sources import Teachers, load_network

GETADDRINFO = socket.getaddrinfo
FAILS = {"name": "knn", "k": 45}  # more neighbours than a unimodal task has benign rows


def same_numbers(first: StudyResults, second: StudyResults) -> None:
    """Hold that two runs found the same, how long the cells took apart."""
    for one, other in ((first.metrics, second.metrics), (first.detectors, second.detectors)):
        pd.testing.assert_frame_equal(one.drop(columns="seconds"), other.drop(columns="seconds"), check_exact=True)
    assert first.study == second.study


@pytest.fixture
def jobs(small: dict[str, Any], cache: Path, tmp_path: Path) -> list[Job]:
    """The cells of the small study's first backbone."""
    config = load_config(small)
    plan = Plan(config, Teachers(tmp_path, config.datasets, "cpu"))
    first = config.backbones[0]
    network = load_network(first, 0)
    train, test = (extract(network, x, cache_dir=cache, progress=False).path for x in plan.samples[0, "digits"])
    return [Job(cell, train, test, config.datasets[0]) for cell in plan.cells(plan.parts[0])]


def test_workers_change_no_result_and_a_failing_cell_is_recorded_while_the_others_go_on(
    results: StudyResults, cache: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    changed = {**small, "detectors": ["centroid", {"name": "knn", "k": 1}, FAILS]}
    runs = [run_study(changed, tmp_path / f"{n}", workers=n, cache_dir=cache, progress=False) for n in (1, 2)]
    same_numbers(*runs)
    assert (tmp_path / "1" / "failures.csv").read_bytes() == (tmp_path / "2" / "failures.csv").read_bytes()
    failures = runs[1].failures
    assert len(failures) == 3 * 4 * 3  # backbones, layers, unimodal tasks
    assert set(failures["task_kind"]) == {"unimodal"}
    assert set(failures["work"]) == {"knn[k=45,kth,euclidean]"}
    assert failures["reason"].str.contains("k must be at most the number of benign rows").all()
    assert len(runs[1].detectors) == len(results.detectors) + 3 * 4 * 3  # its multimodal cells are there
    again = StudyResults.load(tmp_path / "2")
    pd.testing.assert_frame_equal(again.failures, failures)


def test_what_failed_is_tried_again_and_a_study_without_failures_has_no_file_of_them(
    results: StudyResults, cache: Path, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, tried = compute.detect, []

    def failing(rows: Any, split: Any, spec: Any, *more: Any) -> Any:
        tried.append(spec)
        if split.name == "unimodal:1" and spec == "centroid":
            raise MemoryError("17 GiB")
        return original(rows, split, spec, *more)

    monkeypatch.setattr(compute, "detect", failing)
    first = run_study(small, tmp_path / "run", cache_dir=cache, progress=False)
    assert len(first.failures) == 3 * 4
    assert set(first.failures["reason"]) == {"MemoryError: 17 GiB"}
    assert (tmp_path / "run" / "failures.csv").exists()
    monkeypatch.setattr(compute, "detect", original)
    tried.clear()
    same_numbers(run_study(small, tmp_path / "run", cache_dir=cache, progress=False), results)
    assert not (tmp_path / "run" / "failures.csv").exists()


def test_a_network_that_cannot_run_fails_its_cells_and_the_others_go_on(
    results: StudyResults, cache: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    huge = {
        **small["backbones"][0],
        "label": "broken",
        "preprocessing": {"size": 32, "std": [2e-38] * 3, "mean": [0.0] * 3},
    }
    found = run_study(
        {**small, "backbones": [huge, *small["backbones"][:1]]}, tmp_path / "run", cache_dir=cache, progress=False
    )
    assert set(found.failures["backbone"]) == {"broken"}
    assert set(found.metrics["backbone"]) == {"lenet 32"}
    assert len(found.failures) == 4 * 6 * 3  # layers, tasks, the metrics and two detectors
    assert found.failures["reason"].str.contains("nan|inf").all()


@pytest.mark.once
def test_a_worker_that_is_killed_costs_one_cell(jobs: list[Job]) -> None:
    with Processes(2) as where:
        outcomes = where.run(jobs)
        first = next(outcomes)
        victim = multiprocessing.active_children()[0]
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        found = [first, *outcomes]
    assert len(found) == len(jobs)
    (lost,) = [outcome for outcome in found if outcome.error]
    assert lost.reason.startswith("its worker process ended by signal SIGKILL; too little memory, perhaps")
    oracle = {o.cell.split.name + o.cell.layer + o.cell.work: set(o.rows) for o in InProcess().run(jobs)}
    assert all(set(o.rows) == oracle[o.cell.split.name + o.cell.layer + o.cell.work] for o in found if not o.error)
    assert multiprocessing.active_children() == []


def test_a_layer_is_read_once_by_one_worker(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    original, read = compute.LayerRows.read, []

    def counted(*place: Any) -> Any:
        read.append(place[2])
        return original(*place)

    monkeypatch.setattr(compute.LayerRows, "read", counted)
    assert not any(outcome.error for outcome in InProcess().run(jobs))
    assert read == ["conv1", "conv2", "conv3", "pooled"]


def test_a_cell_is_computed_on_one_thread_and_the_caller_keeps_its_own(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    monkeypatch.setattr(
        compute, "measure", lambda *_: threads.extend(x["num_threads"] for x in threadpool_info()) or []
    )
    with threadpool_limits(2):
        list(InProcess().run(jobs[:1]))
        assert set(threads) == {1}
        assert 2 in {x["num_threads"] for x in threadpool_info()}


STUDY = """
metrics = ["rankme", "aucev"]
detectors = ["centroid", { name = "knn", k = 1 }]
[data]
name = "digits"
[[backbones]]
name = "lenet"
weights = "random"
"""


@pytest.mark.once
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_ends_at_once_and_the_next_goes_on(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    command = [sys.executable, "-m", "reprq", "study", "study.toml", "--out", "run", "--cache", "cache"]
    command += ["--workers", "2"] if how == signal.SIGINT else []
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    cells = tmp_path / "run" / "cells.jsonl"
    deadline = time.monotonic() + 90
    while not (cells.exists() and cells.read_bytes().count(b"\n") >= 20):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    workers = _children(process.pid)
    process.send_signal(how)
    begun = time.monotonic()
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - begun < 15  # leaving Python takes most of it where the machine is busy
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "finished cells are kept, the same command goes on from there" in err.splitlines()[-1]
    kept = len(pd.read_json(cells, lines=True)) if cells.read_bytes().endswith(b"\n") else 20
    assert 20 <= kept < 4 * 20 * 4
    while any(Path(f"/proc/{pid}").exists() for pid in workers):  # a worker notices that the main process is gone
        assert time.monotonic() - begun < 20
        time.sleep(0.05)
    found = run_study(tmp_path / "study.toml", tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert len(found.detectors) == 4 * 20 * 2
    keys = [json.loads(line)["key"] for line in cells.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == 4 * 20 * 4  # nothing was computed twice


@pytest.mark.once
def test_idle_workers_leave_no_semaphore_behind(tmp_path: Path) -> None:
    small = 'classes = ["0", "1"]\ntrain_per_class = 20\ntest_per_class = 10\n[[backbones]]\nlayers = [-1]'
    text = STUDY.replace('{ name = "knn", k = 1 }', '{ name = "distillation", epochs = 1 }')  # its progress has a lock
    (tmp_path / "study.toml").write_text(text.replace("[[backbones]]", small))
    command = [sys.executable, "-m", "reprq", "study", "study.toml", "--out", "run", "--cache", "cache", "--quiet"]
    done = subprocess.run([*command, "--workers", "2"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    if not found.exists():
        pytest.skip("needs /proc to find the worker processes")
    return [int(child) for child in found.read_text().split()]


def test_the_cells_on_a_dask_cluster_are_the_same(
    results: StudyResults,
    cache: Path,
    small: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distributed = pytest.importorskip("distributed", reason="needs reprq[distributed]")
    monkeypatch.setattr(socket, "getaddrinfo", GETADDRINFO)  # the cluster is on this machine
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as local:
        found = run_study(small, tmp_path / "run", scheduler=local.scheduler_address, cache_dir=cache, progress=False)
    same_numbers(found, results)


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs reprq[distributed]")
    monkeypatch.setattr("reprq.study.cluster._PATIENCE", "1s")
    with pytest.raises(ReprqError, match="no dask scheduler answers at 'tcp://127.0.0.1:1'"):
        executor(1, "tcp://127.0.0.1:1")


def test_fewer_than_one_worker_is_refused(small: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workers must be at least 1, got 0"):
        executor(0, None)

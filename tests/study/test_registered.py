"""What is registered in a process is known to the workers of its study, or the study says that it cannot be."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprq.detectors import DETECTORS, Centroid
from reprq.errors import InputError
from reprq.metrics import METRICS
from reprq.registry import Entry, Registry
from reprq.study import run_study
from reprq.study.registered import adopt, check_registered, registered

MODULE = """
import numpy as np
from reprq.detectors import Centroid


def widest(rows):
    return float(np.ptp(rows, axis=0).max())


class Middle(Centroid):
    def describe(self):
        return "middle"
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of one's own, on the path of this process and of those that it starts."""
    (tmp_path / "own_parts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_parts", raising=False)
    import own_parts  # type: ignore[import-not-found]

    return own_parts


@pytest.fixture
def add() -> Any:
    """Register entries until the test ends."""
    added: list[tuple[Registry, str]] = []

    def register(registry: Registry, **entry: Any) -> None:
        registry.register(Entry(**entry))
        added.append((registry, entry["name"]))

    yield register
    for registry, name in added:
        registry.remove(name)


def test_workers_compute_what_is_registered_by_name_or_as_an_object(
    module: Any, add: Any, small: dict[str, Any], cache: Path, tmp_path: Path
) -> None:
    add(METRICS, name="widest", target=module.widest, inputs="rows", about="widest column")
    add(DETECTORS, name="middle", target="own_parts:Middle", inputs="rows", about="the centroid")
    study = {**small, "backbones": small["backbones"][:1], "metrics": ["widest"], "detectors": ["middle", "centroid"]}
    runs = [run_study(study, tmp_path / f"{n}", workers=n, cache_dir=cache, progress=False) for n in (1, 2)]
    for run in runs:
        assert run.failures.empty
        assert set(run.metrics["metric"]) == {"widest"}
        scores = run.detectors.pivot_table(index=["layer", "task"], columns="detector", values="auroc")
        np.testing.assert_array_equal(scores["middle"], scores["centroid"])
    np.testing.assert_array_equal(runs[0].metrics["value"], runs[1].metrics["value"])


def test_what_no_worker_can_import_stops_a_study_that_uses_it_before_any_work(
    add: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    add(METRICS, name="local", target=lambda rows: 1.0, inputs="rows")
    said = "metric 'local' is registered in this process alone, where no worker can import it; register it with"
    with pytest.raises(InputError, match=said):
        run_study({**small, "metrics": ["local"]}, tmp_path / "run", workers=2, progress=False)
    assert not (tmp_path / "run").exists()
    check_registered({"metrics": ["rankme"]})


def test_a_detector_with_a_prefix_is_found_in_what_a_study_names(add: Any) -> None:
    class Inner(Centroid):
        pass

    add(DETECTORS, name="mine:NAME", target=Inner, inputs="rows")
    check_registered({"detectors": ["knn", {"name": "centroid"}]})
    for named in ({"detectors": [{"name": "mine:a"}]}, {"detectors": "knn, mine:b"}):
        with pytest.raises(InputError, match="detector 'mine:NAME' is registered in this process alone"):
            check_registered(named)


def test_a_process_adopts_entries_once(add: Any, module: Any) -> None:
    add(DETECTORS, name="middle", target=module.Middle, inputs="rows")
    sent = registered()
    assert [entry.target for entry in sent["reprq.detectors.entries:DETECTORS"]] == ["own_parts:Middle"]
    adopt(sent)  # it is there already
    assert DETECTORS.find("middle").target is module.Middle


SCRIPT = """
import sys
from reprq.metrics import METRICS
from reprq.registry import Entry
from reprq.study import run_study

def widest(rows):
    return float(rows.max())

if __name__ == "__main__":
    METRICS.register(Entry(name="widest", target=widest, inputs="rows"))
    study = {"data": {"name": "digits", "classes": ["0", "1"], "train_per_class": 8, "test_per_class": 8},
             "backbones": [{"name": "lenet", "weights": "random", "layers": "-1"}],
             "metrics": ["widest"], "detectors": ["centroid"]}
    run = run_study(study, "run", workers=2, cache_dir="cache", progress=False)
    print(len(run.failures), *sorted(set(run.metrics["metric"])))
"""


@pytest.mark.once
def test_a_script_registers_a_function_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "widest"]

"""What an import or a command loads, seen in a process of its own: nobody waits for a library that is not used."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HEAVY = frozenset({
    "PIL", "faiss", "jinja2", "matplotlib", "numpy", "pandas", "pydantic", "scipy", "seaborn", "sklearn", "torch",
    "torchvision", "tqdm", "zarr",
})  # fmt: skip
ARRAYS = {"numpy", "scipy"}
TABLES = {"PIL", "numpy", "pandas", "pydantic", "scipy", "tqdm"}

# What each may load at the most. Tests of commands that train or extract are elsewhere: those need torch.
MODULES: dict[str, set[str]] = {
    "reprq": set(),
    "reprq.cli": set(),
    "reprq.errors": set(),
    "reprq.registry": set(),
    "reprq.optional": set(),
    "reprq.storage": set(),
    "reprq.labels": {"numpy"},
    "reprq.numerics.covariance": ARRAYS,
    "reprq.numerics.moments": ARRAYS,
    "reprq.numerics.spectra": ARRAYS,
    "reprq.statistics": ARRAYS,
    "reprq.metrics": ARRAYS,
    "reprq.metrics.neighbours": ARRAYS,
    "reprq.data": {"PIL", "numpy", "tqdm"},
    "reprq.backbones": set(),
    "reprq.embeddings": set(),
    "reprq.embeddings.files": {"numpy", "zarr"},
    "reprq.embeddings.cache.cache": {"numpy", "zarr"},
    "reprq.detectors": set(),
    "reprq.detectors.registry": {"numpy"},
    "reprq.detectors.rows.base": {*ARRAYS, "pandas", "sklearn"},
    "reprq.detectors.rows.knn": {*ARRAYS, "faiss", "pandas", "sklearn"},
    "reprq.evaluation": set(),
    "reprq.evaluation.roc": ARRAYS,
    "reprq.evaluation.detection": ARRAYS,
    "reprq.study": set(),
    "reprq.study.results": TABLES,
    "reprq.analysis": set(),
    "reprq.analysis.correlation": TABLES,
    "reprq.plots": {*TABLES, "matplotlib", "seaborn"},
    "reprq.report": {*TABLES, "jinja2", "matplotlib", "seaborn"},
    "reprq.papers": set(),
}
ARRAYS_ON_FILE = {"numpy", "scipy", "zarr"}
COMMANDS: list[tuple[str, set[str]]] = [
    ("--help", set()),
    ("measure --help", set()),
    ("study run --help", set()),
    ("completion bash", set()),
    ("measure --embeddings rows.npz", ARRAYS_ON_FILE),
    ("measure --embeddings rows.npz --intervals --definitions all", {*ARRAYS_ON_FILE, "faiss"}),
    ("measure --embeddings rows.npz --curve --metric rankme", {*ARRAYS_ON_FILE, "pandas"}),
    ("detect --embeddings rows.npz", {*ARRAYS_ON_FILE, "PIL", "faiss", "pandas", "sklearn", "tqdm"}),
    ("datasets", {"PIL", "numpy", "tqdm"}),
]


def loaded(code: str, *arguments: str, folder: Path | None = None) -> set[str]:
    """Return the heavy packages that a fresh process has loaded at its end."""
    report = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    command = [sys.executable, "-c", f"{code}\n{report}", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return HEAVY & set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_loads_no_more_than_it_uses(module: str) -> None:
    assert loaded(f"import {module}") <= MODULES[module]


@pytest.mark.parametrize(("command", "most"), COMMANDS)
def test_a_command_loads_no_more_than_it_uses(command: str, most: set[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "rows.npz", X=rng.normal(size=(80, 4)), y=np.repeat([0, 1], [60, 20]))
    code = "import sys\nfrom reprq.cli import cli\nassert not cli.main(sys.argv[1:], 'reprq', standalone_mode=False)"
    assert loaded(code, *command.split(), folder=tmp_path) <= most


def test_the_test_sees_what_is_loaded() -> None:
    assert "numpy" in loaded("import reprq.metrics")
    assert "torch" in loaded("from reprq.embeddings import extract")

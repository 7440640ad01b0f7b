"""What an import or a command loads, seen in a process of its own: nobody waits for a library that is not used."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from reprq.study import run_study

HEAVY = frozenset({
    "PIL", "faiss", "jinja2", "matplotlib", "numpy", "pandas", "pydantic", "scipy", "seaborn", "sklearn", "torch",
    "torchvision", "tqdm", "zarr",
})  # fmt: skip
ARRAYS = {"numpy", "scipy"}
TABLES = {"numpy", "pandas", "scipy"}

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
    "reprq.detectors.rows.knn": {*ARRAYS, "pandas", "sklearn"},
    "reprq.evaluation": set(),
    "reprq.evaluation.roc": ARRAYS,
    "reprq.evaluation.detection": ARRAYS,
    "reprq.study": set(),
    "reprq.study.results": TABLES,
    "reprq.analysis": set(),
    "reprq.analysis.correlation": TABLES,
    "reprq.plots": {*TABLES, "PIL", "matplotlib", "seaborn", "tqdm"},
    "reprq.report": {*TABLES, "PIL", "jinja2", "matplotlib", "seaborn", "tqdm"},
    "reprq.papers": set(),
}
ARRAYS_ON_FILE = {"numpy", "scipy", "zarr"}
COMMANDS: list[tuple[str, set[str]]] = [
    ("--help", set()),
    ("measure --help", set()),
    ("study run --help", set()),
    ("completion bash", set()),
    ("measure --embeddings rows.npz", ARRAYS_ON_FILE),
    ("measure --embeddings rows.npz --intervals --definitions all", ARRAYS_ON_FILE),
    ("measure --embeddings rows.npz --curve --metric rankme", {*ARRAYS_ON_FILE, "pandas"}),
    ("detect --embeddings rows.npz", {*ARRAYS_ON_FILE, "PIL", "pandas", "sklearn", "tqdm"}),
    ("datasets", {"PIL", "numpy", "tqdm"}),
    ("correlate run --metric rankme --score auroc", TABLES),
    ("recommend run", TABLES),
]
STUDY = """
{}
[data]
name = "{}"
[[backbones]]
name = "lenet"
weights = "random"
"""
TYPOS = [
    ('metrcs = ["rankme"]', "digits", "did you mean 'metrics'"),
    ('metrics = ["rankm"]', "digits", "did you mean 'rankme'"),
    ('detectors = [{ name = "knnn", k = 1 }]', "digits", "did you mean 'knn'"),
    ("", "digts", "did you mean 'digits'"),
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold a file of embeddings, and the run of a study of such files."""
    folder = tmp_path_factory.mktemp("imports")
    rng = np.random.default_rng(0)
    np.savez(folder / "rows.npz", X=rng.normal(size=(80, 4)), y=np.repeat([0, 1], [60, 20]))
    networks = {"a": ["first", "second"], "b": ["third", "fourth"]}
    for name in ("first", "second", "third", "fourth"):
        np.savez(folder / f"{name}.npz", X=rng.normal(size=(90, 4)), y=np.repeat(["cat", "dog", "owl"], 30))
    backbones = [
        {"label": label, "embeddings": {name: str(folder / f"{name}.npz") for name in names}}
        for label, names in networks.items()
    ]
    config = {
        "data": {"name": "embeddings"},
        "backbones": backbones,
        "metrics": ["rankme", "aucev"],
        "detectors": ["centroid"],
    }
    run_study(config, folder / "run", cache_dir=folder / "cache", progress=False)
    return folder


@pytest.mark.parametrize(("command", "most"), COMMANDS)
def test_a_command_loads_no_more_than_it_uses(command: str, most: set[str], folder: Path) -> None:
    code = "import sys\nfrom reprq.cli import cli\nassert not cli.main(sys.argv[1:], 'reprq', standalone_mode=False)"
    assert loaded(code, *command.split(), folder=folder) <= most


@pytest.mark.parametrize("command", ["correlate run", "recommend run"])
def test_tables_of_a_study_take_none_of_the_slow_half_of_scipy(command: str, folder: Path) -> None:
    code = (
        "import sys\nfrom reprq.cli import cli\ncli.main(sys.argv[1:], 'reprq', standalone_mode=False)\n"
        "assert not {'scipy.stats', 'scipy.interpolate', 'scipy.optimize'} & set(sys.modules)"
    )
    assert "pandas" in loaded(code, *command.split(), folder=folder)


@pytest.mark.parametrize(("line", "data", "said"), TYPOS)
def test_a_slip_in_a_study_is_said_before_torch_is_loaded(line: str, data: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY.format(line, data))
    code = (
        "import sys\nfrom reprq.cli import cli\nfrom reprq.errors import ReprqError\n"
        "try:\n    cli.main(['study', 'study.toml'], 'reprq', standalone_mode=False)\n"
        "except ReprqError as error:\n    assert sys.argv[1] in str(error), error\n"
        "else:\n    raise AssertionError('it was let through')"
    )
    assert loaded(code, said, folder=tmp_path) <= {"PIL", "numpy", "pydantic", "scipy", "tqdm"}


def test_the_test_sees_what_is_loaded() -> None:
    assert "numpy" in loaded("import reprq.metrics")
    assert "torch" in loaded("from reprq.embeddings import extract")

"""Every notebook runs in an empty folder, or says in a sentence what it needs, and shows its picture."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NEEDS_CHECKOUT = ("04_cifar_study",)
NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.once
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "a notebook is kept without outputs"
    folder = path.parent if path.stem in NEEDS_CHECKOUT else tmp_path
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize("name", NEEDS_CHECKOUT)
def test_what_needs_the_repository_says_so(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = [path for path in NOTEBOOKS if path.stem == name]
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="start it in a folder of a checkout"):
        exec(cells[0].source.replace("%matplotlib inline", ""), {})

import re
import tomllib
from pathlib import Path

import pytest

import reprq
from reprq.provenance import versions

ROOT = Path(__file__).parents[1]


def test_results_name_the_version_of_the_code_that_ran() -> None:
    assert versions()["reprq"] == reprq.__version__


@pytest.mark.skipif(not (ROOT / "CITATION.cff").exists(), reason="not part of an installed package")
def test_there_is_one_version() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited
    assert cited[1] == reprq.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "reprq/__init__.py"

"""The tables of the README are those of the registries."""

import importlib.util
import re
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "tables.py"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the docs are not part of an installed package")


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("tables", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_holds_the_tables_of_the_registries(script):
    for page in script.PAGES:
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"<!-- table: (\w+) -->", text)) == set(script.tables())
        assert script.filled(text) == text, "run python docs/tables.py"


def test_a_table_that_is_out_of_date_is_written_anew(script):
    stale = "a\n<!-- table: detectors -->\n| old |\n<!-- /table -->\nb\n"
    fresh = script.filled(stale)
    assert "| old |" not in fresh
    assert "| `knn` | distance to the k nearest benign rows, exact (Ramaswamy et al. 2000) |" in fresh
    assert fresh.startswith("a\n")
    assert fresh.endswith("\nb\n")

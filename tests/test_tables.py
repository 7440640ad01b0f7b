"""The tables of the README and of the pages are those of the registries."""

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


def test_pages_hold_the_tables_of_the_registries(script):
    texts = {page: page.read_text(encoding="utf-8") for page in script.PAGES}
    for page, text in texts.items():
        assert script.filled(text) == text, f"{page.name} is out of date: run python docs/tables.py"
    held = {found for text in texts.values() for found in re.findall(r"<!-- table: (\w+) -->", text)}
    assert held == set(script.tables())


def test_a_table_that_is_out_of_date_is_written_anew(script):
    stale = "a\n<!-- table: detectors -->\n| old |\n<!-- /table -->\nb\n"
    fresh = script.filled(stale)
    assert "| old |" not in fresh
    assert "| `knn` | distance to the k nearest benign rows, exact (Ramaswamy et al. 2000) |" in fresh
    assert fresh.startswith("a\n")
    assert fresh.endswith("\nb\n")

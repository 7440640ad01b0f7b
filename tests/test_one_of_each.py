"""One of each: a name of a class means one thing, and what several need is in one place."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import reprq

FILES = sorted(Path(reprq.__file__).parent.rglob("*.py"))


def test_names_of_classes_are_unique() -> None:
    found = defaultdict(list)
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(file))
    assert not {name: files for name, files in found.items() if len(files) > 1}
    assert len(found) > 100


def test_one_place_says_how_to_install_an_extra() -> None:
    assert [file.name for file in FILES if "pip install 'reprq[" in file.read_text(encoding="utf-8")] == ["optional.py"]


@pytest.mark.parametrize(
    "name", ["one_line", "first_line", "write_whole", "unit_rows", "squared_distances", "oracle_search"]
)
def test_what_several_need_is_written_once(name: str) -> None:
    """Private copies count: they bear the same name with an underscore, as a rule."""
    texts = [file.read_text(encoding="utf-8") for file in FILES]
    trees = [ast.parse(text) for text in texts if f"{name}(" in text]
    found = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    whole = [node.name for node in found if node.name.strip("_") == name and len(node.body) > 1]
    assert whole == [name]

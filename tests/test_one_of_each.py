"""One of each: a name of a class means one thing, and what several need is in one place."""

import ast
from collections import defaultdict
from pathlib import Path

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

"""One of each: a name of a class means one thing, and what several need is in one place."""

import re
from collections import Counter
from pathlib import Path

import pytest

import reprq

FILES = sorted(Path(reprq.__file__).parent.rglob("*.py"))


def test_names_of_classes_are_unique() -> None:
    found = Counter(name for file in FILES for name in re.findall(r"(?m)^ *class (\w+)[(:[]", file.read_text("utf-8")))
    assert not {name: times for name, times in found.items() if times > 1}
    assert len(found) > 100


def test_one_place_says_how_to_install_an_extra() -> None:
    assert [file.name for file in FILES if "pip install 'reprq[" in file.read_text("utf-8")] == ["optional.py"]


@pytest.mark.parametrize("name", ["one_line", "first_line", "write_whole", "squared_distances", "oracle_search"])
def test_what_several_need_is_written_once(name: str) -> None:
    """A copy of its own bears the same name with an underscore, as a rule."""
    found = [where for file in FILES for where in re.findall(rf"(?m)^ *def _*{name}\(", file.read_text("utf-8"))]
    assert len(found) == 1

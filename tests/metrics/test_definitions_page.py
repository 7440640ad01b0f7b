"""The page of definitions names what the code computes."""

import re
from pathlib import Path

import pytest

from reprq import metrics

PAGE = Path(__file__).parents[2] / "docs" / "definitions.md"
TABLE = PAGE.parents[1] / "figures" / "definitions_jpeg_cifar10.csv"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the docs are not part of an installed package")


def test_every_identifier_of_the_page_exists_and_every_default_is_on_it():
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+\[[^`.]*(?:\.\d[^`]*)?\])`", text))
    known = set(metrics.identifiers("all"))
    assert {word for word in named if word.partition("[")[0] in metrics.names("all")} <= known
    defaults = {
        metric.definition for metric in metrics.measure([[0.0, 1.0], [1.0, 0.0]], metrics.names("all")).values()
    }
    assert defaults <= named


def test_the_table_of_definitions_is_of_these_definitions():
    lines = TABLE.read_text(encoding="utf-8").splitlines()[1:]
    assert len(lines) > 30  # it was drawn once: a metric that came later is not in it
    assert all(any(identifier in line for identifier in metrics.identifiers("all")) for line in lines)

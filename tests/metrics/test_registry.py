import numpy as np
import pytest

from reprq import metrics
from reprq.errors import InputError
from reprq.metrics import METRICS
from reprq.metrics.definitions import DEFINITIONS
from reprq.registry import Entry


@pytest.fixture
def spread():
    def largest(rows):
        if len(rows) == 7:
            raise RuntimeError("seven\nis too few")
        return np.inf if len(rows) == 8 else float(np.abs(rows).max())

    yield METRICS.register(Entry(name="spread", target=largest, inputs="rows", about="largest entry"))
    METRICS.remove("spread")


def test_every_definition_has_an_entry_that_says_what_it_takes():
    of_one_matrix = {entry.name: entry.inputs for entry in METRICS if entry.inputs in ("moments", "rows")}
    found = {definition.name: "rows" if definition.of_rows else "moments" for definition in DEFINITIONS}
    assert of_one_matrix.items() >= found.items()
    assert [name for name in of_one_matrix if name in found] == list(found)


@pytest.mark.parametrize("entry", list(METRICS), ids=lambda entry: entry.name)
def test_every_entry_is_there_and_has_its_words(entry):
    assert callable(entry.load())
    assert entry.about
    assert entry.reads
    assert entry.label


def test_a_metric_that_is_registered_is_measured_by_name(spread):
    x = np.arange(20.0).reshape(10, 2)
    assert metrics.names("rows")[-1] == metrics.identifiers("rows")[-1] == "spread"
    assert "spread" not in metrics.measure(x)
    assert metrics.measure(x, ["rankme", "spread"])["spread"].value == 19.0


def test_an_entry_says_the_options_and_the_bounds_of_its_metric():
    facts = {"options": "q=0.5", "bounds": (0.0, np.inf)}
    METRICS.register(Entry(name="middle", target=lambda x: float(np.median(x)), inputs="rows", facts=facts))
    try:
        found = metrics.measure(np.eye(5), ["middle"])["middle"]
        assert (found.definition, found.value) == ("middle[q=0.5]", 0.0)
        assert metrics.identifiers("rows")[-1] == "middle[q=0.5]"
        assert list(metrics.measure(np.eye(5), ["middle[q=0.5]"])) == ["middle[q=0.5]"]
    finally:
        METRICS.remove("middle")


def test_what_a_registered_metric_cannot_do_is_a_note(spread):
    notes = [metrics.measure(np.eye(n), ["spread"])["spread"].notes[0] for n in (7, 8)]
    assert notes == ["no value: spread fails with RuntimeError: seven", "no value: spread gives inf"]


def test_a_built_in_metric_is_not_replaced():
    with pytest.raises(InputError, match="metric 'rankme' is taken"):
        METRICS.register(Entry(name="rankme", target=len, inputs="rows"))

"""What holds for every metric that is registered, whatever it measures: chosen by what its entry takes."""

import numpy as np
import pytest

from reprq.errors import InputError
from reprq.metrics import METRICS, measure

OF_ONE_MATRIX = [entry.name for entry in METRICS if entry.takes("moments") or entry.takes("rows")]
OF_PAIRS = [entry.name for entry in METRICS if entry.takes("pair")]


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return rng.standard_normal((150, 12)) * np.arange(1, 13) ** -0.5 + 0.3


def value(name, rows):
    return measure(rows, [name])[name].value


@pytest.mark.parametrize("name", OF_ONE_MATRIX)
class TestOfOneMatrix:
    def test_it_gives_a_number_under_its_own_name_and_the_same_again(self, name, x):
        given = x.copy()
        found = measure(given, [name])[name]
        assert found.name == name
        assert found.definition.partition("[")[0] == name
        assert isinstance(found.value, float)
        assert measure(given, [name])[name] == found
        np.testing.assert_array_equal(given, x)

    def test_the_order_of_the_rows_does_not_matter(self, name, x):
        assert value(name, x[::-1]) == pytest.approx(value(name, x), rel=1e-8)

    def test_float32_and_lists_are_welcome(self, name, x):
        x = x.astype(np.float32)
        assert value(name, x) == pytest.approx(value(name, x.astype(np.float64)), rel=1e-4)
        assert value(name, x.tolist()) == pytest.approx(value(name, x.astype(np.float64)), rel=1e-12)

    @pytest.mark.parametrize("kind", ["equal", "few", "one row", "twice"])
    def test_what_it_cannot_measure_is_a_note_and_never_nan(self, name, kind, x):
        rows = {
            "equal": np.ones((9, 4)),
            "few": x[:5],
            "one row": x[:1],
            "twice": np.repeat(x[:20], 2, axis=0),
        }[kind]
        found = measure(rows, [name])[name]
        assert found.value is None or np.isfinite(found.value)
        assert found.value is not None or found.notes

    def test_rows_with_a_hole_are_refused_in_one_sentence(self, name, x):
        x[3, 2] = np.nan
        with pytest.raises(InputError, match="must be finite, got nan at row 3, column 2"):
            measure(x, [name])


@pytest.mark.parametrize("name", OF_PAIRS)
class TestOfPairs:
    def test_alike_is_at_one_end_and_what_is_random_away_from_it(self, name, x):
        similarity = METRICS.find(name).load()
        other = np.random.default_rng(1).standard_normal((150, 7))
        alike, unlike = float(similarity(x, x)), float(similarity(x, other))
        assert min(abs(alike), abs(alike - 1)) < 1e-6
        assert abs(alike - unlike) > 0.1

    def test_the_order_of_the_samples_does_not_matter_but_who_goes_with_whom(self, name, x):
        similarity = METRICS.find(name).load()
        y = x[:, :6] + 0.1 * np.random.default_rng(1).standard_normal((150, 6))
        assert float(similarity(x[::-1], y[::-1])) == pytest.approx(float(similarity(x, y)), rel=1e-6)
        assert float(similarity(x[::-1], y)) != pytest.approx(float(similarity(x, y)), rel=1e-2)

    def test_rows_of_other_samples_are_refused(self, name, x):
        with pytest.raises(InputError):
            METRICS.find(name).load()(x, x[:-1])

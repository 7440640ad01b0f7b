import numpy as np
import pytest

from reprq.errors import InputError
from reprq.metrics import mean_knn_distance, measure, neighbours, twonn


def oracle_nearest(x, k):
    distances = np.array([[np.linalg.norm(a - b) for b in x] for a in x])
    np.fill_diagonal(distances, np.inf)
    return np.sort(distances, axis=1)[:, :k]


@pytest.mark.parametrize("shift", [0.0, 1e4])
@pytest.mark.parametrize("k", [1, 3, 59])
def test_distances_equal_the_double_loop(rng, shift, k):
    x = rng.standard_normal((60, 5)) + shift
    distances, numbers = neighbours.nearest(x, k)
    np.testing.assert_allclose(distances, oracle_nearest(x, k), rtol=1e-9)
    assert (numbers != np.arange(60)[:, None]).all()
    np.testing.assert_allclose(np.linalg.norm(x[numbers] - x[:, None], axis=2), distances, rtol=1e-12)
    assert mean_knn_distance(x, k) == pytest.approx(oracle_nearest(x, k).mean(), rel=1e-9)


def test_duplicates_are_neighbours_at_distance_zero(rng):
    x = np.repeat(rng.standard_normal((5, 3)), 30, axis=0)
    distances, numbers = neighbours.nearest(x, 29)
    assert (distances == 0).all()
    assert (numbers // 30 == np.arange(150)[:, None] // 30).all()
    assert mean_knn_distance(np.ones((4, 2)), k=2) == 0.0


def oracle_twonn(x, discard):
    """The five steps of Facco et al."""
    r = oracle_nearest(x, 2)
    mu = sorted(r[:, 1] / r[:, 0])
    n, points = len(mu), []
    for i, value in enumerate(mu, start=1):
        if i <= int(n * (1 - discard)) and i < n:
            points.append((np.log(value), -np.log(1 - i / n)))
    a, b = np.array(points).T
    return (a * b).sum() / (a * a).sum()


@pytest.mark.parametrize("discard", [0.0, 0.1, 0.5])
def test_twonn_equals_the_steps_of_the_paper(rng, discard):
    x = rng.standard_normal((120, 4)) + 50
    assert twonn(x, discard) == pytest.approx(oracle_twonn(x, discard), rel=1e-9)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_twonn_finds_the_dimension_of_a_flat_sheet(rng, dimension):
    sheet = rng.uniform(size=(3000, dimension)) @ rng.standard_normal((dimension, 20)) + 7
    assert twonn(sheet) == pytest.approx(dimension, rel=0.07)
    assert twonn(np.repeat(sheet, 3, axis=0)) == pytest.approx(twonn(sheet), rel=1e-9)


@pytest.mark.parametrize(
    ("x", "discard", "message"),
    [
        (np.eye(3), 1.0, r"discard must be a share in \[0, 1\), got 1.0"),
        (np.eye(3)[[0, 0, 1, 1]], 0.1, "at least 3 distinct rows, got 2"),
        (np.eye(2), 0.1, "x must have at least 3 rows, got 2"),
        (np.eye(3), 0.5, "discard must leave at least 2 ratios, got 1 of 3"),
        (np.eye(30), 0.1, "two nearest neighbors at different distances"),
    ],
)
def test_bad_input_of_twonn_is_named(x, discard, message):
    with pytest.raises(InputError, match=message):
        twonn(x, discard)


@pytest.mark.parametrize("scale", [7.6e-16, 1.0, 1e16])
def test_rows_that_nearly_repeat_are_said_to_decide_the_dimension_and_others_not(rng, scale):
    rows = scale * rng.standard_normal((400, 6))
    assert measure(rows, ["twonn"])["twonn"].notes == ()
    nearly = np.concatenate([rows, rows[:100] * (1 + 1e-9)])
    metric = measure(nearly, ["twonn"])["twonn"]
    assert metric.value < 1
    assert metric.notes == ("40% of the rows nearly repeat another, which then decides the value",)

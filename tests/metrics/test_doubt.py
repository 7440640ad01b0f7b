import itertools

import numpy as np
import pytest

from reprq.errors import InputError, UnknownNameError
from reprq.metrics import Moments, at_common_size, curve, mean_knn_distance, measure, names, uniformity
from reprq.metrics.jackknife import GROUPS, group_of_rows, grouped_moments, merged


def test_groups_are_even_random_and_together_the_whole(rng):
    x = rng.standard_normal((137, 6))
    groups = grouped_moments(x)
    assert sorted(group.n for group in groups) == [13] * 3 + [14] * 7
    np.testing.assert_allclose(merged(groups).scatter, Moments.of(x).scatter, rtol=1e-12, atol=1e-12)
    classes = np.tile(np.eye(GROUPS), (20, 1))  # ten classes in turn: a stride would put one class in each group
    assert min(group.scatter_diagonal.sum() for group in grouped_moments(classes)) > 10


def test_groups_do_not_depend_on_the_blocks(rng):
    x = rng.standard_normal((137, 6))
    whole = grouped_moments(x)
    for cuts in ([5], [1, 2, 3, 77], [120]):
        streamed = grouped_moments(iter(np.split(x, cuts)))
        for a, b in zip(whole, streamed, strict=True):
            np.testing.assert_allclose(a.mean, b.mean, rtol=1e-9)


def test_the_interval_is_the_jackknife_of_the_groups(rng):
    x = rng.standard_normal((100, 40)) * np.arange(1, 41) ** -0.5  # too few rows for replicates to first order
    metric = measure(x, ["participation_ratio"], intervals=True)["participation_ratio"]
    groups = grouped_moments(x)
    replicates = []
    for left_out in range(GROUPS):
        kept = merged([group for i, group in enumerate(groups) if i != left_out])
        values = np.linalg.eigvalsh(kept.scatter)
        replicates.append(values.sum() ** 2 / (values**2).sum())
    deviation = np.sqrt((GROUPS - 1) * np.var(replicates))
    assert metric.value - metric.low == pytest.approx(2.2621571628 * deviation, rel=1e-9)
    assert metric.high - metric.value == pytest.approx(2.2621571628 * deviation, rel=1e-9)


@pytest.mark.parametrize("scale", [1.0, 6.0])
def test_intervals_cover_the_expected_value(scale):
    rng = np.random.default_rng(7)
    wanted = ["rankme", "participation_ratio", "trace", "cosine_compactness", "alpha_req", "aucev", "effective_rank"]
    found = [
        measure(rng.standard_normal((150, 24)) * np.linspace(1, scale, 24) + 0.3, wanted, intervals=True)
        for _ in range(80)
    ]
    for name in wanted:
        expected = np.mean([result[name].value for result in found])
        cover = np.mean([result[name].low <= expected <= result[name].high for result in found])
        assert 0.85 <= cover <= 1.0, name


def test_rows_and_their_sums_are_grouped_alike(rng):
    x = rng.standard_normal((137, 6))
    means = [x[group_of_rows(137) == group].mean(axis=0) for group in range(GROUPS)]
    np.testing.assert_allclose(means, [group.mean for group in grouped_moments(x)], rtol=1e-9)


def test_the_interval_of_a_metric_of_rows_is_the_jackknife_of_the_groups(rng):
    x = rng.standard_normal((100, 4))
    metric = measure(x, ["uniformity"], intervals=True)["uniformity"]
    replicates = [uniformity(x[group_of_rows(100) != left_out]) for left_out in range(GROUPS)]
    reach = 2.2621571628 * np.sqrt((GROUPS - 1) * np.var(replicates))
    assert metric.high - metric.value == pytest.approx(reach, rel=1e-9)
    assert measure(iter(np.split(x, [7])), ["uniformity"], intervals=True)["uniformity"] == metric


def test_intervals_of_metrics_of_rows_cover_the_expected_value():
    rng = np.random.default_rng(7)
    wanted = ["uniformity", "self_cluster", "mean_knn_distance", "twonn"]
    found = [measure(rng.standard_normal((100, 5)) + 0.3, wanted, intervals=True) for _ in range(40)]
    for name in wanted:
        expected = np.mean([result[name].value for result in found])
        assert np.mean([result[name].low <= expected <= result[name].high for result in found]) >= 0.85, name


def test_a_maximum_over_rows_has_no_interval(rng):
    coherence = measure(rng.standard_normal((40, 3)), ["coherence"], intervals=True)["coherence"]
    assert (coherence.low, coherence.high) == (None, None)
    assert coherence.notes[-1] == "no interval: the jackknife does not hold for a maximum over rows"


def test_intervals_shrink_with_n_and_stay_possible(rng):
    x = rng.standard_normal((4000, 12))
    few, many = measure(x[:200], intervals=True), measure(x, intervals=True)
    for name in names():
        assert many[name].low <= many[name].value <= many[name].high
        if name != "cosine_compactness":  # its least possible value cuts the interval of the isotropic
            assert many[name].high - many[name].low < few[name].high - few[name].low
    rank = measure(x[:30], ["rankme"], intervals=True)["rankme"]
    assert rank.high <= 12


def test_where_there_is_no_interval_the_notes_say_why(rng):
    x = rng.standard_normal((19, 30))
    assert (
        "no interval: n = 19 rows, fewer than two for each of 10 groups" in measure(x, intervals=True)["rankme"].notes
    )
    alone = measure(x[:1], intervals=True)["rankme"]
    assert alone.value is None
    assert alone.low is None
    barely = measure(rng.standard_normal((31, 30)), ["condition_number"], intervals=True)["condition_number"]
    assert barely.low is None
    assert "no interval: 10 of 10 samples less a group have no value" in barely.notes
    with pytest.raises(InputError, match="x must be the rows themselves for intervals"):
        measure(Moments.of(x), intervals=True)
    with pytest.raises(InputError, match="at least 1 row"):
        measure(iter([]), intervals=True)


def test_the_repr_shows_the_interval(rng):
    assert "trace[centred,n-1] = " in repr(measure(rng.standard_normal((40, 3)), ["trace"], intervals=True))
    assert "[" in repr(measure(rng.standard_normal((40, 3)), ["trace"], intervals=True)).split(" = ")[1]


def test_a_curve_measures_nested_subsamples(rng):
    x = rng.standard_normal((160, 20))
    table = curve(x, ["rankme", "trace"], sizes=[20, 80, 160], repeats=3)
    assert list(table.columns) == ["metric", "definition", "n", "d", "repeat", "value"]
    assert len(table) == 2 * (3 * 2 + 1)
    whole = table[table["n"] == 160].set_index("metric")["value"]
    assert whole.to_dict() == pytest.approx({name: measure(x)[name].value for name in ("rankme", "trace")})
    means = table[table["metric"] == "rankme"].groupby("n")["value"].mean()
    assert all(a < b for a, b in itertools.pairwise(means))
    assert table.equals(curve(x, ["rankme", "trace"], sizes=[20, 80, 160], repeats=3))
    assert not table.equals(curve(x, ["rankme", "trace"], sizes=[20, 80, 160], repeats=3, seed=1))


def test_a_curve_of_a_metric_of_rows(rng):
    x = rng.standard_normal((80, 4))
    table = (
        curve(x, ["mean_knn_distance", "rankme"], sizes=[4, 40, 80], repeats=2)
        .set_index(["metric", "n"])["value"]
        .sort_index()
    )
    assert table["mean_knn_distance", 80].item() == pytest.approx(mean_knn_distance(x))
    assert table["mean_knn_distance", 40].mean() > table["mean_knn_distance", 80].item()
    assert table["mean_knn_distance", 4].isna().all()  # five neighbours of four rows do not exist
    assert table["rankme", 80].item() == pytest.approx(measure(x)["rankme"].value)


def test_a_curve_leaves_empty_what_does_not_exist(rng):
    table = curve(rng.standard_normal((64, 30)), repeats=1)
    small = table[(table["metric"] == "alpha_req") & (table["n"] == 4)]
    assert small["value"].isna().all()
    assert set(table["n"]) == {4, 8, 16, 32, 64}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"sizes": [0]}, "sizes must be from 1 to n = 9"), ({"sizes": [10]}, "got .10."), ({"repeats": 0}, "got 0")],
)
def test_bad_curves_are_refused(rng, options, message):
    with pytest.raises(InputError, match=message):
        curve(rng.standard_normal((9, 3)), **options)


def test_an_unknown_metric_of_a_curve_is_refused(rng):
    with pytest.raises(UnknownNameError, match="unknown metric 'tracee'"):
        curve(rng.standard_normal((9, 3)), ["tracee"])


def heavy(rng, n):
    return rng.standard_normal((n, 24)) / np.sqrt(rng.chisquare(3, (n, 1)) / 3)


def normal(rng, n):
    return rng.standard_normal((n, 24))


@pytest.mark.parametrize("n", [200, 1000])
def test_heavy_tails_are_said_beside_the_interval_that_they_make_too_short(n):
    said = {}
    for draw in (heavy, normal):
        rng = np.random.default_rng(1)
        found = [measure(draw(rng, n), ["trace", "effective_rank"], intervals=True) for _ in range(40)]
        said[draw] = np.mean(["heavy tails" in "; ".join(each["trace"].notes) for each in found])
        expected = np.mean([each["effective_rank"].value for each in found])
        cover = np.mean([each["effective_rank"].low <= expected <= each["effective_rank"].high for each in found])
        error = np.sqrt(0.95 * 0.05 / 40)
        assert cover < 0.95 - 3 * error if draw is heavy else cover > 0.95 - 3 * error
    assert said[heavy] >= 0.85
    assert said[normal] <= 0.05


def test_an_interval_says_of_which_n_it_is():
    rank = measure(normal(np.random.default_rng(0), 60), ["rankme"], intervals=True)["rankme"]
    assert rank.notes[-1] == "interval of the value at n = 60 (n / d = 2.5), not at a larger n"
    assert "] at n = 60" in repr(measure(normal(np.random.default_rng(0), 60), ["trace"], intervals=True))
    assert not measure(np.repeat(np.eye(2), 30, axis=0), ["trace"], intervals=True)["trace"].notes[1:]


def test_layers_are_compared_at_one_size(rng):
    layers = {"narrow": rng.standard_normal((300, 10)), "wide": rng.standard_normal((200, 40))}
    for by, sizes in {"n": {"narrow": 200, "wide": 200}, "n/d": {"narrow": 50, "wide": 200}}.items():
        table = at_common_size(layers, ["participation_ratio"], by=by, repeats=3)
        assert table.groupby("layer")["n"].first().to_dict() == sizes
        assert table.groupby("layer")["repeat"].nunique().to_dict() == {"narrow": 3, "wide": 1}
    share = table.groupby("layer")["value"].mean() / [10, 40]  # at one n / d an isotropic sample loses one share
    assert share["narrow"] == pytest.approx(share["wide"], abs=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"layers": {}}, "at least one matrix"), ({"by": "d"}, "by must be"), ({"repeats": 0}, "repeats must be")],
)
def test_bad_comparisons_are_refused(rng, options, message):
    with pytest.raises(InputError, match=message):
        at_common_size(**{"layers": {"a": rng.standard_normal((20, 3))}, **options})

import numpy as np
import pytest

from reprq import metrics
from reprq.errors import InputError, UnknownNameError
from reprq.metrics import layer_similarity


@pytest.fixture
def networks(rng):
    base = rng.standard_normal((60, 4))
    a = {name: base + scale * rng.standard_normal((60, 4)) for name, scale in (("stem", 1.0), ("layer1", 0.3))}
    b = {"head": np.concatenate([base, rng.standard_normal((60, 2))], axis=1)}
    return a, b


@pytest.mark.parametrize("measure", metrics.SIMILARITIES)
def test_every_cell_is_its_pair_under_the_names_of_the_layers(networks, measure):
    a, b = networks
    function = getattr(metrics, measure)
    both = layer_similarity(a, b, measure=measure)
    assert (list(both.index), list(both.columns)) == (["stem", "layer1"], ["head"])
    assert both.loc["layer1", "head"] == pytest.approx(function(a["layer1"], b["head"]), rel=1e-9)
    own = layer_similarity(a, measure=measure)
    assert list(own.columns) == ["stem", "layer1"]
    assert own.loc["layer1", "stem"] == pytest.approx(function(a["layer1"], a["stem"]), rel=1e-9)
    alike = 0.0 if measure == "procrustes_distance" else 1.0
    np.testing.assert_allclose(np.diagonal(own), alike, atol=1e-9)


def test_options_reach_the_measure_and_the_definition(networks):
    a, b = networks
    table = layer_similarity(a, b, debiased=True)
    assert table.loc["stem", "head"] == pytest.approx(metrics.cka(a["stem"], b["head"], debiased=True))
    assert table.attrs["definition"] == "cka[kernel=linear,debiased=True]"
    rbf = layer_similarity(a, kernel="rbf", bandwidth=0.4).attrs["definition"]
    assert rbf == "cka[kernel=rbf,debiased=False,bandwidth=0.4]"
    assert layer_similarity(a, measure="procrustes_distance").attrs["definition"] == "procrustes_distance"
    assert layer_similarity(a, measure="mutual_knn").attrs["definition"] == "mutual_knn[k=10]"
    assert layer_similarity(a, measure="mutual_knn", k=3).loc["stem", "layer1"] == metrics.mutual_knn(*a.values(), k=3)


def test_no_symmetric_pair_is_computed_twice(networks, monkeypatch):
    calls = []
    monkeypatch.setattr(metrics, "svcca", lambda x, y: calls.append(1) or 0.5)
    layer_similarity({**networks[0], **networks[1]}, measure="svcca")
    assert len(calls) == 6


def test_bad_networks_and_measures_are_named(networks):
    a, b = networks
    with pytest.raises(UnknownNameError, match="unknown similarity 'ckaa': did you mean 'cka'"):
        layer_similarity(a, measure="ckaa")
    with pytest.raises(InputError, match="b must hold at least one layer, got none"):
        layer_similarity(a, {}, measure="svcca")
    with pytest.raises(InputError, match=r"ys\['head'\] must have 60 rows as xs\['stem'\]"):
        layer_similarity(a, {"head": b["head"][:50]})


@pytest.mark.parametrize("measure", ["svcca", "pwcca"])
@pytest.mark.parametrize(("n", "d"), [(100, 10), (300, 50)])
def test_chance_is_what_unrelated_rows_give(measure, n, d):
    rng = np.random.default_rng(0)
    unrelated = [metrics.chance_similarity(*rng.standard_normal((2, n, d)), measure=measure, permutations=1, seed=i)
                 for i in range(20)]  # fmt: skip
    x = rng.standard_normal((n, d))
    found = metrics.chance_similarity(x, x, measure=measure)  # the same rows, in random order
    assert found == pytest.approx(np.mean(unrelated), abs=4 * np.std(unrelated))
    assert found == pytest.approx(0.85 * np.sqrt(d / n), rel=0.1)


def test_chance_of_neighbours_and_what_cannot_be_asked():
    x = np.random.default_rng(0).standard_normal((101, 3))
    assert metrics.chance_similarity(x, x, measure="mutual_knn", k=20) == pytest.approx(0.2, abs=0.02)
    assert abs(metrics.chance_similarity(x, x, debiased=True)) < 0.02
    with pytest.raises(UnknownNameError, match="similarity"):
        metrics.chance_similarity(x, x, measure="ckaa")
    with pytest.raises(InputError, match="permutations must be at least 1, got 0"):
        metrics.chance_similarity(x, x, permutations=0)

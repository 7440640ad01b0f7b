import json
import math
import subprocess
import sys

import numpy as np
import pytest

from reprq import metrics
from reprq.errors import InputError, UnknownNameError
from reprq.metrics import measure


def test_measure_gives_what_the_single_functions_give(rng):
    x = rng.standard_normal((300, 40)) + 1
    result = measure(x)
    assert tuple(result) == metrics.names()
    for name, metric in result.items():
        assert metric.value == pytest.approx(getattr(metrics, name)(x), rel=1e-12)
        assert metric.name == name
        assert metric.definition.startswith(f"{name}[")
        assert (metric.n, metric.d) == (300, 40)


def test_default_identifiers_are_stable():
    found = {name: metric.definition for name, metric in measure(np.eye(30)).items()}
    known = {
        "alpha_req": "alpha_req[eigen,centred,ranks=11-100,weighted]",
        "rankme": "rankme[singular,uncentred,eps=1e-7]",
        "aucev": "aucev[singular,centred]",
        "cosine_compactness": "cosine_compactness[pairs]",
        "participation_ratio": "participation_ratio[eigen,centred]",
        "effective_rank": "effective_rank[eigen,centred]",
        "stable_rank": "stable_rank[eigen,uncentred]",
        "nesum": "nesum[eigen,centred]",
        "condition_number": "condition_number[eigen,centred]",
        "isoscore": "isoscore[eigen,centred]",
        "trace": "trace[centred,n-1]",
    }
    assert found | known == found


def test_all_definitions_stand_side_by_side(rng):
    x = rng.standard_normal((200, 30)) + 2
    everything = measure(x, definitions="all")
    assert tuple(everything) == metrics.identifiers()
    assert len(set(everything)) == len(everything)
    rank = measure(x, ["rankme"], definitions="all")
    assert rank["rankme[eigen,centred,eps=1e-7]"].value == metrics.rankme(x, centered=True, values="eigen")
    assert {metric.name for metric in rank.values()} == {"rankme"}
    assert everything["cosine_compactness[mean]"].value == metrics.cosine_compactness(x, to="mean")


def test_metrics_of_rows_are_given_where_they_are_named(rng):
    x = rng.standard_normal((200, 30)) + 2
    result = measure(x, metrics.names("rows"))
    found = {name: metric.definition for name, metric in result.items()}
    known = {
        "uniformity": "uniformity[unit,t=2]",
        "twonn": "twonn[euclidean,discard=0.1]",
        "mean_knn_distance": "mean_knn_distance[euclidean,k=5]",
        "self_cluster": "self_cluster[unit,uncentred]",
        "coherence": "coherence[uncentred,n/rank]",
        "local_dimension": "local_dimension[euclidean,k=10,inverses]",
        "hubness": "hubness[euclidean,k=10]",
        "score_stability": "score_stability[knn,k=5,halves]",
        "alpha_all_ranks": "alpha_all_ranks[eigen,centred,unweighted]",
    }
    assert found | known == found
    for name, metric in result.items():
        assert metric.value == pytest.approx(getattr(metrics, name)(x), rel=1e-12)
    assert not set(metrics.names()) & set(result)
    assert metrics.names("all") == metrics.names() + metrics.names("rows")
    both = measure(x, ["twonn", "rankme"], definitions="all")
    assert both["twonn[euclidean,discard=0]"].value == metrics.twonn(x, discard=0)
    assert both["rankme[singular,uncentred,eps=1e-7]"].value == metrics.rankme(x)


def test_metrics_of_rows_take_what_the_others_take(rng):
    x = rng.standard_normal((60, 5))
    whole = measure(x, ["twonn", "rankme"])
    blocks = measure(iter(np.split(x, [7, 30])), ["twonn", "rankme"])
    for name in whole:
        assert blocks[name].value == pytest.approx(whole[name].value, rel=1e-9)
    assert measure(np.ones((9, 3)), ["twonn"])["twonn"].value is None
    assert measure(np.ones((9, 1)), ["self_cluster"])["self_cluster"].notes[0].startswith("no value: x must have")
    with pytest.raises(InputError, match="x must be the rows themselves for twonn, got Moments"):
        measure(metrics.Moments.of(x), ["rankme", "twonn"])


def test_a_definition_can_be_asked_for_by_its_identifier(rng):
    result = measure(rng.standard_normal((50, 20)), ["rankme", "aucev[eigen,uncentred]"])
    assert list(result) == ["rankme", "aucev[eigen,uncentred]"]
    assert list(measure(rng.standard_normal((50, 20)), "rankme")) == ["rankme"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (2, 1), (2, 2), (3, 40), (40, 3), (12, 12), (60, 40)])
@pytest.mark.parametrize("kind", ["normal", "equal", "zero", "duplicates", "huge", "tiny", "constant columns"])
def test_no_value_is_nan_or_impossible(rng, shape, kind):
    x = rng.standard_normal(shape)
    if kind == "equal":
        x[:] = x[0]
    elif kind == "duplicates":
        x[1:] = x[:-1]
    elif kind == "constant columns":
        x[:, ::2] = 3
    x *= {"zero": 0.0, "huge": 1e100, "tiny": 1e-100}.get(kind, 1.0)
    for metric in measure(x, definitions="all").values():
        if metric.value is None:
            assert any("no value" in note for note in metric.notes)
            continue
        assert math.isfinite(metric.value)
        if metric.name in ("rankme", "participation_ratio", "effective_rank", "stable_rank", "nesum"):
            assert 1 <= metric.value <= min(shape)
        if metric.name in ("aucev", "isoscore"):
            assert 0.5 * (metric.name == "aucev") <= metric.value <= 1


def notes(x, name="rankme"):
    return "; ".join(measure(x)[name].notes)


def test_doubts_are_told_with_their_numbers(rng):
    x = rng.standard_normal((50, 20))
    assert notes(rng.standard_normal((500, 20))) == ""
    assert "n = 50 rows are only 2.7 times the rank: it would rise with n" in notes(x)
    assert "times the rank" not in notes(x, "aucev")
    assert "n = 15 rows for d = 20 columns: the spectrum ends at rank 14" in notes(x[:15])
    assert "5 of 55 rows repeat an earlier row" in notes(np.concatenate([x, x[:5]]))
    assert "5 of 55 rows repeat an earlier row" in notes(np.concatenate([x, x[:5]]), "cosine_compactness")
    assert "2 of 50 rows are all zero" in notes(x * (np.arange(50) > 1)[:, None])
    assert "3 of 20 columns are constant" in notes(x * (np.arange(20) > 2))
    assert "one direction holds 99" in notes(x + 3 * np.sqrt(20))
    assert "one direction" not in notes(x + 3 * np.sqrt(20), "aucev")
    assert "only 6 ranks fitted (11 to 16)" in notes(x[:, :16], "alpha_req")
    assert "fitted over ranks 11 to 20" in notes(x, "alpha_req")
    assert "one row has no spread: no value" in notes(x[:1])
    assert "no value: x must have at least 2 positive eigenvalues" in notes(x[:, :5], "alpha_req")


def test_alpha_brings_its_fit(rng):
    extra = measure(rng.standard_normal((300, 150)))["alpha_req"].extra
    assert set(extra) == {"r2", "first_rank", "last_rank", "alpha_low", "alpha_high"}
    assert extra["last_rank"] == 100


def test_an_exponent_that_depends_on_the_range_says_so(make_power_law, rng):
    straight = make_power_law(300, 150, 1.5)
    assert "over other ranges" not in notes(straight, "alpha_req")
    assert "over other ranges of ranks" in notes(straight + 0.003 * rng.standard_normal((300, 150)), "alpha_req")
    steep = measure(straight + 0.003 * rng.standard_normal((300, 150)))["alpha_req"]
    assert steep.extra["alpha_low"] < 0.9 * steep.extra["alpha_high"]


def test_to_dict_is_json_and_to_frame_is_tidy(rng):
    result = measure(rng.standard_normal((9, 5)))
    back = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert back["alpha_req"]["value"] is None
    assert back["rankme"]["definition"] == "rankme[singular,uncentred,eps=1e-7]"
    table = result.to_frame()
    assert list(table.columns) == ["metric", "value", "definition", "low", "high", "n", "d", "notes"]
    assert tuple(table["metric"]) == metrics.names()
    assert table["value"].dtype == float
    assert "alpha_req" in repr(result)


def test_results_are_frozen(rng):
    with pytest.raises(AttributeError):
        measure(rng.standard_normal((9, 5)))["rankme"].value = 1.0


def test_bad_names_and_input_are_refused(rng):
    x = rng.standard_normal((9, 5))
    with pytest.raises(UnknownNameError, match="unknown metric 'rank_me': did you mean 'rankme'"):
        measure(x, ["rank_me"])
    with pytest.raises(UnknownNameError, match=r"did you mean 'rankme\[singular,centred,eps=1e-7\]'"):
        measure(x, ["rankme[singular,centered,eps=1e-7]"])
    with pytest.raises(UnknownNameError, match="unknown metric 'twon': did you mean 'twonn'"):
        measure(x, ["twon"])
    with pytest.raises(UnknownNameError, match="unknown kind of metrics 'row': did you mean 'rows'"):
        metrics.names("row")
    with pytest.raises(InputError, match="definitions must be 'default' or 'all', got 'some'"):
        measure(x, definitions="some")
    with pytest.raises(InputError, match="got nan at row 2, column 1"):
        measure([[0.0, 1.0], [1.0, 1.0], [0.0, float("nan")]])


def test_the_room_imports_neither_torch_nor_pandas():
    code = "import reprq.metrics, sys; print([m for m in ('torch', 'pandas', 'faiss', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_cache_of_layers_is_refused_with_what_to_take():
    class Cache(dict):
        def array(self, layer):
            return self[layer]

    with pytest.raises(InputError, match=r"got a cache of 2; take one, as cache\['layer3'\]"):
        measure(Cache(layer3=np.eye(3), pooled=np.eye(3)))
    with pytest.raises(InputError, match="got a cache of 0"):
        measure(Cache())

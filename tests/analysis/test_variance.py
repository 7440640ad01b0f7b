"""Shares of variance against sums of squares taken one by one, and where only one thing varies."""

import itertools

import numpy as np
import pandas as pd
import pytest

from reprq.analysis.variance import SOURCES, variance_shares
from reprq.errors import InputError

NETWORKS = {"a": 3, "b": 2, "c": 1}


def made(score, datasets: str = "ABCD") -> pd.DataFrame:
    """A full table whose score is a function of (data set, network, layer, task, detector)."""
    points = [(b, layer) for b, count in NETWORKS.items() for layer in range(count)]
    rows = []
    for d, (b, layer), t, k in itertools.product(range(len(datasets)), points, range(3), range(2)):
        where = {"dataset": datasets[d], "backbone": b, "layer": f"{layer}", "task": f"t{t}", "detector": f"k{k}"}
        rows.append({**where, "auroc": score(d, ord(b) - ord("a"), layer, t, k)})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("source", "score"),
    [
        ("data set", lambda d, b, layer, t, k: d**2),
        ("network", lambda d, b, layer, t, k: b**2),
        ("task", lambda d, b, layer, t, k: (d + 1) * t - d),
        ("detector", lambda d, b, layer, t, k: k),
        ("layer", lambda d, b, layer, t, k: layer - (NETWORKS["abc"[b]] - 1) / 2),
        ("network x task", lambda d, b, layer, t, k: (t - 1) * (b - 4 / 6)),
        ("layer x detector", lambda d, b, layer, t, k: (k - 0.5) * (layer - (NETWORKS["abc"[b]] - 1) / 2)),
        ("task x detector", lambda d, b, layer, t, k: (k - 0.5) * (t - 1)),
        ("rest", lambda d, b, layer, t, k: (k - 0.5) * (t - 1) * (b - 4 / 6)),
    ],
)
def test_what_varies_in_one_way_is_found_there(source, score) -> None:
    found = variance_shares(made(score), n_resamples=10).set_index("source")["share"]
    own = score if source == "data set" else None
    centred = made(score)
    if own is None:  # whatever the means of the data sets are, they are not the source
        centred["auroc"] -= centred.groupby("dataset")["auroc"].transform("mean")
        found = variance_shares(centred, n_resamples=10).set_index("source")["share"]
    assert found[source] == pytest.approx(1, abs=1e-9)


def test_the_parts_sum_to_the_whole_variance() -> None:
    rng = np.random.default_rng(0)
    table = made(lambda *where: rng.uniform())
    found = variance_shares(table).set_index("source")
    assert found["share"].sum() == pytest.approx(1)
    assert found["sd"].pow(2).sum() == pytest.approx(table["auroc"].var(ddof=0))
    assert list(found.index) == list(SOURCES)
    means = table.groupby("dataset")["auroc"].mean()
    assert found.loc["data set", "sd"] ** 2 == pytest.approx(means.var(ddof=0))
    shuffled = variance_shares(table.sample(frac=1, random_state=0)).set_index("source")
    np.testing.assert_allclose(shuffled["share"], found["share"], rtol=1e-9)


def test_the_interval_holds_the_share_and_widens_with_fewer_data_sets() -> None:
    rng = np.random.default_rng(0)
    few = variance_shares(made(lambda d, b, *rest: b * rng.normal() + rng.normal()))
    many = variance_shares(made(lambda d, b, *rest: b * rng.normal() + rng.normal(), "ABCDEFGHIJKLMNOP"))
    for found in (few, many):
        within = found.iloc[1:]
        assert ((within["low"] <= within["share"]) & (within["share"] <= within["high"])).all()
    assert (few["high"] - few["low"]).mean() > (many["high"] - many["low"]).mean()
    assert variance_shares(made(lambda *where: rng.normal(), "AB"))["low"].isna().all()


def test_incomplete_layers_are_left_out_and_nothing_is_said_of_nothing() -> None:
    table = made(lambda d, b, layer, t, k: 0.1 * b + 0.01 * k)
    lacking = table.drop(table.index[(table["backbone"] == "c") & (table["task"] == "t1")])
    kept = table[table["backbone"] != "c"]
    pd.testing.assert_frame_equal(variance_shares(lacking), variance_shares(kept))
    with pytest.raises(InputError, match="must have different values of auroc"):
        variance_shares(table.assign(auroc=0.5))
    with pytest.raises(InputError, match="two layers in the same tasks, got none"):
        variance_shares(table.groupby("dataset").head(1))
    with pytest.raises(InputError, match="table"):
        variance_shares(table.drop(columns="task"))

"""Which rule comes first, what it may be expected to lose, and when that cannot be told."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from reprq.analysis.elsewhere import PACKAGED, RULES, Elsewhere
from reprq.analysis.regret_over_datasets import BOTH, LAYER
from reprq.analysis.rivals import DEPTH, FIXED, LAST, RANDOM
from reprq.analysis.rules import COMBINATION
from reprq.analysis.verdict import dull_ranking, places, verdict

LOST = {COMBINATION: 0.1, FIXED: 0.05, DEPTH: 0.2, LAST: 0.3, RANDOM: 0.25}


def known(lost=LOST, datasets=5, modality="image", noise=0.001, networks=6, depth=0.5, detector="knn"):
    rng = np.random.default_rng(0)
    rows = [
        {"level": level, "rule": rule, "dataset": f"d{d}", "modality": modality, "detector": detector}
        | {"regret": value + noise * rng.normal()}
        for level in (LAYER, BOTH)
        for rule, value in lost.items()
        for d in range(datasets)
    ]
    layers = [
        {"weights": f"{n:016d}", "network": f"net {n}", "layer": f"l{k}", "place": 0.1 * n - 0.2 * abs(k - 1)}
        | {"n_datasets": datasets, "modalities": modality}
        for n in range(networks)
        for k in range(3)
    ]
    return Elsewhere(pd.DataFrame(rows), pd.DataFrame(layers), depth)


def layers_of(names="ab", place=np.nan):
    rows = [{"backbone": name, "layer": f"l{k}", "layer_number": k, "place": place} for name in names for k in range(3)]
    return pd.DataFrame(rows)


def test_the_fixed_ranking_comes_first_where_it_knows_all_networks_and_lost_less():
    found = verdict(known(), layers_of(place=0.0), "image")
    assert (found.rule, found.told) == (FIXED, True)
    assert found.said.startswith("first by the fixed ranking: choosing the network and layer by it lost 0.05")
    assert found.said.endswith("]")
    own = found.expected.set_index("rule")
    assert "on 5 data sets of images in the mean, and loses at most 0.05" in found.said
    assert " on a new one like them in 83% of cases; the combination lost more, 0.1" in found.said
    lost = known().regrets.query("level == @BOTH and rule == @FIXED")["regret"]
    assert own.loc[FIXED, ["most", "chance"]].tolist() == [lost.max(), 5 / 6]
    assert own.loc[FIXED, "regret"] == pytest.approx(0.05, abs=0.002)
    assert own.loc[COMBINATION, "gain"] == pytest.approx(own.loc[FIXED, "regret"] - own.loc[COMBINATION, "regret"])


def test_a_network_that_is_not_known_leaves_the_depth_and_layers_that_were_chosen_the_last():
    some = layers_of()
    some.loc[:2, "place"] = 0.1
    assert verdict(known(), some, "image").rule == COMBINATION  # lost less than the depth
    lost = {**LOST, COMBINATION: 0.4}
    assert verdict(known(lost), some, "image").rule == DEPTH
    assert verdict(known(lost), some, "image", whole=False).rule == LAST
    assert verdict(known(lost, depth=None), some, "image").rule == LAST


def test_each_detector_has_regrets_of_its_own_and_one_that_was_not_studied_the_mean_over_three():
    ours = {"knn": 0.05, "centroid": 0.15, "iforest": 0.4}
    tables = [known({**LOST, FIXED: lost}, detector=name).regrets for name, lost in ours.items()]
    several = Elsewhere(pd.concat(tables, ignore_index=True), known().layers, 0.5)
    points = layers_of(place=0.0)
    knn, forest = verdict(several, points, "image", "knn"), verdict(several, points, "image", "iforest")
    assert (knn.rule, forest.rule) == (FIXED, COMBINATION)
    assert "AUROC of knn on 5 data sets" in knn.said
    assert forest.expected.set_index("rule").loc[FIXED, "regret"] == pytest.approx(0.4, abs=0.002)
    for name, told in (("lof", False), ("mahalanobis", True), (None, True)):
        found = verdict(several, points, "image", name)
        assert "AUROC, the mean over knn, centroid, on 5 data sets" in found.said
        assert found.expected.set_index("rule").loc[FIXED, "regret"] == pytest.approx(0.1, abs=0.002)
        assert ("lof is not among the detectors that were studied" in found.said) == (name == "lof")
        assert not found.told or told
    only = verdict(known(detector="mean"), points, "image", "knn")
    assert (only.rule, only.told) == (FIXED, True)
    assert "AUROC, the mean over detectors, on 5 data sets" in only.said


def test_regrets_of_detectors_are_written_in_a_row_a_data_set_and_read_back(tmp_path, monkeypatch):
    from reprq.analysis import elsewhere

    own = [known(detector="knn"), known({COMBINATION: 0.3}, datasets=2, detector="deep_svdd")]
    several = Elsewhere(pd.concat([part.regrets for part in own], ignore_index=True), own[0].layers, 0.5)
    several.save(tmp_path / PACKAGED)
    assert '"knn": 0.1' in (tmp_path / PACKAGED).read_text("utf-8")
    monkeypatch.setattr(elsewhere.resources, "files", lambda _: tmp_path)
    again = Elsewhere.packaged().regrets
    pd.testing.assert_frame_equal(again, several.regrets.round(4), check_dtype=False)


@pytest.mark.parametrize(
    ("how", "modality", "why"),
    [
        ({}, "text", "no data set of texts is among those"),
        ({}, "audio", "no data set of sounds is among those"),
        ({"datasets": 2}, "image", "only 2 of those data sets are of images"),
        ({"networks": 5}, "image", "only 5 networks of images are among those"),
        ({"noise": 0.2}, "image", "the combination loses +0."),
    ],
    ids=["modality", "sounds", "data sets", "networks", "interval over 0"],
)
def test_what_cannot_be_told_is_said_with_the_reason(how, modality, why):
    found = verdict(known(**how), layers_of("a", place=0.0), modality)
    assert not found.told
    assert "; cannot tell whether that is better for data like yours than the " in found.said
    assert why in found.said
    assert "choosing the layer of a network by it lost" in found.said


def test_of_few_samples_nothing_can_be_told():
    found = verdict(known(), layers_of(place=0.0), "image", samples=2)
    assert not found.told
    assert "only 2 benign samples were measured, and metrics of fewer than 10 are chance" in found.said


def test_a_study_of_one_data_set_says_nothing_of_others():
    found = verdict(Elsewhere(depth=0.5), layers_of(), "image")
    assert (found.rule, found.told, found.expected.empty) == (COMBINATION, False, True)
    assert "what was learned from has no several data sets" in found.said


def test_the_ranking_knows_networks_by_their_weights():
    points = layers_of()
    digests = {"a": f"{2:016d}" + "f" * 48, "b": "f" * 64}
    found = places(known(), points, digests)
    assert found[:3].tolist() == pytest.approx([0.0, 0.2, 0.0])
    assert found[3:].isna().all()
    first = dull_ranking(FIXED, points.assign(place=[0.0, 0.2, 0.0, 0.3, 0.1, 0.2]), None, pd.Series(np.zeros(6)))
    assert first[["backbone", "layer"]].iloc[0].tolist() == ["b", "l0"]
    assert first["rank"].tolist() == [1, 2, 3, 4, 5, 6]


def test_networks_at_the_depth_are_ordered_by_the_combination():
    ties = pd.Series([9.0, 0.1, 0.0, 9.0, 0.2, 0.0])
    found = dull_ranking(DEPTH, layers_of(), 0.5, ties)
    assert found[["backbone", "layer"]].head(2).values.tolist() == [["b", "l1"], ["a", "l1"]]
    last = dull_ranking(LAST, layers_of(), 0.5, ties)
    assert set(last["layer"].head(2)) == {"l2"}


def test_what_is_packaged_is_whole_and_saved_to_four_decimals(tmp_path):
    from importlib import resources

    packaged = Elsewhere.packaged()
    assert set(packaged.regrets["rule"]) == set(RULES)
    assert {"image", "text", "table", "audio"} <= set(packaged.regrets["modality"])
    assert packaged.regrets.groupby(["level", "rule"])["dataset"].nunique().nunique() == 1
    assert not packaged.layers.duplicated(["weights", "layer"]).any()
    packaged.save(tmp_path / "again.json")
    file = resources.files("reprq.analysis") / PACKAGED
    assert (tmp_path / "again.json").read_text("utf-8") == file.read_text("utf-8")


def test_it_is_learned_from_a_study_of_several_data_sets(several):
    results = several()
    found = Elsewhere.of_study(results)
    names = results.detectors["dataset"].unique()
    assert set(found.regrets["dataset"]) == set(names)
    assert set(found.regrets["rule"]) == set(RULES)
    assert found.depth is not None
    assert set(found.regrets["detector"]) == {"knn"}
    given = found.regrets.drop(columns="modality").assign(regret=0.5)
    assert set(Elsewhere.of_study(results, regrets=given).regrets["regret"]) == {0.5}


def test_regrets_of_a_study_are_told_apart_by_detector(several, tmp_path):
    results = several()
    turned = results.detectors.assign(detector="centroid", definition="centroid", auroc=1 - results.detectors["auroc"])
    both = replace(results, detectors=pd.concat([results.detectors, turned], ignore_index=True))
    found = Elsewhere.of_study(both)
    assert set(found.regrets["detector"]) == {"knn", "centroid"}
    for name in ("knn", "centroid"):
        alone = Elsewhere.of_study(both, name).regrets
        pd.testing.assert_frame_equal(alone, found.under(name)[0].reset_index(drop=True))
    assert found.under("lof")[0]["detector"].nunique() == 2


def test_a_fixed_ranking_that_lost_less_and_does_not_know_a_network_is_said_not_to_apply():
    some = layers_of()
    some.loc[:2, "place"] = 0.1
    assert verdict(known(), some, "image").said.count("does not apply: it does not know 1 network") == 1
    assert "does not apply" not in verdict(known(), layers_of(place=0.0), "image").said
    assert "does not apply" not in verdict(known({**LOST, FIXED: 0.5}), some, "image").said


def test_nothing_is_said_to_lose_minus_zero_and_one_sample_is_one():
    lost = {**LOST, FIXED: LOST[COMBINATION]}
    found = verdict(known(lost, noise=1e-5), layers_of(place=0.0), "image", samples=1)
    assert "the combination loses +0.000 [0.000, 0.000] against" in found.said
    assert "only 1 benign sample was measured" in found.said

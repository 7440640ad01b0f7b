"""A metric that is best at a value: found by its distance and by squares of ranks, and not where there is nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reprq.analysis import correlate, recommend
from reprq.analysis.targets import parse_targets, with_targets
from reprq.errors import InputError, UnknownNameError
from reprq.study import StudyResults


def study(path: Path, effect: float, seed: int = 0) -> StudyResults:
    """Ten networks of six layers whose AUROC falls with |log alpha|, alpha between 1/3 and 3; rankme says nothing."""
    rng = np.random.default_rng(seed)
    measured, judged = [], []
    for backbone in "abcdefghij":
        for layer in range(6):
            alpha = np.exp(rng.uniform(-1.1, 1.1))
            for task in ("unimodal:x", "unimodal:y", "unimodal:z"):
                key = {"seed": 0, "backbone": backbone, "network": backbone, "layer": f"l{layer}"}
                key |= {"layer_number": layer, "task": task, "task_kind": "unimodal"}
                for name, value in (("alpha_req", alpha * np.exp(0.02 * rng.normal())), ("rankme", rng.normal())):
                    measured.append({**key, "metric": name, "definition": f"{name}[]", "value": value, "d": 64})
                auroc = 0.8 - effect * abs(np.log(alpha)) + 0.02 * rng.normal()
                judged.append({**key, "detector": "knn", "definition": "knn[1]", "auroc": auroc})
    return StudyResults(pd.DataFrame(measured), pd.DataFrame(judged), {}, path)


def test_a_sweet_spot_is_found_and_chosen(tmp_path: Path) -> None:
    results = with_targets(study(tmp_path, 0.3), {"alpha_req": 1})
    found = correlate(results, method="spearman", n_resamples=500).set_index("metric")
    assert abs(found.loc["alpha_req", "coefficient"]) < 0.4
    assert found.loc["alpha_req~1", "coefficient"] > 0.9
    assert found.loc["alpha_req~1", "p_family"] <= 0.01
    shape = correlate(study(tmp_path, 0.3), method="distance", n_resamples=500).set_index("metric")
    assert shape.loc["alpha_req", "p_family"] <= 0.05 < shape.loc["rankme", "p_family"]  # unasked for a value
    assert shape["low"].isna().all()
    lost = recommend(results, n_resamples=100).regret.set_index("rule")["regret"]
    assert lost["alpha_req~1"] < 0.03
    plain = recommend(study(tmp_path, 0.3), n_resamples=100).regret.set_index("rule")["regret"]
    assert plain["curved combination"] < plain["random"] / 2 < plain["combination"]  # squares find the middle unasked


def test_no_sweet_spot_is_found_where_there_is_none(tmp_path: Path) -> None:
    p_values, gains = [], []
    for seed in range(10):
        results = with_targets(study(tmp_path, 0.0, seed), {"alpha_req": 1})
        found = correlate(results, "alpha_req~1", method="spearman", n_resamples=100)
        p_values.append(found["p_value"].item())
        chosen = recommend(results, n_resamples=100).regret.set_index("rule")
        gains.append(chosen.loc["curved combination", "p_value"])
    # binomial shares of 5 % in 10 worlds: more than 3 in 1 of 1,000
    assert np.sum(np.array(p_values) <= 0.05) <= 3
    assert np.sum(np.array(gains) <= 0.05) <= 3


def test_targets_are_checked(tmp_path: Path) -> None:
    results = study(tmp_path, 0.3)
    assert parse_targets(("alpha_req=1", "rankme = 20.5")) == {"alpha_req": 1.0, "rankme": 20.5}
    with pytest.raises(InputError, match="--target must be METRIC=VALUE, as alpha_req=1, got 'alpha_req'"):
        parse_targets(("alpha_req",))
    with pytest.raises(UnknownNameError, match="unknown metric of the study 'alpha'"):
        with_targets(results, {"alpha": 1})
    with pytest.raises(InputError, match="the target of alpha_req must be a positive number, got 0"):
        with_targets(results, {"alpha_req": 0})
    negative = with_targets(results, {"rankme": 1}).metrics
    assert negative[negative["metric"] == "rankme~1"]["value"].isna().sum() > 10

"""Regrets and gains mean what they say: simulations of worlds whose truth is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reprq.analysis.chance import chance_scores, two_sided
from reprq.analysis.complete import Laid, complete_scores
from reprq.analysis.hindsight import HALF_OF_ROWS, SAME_ROWS, SEEDS, hindsight_folds
from reprq.analysis.left_out import predictions
from reprq.analysis.regret import over_classes, over_networks, regret_table, regrets, scored
from reprq.analysis.rules import Floats, StudyArrays, picks, scaled_ranks
from reprq.evaluation.detection import halves_of
from reprq.study import StudyResults

LAYERS, CLASSES = 4, 6


def world(rng: np.random.Generator, networks: int = 12, metrics: int = 1, **asked: Any) -> StudyArrays:
    """Scores and metrics of networks and their layers, unrelated unless a `signal` of them is shared.

    Asked are `signal`, the effect of `tasks` on layers, the `spread` of true scores and the `noise` of the score of
    either half of the test rows.
    """
    codes, targets = np.repeat(np.arange(networks), LAYERS), np.tile(np.arange(CLASSES), 2)
    shape = (len(codes), len(targets))

    def effects() -> Floats:
        parts = rng.normal(size=networks)[codes] + 0.5 * rng.normal(size=len(codes))
        found: Floats = parts[:, None] + asked.get("tasks", 0.3) * rng.normal(size=shape)
        return found

    score, signal = effects(), asked.get("signal", 0.0)
    values = [signal * score + np.sqrt(1 - signal**2) * effects() for _ in range(metrics)]
    halves = 0.7 + asked.get("spread", 0.05) * score + asked.get("noise", 0.0) * rng.normal(size=(2, *shape))
    names = np.array([f"net {code:02d}" for code in codes])
    points = pd.DataFrame({"backbone": names, "layer": "l", "network": names})
    return StudyArrays(
        dataset="d",
        points=points.assign(layer_number=np.tile(np.arange(LAYERS), networks)),
        tasks=np.arange(len(targets)).astype(str),
        targets=targets.astype(str),
        clusters=names,
        metrics=tuple(f"m{k}" for k in range(metrics)),
        ranks=np.stack([scaled_ranks(each) for each in values], axis=-1),
        scores=halves.mean(0),
        folds=np.stack([halves, halves[::-1]]),
        hindsight=HALF_OF_ROWS,
    )


def table_of(study: StudyArrays) -> pd.DataFrame:
    return regret_table([study], predictions([study]), chance_scores([study], 100, 0), "auroc")


def test_a_gain_of_unrelated_metrics_is_found_in_five_per_cent() -> None:
    rng, trials, found, fixed, covered = np.random.default_rng(0), 120, 0, 0, 0
    for _ in range(trials):
        study = world(rng)
        got = scored(picks(predictions([study])[0]["m0"]), study.scores)
        gain = got - study.scores.mean(0)
        moved = chance_scores([study], 59, seed=1)["m0"][:, 0]
        found += two_sided(got.mean(), moved) <= 0.05
        low, high = over_classes(gain, study.targets)
        fixed += not low <= 0 <= high
        ((low,), (high,)) = over_networks([study], gain[None], study.targets, moved[None], ["m0"], "over_random")
        covered += low <= 0 <= high
    error = 3 * np.sqrt(0.05 * 0.95 / trials)
    assert found / trials <= 0.05 + error
    assert covered / trials >= 0.95 - error
    assert fixed / trials > 0.5  # networks held fixed: the draw of one network passes for a finding


def test_a_metric_that_tells_layers_apart_is_found() -> None:
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(20):
        study = world(rng, signal=0.9, tasks=1.5)
        row = table_of(study).set_index("rule").loc["m0"]
        found += row["p_value"] <= 0.05
        assert row["over_random_low"] <= row["over_random"] <= row["over_random_high"]
        assert row["over_random_high"] - row["over_random_low"] > row["over_random_classes_high"] - row["over_random"]
    assert found >= 14


def test_no_interval_for_other_networks_from_few() -> None:
    study = world(np.random.default_rng(0), networks=5)
    table = table_of(study)
    assert table[["over_random_low", "over_last_high"]].isna().to_numpy().all()
    assert table["over_random_classes_low"].notna().all()


def test_the_regret_has_no_share_of_the_noise_of_a_maximum() -> None:
    rng, trials = np.random.default_rng(1), 100
    lost, same = [], []
    for _ in range(trials):
        study = world(rng, spread=0.0, noise=0.02)
        chosen = picks(predictions([study])[0]["m0"])
        lost.append(regrets(study, chosen).mean())
        same.append(regrets(replace(study, folds=np.stack([study.scores] * 2)[None]), chosen).mean())
    assert abs(np.mean(lost)) <= 3 * np.std(lost) / np.sqrt(trials)
    assert np.mean(same) > 0.02
    bounds = []
    for _ in range(trials):
        study = world(rng, noise=0.02)
        truth = replace(study, folds=study.folds * 0 + study.scores)  # the same scores choose and judge
        bounds.append(truth.best_in_hindsight.mean() - study.best_in_hindsight.mean())
    assert np.mean(bounds) > 0


def test_halves_have_every_class_and_differ_by_one_row_at_most() -> None:
    classes = np.random.default_rng(0).integers(0, 5, 101)
    first = halves_of(classes)
    for number in range(5):
        rows = classes == number
        assert 0 <= first[rows].sum() - (~first)[rows].sum() <= 1


@pytest.mark.parametrize("prints", [("a", "b"), ("a", "a")])
def test_older_tables_choose_by_other_seeds_where_these_have_images_of_their_own(
    prints: tuple[str, str], tmp_path: Path
) -> None:
    points = [{"backbone": b, "layer": "l", "layer_number": 0} for b in "abc"]
    rows = [{**point, "task": t, "task_kind": "unimodal", "seed": s} for point in points for t in "xy" for s in (0, 1)]
    scores = np.random.default_rng(0).uniform(size=len(rows))
    table = pd.DataFrame(rows).assign(definition="knn", auroc=scores, auroc_half_1=scores + 1.0, auroc_half_2=scores)
    record = {"data_fingerprints": {f"test, seed {seed}": name for seed, name in enumerate(prints)}}
    metrics = pd.DataFrame(rows).assign(metric="m", value=1.0)

    def folds(detectors: pd.DataFrame) -> tuple[Floats, str]:
        results = StudyResults(metrics, detectors, record, tmp_path)
        return hindsight_folds(Laid(results), complete_scores(results, "knn"), "knn", "auroc")

    cells = scores.reshape(3, 2, 2)  # points, tasks, seeds
    found, by = folds(table.drop(columns=["auroc_half_1", "auroc_half_2"]))
    expected = np.stack([[cells[..., 1], cells[..., 0]], [cells[..., 0], cells[..., 1]]])
    if len(set(prints)) == 1:
        expected = np.stack([cells.mean(-1)] * 2)[None]
    np.testing.assert_allclose(found, expected)
    assert by == (SEEDS if len(set(prints)) == 2 else SAME_ROWS)
    found, by = folds(table)
    assert by == HALF_OF_ROWS
    np.testing.assert_allclose(found[0, 0] - found[0, 1], 1.0)
    np.testing.assert_allclose(found[1], found[0][::-1])
    assert folds(table.assign(auroc_half_2=[None, *scores[1:]]))[1] != HALF_OF_ROWS


def test_metrics_are_moved_whole_and_along_the_depth() -> None:
    study = world(np.random.default_rng(0), networks=6)
    depth = np.tile(np.arange(LAYERS), 6)
    marked = replace(study, ranks=np.broadcast_to(depth[:, None, None], (*study.scores.shape, 1)) / 10.0)
    moved = chance_scores([marked], 20, seed=0)["m0"][:, 0]
    ends = [study.scores[depth == place].mean() for place in (0, LAYERS - 1)]
    assert len(np.unique(moved.round(12))) > 1  # ties of moved values are told apart by chance
    networks = study.scores.reshape(6, LAYERS, -1).mean(-1)
    low, high = networks[:, [0, -1]].min(), networks[:, [0, -1]].max()
    assert low <= moved.min() <= moved.max() <= high
    assert min(ends) - 0.1 < moved.mean() < max(ends) + 0.1

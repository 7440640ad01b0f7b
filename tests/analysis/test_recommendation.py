"""Rules that choose a layer: oracles of the fit, nothing leaks, regrets add up, and a user's own images."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reprq.analysis import Directions, correlate, points, recommend, recommend_for
from reprq.analysis.complete import complete_scores
from reprq.analysis.left_out import predictions
from reprq.analysis.rules import PENALTY, scaled_ranks, signs, study_arrays, weights
from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.embeddings import EmbeddingCache, extract
from reprq.errors import ConfigError, DataError, InputError, ReprqError, UnknownNameError
from reprq.metrics import measure
from reprq.study import StudyResults

LAYERS = 5


def made(tmp_path: Path, backbones: str = "abcdef", classes: str = "wxyz", seed: int = 0) -> StudyResults:
    """`good` follows the AUROC, `bad` is its opposite, `noise` neither; the last layer of a backbone is never best."""
    rng = np.random.default_rng(seed)
    metric_rows, detector_rows = [], []
    for backbone in backbones:
        for layer in range(LAYERS):
            for task in [f"{kind}:{name}" for kind in ("unimodal", "multimodal") for name in classes]:
                quality = rng.normal() - 2.0 * (layer == LAYERS - 1)
                key = {"seed": 0, "backbone": backbone, "network": backbone, "weights": "w", "layer": f"l{layer}"}
                key |= {"layer_number": layer, "task": task, "task_kind": task.partition(":")[0]}
                values = {"good": quality + 0.05 * rng.normal(), "bad": -quality + rng.normal(), "noise": rng.normal()}
                metric_rows += [{**key, "metric": name, "value": value, "d": 8} for name, value in values.items()]
                for name in ("knn", "centroid"):
                    auroc = 1 / (1 + np.exp(-quality))
                    detector_rows.append({**key, "detector": name, "definition": f"{name}[1]", "auroc": auroc})
    return StudyResults(pd.DataFrame(metric_rows), pd.DataFrame(detector_rows), {}, tmp_path)


def test_ranks_are_scaled_midranks_and_what_is_missing_is_the_middle() -> None:
    values = np.array([[3.0, np.nan], [1.0, 2.0], [3.0, 5.0], [9.0, np.nan]])
    np.testing.assert_allclose(scaled_ranks(values)[:, 0], [0, -0.5, 0, 0.5])
    np.testing.assert_allclose(scaled_ranks(values)[:, 1], [0, -0.5, 0.5, 0])


def test_the_weights_are_the_ridge_regression_of_the_ranks(tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge

    (study,) = study_arrays(made(tmp_path), "knn[1]", "auroc")
    z, y = study.ranks.reshape(-1, 3), scaled_ranks(study.scores).ravel()
    oracle = Ridge(alpha=len(z) * PENALTY / 12, fit_intercept=False).fit(z, y)
    np.testing.assert_allclose(weights([study]), oracle.coef_, atol=1e-12)
    assert dict(zip(study.metrics, signs(study.ranks, study.scores), strict=True))["bad"] == -1


def test_no_label_of_the_backbone_or_the_class_enters_what_is_said_of_it(tmp_path: Path) -> None:
    results = made(tmp_path)
    (before,) = study_arrays(results, "knn[1]", "auroc")
    table = results.detectors.copy()
    touched = (table["backbone"] == "c") | table["task"].str.endswith(":y")
    table.loc[touched, "auroc"] = np.random.default_rng(1).uniform(size=touched.sum())
    (after,) = study_arrays(StudyResults(results.metrics, table, {}, tmp_path), "knn[1]", "auroc")
    where = np.ix_(before.backbones == "c", before.targets == "y")
    elsewhere = np.ix_(before.backbones != "c", before.targets != "y")
    for rule, said in predictions([before])[0].items():
        np.testing.assert_array_equal(predictions([after])[0][rule][where], said[where])
    changed = [
        not np.array_equal(predictions([after])[0][r][elsewhere], s[elsewhere])
        for r, s in predictions([before])[0].items()
    ]
    assert any(changed)  # those labels do enter what is said of the others


def test_regrets_are_differences_of_the_table(tmp_path: Path) -> None:
    results = made(tmp_path, backbones="abcdefgh", classes="stuvwxyz")
    found = recommend(results, "knn", n_resamples=300)
    scores = study_arrays(results, "knn[1]", "auroc")[0].scores
    table = found.regret.set_index("rule")
    assert list(table.index) == [
        "combination",
        "curved combination",
        "good",
        "bad",
        "noise",
        "best elsewhere",
        "last layer",
        "random",
    ]
    np.testing.assert_allclose(table["auroc"] + table["regret"], scores.max(0).mean())
    np.testing.assert_allclose(table["auroc"] - table["over_random"], scores.mean())
    assert table.loc["random", "over_random"] == pytest.approx(0)
    assert table.loc["last layer", "auroc"] == pytest.approx(scores[LAYERS - 1 :: LAYERS].mean())
    assert ((table["regret_low"] <= table["regret"]) & (table["regret"] <= table["regret_high"])).all()
    assert table.loc["good", "regret"] < 0.02 < table.loc["noise", "regret"]
    assert table.loc["combination", "over_last_low"] > 0.2
    rules = table[table["p_value"].notna()]
    assert (rules["over_last_low"] <= rules["over_last_classes_low"]).all()
    assert table.loc["good", "p_value"] <= 0.02 < table.loc["noise", "p_value"]
    assert table["p_value"].isna().tolist() == [False] * 5 + [True] * 3
    choices = found.choices.set_index(["rule", "task"])
    assert choices["regret"].min() >= 0
    assert choices.loc["bad", "regret"].mean() == pytest.approx(table.loc["bad", "regret"])


def test_siblings_of_a_network_are_left_out_with_it(tmp_path: Path) -> None:
    """Two networks of one architecture share values that say nothing elsewhere; nothing of one enters the other."""
    results = made(tmp_path)
    for table in (results.metrics, results.detectors):
        table["network"] = table["backbone"].map(dict(zip("abcdef", "AABCDE", strict=True)))
    table = results.detectors.copy()
    table.loc[table["backbone"] == "b", "auroc"] = 1 - table["auroc"]
    changed = StudyResults(results.metrics, table, {}, tmp_path)
    for cluster, equal in (("architecture", True), ("backbone", False)):
        before, after = (study_arrays(each, "knn[1]", "auroc", cluster)[0] for each in (results, changed))
        of_sibling = before.backbones == "a"
        same = [
            np.array_equal(predictions([before])[0][r][of_sibling], predictions([after])[0][r][of_sibling])
            for r in ("combination", "bad")
        ]
        assert same[0] is equal
    for cluster in ("architecture", "backbone"):
        assert recommend(results, "knn", cluster=cluster, n_resamples=100).regret["p_value"].notna().sum() == 5
    with pytest.raises(UnknownNameError, match="unknown cluster 'network'"):
        recommend(results, "knn", cluster="network")


def test_siblings_alone_are_judged_on_each_other_and_it_is_said(tmp_path: Path) -> None:
    results = made(tmp_path)
    for table in (results.metrics, results.detectors):
        table["network"] = "one"
    found = recommend(results, "knn", n_resamples=100)
    assert "all networks are of one architecture: what is said of one was fitted on its siblings" in found.notes


def test_the_ranking_orders_all_layers_and_knows_their_score(tmp_path: Path) -> None:
    results = made(tmp_path)
    found = recommend(results, n_resamples=100).ranking
    assert len(found) == 2 * 5 * 6 * LAYERS  # detectors, rules, backbones
    best = found[(found["detector"] == "knn[1]") & (found["rule"] == "good")]
    assert best["rank"].tolist() == (-best["rule_score"]).rank(method="min").tolist()
    assert best["rank"].iloc[0] == 1
    judged = results.detectors[results.detectors["detector"] == "knn"]
    first = best.iloc[0]
    rows = judged[(judged["backbone"] == first["backbone"]) & (judged["layer"] == first["layer"])]
    assert first["auroc"] == pytest.approx(rows["auroc"].mean())
    assert best["auroc_rank"].corr(best["rank"]) > 0.9


def test_the_interval_covers_the_regret_of_new_classes(tmp_path: Path) -> None:
    many = recommend(made(tmp_path, classes="abcdefghijklmnopqrstuvwxyz", seed=9), "knn", n_resamples=100).regret
    truth = many.set_index("rule").loc["noise", "regret"]
    covered = 0
    for seed in range(20):
        row = recommend(made(tmp_path, classes="stuvwxyz", seed=seed), "knn", n_resamples=200).regret.set_index("rule")
        covered += row.loc["noise", "regret_low"] <= truth <= row.loc["noise", "regret_high"]
    assert covered >= 16


def test_backbones_can_be_left_out_by_label(tmp_path: Path) -> None:
    found = recommend(made(tmp_path), "knn", exclude=["a", "[bc]"], n_resamples=100)
    assert set(found.ranking["backbone"]) == {"d", "e", "f"}
    assert "15 layers of 3 backbones of 3 architectures, 8 tasks about 4 classes, 1 seed;" in found.notes[0]


def test_layers_with_a_failed_cell_are_left_out_and_said(tmp_path: Path) -> None:
    results = made(tmp_path)
    table = results.detectors
    lost = (table["backbone"] == "a") & (table["layer"] == "l2") & (table["task"] == "unimodal:w")
    metrics = results.metrics.copy()
    metrics.loc[(metrics["metric"] == "bad") & (metrics["layer"] == "l1"), "value"] = None
    found = recommend(StudyResults(metrics, table[~lost], {}, tmp_path), "knn", n_resamples=100)
    assert len(found.ranking) == 5 * (6 * LAYERS - 1)
    assert "1 of 30 layers have no auroc of knn[1] in some task or seed and are left out: l2 of a" in found.notes
    assert np.isfinite(found.ranking["rule_score"]).all()


def test_layers_that_tie_share_a_choice_whatever_the_order_of_the_backbones(tmp_path: Path) -> None:
    """x = (3, 1 | 2, 4 | 6, 5) with y = (.9, .6 | .7, .6 | .5, .95): the direction of x is a tie for some networks."""
    x = {"a": (3, 1), "b": (2, 4), "c": (6, 5)}
    y = {"a": (0.9, 0.6), "b": (0.7, 0.6), "c": (0.5, 0.95)}
    tables = []
    for order in itertools.permutations("abc"):
        points = [(b, layer, t) for b in order for layer in range(2) for t in "vw"]
        key = [
            {"backbone": b, "network": b, "layer": f"l{k}", "layer_number": k, "task": f"unimodal:{t}", "seed": 0}
            for b, k, t in points
        ]
        metrics = pd.DataFrame(key).assign(metric="x", value=[x[b][k] for b, k, _ in points], task_kind="unimodal")
        scores = pd.DataFrame(key).assign(detector="knn", definition="knn[1]", auroc=[y[b][k] for b, k, _ in points])
        found = recommend(StudyResults(metrics, scores, {}, tmp_path), n_resamples=100)
        columns = ["regret", "over_random", "favourite", "favourite_share"]
        tables.append((found.regret.set_index("rule")[columns], found.choices, found.ranking))
    for regret, choices, ranking in tables[1:]:
        pd.testing.assert_frame_equal(regret, tables[0][0])
        pd.testing.assert_frame_equal(choices, tables[0][1])
        pd.testing.assert_frame_equal(ranking, tables[0][2])


def test_a_tie_for_the_choice_is_the_mean_over_it_and_said(tmp_path: Path) -> None:
    results = made(tmp_path)
    results.metrics["value"] = 1.0
    found = recommend(results, "knn", n_resamples=100)
    assert found.regret.set_index("rule").loc["good", "over_random"] == pytest.approx(0, abs=1e-12)
    assert set(found.choices["n_chosen"]) == {6 * LAYERS}
    assert (found.ranking["rank"] == 1).all()


def test_a_layer_without_its_hard_tasks_is_not_the_best(tmp_path: Path) -> None:
    results = made(tmp_path)
    mean = study_arrays(results, "knn[1]", "auroc")[0].scores.mean(1)
    table = results.detectors
    hard = table.loc[table["backbone"] == "c"].groupby("task")["auroc"].mean().nsmallest(6).index
    lost = (table["backbone"] == "c") & (table["layer"] == "l1") & table["task"].isin(hard)
    failed = StudyResults(results.metrics, table[~lost], {}, tmp_path)
    over = points(failed, "good", "auroc", "knn[1]").set_index(["backbone", "layer"])
    assert ("c", "l1") not in over.index
    np.testing.assert_allclose(over["y"], np.delete(mean, 2 * LAYERS + 1))
    note = "1 of 30 layers have no auroc of knn[1] in some task or seed and are left out: l1 of c"
    assert note in correlate(failed, "good", detector="knn", method="pearson", n_resamples=100).loc[0, "notes"]
    assert note in recommend(failed, "knn", n_resamples=100).notes


def test_a_seed_or_a_task_that_most_layers_lack_leaves_every_mean(tmp_path: Path) -> None:
    results = made(tmp_path)
    both = [pd.concat([t, t.assign(seed=1)]).reset_index(drop=True) for t in (results.metrics, results.detectors)]
    metrics, table = both
    table.loc[table["seed"] == 1, "auroc"] += 0.1
    lost = (table["seed"] == 1) & (table["task"] == "unimodal:w") & (table["backbone"] != "a")
    found = complete_scores(StudyResults(metrics, table[~lost], {}, tmp_path), "knn[1]")
    assert found.values.shape == (6 * LAYERS, 15)
    assert found.notes == ("most layers have no auroc of knn[1] in unimodal:w (seed 1): left out of every mean",)
    few = (table["seed"] == 1) & (table["backbone"].isin(["a", "b"]))
    found = complete_scores(StudyResults(metrics, table[~few], {}, tmp_path), "knn[1]", tasks="multimodal")
    assert found.values.shape == (4 * LAYERS, 8)
    assert found.notes[0].endswith("some task or seed and are left out: l0 of a, l1 of a, l2 of a and 7 more")
    unmeasured = (metrics["seed"] == 1) & (metrics["backbone"] == "a")
    row = correlate(StudyResults(metrics[~unmeasured], table, {}, tmp_path), "good", detector="knn", n_resamples=100)
    assert row.loc[0, "n"] == 5 * LAYERS
    assert "layers left out that have no good in some task or seed: 5" in row.loc[0, "notes"]


def test_a_task_without_any_score_is_known_and_said(tmp_path: Path) -> None:
    results = made(tmp_path)
    table = results.detectors
    kept = StudyResults(results.metrics, table[table["task"] != "unimodal:w"], {}, tmp_path)
    found = correlate(kept, "good", detector="knn", method="pearson", tasks=["all", "each"], n_resamples=100)
    row = found.set_index("tasks").loc["unimodal:w"]
    assert row["n"] == 0
    assert "no layer has any auroc of knn[1]" in row["notes"]
    assert "in unimodal:w (seed 0): left out of every mean" in found.set_index("tasks").loc["all", "notes"]


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"detector": "knm"}, UnknownNameError, "unknown detector of the study 'knm': did you mean 'knn'"),
        ({"exclude": "x*"}, UnknownNameError, "unknown backbone of the study 'x*'"),
        ({"exclude": "[bcdef]"}, ReprqError, "the study needs at least two backbones, got 1"),
        ({"score": "auc"}, UnknownNameError, "did you mean 'auroc'?"),
        ({"n_resamples": 3}, InputError, "n_resamples must be at least 100, got 3"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: dict[str, object], error: type[ReprqError], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        recommend(made(tmp_path), **arguments)  # type: ignore[arg-type]
    assert sentence in str(caught.value)


def test_two_classes_are_too_few_for_an_interval_and_one_has_a_note(tmp_path: Path) -> None:
    found = recommend(made(tmp_path, classes="xy"), "knn", n_resamples=100)
    assert found.regret["regret_low"].isna().all()
    assert found.regret["over_random_low"].isna().all()
    assert "no interval from tasks about fewer than 3 classes" in found.notes
    one = made(tmp_path, classes="x")
    one = StudyResults(*(t[t["task_kind"] == "unimodal"] for t in (one.metrics, one.detectors)), {}, tmp_path)
    assert "one task: rules are fitted on its own anomalies" in " ".join(recommend(one, n_resamples=100).notes)


def _rows(cache_dir: Path) -> list[str]:
    (cache,) = cache_dir.iterdir()
    return EmbeddingCache(cache).ids.tolist()


@pytest.mark.parametrize(
    ("layout", "benign", "expected", "said"),
    [
        ({"": 4}, (), ["0.png", "1.png", "2.png", "3.png"], "was read as images without class folders: images 4"),
        ({"good": 2, "bad": 2}, (), ["good/0.png", "good/1.png"], "the class good is benign, as its name says"),
        ({"good": 2, "bad": 2}, "bad", ["bad/0.png", "bad/1.png"], "the class bad is benign; left out: good"),
        ({"a,b": 1, "c": 2, "d": 1}, '"a,b",c', ["a,b/0.png", "c/0.png", "c/1.png"], "the classes a,b, c are benign"),
        ({"a": 1, "c": 1}, (), ["a/0.png", "c/0.png"], "all 2 classes count as benign, a, c; --benign NAME says which"),
        ({"train": 2, "test/bad": 2, "test/good": 1}, (), ["train/0.png", "train/1.png"], "good 2 to train"),
    ],
)
def test_benign_images_of_a_folder_are_all_that_train(
    layout: dict[str, int], benign: str, expected: list[str], said: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for folder, count in layout.items():
        (tmp_path / "images" / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = rng.integers(0, 255, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / folder / f"{i}.png")
    how = {"weights": "random", "cache_dir": tmp_path / "cache", "progress": False}
    found = recommend_for(f"folder:{tmp_path / 'images'}", "lenet", benign=benign, **how)
    assert _rows(tmp_path / "cache") == expected
    assert any(said in note for note in found.notes)


def test_a_folder_whose_benign_class_is_not_clear_is_refused(tmp_path: Path) -> None:
    for name in ("benign", "malignant", "normal"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "0.png")
    with pytest.raises(InputError, match="which classes of .* are benign, since benign, normal may all be"):
        recommend_for(tmp_path, "lenet", weights="random")
    with pytest.raises(DataError, match="none does not exist"):
        recommend_for(tmp_path / "none", "lenet", weights="random")


def test_ones_own_images_are_ranked_by_ranks_weighted_as_in_the_study(results: StudyResults, tmp_path: Path) -> None:
    data = load_dataset("digits").restrict(["7"]).sample(40)
    found = recommend_for(
        data, ["lenet"], weights="random", source=results, detector="knn", cache_dir=tmp_path, progress=False
    )
    cache = extract("lenet", data, weights="random", cache_dir=tmp_path, progress=False)
    trust = found.trust.set_index("metric")
    assert set(trust.index) == {"rankme", "aucev"}
    values = {name: np.array([measure(x)[name].value for x in cache.values()]) for name in trust.index}
    score = sum(trust.loc[name, "weight"] * scaled_ranks(x[:, None])[:, 0] for name, x in values.items())
    order = [layer for _, layer in sorted(zip(-score, cache, strict=True))]
    assert found.ranking.query("rule == 'combination'")["layer"].tolist() == order
    by_rankme = found.ranking.query("rule == 'rankme'")
    assert by_rankme["value"].is_monotonic_increasing == bool(trust.loc["rankme", "coefficient"] < 0)
    assert "combination" in set(found.regret["rule"])
    assert "only 40 images: the metrics move with their number" in found.notes
    assert any(note.startswith("no anomaly was seen") for note in found.notes)


def test_without_a_study_the_packaged_directions_say_where_they_come_from(tmp_path: Path) -> None:
    data = load_dataset("digits").restrict(["7"]).sample(40)
    found = recommend_for(data, ["lenet"], weights="random", cache_dir=tmp_path, progress=False)
    assert found.regret.empty
    assert "14 data sets of four modalities" in found.notes[0]
    assert set(found.trust["metric"]) >= {"rankme", "aucev", "participation_ratio"}
    with pytest.raises(UnknownNameError, match="unknown detector of the study 'lofs'"):
        recommend_for(data, ["lenet"], weights="random", detector="lofs", cache_dir=tmp_path, progress=False)


@pytest.mark.parametrize(
    ("detector", "definition", "verdict", "note"),
    [
        ("lof", "knn[k=5,kth,euclidean]", "lof is not among the detectors that were studied", "count as for knn[k=5"),
        (
            "knn[k=10,kth,euclidean]",
            "knn[k=5,kth,euclidean]",
            "lost",
            "is judged as knn[k=5,kth,euclidean], with whose",
        ),
        ("mahalanobis", "mahalanobis[ledoit_wolf]", "lost", ""),
    ],
    ids=["not studied", "other settings", "by its name"],
)
def test_a_detector_is_judged_as_what_was_studied_and_a_note_says_so(
    detector: str, definition: str, verdict: str, note: str, tmp_path: Path
) -> None:
    data = load_dataset("digits").restrict(["7"]).sample(20)
    found = recommend_for(data, "lenet", weights="random", detector=detector, cache_dir=tmp_path, progress=False)
    assert set(found.trust["detector"]) == {definition}
    assert verdict in found.verdict
    about = [said for said in found.notes if "judged as" in said or "count as" in said]
    assert [note in said for said in about] == [True] * bool(note)


def test_directions_are_the_correlations_and_are_saved_to_four_decimals(results: StudyResults, tmp_path: Path) -> None:
    found = Directions.of_study(results, "knn").table.set_index("metric")
    expected = correlate(results, detector="knn", method="spearman").set_index("metric")
    assert found["coefficient"].tolist() == expected["coefficient"].tolist()
    Directions.packaged().save(tmp_path / "again.json")
    packaged = Path(__file__).parents[2] / "reprq" / "analysis" / "directions.json"
    assert (tmp_path / "again.json").read_bytes() == packaged.read_bytes()
    assert np.isfinite(Directions.packaged().table["weight"]).all()


def test_nothing_to_choose_from_is_said(tmp_path: Path) -> None:
    data = load_dataset("digits").sample(20)
    with pytest.raises(InputError, match="backbones must name at least one network"):
        recommend_for(data, [])
    with pytest.raises(InputError, match="a ranking needs at least two layers, got 1"):
        recommend_for(data, ["lenet"], layers="pooled", weights="random", cache_dir=tmp_path, progress=False)


def test_backbones_are_names_or_loaded_ones_and_data_is_what_python_holds(tmp_path: Path) -> None:
    data = load_dataset("digits").sample(40)
    listed = [data.item(i) for i in range(len(data))]
    one, other = (load_backbone("lenet", "random", seed=seed) for seed in (0, 1))
    how = {"layers": "1-3", "cache_dir": tmp_path, "progress": False}
    found = recommend_for(data, "lenet", weights="random", **how).ranking
    pd.testing.assert_frame_equal(found, recommend_for(data, [one], **how).ranking)
    pd.testing.assert_frame_equal(found, recommend_for(listed, one, **how).ranking)
    both = recommend_for(data, [one, other], **how).ranking
    assert set(both["backbone"]) == {"lenet", "lenet random(seed=1)"}
    for wrong, said in (
        ([one, one], "must name each network once, got 'lenet random"),
        (["lenet", one], "must name each network once"),
        ([one.network], "must be names, sections or Backbones, got LeNet; reprq.backbones.as_backbone"),
        (one.network, "must name at least one network, got LeNet"),
        (3, "must name at least one network, got int"),
        (None, "must name at least one network, got none"),
    ):
        with pytest.raises(InputError, match=said):
            recommend_for(data, wrong, weights="random", **how)  # type: ignore[arg-type]


def test_sections_bring_weights_preprocessing_and_layers_of_their_own(tmp_path: Path) -> None:
    from reprq.analysis.candidates import candidates

    own = {"name": "lenet", "weights": "random", "preprocessing": {"mean": 0.25}, "layers": ["conv1"], "pooling": "max"}
    found = candidates([own, "lenet"], weights="random", preprocessing={"mean": 0.75, "crop": "none"}, layers="1-2")
    first, second = found.values()
    assert list(found) == ["lenet random", "lenet"]
    assert (first.backbone.preprocessing.mean, first.layers, first.pooling) == ((0.25,) * 3, ["conv1"], "max")
    assert (second.backbone.preprocessing.mean, second.layers, second.pooling) == ((0.75,) * 3, "1-2", "avg")
    assert first.backbone.preprocessing.crop == second.backbone.preprocessing.crop == "none"
    with pytest.raises(ConfigError, match="the backbone: unknown key backbones\\[0\\].size"):
        candidates([{"name": "lenet", "size": 28}])
    with pytest.raises(InputError, match="must name each network once"):
        candidates([own, dict(own)])

import numpy as np
import pytest

from reprq.detectors import Ensemble, create, describe, load, p_values, save
from reprq.errors import InputError, UnknownNameError
from reprq.evaluation import auroc


def rows(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 4)) * np.arange(1, 5)


@pytest.mark.parametrize("combine", ["mean", "fisher", "smallest"])
def test_scores_are_those_of_a_loop_over_detectors_and_rows(combine: str) -> None:
    benign, new = rows(50), rows(9, seed=1)
    found = Ensemble("centroid+knn+pca", combine).fit(benign).anomaly_score(new)
    members = [create(name).fit(benign) for name in ("centroid", "knn", "pca")]
    for row, score in zip(new, found, strict=True):
        p = [float(each.calibration_.p_values(row[None])[0]) for each in members]
        wanted = {"mean": 1 - sum(p) / 3, "fisher": -2 * sum(np.log(p)), "smallest": 1 - min(p)}[combine]
        assert score == pytest.approx(wanted)


def test_the_mean_p_value_is_the_mean_rank_among_held_out_rows() -> None:
    benign, new = rows(300), rows(20, seed=1)
    found = Ensemble("centroid+knn").fit(benign).anomaly_score(new)
    ranks = []
    for name in ("centroid", "knn"):
        ((clone, held),) = create(name).fit(benign).calibration_.folds  # one fold is enough
        scores = clone.anomaly_score(new)
        np.testing.assert_allclose(
            create(name).fit(benign).calibration_.p_values(new), p_values(held, scores), rtol=1e-9
        )
        ranks.append([(held < score).sum() for score in scores])
    np.testing.assert_allclose(found, np.mean(ranks, axis=0) / (len(held) + 1), rtol=1e-9)


def test_detectors_that_see_different_things_are_better_together() -> None:
    """Half of the anomalies lie far out, where all see them; the others in a hole, where neighbors alone do."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 400)
    ring = 4 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(size=(400, 2)) * 0.3
    odd = np.concatenate([rng.normal(size=(20, 2)) * 0.3, rng.normal(size=(20, 2)) * 0.3 + [9, 9]])
    labels, judged = np.repeat([0, 1], [200, 40]), np.concatenate([ring[200:], odd])
    values = {}
    for spec in ("centroid", {"name": "ensemble", "of": "centroid+knn", "combine": "smallest"}):
        detector = create(spec).fit(ring[:200])
        values[describe(detector)] = auroc(labels, detector.anomaly_score(judged)).value
    alone, together = values.values()
    assert alone < 0.6
    assert together > 0.95


def test_parameters_of_members_and_a_file(tmp_path) -> None:
    detector = create({"name": "ensemble", "of": ["centroid", {"name": "knn", "k": 2}], "combine": "fisher"})
    assert detector.describe() == "ensemble[fisher,centroid+knn[k=2,kth,euclidean]]"
    detector.fit(rows(40))
    save(detector, tmp_path / "ensemble.safetensors")
    again = load(tmp_path / "ensemble.safetensors")
    np.testing.assert_array_equal(again.anomaly_score(rows(5, 1)), detector.anomaly_score(rows(5, 1)))


@pytest.mark.parametrize("combine", ["mean", "fisher", "smallest"])
def test_rows_beyond_all_held_out_ones_tie_unless_their_tail_is_told_apart(combine: str) -> None:
    benign, far = rows(40), np.array([[30.0, 0, 0, 0], [300.0, 0, 0, 0], [3000.0, 0, 0, 0]])
    near = rows(20, seed=2) * 0.2
    plain = Ensemble("centroid+knn", combine).fit(benign)
    told = Ensemble("centroid+knn", combine, tail=True).fit(benign)
    assert len(set(plain.anomaly_score(far))) == 1
    assert (np.diff(told.anomaly_score(far)) > 0).all()
    np.testing.assert_array_equal(told.anomaly_score(near), plain.anomaly_score(near))  # inside nothing changes
    assert told.describe() == plain.describe().replace("]]", "],tail]")
    p = np.ones(3)
    for member in told.members_:
        excess = [
            (c.anomaly_score(far) - held.max()) / (held.max() - np.median(held))
            for c, held in member.calibration_.folds
        ]
        assert np.min(excess) > 0
        shrunken = member.calibration_.p_values(far) / (1 + np.mean(excess, axis=0))
        p = {"mean": p + shrunken / 2 - 0.5, "fisher": p * shrunken, "smallest": np.minimum(p, shrunken)}[combine]
    wanted = -2 * np.log(p) if combine == "fisher" else 1 - p
    np.testing.assert_allclose(told.anomaly_score(far), wanted)


@pytest.mark.parametrize("of", ["centroid+centroid", [{"name": "knn", "k": 2}, {"name": "knn", "k": 3}]])
def test_members_may_differ_in_parameters_alone(of) -> None:
    if isinstance(of, str):
        with pytest.raises(InputError, match="different detectors, got centroid twice"):
            create({"name": "ensemble", "of": of})
    else:
        assert np.isfinite(create({"name": "ensemble", "of": of}).fit(rows(40)).anomaly_score(rows(5, 1))).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"of": "knn"}, "of must name two or more detectors of rows, joined by . as in knn.pca, got 'knn'"),
        (
            {"of": ["knn", "deep_svdd"]},
            "got deep_svdd, which takes samples; fit it apart, and take the mean of the column",
        ),
        ({"of": "knn+raw:pca"}, "got raw:pca, which takes samples"),
        ({"of": ["knn", 3]}, "of must name detectors of rows, such as knn.pca, got 3; leave it out"),
        ({"of": "knn+pca+knn"}, r"different detectors, got knn\[k=5,kth,euclidean\] twice; leave one out"),
        ({"tail": 1}, "tail must be true or false, got 1"),
        ({"of": 3}, "of must name two or more"),
        ({"combine": "product"}, "combine must be one of mean, fisher, smallest, got 'product'"),
    ],
)
def test_errors_say_what_to_do(given: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        create({"name": "ensemble", **given})
    with pytest.raises(UnknownNameError, match="knnn"):
        create({"name": "ensemble", "of": "knnn+pca"})

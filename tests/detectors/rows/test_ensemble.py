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


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"of": "knn"}, "of must name two or more detectors of rows, such as knn.pca, got 'knn'"),
        ({"of": ["knn", "deep_svdd"]}, "of must name detectors of rows, such as knn.pca, got 'deep_svdd'"),
        ({"of": 3}, "of must name two or more"),
        ({"combine": "product"}, "combine must be one of mean, fisher, smallest, got 'product'"),
    ],
)
def test_errors_say_what_to_do(given: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        create({"name": "ensemble", **given})
    with pytest.raises(UnknownNameError, match="knnn"):
        create({"name": "ensemble", "of": "knnn+pca"})

"""Hybrids: two detectors by name, one after the other, with what each learns from and in one file."""

import numpy as np
import pytest

from reprq.data import as_dataset, load_dataset
from reprq.detectors import FCDD, KNN, SSAD, DeepSAD, DeepSVDD, create, describe, load, save
from reprq.detectors.rows.base import NotFittedError
from reprq.errors import InputError, OutputExistsError, UnknownNameError
from reprq.evaluation.detection import evaluate
from reprq.training import split_rows

QUICK = {"epochs": 2, "batch_size": 16, "lr": 0.01}
RNG = np.random.default_rng(0)
BENIGN, ROWS, KNOWN = RNG.normal(size=(40, 5)), RNG.normal(size=(9, 5)), 3 + RNG.normal(size=(6, 5))


def test_it_is_the_detector_of_rows_on_the_embeddings_of_the_deep_one():
    hybrid = create({"name": "hybrid:knn", "k": 3, "of": "deep_svdd", **QUICK}).fit(BENIGN)
    network = DeepSVDD(**QUICK).fit(BENIGN)
    expected = KNN(k=3).fit(network.embed(BENIGN)).anomaly_score(network.embed(ROWS))
    np.testing.assert_array_equal(hybrid.anomaly_score(ROWS), expected)
    np.testing.assert_array_equal(hybrid.embed(ROWS), network.embed(ROWS))


def test_both_learn_from_labelled_samples_where_they_can():
    labels = [1, 1, 0, 1, 0, 1]
    besides = {"labelled": KNOWN, "labels": labels}
    sad = DeepSAD(**QUICK).fit(BENIGN, **besides)
    svdd = DeepSVDD(**QUICK).fit(BENIGN)

    def on(network, **given):
        return SSAD().fit(network.embed(BENIGN), **given).anomaly_score(network.embed(ROWS))

    both = create({"name": "hybrid:ssad", "of": "deep_sad", **QUICK}).fit(BENIGN, **besides)
    np.testing.assert_array_equal(both.anomaly_score(ROWS), on(sad, labelled=sad.embed(KNOWN), labels=labels))
    second = create({"name": "hybrid:ssad", "of": "deep_svdd", **QUICK}).fit(BENIGN, **besides)
    np.testing.assert_array_equal(second.anomaly_score(ROWS), on(svdd, labelled=svdd.embed(KNOWN), labels=labels))
    first = create({"name": "hybrid:knn", "of": "deep_sad", **QUICK}).fit(BENIGN, **besides)
    np.testing.assert_array_equal(first.embed(ROWS), sad.embed(ROWS))
    assert [each.uses for each in (both, second, first)] == [{"labelled"}] * 3
    neither = create({"name": "hybrid:knn", **QUICK})
    for given in ({"labelled": KNOWN}, besides):
        with pytest.raises(InputError, match="leave (it|labels) out"):
            neither.fit(BENIGN, **given)


def test_parameters_go_to_whom_they_belong():
    made = create({"name": "hybrid:ocsvm", "nu": 0.3, "seed": 4, "of": {"name": "deep_svdd", "nu": 0.2, "seed": 7}})
    assert describe(made) == "hybrid:ocsvm[nu=0.3]@deep_svdd[one-class,epochs=150,lr=0.0001,nu=0.2]"
    assert made.get_params()["of"]["seed"] == 7
    network, forest = create({"name": "hybrid:iforest", "epochs": 3, "seed": 4})._pair()
    assert (network.seed, network.epochs, forest.seed) == (4, 3, 4)
    again = create({"name": "hybrid:knn"}).set_params(k=2, device="cpu", dim=3)
    assert describe(again) == "hybrid:knn[k=2,kth,euclidean]@deep_svdd[one-class,epochs=150,lr=0.0001,dim=3]"


def test_a_saved_hybrid_scores_alike(tmp_path):
    path = tmp_path / "hybrid"
    hybrid = create({"name": "hybrid:knn", "k": 3, "of": "deep_sad", **QUICK}).fit(BENIGN, labelled=KNOWN)
    save(hybrid, path)
    again = load(path)
    np.testing.assert_array_equal(again.anomaly_score(ROWS), hybrid.anomaly_score(ROWS))
    assert describe(again) == describe(hybrid)
    with pytest.raises(OutputExistsError):
        save(hybrid, path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="that reprq saved"):
        load(path)


def test_a_split_gives_it_what_it_learns_from():
    from reprq.data import Split

    x, labels = np.concatenate([BENIGN, KNOWN]), np.repeat([0, 1], [9, 6])
    whole = Split("s", np.arange(40), np.arange(15), labels, labelled=np.arange(40, 46))
    spec = {"name": "hybrid:ssad", **QUICK}
    found = evaluate(spec, whole, x, np.concatenate([ROWS, KNOWN]))
    assert found.fitted.detector_.known_.tolist() == [1] * 6


def test_predict_compares_with_samples_that_neither_of_the_two_has_seen():
    rng = np.random.default_rng(1)
    benign, fresh = rng.normal(size=(400, 5)), rng.normal(size=(2_000, 5))
    hybrid = create({"name": "hybrid:knn", "k": 3, "seed": 3, **QUICK}).fit(benign)
    kept, held_out = split_rows(400, 3)
    others = KNN(k=3).fit(hybrid.embed(benign)[kept])
    held = np.sort(others.anomaly_score(hybrid.embed(benign)[held_out]))
    expected = np.where(others.anomaly_score(hybrid.embed(fresh)) > held[-2], -1, 1)  # 5 % of 41 are 2, itself one
    np.testing.assert_array_equal(hybrid.predict(fresh), expected)
    assert 0.01 < np.mean(expected < 0) < 0.15
    assert hybrid.predict(benign[:3] + 100).tolist() == [-1] * 3
    over = hybrid.anomaly_score(fresh)
    np.testing.assert_array_equal(hybrid.predict(fresh, threshold=0.5), np.where(over > 0.5, -1, 1))


def test_no_images_have_no_scores():
    zeros = load_dataset("digits").restrict(["0"]).sample(20)
    hybrid = create({"name": "hybrid:knn", "k": 3, **QUICK}).fit(zeros)
    assert hybrid.anomaly_score(zeros.select([])).shape == (0,)
    assert (hybrid.predict(zeros) == 1).sum() >= 16


def test_predict_asks_for_a_threshold_where_none_can_be_found():
    hybrid = create({"name": "hybrid:knn", "k": 3, "held_out": 0.0, **QUICK}).fit(BENIGN)
    assert hybrid.predict(ROWS, threshold=-1.0).tolist() == [-1] * 9
    with pytest.raises(InputError, match="predict needs a threshold, because no sample was held out; give one"):
        hybrid.predict(ROWS)
    with pytest.raises(NotFittedError):
        create("hybrid:knn").predict(ROWS)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({"name": "hybrid:knn", "of": "knn"}, InputError, "of must name a detector that trains a network, such as"),
        ({"name": "hybrid:knn", "of": "raw:knn"}, InputError, "of must name a detector that trains a network"),
        ({"name": "hybrid:knn", "of": "distillation"}, InputError, "distillation, which embeds as its backbone does"),
        ({"name": "hybrid:knn", "of": 3}, InputError, "of must name a detector that trains a network.*got 3"),
        ({"name": "hybrid:deep_svdd"}, InputError, "hybrid must name a detector of rows, such as hybrid:knn, got"),
        ({"name": "hybrid:knm"}, UnknownNameError, "did you mean 'knn'"),
        ({"name": "hybrid:knn", "kk": 3}, InputError, "detector knn has no parameter 'kk'"),
    ],
)
def test_wrong_pairs_are_refused(spec, error, message):
    with pytest.raises(error, match=message):
        create(spec)


def test_an_unfitted_one_says_so():
    with pytest.raises(NotFittedError, match="is not fitted; call fit"):
        create("hybrid:knn").anomaly_score(ROWS)


def test_the_deep_one_learns_from_masks_where_it_can():
    images = np.random.default_rng(1).integers(0, 60, (20, 16, 16, 3), dtype=np.uint8)
    known, masks = images[:6].copy(), np.zeros((6, 16, 16), dtype=bool)
    masks[:, 4:8, 4:8] = True
    known[masks] = 250
    besides = {"labelled": as_dataset(known), "masks": masks}
    quick = {"network": "fashion_mnist", "size": 16, "epochs": 1, "batch_size": 8}
    hybrid = create({"name": "hybrid:knn", "of": "fcdd", **quick}).fit(as_dataset(images), **besides)
    assert "masks" in hybrid.uses
    network = FCDD(**quick).fit(as_dataset(images), **besides)
    np.testing.assert_array_equal(hybrid.embed(as_dataset(known)), network.embed(as_dataset(known)))
    blind = FCDD(**quick).fit(as_dataset(images), labelled=as_dataset(known))
    assert not np.array_equal(blind.embed(as_dataset(known)), network.embed(as_dataset(known)))
    with pytest.raises(InputError, match="learns from no masks; leave masks out"):
        create({"name": "hybrid:knn", "of": "deep_sad", **QUICK}).fit(BENIGN, labelled=KNOWN, masks=masks)
    with pytest.raises(InputError, match="takes all labelled samples for anomalies; leave labels out"):
        create({"name": "hybrid:knn", "of": "fcdd", **quick}).fit(as_dataset(images), **besides, labels=np.zeros(6))

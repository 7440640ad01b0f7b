"""What holds for every registered detector that reads samples, on images and where it takes them on rows."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

from reprq import measure
from reprq.detectors import DETECTORS, create, describe, load
from reprq.detectors.rows.base import NotFittedError
from reprq.errors import DataError, InputError, OutputExistsError
from reprq.evaluation import auroc

BUILT_IN = [entry for entry in DETECTORS if DETECTORS.is_built_in(entry.name)]
SAMPLES = [entry.name for entry in BUILT_IN if entry.inputs == "samples"]
MAPS = [entry.name for entry in BUILT_IN if entry.inputs == "maps"]
QUICK = {"epochs": 4, "batch_size": 16, "lr": 0.01}
SPECS = {
    **{name: {"name": name, **QUICK} for name in SAMPLES},
    "fcdd": {"name": "fcdd", **QUICK, "lr": 0.001, "network": "fashion_mnist", "size": 16},
    "geometric": {"name": "geometric", **QUICK, "network": "mnist"},
    "msp": {"name": "msp", "epochs": 4, "batch_size": 8, "lr": 0.003, "network": "fashion_mnist"},
    "odin": {"name": "odin", **QUICK, "network": "mnist"},
    "geometric, separate heads": {"name": "geometric", **QUICK, "network": "mnist", "heads": "separate"},
    "ss_dgm, M1 pretrained": {"name": "ss_dgm", **QUICK, "variant": "m1+m2", "pretrain_epochs": 2},
    "distillation": {"name": "distillation", **QUICK, "batch_size": 4, "lr": 0.001},
    "distillation, gradient": {"name": "distillation", **QUICK, "batch_size": 4, "lr": 0.001, "score": "gradient"},
    "adra": {"name": "adra", **QUICK, "lr": 0.05},
    "transfer": {"name": "transfer", **QUICK, "lr": 0.001, "loss": "deep_sad"},
    "transfer, ewc": {"name": "transfer", **QUICK, "loss": "hsc", "regularizer": "ewc", "fisher_samples": 8},
    "transfer, adapters": {"name": "transfer", **QUICK, "lr": 0.001, "loss": "deep_sad", "regularizer": "adapters"},
    "fanogan": {"name": "fanogan", **QUICK, "critic_steps": 1, "encoder_lr": 0.01, "dim": 8},
    "anogan": {"name": "anogan", **QUICK, "critic_steps": 1, "dim": 8, "restarts": 2, "search_steps": 4},
    "anogan, adapted": {
        **{"name": "anogan", **QUICK, "critic_steps": 1, "dim": 8, "restarts": 1, "search_steps": 1},
        "adapted": True,
    },
    "dagmm": {"name": "dagmm", **QUICK, "batch_size": 4, "lr": 0.005, "dim": 5, "components": 1},
    "cvdd": {"name": "cvdd", **QUICK, "layers": 1, "contexts": 2, "attention": 8},
    **{name: {"name": name, "layers": "1,2"} for name in MAPS},
    "raw:NAME": {"name": "raw:knn", "k": 2},
    "hybrid:NAME": {"name": "hybrid:knn", "k": 2, **QUICK},
    "autoencoder, sparse": {"name": "autoencoder", **QUICK, "active": 4},
    "autoencoder, contractive": {"name": "autoencoder", **QUICK, "contraction": 0.001},
    "autoencoder, denoising": {"name": "autoencoder", **QUICK, "noise": 0.3},
    "deep_svdd, soft, pretrained": {
        **{"name": "deep_svdd", **QUICK, "objective": "soft-boundary"},
        **{"warm_up_epochs": 2, "pretrain_epochs": 2},
    },
}
TRAINED = [name for name in SPECS if name not in ("raw:NAME", "hybrid:NAME", *MAPS)]
OF_ROWS = [name for name in TRAINED if getattr(create(SPECS[name]), "takes_rows", False)]
CASES = [(name, "images") for name in SPECS] + [(name, "rows") for name in OF_ROWS]
TRAINED_CASES = [(name, kind) for name, kind in CASES if name in TRAINED]


@pytest.fixture
def make(random_teacher):
    def made(name, **changes):
        entry = DETECTORS.find(SPECS[name]["name"])
        word = "teacher" if entry.name == "distillation" else "backbone"
        own = {word: random_teacher} if "backbone" in entry.needs else {}
        return create({**SPECS[name], **own, **changes})

    return made


@pytest.fixture
def given(zeros, mixed, table):
    """Benign samples, and samples to score with their labels; of either kind."""
    known = np.repeat([0, 1], 20)
    return {"images": (zeros, mixed, known), "rows": (*table, known)}


@pytest.fixture
def fit(given, corpora):
    """Fit a detector with something that it uses besides."""

    def fitted(detector, benign, **besides):
        kind = "images" if hasattr(benign, "select") else "rows"
        wanted = sorted(getattr(detector, "uses", ()))[:1]  # what any one uses suffices
        return detector.fit(benign, **{word: corpora[word][kind] for word in corpora if word in wanted}, **besides)

    return fitted


def select(samples, rows):
    return samples.select(rows) if hasattr(samples, "select") else samples[rows]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_scores_tell_easy_anomalies_and_depend_on_nothing_beside_them(make, fit, given, name, kind):
    benign, samples, labels = given[kind]
    detector = fit(make(name), benign)
    scores = detector.anomaly_score(samples)
    assert (scores.shape, scores.dtype) == (labels.shape, np.float64)
    assert len(np.unique(scores)) > len(scores) / 2
    assert auroc(labels, scores).value > 0.9
    order = np.random.default_rng(0).permutation(len(scores))
    np.testing.assert_allclose(detector.anomaly_score(select(samples, order)), scores[order], rtol=1e-4, atol=1e-6)
    one = detector.anomaly_score(select(samples, [7]))
    np.testing.assert_allclose(one, scores[[7]], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_same_seed_same_scores_and_a_refit_forgets(make, fit, given, name, kind):
    benign, samples, _ = given[kind]
    detector = make(name)
    scores = fit(detector, benign).anomaly_score(samples)
    other = fit(detector, select(benign, np.arange(20))).anomaly_score(samples)
    assert not np.array_equal(other, scores)
    np.testing.assert_array_equal(fit(detector, benign).anomaly_score(samples), scores)
    if name in TRAINED:
        assert not np.array_equal(fit(make(name, seed=1), benign).anomaly_score(samples), scores)


SCRIPT = """
import json, sys
from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.detectors import DETECTORS, create
benign, known = load_dataset("digits").restrict(["0"]).sample(30), load_dataset("digits").restrict(["1", "2"]).sample(9)
scored, teacher = load_dataset("digits", "test").sample(20), load_backbone("lenet", "random", seed=3)
scores = {}
for name in sys.argv[1:]:
    own = {"backbone": teacher} if "backbone" in DETECTORS.find(name).needs else {}
    special = {"distillation": {"teacher": teacher}, "cvdd": {**own, "layers": 1}, "anogan": {"search_steps": 2}}
    own = special.get(name, own)
    spec = {"name": name, "epochs": 2, "batch_size": 16, **own}
    besides = {word: known for word in DETECTORS.find(name).needs if word not in ("backbone", "layer")}
    scores[name] = create(spec).fit(benign, **besides).anomaly_score(scored).tolist()
print(json.dumps(scores))
"""
IN_TWO_PROCESSES = [name for name in SAMPLES if name in TRAINED]


@pytest.fixture(scope="module")
def of_two_processes():
    """The scores of every detector by two processes that hash differently; all in one, which loads torch once."""
    command = [sys.executable, "-c", SCRIPT, *IN_TWO_PROCESSES]
    runs = [
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=False)
        for seed in ("1", "2")
    ]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    return [json.loads(run.stdout) for run in runs]


@pytest.mark.parametrize("name", IN_TWO_PROCESSES)
def test_two_processes_give_the_same_scores(name, of_two_processes):
    first, second = (scores[name] for scores in of_two_processes)
    assert len(first) == 20
    assert first == second


class _StopError(Exception):
    pass


@pytest.mark.parametrize(("name", "kind"), TRAINED_CASES)
@pytest.mark.parametrize("stop_at", [1, 2, 4])
def test_going_on_from_a_checkpoint_is_training_without_a_break(
    make, fit, given, name, kind, stop_at, tmp_path, monkeypatch
):
    from reprq.training.checkpoint import Checkpoint

    benign, samples, _ = given[kind]
    whole = fit(make(name), benign).anomaly_score(samples)
    real, saved = Checkpoint.save, []

    def stop(self, state):
        real(self, state)
        saved.append(self.path.name)
        if len(saved) == stop_at:
            raise _StopError

    monkeypatch.setattr(Checkpoint, "save", stop)
    detector = make(name, checkpoint=tmp_path / "c")
    with pytest.raises(_StopError):
        fit(detector, benign)
    with pytest.raises(NotFittedError):
        detector.anomaly_score(samples)
    np.testing.assert_array_equal(fit(make(name, checkpoint=tmp_path / "c"), benign).anomaly_score(samples), whole)
    assert len(saved) == 4 + 2 * ("pretrained" in name) + 4 * (name == "fanogan")  # no epoch was done twice
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "kind"), TRAINED_CASES)
def test_a_saved_detector_scores_and_embeds_alike(make, fit, given, name, kind, tmp_path, random_teacher):
    benign, samples, _ = given[kind]
    detector, path = fit(make(name), benign), tmp_path / "detector.safetensors"
    detector.save(path)
    own = {word: random_teacher for word in ("teacher", "backbone") if hasattr(detector, word)}
    again = load(path, **own)
    np.testing.assert_array_equal(again.anomaly_score(samples), detector.anomaly_score(samples))
    np.testing.assert_array_equal(again.embed(samples), detector.embed(samples))
    np.testing.assert_array_equal(again.predict(samples), detector.predict(samples))
    assert describe(again) == describe(detector)
    assert again.history_ == detector.history_
    with pytest.raises(OutputExistsError, match="exists already"):
        detector.save(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="that reprq saved, got"):
        load(path, **own)


@pytest.mark.parametrize(("name", "kind"), TRAINED_CASES)
def test_its_embedding_is_measured_like_any_other(make, fit, given, name, kind):
    benign, samples, _ = given[kind]
    rows = fit(make(name), benign).embed(samples)
    assert (rows.dtype, len(rows)) == (np.float32, len(samples))
    assert 1 <= measure(rows, metrics=["rankme"])["rankme"].value <= rows.shape[1]


@pytest.mark.parametrize("name", TRAINED)
def test_its_parameters_are_those_that_scikit_learn_reads(make, name):
    detector = make(name)
    given = detector.get_params()
    assert {"epochs", "batch_size", "lr", "seed", "device", "checkpoint", "progress"} <= set(given)
    assert type(detector)(**given).get_params() == given
    again = clone(detector)
    assert describe(again) == describe(detector)
    assert again != detector  # as other estimators, by identity
    assert len({again, detector}) == 2
    assert repr(again).startswith(f"{type(detector).__name__}(")
    assert detector.schedule().epochs == given["epochs"]


@pytest.mark.parametrize("name", SPECS)
def test_bad_input_is_one_sentence(make, fit, given, name):
    samples = given["images"][1]
    detector = make(name)
    bad = [3, "nosuch", [1], np.full((5, 3), np.nan), np.zeros((0, 3)), np.zeros(4), None]
    for x in bad:
        with pytest.raises((InputError, DataError, KeyError)) as caught:
            fit(detector, x)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="is not fitted; call fit with benign"):
        make(name).anomaly_score(samples)


@pytest.mark.parametrize("name", TRAINED)
def test_what_it_cannot_learn_from_is_refused(make, fit, given, name):
    benign, samples, _ = given["images"]
    with pytest.raises(DataError, match="needs at least 4 benign images, got 3; give more"):
        fit(make(name), benign.select([0, 1, 2]))
    for word in ("labelled", "auxiliary"):
        if word not in make(name).uses:
            with pytest.raises(InputError, match=f"learns from benign .*samples alone, got {word}; leave it out"):
                fit(make(name), benign, **{word: samples})
        else:
            with pytest.raises(DataError, match=f"{word} must hold at least one sample, got none; give some"):
                make(name).fit(benign, **{word: samples.select([])})


@pytest.mark.parametrize("name", OF_ROWS)
def test_rows_and_images_are_not_mixed(make, fit, given, name):
    images, rows = given["images"], given["rows"]
    with pytest.raises(InputError, match="X must be rows of numbers, as those it was fitted on, got images"):
        fit(make(name), rows[0]).anomaly_score(images[1])
    with pytest.raises(InputError, match="X must be image samples, as those it was fitted on, got rows"):
        fit(make(name), images[0]).anomaly_score(rows[1])
    with pytest.raises(InputError, match="X has 4 features, but"):
        fit(make(name), rows[0]).anomaly_score(rows[1][:, :4])

"""Distillation: the score is the distance of its equation, the student learns, and what it refuses."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from reprq import detectors
from reprq.backbones import load_backbone
from reprq.data import load_dataset, one_class_tasks
from reprq.detectors import Distillation
from reprq.detectors.rows.base import NotFittedError
from reprq.embeddings import extract
from reprq.errors import DataError, InputError, OutputExistsError, UnknownNameError
from reprq.evaluation import auroc
from reprq.metrics import brittleness, gradient_norms


@pytest.fixture(scope="module")
def benign():
    return load_dataset("digits").restrict(["0"]).sample(80)


@pytest.fixture(scope="module")
def test_images():
    return load_dataset("digits", "test").sample(60)


@pytest.fixture(scope="module")
def teacher():
    return load_backbone("lenet", "random", seed=3)


@pytest.fixture(scope="module")
def fitted(teacher, benign):
    return Distillation(teacher, epochs=6, batch_size=8).fit(benign)


def inputs(backbone, data):
    return torch.stack([backbone.preprocessing(data.item(i)) for i in range(len(data))])


def test_the_score_is_the_squared_distance_of_teacher_and_student(fitted, teacher, test_images):
    x = inputs(teacher, test_images)
    with torch.inference_mode():
        known = teacher.network.features(x).double().numpy()
        learned = fitted.student_.network.features(x).double().numpy()
    slow = [sum((a - b) ** 2 for a, b in zip(h, f, strict=True)) for h, f in zip(known, learned, strict=True)]
    scores = fitted.anomaly_score(test_images)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, slow, rtol=1e-3)


def test_several_layers_add_their_distances(teacher, benign, test_images):
    detector = Distillation(teacher, layers=["conv1", "conv3"], epochs=1).fit(benign)
    x = inputs(teacher, test_images)
    with torch.inference_mode():
        total = np.zeros(len(x))
        for one, other in ((teacher.network, detector.student_.network),):
            first, second = one.conv1(x), other.conv1(x)
            total += (first.mean((2, 3)) - second.mean((2, 3))).square().sum(1).numpy()
            first, second = one.conv3(one.conv2(first)), other.conv3(other.conv2(second))
            total += (first.mean((2, 3)) - second.mean((2, 3))).square().sum(1).numpy()
    np.testing.assert_allclose(detector.anomaly_score(test_images), total, rtol=1e-3)


def test_the_student_learns_and_the_teacher_does_not_change(teacher, benign):
    before = {name: value.clone() for name, value in teacher.network.state_dict().items()}
    detector = Distillation(teacher, epochs=4, batch_size=8).fit(benign)
    assert detector.history_[-1]["held_out_loss"] < 0.5 * detector.history_[0]["held_out_loss"]
    assert all(torch.equal(value, before[name]) for name, value in teacher.network.state_dict().items())
    assert all(weight.requires_grad for weight in teacher.network.parameters())  # a caller may go on training it


def test_the_loss_is_the_mean_squared_error_of_the_held_out_images(fitted):
    best = min(row["held_out_loss"] for row in fitted.history_)
    assert fitted.held_out_scores_.mean() / 128 == pytest.approx(best, rel=1e-4)


def test_the_losses_are_those_of_the_first_release(teacher, benign):
    history = Distillation(teacher, epochs=3, batch_size=8).fit(benign).history_
    assert [row["loss"] for row in history] == pytest.approx([0.70695, 0.10137, 0.04018], rel=5e-3)


def test_a_random_teacher_s_student_of_the_same_seed_is_no_twin(teacher, benign, test_images):
    teacher = load_backbone("lenet", "random", seed=0)
    detector = Distillation(teacher, epochs=1, lr=1e-12, seed=0).fit(benign)
    assert (detector.anomaly_score(test_images) > 0).all()


def test_it_tells_a_trained_teacher_s_anomalies(benign, test_images, tmp_path):
    from reprq import pretext

    path = pretext.train_teacher("rotation", benign, out=tmp_path / "t", epochs=6, batch_size=16, progress=False)
    detector = Distillation(f"teacher:{path}", epochs=10, batch_size=8).fit(benign)
    labels = one_class_tasks(test_images.classes)[0].anomaly_labels(test_images.labels)
    assert auroc(labels, detector.anomaly_score(test_images)).value > 0.9
    flagged = detector.predict(test_images)
    assert flagged[labels == 1].mean() < -0.5
    assert (detector.predict(test_images, threshold=np.inf) == 1).all()


def test_same_seed_same_scores_and_a_refit_forgets(teacher, benign, test_images):
    detector = Distillation(teacher, epochs=2)
    other = load_dataset("digits").restrict(["5"]).sample(30)
    scores = detector.fit(benign).anomaly_score(test_images)
    assert not np.array_equal(detector.fit(other).anomaly_score(test_images), scores)
    np.testing.assert_array_equal(detector.fit(benign).anomaly_score(test_images), scores)
    assert not np.array_equal(Distillation(teacher, epochs=2, seed=1).fit(benign).anomaly_score(test_images), scores)


def test_a_row_s_score_does_not_depend_on_the_rows_beside_it(fitted, test_images):
    scores = fitted.anomaly_score(test_images)
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(fitted.anomaly_score(test_images.select(order)), scores[order], rtol=1e-5)
    np.testing.assert_allclose(fitted.anomaly_score(test_images.select([4])), scores[[4]], rtol=1e-5)


def test_a_smaller_student_is_mapped_to_the_teacher_s_width(benign, test_images):
    teacher = load_backbone("resnet18", "random", preprocessing={"size": 32})
    detector = Distillation(teacher, student="cifar_resnet20", layers=["layer4", -1], epochs=1).fit(benign)
    assert [type(part).__name__ for part in detector.student_.maps] == ["Linear", "Linear"]
    assert [layer.name for layer in detector.student_.reader.layers] == ["layer3", "pooled"]
    assert np.isfinite(detector.anomaly_score(test_images)).all()


def test_the_embedding_is_the_extracted_one(fitted, teacher, test_images, tmp_path):
    cache = extract(teacher, test_images, "pooled", cache_dir=tmp_path, progress=False)
    np.testing.assert_allclose(fitted.embed(test_images), cache["pooled"].array, rtol=1e-4, atol=1e-6)


def test_brittleness_runs_through_the_student_alone(fitted, teacher, benign):
    x = fitted.inputs_[range(5)].clone().requires_grad_()
    known = teacher.network.features(x).detach()
    (fitted.student_.network.features(x) - known).square().sum().backward()
    slow = x.grad.flatten(1).norm(dim=1).numpy()
    np.testing.assert_allclose(gradient_norms(fitted.loss, fitted.inputs_[range(5)])["l2"], slow, rtol=1e-3)
    z = fitted.embed(benign)
    value = brittleness(fitted.loss, fitted.inputs_[range(5)], z)
    assert value == pytest.approx(slow.mean() / np.trace(np.cov(z.T.astype(np.float64))), rel=1e-3)


def test_an_interrupted_fit_goes_on(teacher, benign, test_images, tmp_path, monkeypatch):
    whole = Distillation(teacher, epochs=3).fit(benign).anomaly_score(test_images)
    from reprq.training import loop

    class _StopError(Exception):
        pass

    real, epochs = loop._TrainingRun.epoch, []

    def until_the_second(self, epoch, *rows):
        epochs.append(epoch)
        if len(epochs) == 2:
            raise _StopError
        return real(self, epoch, *rows)

    monkeypatch.setattr(loop._TrainingRun, "epoch", until_the_second)
    detector = Distillation(teacher, epochs=3, checkpoint=tmp_path / "c")
    with pytest.raises(_StopError):
        detector.fit(benign)
    assert (tmp_path / "c").exists()
    np.testing.assert_array_equal(detector.fit(benign).anomaly_score(test_images), whole)
    assert epochs == [1, 2, 2, 3]
    assert not (tmp_path / "c").exists()


def test_a_saved_student_scores_the_same(teacher, benign, test_images, tmp_path):
    detector = Distillation(teacher, layers=["conv2", -1], epochs=1).fit(benign)
    detector.save(tmp_path / "s")
    again = Distillation.load(tmp_path / "s", teacher)
    np.testing.assert_array_equal(again.anomaly_score(test_images), detector.anomaly_score(test_images))
    np.testing.assert_array_equal(again.predict(test_images), detector.predict(test_images))
    assert again.history_ == detector.history_
    with pytest.raises(OutputExistsError, match="exists already; give another path or force=True"):
        detector.save(tmp_path / "s")
    detector.save(tmp_path / "s", force=True)
    with pytest.raises(InputError, match="teacher must be the one that .* was fitted with, got other weights"):
        Distillation.load(tmp_path / "s", load_backbone("lenet", "random", seed=4))


def test_a_student_of_the_first_release_is_read(teacher, benign, test_images, tmp_path):
    detector = Distillation(teacher, epochs=1).fit(benign)
    detector.save(tmp_path / "s")
    with safe_open(tmp_path / "s", "pt") as file:
        made = json.loads(file.metadata()["reprq.distillation"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    del made["detector"], made["modality"]  # it said parameters, teacher and history
    assert set(made) == {"parameters", "teacher", "history"}
    save_file(tensors, tmp_path / "old", {"reprq.distillation": json.dumps(made)})
    for again in (Distillation.load(tmp_path / "old", teacher), detectors.load(tmp_path / "old", teacher=teacher)):
        np.testing.assert_array_equal(again.anomaly_score(test_images), detector.anomaly_score(test_images))
    with pytest.raises(
        InputError, match=r"is a distillation, whose network is not in the file; give load\(path, teacher"
    ):
        detectors.load(tmp_path / "old")


@pytest.mark.parametrize("content", [None, b"", b"no safetensors file at all"])
def test_a_file_that_is_no_student_is_refused(teacher, tmp_path, content):
    if content is not None:
        (tmp_path / "s").write_bytes(content)
    with pytest.raises(InputError, match="must be a student that reprq saved"):
        Distillation.load(tmp_path / "s", teacher)


def test_it_is_registered_beside_the_array_detectors():
    detector = detectors.create({"name": "distillation", "epochs": 3, "layers": "conv3"})
    assert detectors.describe(detector) == "distillation[layers=conv3,avg,epochs<=3,batch=32,lr=0.001]"
    assert detectors.is_network("distillation")
    assert not detectors.is_network("knn")
    assert "distillation" in detectors.names("all")
    assert "distillation" not in detectors.names()
    assert detector.get_params()["epochs"] == 3


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"epochs": 0}, InputError, "epochs must be a whole number of at least 1, got 0"),
        ({"teacher": 7}, InputError, "teacher must be a Backbone or its name, got int"),
        (
            {"teacher": None},
            InputError,
            r"teacher must be a Backbone or its name, got None; give Distillation\(teacher",
        ),
        ({"teacher": "lenett"}, UnknownNameError, "did you mean 'lenet'"),
        ({"layers": "conv9"}, UnknownNameError, "conv9"),
        ({"pooling": "cls", "layers": "conv1"}, InputError, "needs layers with a class token"),
        ({"student": "resnet18x"}, UnknownNameError, "did you mean 'resnet18'"),
        ({"student": 7}, InputError, "student must be the name of an architecture, got 7"),
        ({"layers": []}, InputError, "layers must name at least one layer, got none"),
    ],
)
def test_wrong_parameters_are_refused(teacher, benign, parameters, error, message):
    with pytest.raises(error, match=message):
        Distillation(**{"teacher": teacher, **parameters}).fit(benign)


def test_an_unknown_student_is_refused_before_there_are_images():
    with pytest.raises(UnknownNameError, match="unknown backbone 'nosuch'"):
        detectors.create({"name": "distillation", "student": "nosuch"})


def test_images_in_a_list_are_scored_as_in_a_data_set(benign, fitted):
    listed = [benign.item(i) for i in range(5)]
    np.testing.assert_allclose(fitted.anomaly_score(listed), fitted.anomaly_score(benign.select(range(5))))


def test_wrong_images_are_refused(teacher, benign, fitted):
    with pytest.raises(InputError, match="X must hold samples such as images, got rows of numbers"):
        Distillation(teacher).fit(np.zeros((5, 3)))
    with pytest.raises(InputError, match="item 0 of the list must be an image"):
        fitted.anomaly_score([1])
    with pytest.raises(DataError, match="Distillation needs at least 4 benign images, got 3; give more"):
        Distillation(teacher).fit(benign.select([0, 1, 2]))
    with pytest.raises(NotFittedError, match="Distillation is not fitted; call fit with benign samples"):
        Distillation(teacher).anomaly_score(benign)


def test_a_map_is_the_gradient_of_the_score_by_differences(random_teacher, zeros, mixed):
    detector = Distillation(random_teacher, epochs=1, sigma=0, layers=1).fit(zeros)
    maps = detector.anomaly_map(mixed.select([0, 25]))
    assert (maps.shape, maps.dtype) == ((2, 32, 32), np.float64)
    x = random_teacher.preprocessing(mixed.item(25))[None]
    step, expected = 1e-2, 0.0
    for channel in range(3):
        up, down = x.clone(), x.clone()
        up[0, channel, 14, 17] += step
        down[0, channel, 14, 17] -= step
        with torch.no_grad():
            expected += abs(float(detector._scores(up) - detector._scores(down))) / (2 * step)
    assert maps[1, 14, 17] == pytest.approx(expected, rel=0.05)
    whole = detector.set_params(sigma=1.0).anomaly_map(mixed.select([25]))[0]
    assert whole[8:-8, 8:-8].mean() == pytest.approx(maps[1, 8:-8, 8:-8].mean(), rel=0.2)
    with pytest.raises(InputError, match="sigma must be a number of pixels"):
        Distillation(random_teacher, sigma=-1).fit(zeros)

"""Pretext tasks: losses against slow oracles, teachers that learn, and files that say how they were made."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from reprq import pretext
from reprq.backbones import Preprocessing, load_backbone
from reprq.data import as_dataset, load_dataset, one_class_tasks
from reprq.errors import DataError, InputError, OutputExistsError, ReprqError, UnknownNameError
from reprq.pretext.task import Shapes

DIGITS = ("0", "2", "4", "7")
OF_IMAGES = tuple(entry.name for entry in pretext.TASKS if entry.takes("image"))


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", "train").restrict(DIGITS).sample(100)


@pytest.fixture(scope="module")
def unseen():
    return load_dataset("digits", "test").restrict(DIGITS).sample(60)


@pytest.fixture(scope="module")
def teachers(digits, tmp_path_factory):
    """Each task's teacher, trained once."""
    folder = tmp_path_factory.mktemp("teachers")
    epochs = {"rotation": 6}
    return {
        task: pretext.train_teacher(
            task,
            images_for(task, digits),
            out=folder / f"{task}.safetensors",
            epochs=epochs.get(task, 4),
            batch_size=16,
            progress=False,
        )
        for task in OF_IMAGES
    }


def record(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["reprq"])


def outputs(backbone, data, turns=0):
    images = torch.stack([backbone.preprocessing(data.item(i)) for i in range(len(data))])
    with torch.inference_mode():
        return backbone.network(torch.rot90(images, turns, dims=(2, 3))).numpy()


def made(task, width=8, size=32):
    return pretext.TASKS.find(task).load()(Shapes(width, Preprocessing().replace(size=size)))


class _Tinted:
    """A source whose gray images are red or green."""

    def __init__(self, source):
        self.source, self.digest, self.verify = source, source.digest, source.verify

    def item(self, i):
        tint = [(1.0, 0.4, 0.3), (0.3, 0.9, 0.5)][i % 2]
        return Image.fromarray((np.asarray(self.source.item(i)) * np.array(tint)).astype(np.uint8))


def images_for(task, data):
    """What the task can learn from: `supervised` alone needs anomalies, `colorization` colors."""
    if task == "colorization":
        return dataclasses.replace(data, source=_Tinted(data.source))
    return pretext.as_benign_or_anomalous(data, one_class_tasks(data.classes)[0]) if task == "supervised" else data


def test_cross_entropy_against_the_definition():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])
    slow = np.mean([math.log(sum(math.exp(z) for z in row)) - row[t] for row, t in zip(logits, targets, strict=True)])
    right = np.mean([max(range(4), key=lambda k: row[k]) == t for row, t in zip(logits, targets, strict=True)])
    for name in ("classification", "rotation"):
        task, batch = made(name), (torch.tensor(logits), torch.tensor(targets))
        assert float(task.loss(*batch)) == pytest.approx(slow)
        assert task.accuracy(*batch) == right


def test_reconstruction_error_against_the_definition():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 2, 4, 4))
    slow = sum((x - y) ** 2 for x, y in zip(a.ravel(), b.ravel(), strict=True)) / a.size
    task = made("autoencoder")
    assert float(task.loss(torch.tensor(a), torch.tensor(b))) == pytest.approx(slow)


def test_rotation_views_turn_counter_clockwise_pixel_by_pixel():
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)
    views, turns = made("rotation").views(images, torch.zeros(2, dtype=torch.int64))
    assert turns.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    for view, turn, image in zip(views, turns.tolist(), itertools.cycle(images), strict=False):
        for i, j in itertools.product(range(4), range(4)):
            source = {0: (i, j), 1: (j, 3 - i), 2: (3 - i, 3 - j), 3: (3 - j, i)}[turn]
            assert (view[:, i, j] == image[:, source[0], source[1]]).all()


@pytest.mark.parametrize("size", [4, 28, 32, 33])
def test_decoder_gives_an_image_of_the_input_s_size(size, digits):
    head = made("autoencoder", size=size).head(digits)
    assert head(torch.zeros(2, 8)).shape == (2, 3, size, size)


@pytest.mark.parametrize("task", ["classification", "rotation", "autoencoder", "colorization", "masked"])
def test_the_loss_goes_down(teachers, task):
    history = record(teachers[task])["history"]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert min(row["held_out_loss"] for row in history) < history[0]["held_out_loss"]
    assert [row["epoch"] for row in history] == list(range(1, len(history) + 1))


def test_classification_beats_chance_on_unseen_images(teachers, unseen):
    logits = outputs(load_backbone(f"teacher:{teachers['classification']}"), unseen)
    assert logits.shape == (60, 4)
    assert np.mean(logits.argmax(1) == unseen.labels) > 0.7  # chance is 0.25


def test_rotation_beats_chance_on_unseen_images(teachers, unseen):
    backbone = load_backbone(f"teacher:{teachers['rotation']}")
    right = [outputs(backbone, unseen, turn).argmax(1) == turn for turn in range(4)]
    assert np.mean(right) > 0.5  # chance is 0.25


def test_random_is_the_untrained_network(teachers, digits):
    teacher = load_backbone(f"teacher:{teachers['random']}")
    untrained = load_backbone("lenet", "random", seed=0)
    assert teacher.weights_digest == untrained.weights_digest
    assert (outputs(teacher, digits) == outputs(untrained, digits)).all()
    assert record(teachers["random"])["history"] == []


@pytest.mark.parametrize("task", OF_IMAGES)
def test_a_teacher_is_a_backbone_and_says_how_it_was_made(teachers, digits, task):
    teacher, made = load_backbone(f"teacher:{teachers[task]}"), record(teachers[task])
    assert [layer.name for layer in teacher.layers] == [layer.name for layer in load_backbone("lenet", "random").layers]
    assert np.isfinite(outputs(teacher, digits)).all()
    assert (made["architecture"], made["task"], made["seed"]) == ("lenet", task, 0)
    assert made["preprocessing"] == teacher.preprocessing.to_dict()
    shown = images_for(task, digits)
    described = {"name": "digits", "split": "train", "classes": list(shown.classes), "n": 100}
    assert made["data"] == {**described, "fingerprint": shown.fingerprint}
    assert "torch" in made["versions"]


@pytest.mark.parametrize("task", OF_IMAGES)
def test_same_seed_same_bytes_and_another_seed_others(digits, tmp_path, task):
    few = images_for(task, digits.sample(12))

    def train(name, seed):
        torch.rand(3)  # the global random state must not matter
        state = torch.random.get_rng_state()
        path = pretext.train_teacher(task, few, out=tmp_path / name, epochs=1, seed=seed, progress=False)
        assert torch.equal(torch.random.get_rng_state(), state)
        return path.read_bytes()

    first = train("a", 1)
    assert first == train("b", 1)
    assert first != train("c", 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]  # no temporary file stays


def test_another_architecture_trains(digits, tmp_path):
    few = digits.sample(8)
    path = pretext.train_teacher(
        "classification", few, out=tmp_path / "s", architecture="cifar_resnet20", epochs=1, progress=False
    )
    assert load_backbone(f"teacher:{path}").notes == ("a cifar_resnet20 trained on the task 'classification'",)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"task": "rotatoin"}, UnknownNameError, "unknown pretext task 'rotatoin': did you mean 'rotation'"),
        ({"architecture": "lenett"}, UnknownNameError, "did you mean 'lenet'"),
        ({"epochs": 0}, InputError, "epochs must be a whole number of at least 1, got 0"),
        ({"batch_size": 1}, InputError, "batch_size must be a whole number of at least 2, got 1"),
        ({"lr": math.nan}, InputError, "lr must be a positive number, got nan"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(digits, tmp_path, changes, error, message):
    arguments = {"task": "rotation", "data": digits, "out": tmp_path / "t", **changes}
    with pytest.raises(error, match=message):
        pretext.train_teacher(**arguments)
    assert list(tmp_path.iterdir()) == []


def test_too_little_data_is_refused(digits, tmp_path):
    with pytest.raises(DataError, match="a teacher needs at least 4 images, digits gives 3; give more"):
        pretext.train_teacher("rotation", digits.select(range(3)), out=tmp_path / "t")
    with pytest.raises(DataError, match="classification needs images of at least 2 classes, digits has images of 1"):
        pretext.train_teacher("classification", digits.restrict(["0"]), out=tmp_path / "t")


def test_gray_images_teach_no_colors(digits, tmp_path):
    with pytest.raises(DataError, match="colorization needs colored images, those of digits are gray; choose another"):
        pretext.train_teacher("colorization", digits, out=tmp_path / "t")
    with pytest.raises(InputError, match="colorization must have a network of colored images, got preprocessing chann"):
        pretext.train_teacher("colorization", digits, out=tmp_path / "t", preprocessing={"channels": "gray"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("task", ["jigsaw", "masked", "byol", "simsiam"])
def test_gray_networks_learn_what_needs_no_color(digits, tmp_path, task):
    gray = {"channels": "gray", "mean": 0.5, "std": 0.2}
    given = {"epochs": 1, "batch_size": 8, "progress": False}
    path = pretext.train_teacher(task, digits.sample(12), out=tmp_path / "t", preprocessing=gray, **given)
    assert math.isfinite(record(path)["history"][0]["held_out_loss"])
    assert load_backbone(f"teacher:{path}").preprocessing.in_channels == 1


def test_classes_without_images_teach_nothing(digits, tmp_path):
    benign = digits.select(np.flatnonzero(digits.labels == 0))  # four classes by name, images of one
    with pytest.raises(DataError, match="classification needs images of at least 2 classes"):
        pretext.train_teacher("classification", benign, out=tmp_path / "t")
    relabelled = pretext.as_benign_or_anomalous(benign, one_class_tasks(digits.classes)[0])
    with pytest.raises(DataError, match="supervised needs images of at least 2 classes, digits has images of 1"):
        pretext.train_teacher("supervised", relabelled, out=tmp_path / "t")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused_before_training(digits):
    with pytest.raises(ReprqError, match="cannot be written"):
        pretext.train_teacher("rotation", digits, out="/proc/t.safetensors", epochs=10**6)


def test_an_existing_file_is_kept_unless_forced(digits, tmp_path):
    out = tmp_path / "t"
    out.write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match="exists already; give another path, or force=True"):
        pretext.train_teacher("random", digits, out=out)
    assert out.read_bytes() == b"precious"
    pretext.train_teacher("random", digits, out=out, force=True)
    assert load_backbone(f"teacher:{out}").notes == ("a lenet trained on the task 'random'",)
    with pytest.raises(ReprqError, match="below cannot be made: Not a directory"):
        pretext.train_teacher("random", digits, out=out / "below" / "a file")
    with pytest.raises(OutputExistsError, match="is a folder; give the path of a file"):
        pretext.train_teacher("random", digits, out=tmp_path, force=True)


def test_a_teacher_learns_from_what_python_holds(digits, tmp_path):
    pairs = [(digits.item(i), DIGITS[digits.labels[i]]) for i in range(len(digits))]
    files = [tmp_path / "one.safetensors", tmp_path / "other.safetensors"]
    for data, out in zip((digits, pairs), files, strict=True):
        pretext.train_teacher("classification", data, out=out, epochs=1, progress=False)
    one, other = (load_backbone(f"teacher:{file}") for file in files)
    assert one.weights_digest == other.weights_digest
    with pytest.raises(InputError, match="data must be a name such as 'digits'"):
        pretext.train_teacher("rotation", 3, out=tmp_path / "none.safetensors", progress=False)
    assert not (tmp_path / "none.safetensors").exists()


@pytest.mark.parametrize("task", [name for name in OF_IMAGES if not pretext.TASKS.find(name).takes("text")])
def test_a_task_says_which_modality_it_takes(task, tmp_path):
    texts = as_dataset({"text": ["a first text", "a second", "a third", "the last"]})
    said = rf"task '{task}' must have images( or rows)?, got the documents of python:dict; choose among random"
    with pytest.raises(InputError, match=said):
        pretext.train_teacher(task, texts, out=tmp_path / "teacher.safetensors", architecture="nosuch")
    assert not list(tmp_path.iterdir())


def test_the_losses_are_those_of_the_first_release(tmp_path):
    few = load_dataset("digits").restrict(DIGITS).sample(60)
    out = tmp_path / "t"
    pretext.train_teacher("classification", few, out=out, epochs=3, batch_size=16, progress=False)
    losses = [row["loss"] for row in record(out)["history"]]
    assert losses == pytest.approx([2.28796, 0.63585, 0.09425], rel=5e-3)  # rounding alone moves the last by 1e-3


def test_a_teacher_starts_from_given_weights_and_says_so(teachers, digits, tmp_path):
    given = {"epochs": 1, "lr": 1e-9, "progress": False}
    out = pretext.train_teacher("rotation", digits, out=tmp_path / "t", weights=teachers["classification"], **given)
    first, then = (
        load_backbone(f"teacher:{path}").network.conv1[0].weight for path in (teachers["classification"], out)
    )
    torch.testing.assert_close(first, then, atol=1e-5, rtol=0)
    assert record(out)["start"]["weights"] == "file:classification.safetensors"
    assert "start" not in record(teachers["classification"])


def test_weights_to_start_from_must_reach_every_layer(teachers, digits, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(teachers["random"])
    save_file({key: state[key] for key in state if key.startswith("conv")}, tmp_path / "cut.safetensors")
    with pytest.raises(InputError, match=r"weights must reach every layer of lenet: cut.safetensors lacks embedding"):
        pretext.train_teacher("rotation", digits, out=tmp_path / "t", weights=tmp_path / "cut.safetensors")


def test_training_images_are_changed_and_those_held_out_are_not(digits, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("reprq.pretext.teacher.augmented", lambda x, names: seen.append((len(x), x.amax(), names)) or x)
    given = {"epochs": 2, "batch_size": 12, "progress": False}
    few = digits.sample(40)
    plain = pretext.train_teacher("classification", few, out=tmp_path / "plain", **given)
    assert seen == []
    changed = pretext.train_teacher("classification", few, out=tmp_path / "same", **given, augmentations=["flip"])
    assert [n for n, _, _ in seen] == [12] * 6  # 36 of 40 train, twice
    assert all(most <= 1.001 and names == ("flip",) for _, most, names in seen)  # pixels, not normalized
    assert record(changed)["training"]["augmentations"] == ["flip"]
    assert "augmentations" not in record(plain)["training"]


def test_a_rate_that_falls_is_recorded_and_learns_otherwise(digits, tmp_path):
    given = {"epochs": 1, "batch_size": 12, "progress": False}
    falling = {"cosine": True, "warm_up": 2, "weight_decay": 1e-3}
    paths = [
        pretext.train_teacher("classification", digits.sample(40), out=tmp_path / f"{i}", **given, **more)
        for i, more in enumerate([{}, falling])
    ]
    first, second = map(record, paths)
    assert falling.items() <= second["training"].items()
    assert not falling.keys() & first["training"].keys()
    assert first["history"][0]["loss"] != second["history"][0]["loss"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"augmentations": "flip"}, InputError, "augmentations must be a list of names, got 'flip'"),
        ({"augmentations": ["spin"]}, UnknownNameError, "unknown augmentation 'spin'"),
        ({"warm_up": 0.5}, InputError, "warm_up must be a whole number of at least 0, got 0.5"),
        ({"weight_decay": -1}, InputError, "weight_decay must be a number of at least 0, got -1"),
    ],
)
def test_what_training_cannot_do_is_refused_before_it(digits, tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        pretext.train_teacher("classification", digits, out=tmp_path / "out", progress=False, **change)
    assert list(tmp_path.iterdir()) == []


def test_images_of_a_side_that_the_network_cannot_take_are_said_before_training(digits, tmp_path):
    with pytest.raises(InputError, match=r"the network must run on images of shape \(3, 10, 10\), got RuntimeError"):
        pretext.train_teacher(
            "rotation",
            digits,
            out=tmp_path / "out",
            architecture="resnet26",
            preprocessing={"size": 10},
            progress=False,
        )

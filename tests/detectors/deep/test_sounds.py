"""Every detector that reads images reads sounds too, as the pictures of their log-Mel spectrograms."""

import numpy as np
import pytest

from reprq.backbones import load_backbone
from reprq.data import Dataset, as_dataset, load_dataset
from reprq.data.audio.picture import SpectrogramPicture
from reprq.data.image.preprocessing import Preprocessing
from reprq.detectors import DETECTORS, create, describe, load, save
from reprq.errors import InputError

QUICK = {"epochs": 1, "batch_size": 8}
DRAWN = {"seconds": 0.25, "n_mels": 32}
SPECIAL = {
    "anogan": {"critic_steps": 1, "dim": 8, "restarts": 1, "search_steps": 1},
    "fanogan": {"critic_steps": 1, "dim": 8},
    "dagmm": {"batch_size": 4, "dim": 5, "components": 1},
    "cvdd": {"layers": 1, "contexts": 2, "attention": 8},
    "fcdd": {"network": "fashion_mnist", "size": 16},
    "geometric": {"network": "mnist"},
}
SAMPLES = [entry for entry in DETECTORS if DETECTORS.is_built_in(entry.name) and entry.inputs == "samples"]
SPECS = {entry.name: {"name": entry.name, **QUICK, **SPECIAL.get(entry.name, {})} for entry in SAMPLES}
SPECS |= {"raw:NAME": {"name": "raw:knn", "k": 2}, "hybrid:NAME": {"name": "hybrid:knn", "k": 2, **QUICK}}
NEEDS = {name: DETECTORS.find(spec["name"]).needs for name, spec in SPECS.items()}
ALONE = [name for name in SPECS if "backbone" not in NEEDS[name]]


@pytest.fixture(scope="module")
def of_three_classes(write_sounds, tmp_path_factory) -> Dataset:
    return load_dataset(f"audio:{write_sounds(tmp_path_factory.mktemp('sounds'), classes=3, each=12)}", whole=True)


@pytest.fixture(scope="module")
def sounds(of_three_classes) -> Dataset:
    return of_three_classes.restrict(["class0", "class1"])


@pytest.fixture
def fitted(sounds, of_three_classes):
    """Fit one on the benign clips, with what it needs besides; and with a network of images where it needs one."""

    def fit(name, drawing=DRAWN):
        own = {"drawing": drawing} if drawing and name in ALONE else {}
        if "backbone" in NEEDS[name]:
            word = "teacher" if name == "distillation" else "backbone"
            own = {word: load_backbone("lenet", "random", seed=3)}
        known = of_three_classes.restrict(["class1", "class2"])
        besides = {word: known for word in NEEDS[name] if word in ("labelled", "auxiliary")}
        if name == "transfer":
            besides = {"auxiliary": known}
        return create({**SPECS[name], **own}).fit(sounds.restrict(["class0"]), **besides)

    return fit


def test_all_detectors_of_samples_are_here():
    assert {entry.name for entry in SAMPLES} <= set(SPECS)
    assert len(ALONE) > 15


@pytest.mark.parametrize("name", SPECS)
def test_it_scores_sounds_and_a_file_reads_them_again(fitted, sounds, name, tmp_path):
    detector = fitted(name)
    scores = detector.anomaly_score(sounds)
    assert scores.shape == (24,)
    assert len(np.unique(scores)) > 12
    np.testing.assert_allclose(detector.anomaly_score(sounds.select([20])), scores[[20]], rtol=1e-4, atol=1e-6)
    save(detector, tmp_path / "detector")
    network = {word: getattr(detector, word) for word in ("teacher", "backbone") if hasattr(detector, word)}
    again = load(tmp_path / "detector", **network)
    np.testing.assert_array_equal(again.anomaly_score(sounds), scores)
    assert describe(again) == describe(detector)


@pytest.mark.parametrize("name", ALONE)
def test_the_drawing_is_in_the_identifier_and_decides_the_scores(fitted, sounds, name):
    short, shorter = fitted(name), fitted(name, {**DRAWN, "seconds": 0.125})
    assert "seconds:0.25" in describe(short)
    assert "seconds:0.125" in describe(shorter)
    assert not np.array_equal(short.anomaly_score(sounds), shorter.anomaly_score(sounds))


@pytest.mark.parametrize("name", [name for name in ALONE if name != "hybrid:NAME"])
def test_one_fitted_on_sounds_refuses_images_and_the_other_way_round(fitted, sounds, name):
    images, others = (as_dataset(np.full((4, 16, 16), value, dtype=np.uint8)) for value in (0, 9))
    with pytest.raises(InputError, match="clips|audio|drawing"):
        fitted(name).anomaly_score(images)
    with pytest.raises(InputError, match="leave it out"):
        create({**SPECS[name], "drawing": DRAWN}).fit(
            images, **{word: others for word in NEEDS[name] if word in ("labelled", "auxiliary")}
        )


@pytest.mark.parametrize("name", ALONE)
def test_texts_are_still_refused(name):
    texts, others = (as_dataset([f"{word} of number {i}" for i in range(8)]) for word in ("a text", "another"))
    with pytest.raises(InputError, match="images"):
        create(SPECS[name]).fit(texts, **{word: others for word in NEEDS[name] if word in ("labelled", "auxiliary")})


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        (3, "drawing must be keys with values"),
        ({"size": 9}, "has no key 'size'; valid are"),
        ({"seconds": -1}, "secon"),
    ],
)
@pytest.mark.parametrize("name", ["deep_svdd", "flow", "fcdd", "raw:NAME"])
def test_a_drawing_that_cannot_be_is_named(sounds, name, drawing, message):
    with pytest.raises(InputError, match=message):
        create({**SPECS[name], "drawing": drawing}).fit(sounds)


def test_the_network_sees_the_gray_picture_in_its_size(fitted, sounds):
    detector = fitted("autoencoder")
    drawn = SpectrogramPicture.drawing_for(
        Preprocessing(size=28, resize=28).replace(channels="gray", mean=0.0, std=1.0)
    )
    expected = drawn.replace(**DRAWN)(sounds.item(3))
    assert expected.shape == (1, 28, 28)
    np.testing.assert_array_equal(detector.inputs_[[3]][0], expected)


def test_raw_is_the_detector_of_rows_on_the_pixels_of_pictures(fitted, sounds):
    drawn = SpectrogramPicture.drawing_for(Preprocessing()).replace(**DRAWN)
    rows = np.stack([np.asarray(drawn.picture(sounds.item(i)), np.float32).ravel() / 255 for i in range(24)])
    expected = create({"name": "knn", "k": 2}).fit(rows[sounds.labels == 0]).anomaly_score(rows)
    np.testing.assert_array_equal(fitted("raw:NAME").anomaly_score(sounds), expected)

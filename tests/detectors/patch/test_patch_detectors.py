"""PatchCore, PaDiM and SPADE against their papers' formulas, one patch after another."""

import math

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist, mahalanobis

from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.detectors import PaDiM, PatchCore, create, describe, load
from reprq.detectors.patch import patchcore
from reprq.detectors.patch.patchcore import reweighted
from reprq.errors import InputError, OutputExistsError
from reprq.evaluation import auroc

SPECS = [
    {"name": "patchcore", "coreset": 0.05},
    {"name": "padim", "ridge": 1e-4, "sigma": 1},
    {"name": "spade", "images": 5, "average": 3},
]
NAMES = [spec["name"] for spec in SPECS]


@pytest.fixture(params=SPECS, ids=NAMES)
def detector(request, network):
    return create({**request.param, "layers": "1,2"}).set_params(backbone=network)


@pytest.fixture
def make(network):
    return lambda name, **given: create({"name": name, "layers": "1,2", **given}).set_params(backbone=network)


@pytest.mark.parametrize("neighbors", [1, 4])
def test_patchcore_is_the_distance_to_the_coreset_reweighted(make, benign, mixed, patches, neighbors):
    fitted = make("patchcore", coreset=40, neighbors=neighbors, sigma=0).fit(benign)
    memory, test = fitted.memory_.astype(np.float64), patches(mixed)
    every = patches(benign).reshape(-1, memory.shape[1])
    assert cdist(memory, every).min(axis=1).max() < 1e-5
    for image, score in zip(test, fitted.anomaly_score(mixed), strict=True):
        far = cdist(image, memory)
        patch = int(far.min(axis=1).argmax())
        s, row = far[patch].min(), int(far[patch].argmin())
        around = sorted(range(40), key=lambda i: math.dist(memory[i], memory[row]))[:neighbors]
        far = [math.dist(image[patch], memory[i]) for i in around]
        weight = 1 - math.exp(far[0]) / sum(map(math.exp, far)) if neighbors > 1 else 1
        assert score == pytest.approx(weight * s, rel=1e-4)


def test_weights_of_far_patches_do_not_overflow():
    found = reweighted(np.array([1000.0, 3.0, 0.0]), np.array([[1000.0, 3000.0], [3.0, 3.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [1000.0, 1.5, 0.0])


@pytest.mark.parametrize("projection", [8, 512])
def test_the_coreset_is_the_same_where_memory_holds_not_all_patches(make, benign, projection, monkeypatch):
    kept = make("patchcore", projection=projection, seed=2).fit(benign).memory_
    monkeypatch.setattr(patchcore, "_HELD", 0.0)
    again = make("patchcore", projection=projection, seed=2).fit(benign).memory_
    np.testing.assert_array_equal(again, kept)
    assert not np.array_equal(make("patchcore", projection=projection, seed=3).fit(benign).memory_, kept)


def test_a_coreset_has_the_size_that_is_asked_for_and_the_start(make, benign, patches):
    every = patches(benign).reshape(-1, patches(benign).shape[2])
    assert len(make("patchcore", coreset=0.02).fit(benign).memory_) == round(0.02 * len(every))
    fitted = make("patchcore", coreset=5, start=77).fit(benign)
    assert len(fitted.memory_) == 5
    np.testing.assert_allclose(fitted.memory_[0], every[77], rtol=1e-5)
    assert describe(fitted) == "patchcore[layers=1,2,coreset=5,neighbors=9,start=77]"


def test_padim_is_the_mahalanobis_distance_at_every_position(make, benign, mixed, patches):
    fitted = make("padim", channels=6, sigma=0, batch_size=7).fit(benign)
    known, test = (patches(x)[:, :, fitted.channels_] for x in (benign, mixed))
    expected = np.empty(test.shape[:2])
    for p in range(test.shape[1]):
        covariance = np.cov(known[:, p].T) + 0.01 * np.eye(6)
        for i in range(len(test)):
            expected[i, p] = mahalanobis(test[i, p], known[:, p].mean(axis=0), np.linalg.inv(covariance))
    np.testing.assert_allclose(fitted.anomaly_score(mixed), expected.max(axis=1), rtol=1e-4)
    assert len(np.unique(fitted.channels_)) == 6
    assert make("padim", channels=None).fit(benign).means_.shape == known.shape[1:2] + patches(benign).shape[2:]


def test_spade_finds_images_then_patches(make, benign, mixed, patches, network):
    fitted = make("spade", images=3, patches=2, sigma=0, grid=4).fit(benign)
    known, test = (patches(x, average=1, grid=4) for x in (benign, mixed))
    width = fitted.reader_.widths[-1]
    maps = np.stack([fitted._maps(each[None])[0] for each in test.astype(np.float32)])
    for i, image in enumerate(test):
        far = [math.dist(image[:, -width:].mean(0), other[:, -width:].mean(0)) ** 2 for other in known]
        near = sorted(range(len(known)), key=far.__getitem__)[:3]
        assert fitted.anomaly_score(mixed)[i] == pytest.approx(np.mean([far[j] for j in near]), rel=1e-4, abs=1e-6)
        for p in (0, 5, 15):
            pairs = sorted(math.dist(image[p], row) ** 2 for j in near for row in known[j])
            assert maps[i, p] == pytest.approx(np.mean(pairs[:2]), rel=1e-4, abs=1e-6)


def test_spots_are_found_where_they_are(detector, benign, mixed):
    fitted = detector.fit(benign)
    assert auroc([0] * 4 + [1] * 4, fitted.anomaly_score(mixed)).value == 1.0
    maps = fitted.anomaly_map(mixed)
    assert (maps.shape, maps.dtype) == ((8, 32, 32), np.float64)
    for spotted in maps[4:]:
        row, column = np.unravel_index(spotted.argmax(), spotted.shape)
        assert 9 <= row < 22
        assert 9 <= column < 22


def test_borders_of_plates_of_one_color_do_not_light_up(detector, benign, mixed):
    maps = detector.fit(benign).anomaly_map(mixed)
    border = np.ones((32, 32), dtype=bool)
    border[4:-4, 4:-4] = False
    for plain in maps[:4]:
        assert plain[border].mean() < 1.5 * plain[~border].mean()
    for spotted in maps[4:]:
        assert spotted[border].max() < 0.7 * spotted.max()


def plates(shapes, seed):
    """Rough plates of several shapes."""
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(170, 200, shape, dtype=np.uint8)) for shape in shapes]


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_photos_of_other_shapes_do_not_light_up_where_they_are_mirrored_and_not_padded(spec):
    """Of wide plates a higher one has other padding: without any, it is as benign as they are."""
    excess = {}
    for crop in ("reflect", "none"):
        network = load_backbone("lenet", "random", preprocessing={"crop": crop})
        detector = create({**spec, "layers": "1,2"}).set_params(backbone=network)
        detector.fit(plates([(16, 32)] * 6 + [(24, 32)] * 6, 0))
        known, other = (detector.anomaly_score(plates([shape] * 4, 1)).mean() for shape in ((24, 32), (32, 20)))
        excess[crop] = other / known
    assert excess["reflect"] < 1.6
    assert excess["none"] > 2 * excess["reflect"]


def test_a_saved_detector_scores_alike(detector, benign, mixed, network, tmp_path):
    path = tmp_path / "detector.safetensors"
    fitted = detector.fit(benign)
    fitted.save(path)
    again = load(path, backbone=network)
    np.testing.assert_array_equal(again.anomaly_score(mixed), fitted.anomaly_score(mixed))
    np.testing.assert_array_equal(again.anomaly_map(mixed), fitted.anomaly_map(mixed))
    assert describe(again) == describe(fitted)
    with pytest.raises(OutputExistsError, match="exists already"):
        fitted.save(path)
    with pytest.raises(InputError, match="backbone must be the one that .* other weights"):
        load(path, backbone=load_backbone("lenet", "random", seed=4))
    with pytest.raises(InputError, match=r"whose network is not in the file; give load\(path, backbone="):
        load(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="that reprq saved, got"):
        load(path, backbone=network)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "patchcore", "coreset": 0}, "coreset must be a share in"),
        ({"name": "patchcore", "coreset": 2.5}, "coreset must be a share in"),
        ({"name": "patchcore", "coreset": True}, "coreset must be a share in"),
        ({"name": "patchcore", "neighbors": 0}, "neighbors must be a positive integer"),
        ({"name": "patchcore", "average": 2}, "average must be an odd number, got 2"),
        ({"name": "patchcore", "normalize": 1}, "normalize must be True or False, got 1"),
        ({"name": "patchcore", "sigma": -1}, "sigma must be a number of pixels"),
        ({"name": "patchcore", "layers": []}, "layers must name at least one layer"),
        ({"name": "patchcore", "backbone": 3}, "backbone must be a Backbone or its name, got int"),
        ({"name": "padim", "ridge": 0}, "ridge must be a positive number"),
        ({"name": "padim", "channels": -1}, "channels must be a positive integer"),
        ({"name": "spade", "memory": 0}, "memory must be a positive number of GiB"),
        ({"name": "spade", "images": 1.5}, "images must be a positive integer"),
    ],
)
def test_parameters_that_cannot_be_used(spec, said):
    with pytest.raises(InputError, match=f"^{said}"):
        create(spec)


def test_what_memory_would_not_hold_is_refused_before_the_work(make, benign, network):
    with pytest.raises(InputError, match="padim of .* positions and 16 channels would take .*smaller grid"):
        make("padim", channels=16, memory=1e-9).fit(benign)
    with pytest.raises(InputError, match="spade keeps all patches.* fewer images"):
        make("spade", memory=1e-9).fit(benign)
    with pytest.raises(InputError, match="start must be the number of a row"):
        make("patchcore", start=10**9).fit(benign)
    with pytest.raises(InputError, match="backbone must be a Backbone or its name, got None"):
        PatchCore().fit(benign)
    with pytest.raises(InputError, match="layer pooled of lenet has no positions"):
        PaDiM(network).fit(benign)


def test_a_network_that_gives_no_numbers_is_refused(make, benign, monkeypatch):
    fitted = make("padim")
    monkeypatch.setattr(
        "reprq.detectors.patch.reader.PatchReader.__call__", lambda self, x: np.nan * x.flatten(2).transpose(1, 2)
    )
    with pytest.raises(InputError, match="lenet must give finite numbers, got a nan or an inf"):
        fitted.fit(benign)


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_a_file_of_sounds_reads_sounds_through_the_network_of_images_that_it_is_given(spec, write_sounds, tmp_path):
    clips = load_dataset(f"audio:{write_sounds(tmp_path / 'sounds', classes=1, each=10)}", whole=True)
    fitted = create({**spec, "layers": "1,2"}).set_params(backbone=load_backbone("lenet", "random")).fit(clips)
    fitted.save(tmp_path / "sounds.safetensors")
    again = type(fitted).load(tmp_path / "sounds.safetensors", load_backbone("lenet", "random"))
    assert np.array_equal(again.anomaly_score(clips), fitted.anomaly_score(clips))
    with pytest.raises(InputError, match="takes clips, and .* holds images"):
        again.anomaly_score(np.zeros((4, 8, 8), np.uint8))

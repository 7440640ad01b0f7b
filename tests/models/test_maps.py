"""Where photos are anomalous, in their own pixels: by detectors with maps and by detectors of rows."""

import numpy as np
import pytest
from PIL import Image

import reprq
from reprq.data import as_dataset
from reprq.errors import InputError, OutputExistsError
from reprq.models.maps import MapFolder


def plates(n, seed, spots=()):
    """Gray photos of 48 x 32 pixels with noise, and dark spots left of the middle in some."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(100, 156, (n, 1, 1)) + rng.integers(-4, 5, (n, 32, 48))
    for i in spots:
        pixels[i, 12:20, 16:24] = 10
    return pixels.astype(np.uint8)[..., None]


@pytest.fixture(scope="module")
def fit():
    def fitted(detector, **how):
        given = {"weights": "random", "false_alarms": 0.1, "seed": 1, "progress": False, **how}
        return reprq.fit("lenet", as_dataset(plates(50, 0)), "0,1", detector=detector, **given)

    return fitted


@pytest.fixture(scope="module")
def padim(fit):
    return fit({"name": "padim", "sigma": 1, "ridge": 1e-4})


@pytest.fixture(scope="module")
def knn(fit):
    return fit("knn")


def where(values):
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    return 10 <= row < 22 and 14 <= column < 26


@pytest.mark.parametrize("name", ["padim", "knn"])
def test_spots_are_found_in_the_photos_own_pixels(name, request):
    model = request.getfixturevalue(name)
    found = dict(model.maps(as_dataset(plates(4, 1, spots=(2, 3)))))
    assert {values.shape for values in found.values()} == {(32, 48)}
    assert all(np.isnan(values[:, [0, -1]]).all() for values in found.values())  # the crop left the sides out
    assert all(where(values) for values in list(found.values())[2:])


@pytest.mark.parametrize(
    ("spec", "backbone"),
    [
        ({"name": "autoencoder", "epochs": 1}, None),
        ({"name": "fcdd", "network": "fashion_mnist", "size": 24, "epochs": 1, "batch_size": 16}, None),
        ({"name": "distillation", "epochs": 1}, "lenet"),
    ],
)
def test_detectors_that_train_have_maps_in_the_photos_own_pixels(spec, backbone):
    how = {"weights": "random"} if backbone else {}
    model = reprq.fit(backbone, as_dataset(plates(24, 0)), 1, detector=spec, false_alarms=0.2, progress=False, **how)
    (plain, spotted) = [values for _, values in model.maps(as_dataset(plates(2, 1, spots=(1,))))]
    assert plain.shape == spotted.shape == (32, 48)
    assert np.isnan(plain).mean() == (0 if spec["name"] == "fcdd" else pytest.approx(1 / 3))  # fcdd squashes
    assert np.isfinite(model.record["map_threshold"])


def test_the_threshold_of_maps_is_that_of_held_out_photos(padim, knn):
    threshold = padim.record["map_threshold"]
    found = [np.nanmax(values) for _, values in padim.maps(as_dataset(plates(60, 2)))]
    assert np.mean(np.array(found) > threshold) < 0.3
    (spotted,) = [np.nanmax(values) for _, values in padim.maps(as_dataset(plates(1, 3, spots=(0,))))]
    assert spotted > threshold
    assert knn.record["map_threshold"] is None


def test_a_saved_model_has_the_same_maps_and_layers(padim, tmp_path):
    padim.save(tmp_path / "model")
    again = reprq.load_model(tmp_path / "model")
    photos = as_dataset(plates(3, 1, spots=(2,)))
    for (name, one), (other, two) in zip(padim.maps(photos), again.maps(photos), strict=True):
        assert name == other
        np.testing.assert_array_equal(one, two)
    assert again.record["method"] == "padim[layers=conv1,conv2,channels=100,ridge=0.0001,sigma=1]"
    padim.save(tmp_path / "whole", with_weights=True)
    assert (tmp_path / "whole" / "weights.safetensors").exists()


def test_a_folder_of_maps_goes_on_and_belongs_to_one_model(padim, knn, tmp_path):
    photos = as_dataset(plates(3, 1, spots=(2,)))
    folder = MapFolder(tmp_path / "maps", padim)
    folder.write(photos)
    names = [str(name) for name in photos.ids]
    for name, values in padim.maps(photos):
        np.testing.assert_array_equal(folder.read(name), values.astype(np.float32))
    folder.file(names[1]).unlink()
    kept = folder.file(names[0]).stat().st_mtime_ns
    MapFolder(tmp_path / "maps", padim).write(photos)
    assert folder.file(names[0]).stat().st_mtime_ns == kept
    assert folder.file(names[1]).exists()
    with pytest.raises(OutputExistsError, match="has the maps of another model"):
        MapFolder(tmp_path / "maps", knn)
    MapFolder(tmp_path / "maps", knn, force=True).write(photos)
    assert folder.file(names[0]).stat().st_mtime_ns != kept
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").touch()
    with pytest.raises(OutputExistsError, match="is no folder of maps"):
        MapFolder(tmp_path / "other", padim, force=True)
    assert folder.file("../up/a.b.png") == tmp_path / "maps" / "up" / "a.b.tiff"


def test_a_model_without_maps_says_so(fit):
    photos = as_dataset(plates(2, 1))
    with pytest.raises(InputError, match=r"raw:knn.* has no anomaly maps; fit a detector that has, such as patchcore"):
        reprq.fit(None, as_dataset(plates(30, 0)), detector="raw:knn", false_alarms=0.5).maps(photos)
    with pytest.raises(InputError, match="need one of the poolings avg, mean, max, gem, got 'grid:2x2'"):
        fit("knn", pooling="grid:2x2").maps(photos)
    rows = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(InputError, match="maps are of photos"):
        reprq.fit(None, rows, false_alarms=0.1).maps(rows)


def test_photos_whose_maps_would_have_one_name_are_refused_before_any_is_made(padim, tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    for name in ("a.jpg", "a.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    photos = as_dataset([tmp_path / "a.jpg", tmp_path / "a.png"])
    with pytest.raises(InputError, match=r"a\.jpg and .*a\.png would both be called a\.tiff; rename one of them"):
        MapFolder(tmp_path / "maps", padim).write(photos)
    assert not (tmp_path / "maps").exists()

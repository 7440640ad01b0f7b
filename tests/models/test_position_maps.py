"""Maps of detectors of rows: dark at borders, and on the scale of the scores."""

import numpy as np
import pytest
import torch

import reprq
from reprq.backbones import load_backbone
from reprq.data import as_dataset
from reprq.detectors import KNN
from reprq.errors import InputError
from reprq.models.embedder import Embedder
from reprq.models.position_maps import PositionScale, check_positions, maps_by_position, scale_of


def textures(n, seed, spots=()):
    """Color photos of 64 x 64 pixels, alike everywhere, with a dark spot in some."""
    rng = np.random.default_rng(seed)
    pixels = 150 + rng.integers(-30, 31, (n, 64, 64, 3))
    for i in spots:
        pixels[i, 24:40, 8:24] = 10
    return as_dataset(pixels.astype(np.uint8))


def ring_and_inside(maps):
    edge = np.ones(maps[0].shape, bool)
    edge[8:-8, 8:-8] = False
    return np.array([[values[edge].mean(), values[~edge].mean()] for values in maps]).mean(axis=0)


def fitted(detector, **how):
    given = {"weights": "random", "preprocessing": {"size": 64, "squash": True}, "progress": False, **how}
    return reprq.fit("resnet18", textures(40, 0), "layer2", detector=detector, false_alarms=0.1, **given)


@pytest.fixture(scope="module")
def knn():
    return fitted({"name": "knn", "k": 1})


def test_a_benign_photo_is_no_brighter_at_its_border(knn, monkeypatch):
    benign = textures(16, 1)
    border, inside = ring_and_inside([values for _, values in knn.maps(benign)])
    spread = knn.record["position_scale"]["factor"]
    assert border - inside < 0.1 * (knn.threshold - knn.record["position_scale"]["target"])
    monkeypatch.setattr("reprq.detectors.patch.reader.mirrored", lambda network: torch.no_grad())  # zeros again
    before, within = ring_and_inside([values for _, values in knn.maps(benign)])
    assert (before - within) / spread > 5 * abs(border - inside) / spread


@pytest.mark.parametrize("detector", ["knn", "gaussian"])
def test_maps_are_on_the_scale_of_the_scores(detector):
    model = fitted(detector)
    scores = model.calibration.folds[0][0].anomaly_score(np.concatenate(list(model.embedder.blocks(textures(16, 1)))))
    maps = np.array([values for _, values in model.maps(textures(16, 1))])
    low, high = np.quantile(scores, (0.05, 0.95))
    assert low <= np.median(maps) <= high


def test_where_a_spot_is_stays_and_scores_do_not_change(knn):
    spotted = textures(3, 2, spots=(2,))
    before = knn.score(spotted)["score"].to_numpy()
    maps = [values for _, values in knn.maps(spotted)]
    np.testing.assert_array_equal(knn.score(spotted)["score"].to_numpy(), before)
    row, column = np.unravel_index(maps[2].argmax(), maps[2].shape)
    assert 16 <= row < 48
    assert column < 32
    assert maps[2].max() > max(maps[0].max(), maps[1].max())


def test_the_scale_brings_quartiles_together_and_keeps_the_order():
    rng = np.random.default_rng(0)
    positions, photos = rng.gamma(2.0, size=500) * 30 - 7, rng.normal(-3.0, 0.2, 80)
    scale = PositionScale.between(positions, photos)
    found = scale(positions)
    assert np.median(found) == pytest.approx(np.median(photos))
    assert np.subtract(*np.quantile(found, (0.75, 0.25))) == pytest.approx(
        np.subtract(*np.quantile(photos, (0.75, 0.25)))
    )
    np.testing.assert_array_equal(np.argsort(found), np.argsort(positions))
    assert PositionScale.between(np.ones(4), photos).factor == 1.0
    np.testing.assert_array_equal(PositionScale()(positions), positions)


def test_a_saved_model_keeps_the_scale_and_one_without_has_the_scores_as_they_are(knn, tmp_path):
    photos = textures(2, 3)
    knn.save(tmp_path / "model")
    again = reprq.load_model(tmp_path / "model")
    assert again.record["position_scale"] == knn.record["position_scale"]
    mine, own = [values for _, values in knn.maps(photos)], [values for _, values in again.maps(photos)]
    np.testing.assert_array_equal(mine, own)
    del again.record["position_scale"]
    plain = np.array([values for _, values in again.maps(photos)])
    scale = PositionScale(**knn.record["position_scale"])
    np.testing.assert_allclose(scale(plain), mine, atol=1e-9)


def test_layers_without_positions_have_no_scale():
    network = load_backbone("resnet18", "random", preprocessing={"size": 64})
    x = np.zeros((4, 512), np.float32)
    embedder = Embedder(network, ("pooled",), "avg", (1.0,))
    assert scale_of(embedder, KNN(k=1).fit(x), textures(4, 0), np.zeros(4)) is None
    flat = Embedder(network, ("layer1",), "flatten", (1.0,))
    assert scale_of(flat, KNN(k=1).fit(x), textures(4, 0), np.zeros(4)) is None
    with pytest.raises(reprq.errors.InputError, match="has no positions"):
        next(maps_by_position(embedder, KNN(k=1).fit(x), textures(4, 0)))


def test_an_ensemble_has_no_maps_which_would_be_constant():
    model = fitted({"name": "ensemble", "of": "centroid+pca"})
    with pytest.raises(InputError, match="maps are of one detector: .* fit one of its detectors, or leave maps"):
        list(model.maps(textures(2, 1)))
    rows = np.concatenate(list(model.embedder.blocks(textures(4, 1))))
    scores = model.detector.anomaly_score(rows)
    assert scale_of(model.embedder, model.detector, textures(4, 1), scores) is None
    with pytest.raises(InputError, match="maps are of one detector"):  # what reports ask before they draw
        check_positions(model.embedder, model.detector)

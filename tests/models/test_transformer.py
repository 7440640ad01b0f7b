"""`reprq.Embed` in scikit-learn's pipelines."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

import reprq
from reprq.detectors import KNN
from reprq.errors import DataError, InputError, UnknownNameError

RANDOM = {"weights": "random", "preprocessing": {"size": 32}}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve dark photos and twelve bright ones."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    files = [folder / f"{i:02d}.png" for i in range(24)]
    for i, file in enumerate(files):
        low = 0 if i < 12 else 170
        Image.fromarray(rng.integers(low, low + 80, (32, 32, 3), dtype=np.uint8)).save(file)
    return files


def embed(layer: object = 2, **changed: object) -> reprq.Embed:
    return reprq.Embed("lenet", layer=layer, **{**RANDOM, **changed})  # type: ignore[arg-type]


def test_rows_are_those_of_extract_in_every_form_of_samples(photos: list[Path]) -> None:
    expected = reprq.extract("lenet", photos, 2, progress=False, **RANDOM)
    (layer,) = expected
    images = [Image.open(file).convert("RGB") for file in photos]
    step = embed().fit(photos)
    for samples in (photos, list(map(str, photos)), np.array(list(map(str, photos))), images, np.stack(images)):
        np.testing.assert_allclose(step.transform(samples), expected[layer].array, rtol=1e-5, atol=1e-7)
    found = embed().fit_transform(photos)
    assert (found.dtype, found.shape) == (np.float32, expected[layer].array.shape)
    np.testing.assert_array_equal(found, step.transform(photos))


def test_several_layers_count_alike_and_new_samples_are_scaled_as_those_of_fit(photos: list[Path]) -> None:
    step = embed("1,2")
    rows = step.fit_transform(photos)
    first, second = np.split(rows.astype(np.float64), [step.widths_[0]], axis=1)
    for part in (first, second):
        assert np.sqrt(((part - part.mean(axis=0)) ** 2).sum(axis=1).mean()) == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(step.transform(photos[:3]), rows[:3], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(embed("1,2").fit(photos).transform(photos), rows, rtol=1e-5, atol=1e-7)


def test_a_pipeline_of_photos_to_a_detector(photos: list[Path]) -> None:
    pipeline = make_pipeline(embed(), PCA(3), KNN(k=1)).fit(photos[:12])
    assert pipeline.predict(photos[12:]).tolist() == [-1] * 12
    pipeline.set_params(embed__layer=1)
    assert pipeline.fit(photos[:12]).predict(photos[12:]).tolist() == [-1] * 12


def test_pandas_in_and_out(photos: list[Path]) -> None:
    table = pd.DataFrame({"filepath": map(str, photos), "line": 7}, index=[f"p{i}" for i in range(24)])
    step = embed("1,2").set_output(transform="pandas")
    for found in (step.fit_transform(table), step.transform(table)):
        assert found.index.equals(table.index)
        assert list(found) == list(step.get_feature_names_out())
        assert found.columns[0] == f"{step.embedder_.layers[0]}_0"
    assert len(found.columns) == sum(step.widths_)


def test_folds_of_a_cross_validation_share_a_cache(photos: list[Path], tmp_path: Path) -> None:
    pipeline = make_pipeline(embed(cache_dir=tmp_path), KNeighborsClassifier(1))
    y = np.arange(24) // 12
    assert cross_val_score(pipeline, photos, y, cv=3).tolist() == [1.0, 1.0, 1.0]
    assert any(tmp_path.iterdir())


def test_clones_parameters_and_pickles(photos: list[Path]) -> None:
    step = embed("1,2", pooling="max", seed=3).fit(photos)
    twin = clone(step)
    assert twin.get_params() == step.get_params()
    assert not hasattr(twin, "widths_")
    again = pickle.loads(pickle.dumps(step))
    np.testing.assert_array_equal(again.transform(photos[:2]), step.transform(photos[:2]))
    loaded = reprq.load_backbone("lenet", "random", preprocessing={"size": 32})
    np.testing.assert_array_equal(
        clone(reprq.Embed(loaded, 2)).fit_transform(photos[:2]), embed().fit_transform(photos[:2])
    )


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_mixin_order,
        estimator_checks.check_valid_tag_types,
    ],
)
def test_scikit_learns_own_checks_that_need_no_rows_of_numbers(check: Callable[..., None]) -> None:
    check("Embed", embed())


def test_mistakes_are_one_sentence(photos: list[Path]) -> None:
    with pytest.raises(NotFittedError, match="call fit with samples first"):
        embed().transform(photos)
    with pytest.raises(NotFittedError, match="Embed is not fitted"):
        embed().get_feature_names_out()
    with pytest.raises(InputError, match="lenet takes images, and .* holds documents"):
        embed().fit(["some words of a text", "and some more"])
    with pytest.raises(InputError, match="lenet takes images, and .* holds documents"):
        embed().fit(photos).transform(["some words of a text", "and some more"])
    with pytest.raises(UnknownNameError, match="unknown layer"):
        embed("9").fit(photos)
    with pytest.raises(InputError, match="pooling must be one"):
        embed(pooling="avg,max").fit(photos)
    with pytest.raises(DataError, match="do not exist"):
        embed().fit([*photos, "nowhere.png"])
    with pytest.raises(InputError, match="no parameters besides X and y, got sample_weight"):
        embed().fit_transform(photos, sample_weight=1)

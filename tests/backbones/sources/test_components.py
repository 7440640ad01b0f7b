"""Principal components of images: what scikit-learn computes, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.errors import InputError, WeightsError

SIZE = {"size": 8}


def test_components_are_those_of_scikit_learn(tmp_path: Path) -> None:
    data = load_dataset("digits").sample(60)
    backbone = load_backbone("pca:5", preprocessing=SIZE).fit(data)
    images = torch.stack([backbone.preprocessing(data.item(row)) for row in range(60)])
    values = images.flatten(1).double().numpy()
    with torch.inference_mode():
        found = backbone.network(images).numpy()
    expected = PCA(5, svd_solver="full").fit(values)
    np.testing.assert_allclose(np.abs(found), np.abs(expected.transform(values)), atol=1e-5)
    directions = backbone.network.directions.numpy()
    assert (np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], 1) > 0).all()
    backbone.save_learned(tmp_path / "pca.safetensors")
    again = load_backbone("pca:5", tmp_path / "pca.safetensors", preprocessing=SIZE)
    assert torch.equal(again.network.directions, backbone.network.directions)
    assert again.weights_digest == backbone.weights_digest
    with pytest.raises(WeightsError):
        load_backbone("pca:4", tmp_path / "pca.safetensors", preprocessing=SIZE)


@pytest.mark.parametrize("name", ["pca:0", "pca:many", "pca:-3"])
def test_a_number_of_components_is_needed(name: str) -> None:
    with pytest.raises(InputError, match=r"pca must be named with how many components, as pca:150"):
        load_backbone(name)


def test_what_cannot_be_learned_is_told() -> None:
    few = load_dataset("digits").sample(4)
    with pytest.raises(InputError, match="pca:5 has at most 3 components of 4 images of 64 values; .* name pca:3"):
        load_backbone("pca:5", preprocessing=SIZE).fit(few)
    with pytest.raises(InputError, match="pca:5 takes images of at most 4096 values, got 50176; give a smaller size"):
        load_backbone("pca:5", preprocessing={"size": 224})
    with pytest.raises(InputError, match="pca:5 has no random weights"):
        load_backbone("pca:5", "random")

import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

from reprq.detectors import KNN, Centroid, load, save
from reprq.detectors.rows.base import NotFittedError
from reprq.embeddings import Embeddings
from reprq.errors import InputError, OutputExistsError, UnknownNameError


def test_a_loaded_detector_scores_alike(detector, benign, rows, tmp_path):
    save(detector.fit(benign), tmp_path / "detector.safetensors")
    loaded = load(tmp_path / "detector.safetensors")
    assert loaded.describe() == detector.describe()
    np.testing.assert_array_equal(loaded.anomaly_score(rows), detector.anomaly_score(rows))
    assert loaded.offset_ == detector.offset_


def test_nothing_is_overwritten_unasked(benign, tmp_path):
    path = tmp_path / "detector.safetensors"
    save(KNN().fit(benign), path)
    with pytest.raises(OutputExistsError, match="exists already; give another path or force"):
        save(Centroid().fit(benign), path)
    save(Centroid().fit(benign), path, force=True)
    assert isinstance(load(path), Centroid)


def test_an_unfitted_detector_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError, match="KNN is not fitted"):
        save(KNN(), tmp_path / "x")


def write(path, kind):
    rows = {"benign": np.eye(6, dtype=np.float32)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"benign": 1}))
    elif kind == "foreign":
        save_file(rows, path)
    elif kind == "no rows":
        save_file({"other": rows["benign"]}, path, metadata=header({"name": "knn"}))
    elif kind == "truncated":
        save_file(rows, path, metadata=header({"name": "knn"}))
        path.write_bytes(path.read_bytes()[:-8])


def header(spec):
    return {"reprq.detector": json.dumps({"spec": spec, "classes": None})}


@pytest.mark.parametrize("kind", ["missing", "pickle", "foreign", "no rows", "truncated"])
def test_other_files_are_refused(kind, tmp_path):
    path = tmp_path / "detector.safetensors"
    write(path, kind)
    with pytest.raises(InputError, match="must be a detector that reprq saved") as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_file_names_only_registered_detectors(tmp_path):
    save_file({"benign": np.eye(3)}, tmp_path / "x", metadata=header({"name": "os.system"}))
    with pytest.raises(UnknownNameError, match="unknown detector"):
        load(tmp_path / "x")


def test_a_detector_refuses_rows_of_another_network_or_layer(benign, rows, tmp_path):
    of = {"backbone": "resnet18", "weights_digest": "aaa", "layer": "layer3"}
    own = Embeddings(rows, provenance=of)
    made = KNN().fit(Embeddings(benign, provenance=of))
    save(made, tmp_path / "detector.safetensors")
    for detector in (made, load(tmp_path / "detector.safetensors")):
        np.testing.assert_array_equal(detector.anomaly_score(own), detector.anomaly_score(rows))
        for word, value in (("backbone", "resnet50"), ("weights_digest", "bbb"), ("layer", "layer2")):
            other = Embeddings(rows, provenance={**of, word: value})
            for ask in (detector.anomaly_score, detector.predict, detector.score_samples):
                with pytest.raises(
                    InputError, match=f"X must be of the {word.replace('_', ' ')} that the detector was"
                ):
                    ask(other)
        numbers = Embeddings(rows, provenance={"backbone": "file", "file": "x.npy"})
        np.testing.assert_array_equal(detector.anomaly_score(numbers), detector.anomaly_score(rows))
    made.fit(benign).anomaly_score(own)  # a fit forgets the past


def test_a_file_of_before_says_nothing_of_the_network(benign, rows, tmp_path):
    save_file({"benign": benign}, tmp_path / "old", metadata=header({"name": "knn"}))
    assert load(tmp_path / "old").origin_ == {}

"""Models as ONNX graphs, run by onnxruntime beside what they were made of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reprq
from reprq.errors import InputError, OutputExistsError, ReprqError
from reprq.models import Model, export, fit

pytest.importorskip("onnx", reason="onnx is an optional extra")
pytest.importorskip("onnxruntime", reason="onnxruntime is an optional extra")

FIT: dict[str, Any] = {"weights": "random", "progress": False, "benign": "0,1,2", "samples": 150}


@pytest.fixture(scope="module")
def model() -> Model:
    return fit("lenet", "digits", 2, false_alarms=0.05, **FIT)


def run(path: Path, pixels: Any) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"pixels": pixels}), strict=True))


@pytest.mark.parametrize(
    ("layers", "detector", "pooling", "rate"),
    [
        (2, {"name": "knn", "k": 1}, "avg", 0.05),
        ("1,2", {"name": "knn", "k": 3, "aggregation": "mean", "metric": "cosine"}, "max", 0.1),
        (1, {"name": "knn", "aggregation": "sum", "normalize": True, "center": True}, "gem", 0.1),
        (2, "mahalanobis", "grid:2x2", 0.1),
        (1, {"name": "mahalanobis", "covariance": "diagonal"}, "avg", 0.1),
        (-1, "centroid", "avg", 0.05),
    ],
)
def test_a_graph_gives_the_numbers_of_the_model(
    layers: Any, detector: Any, pooling: str, rate: float, tmp_path: Path
) -> None:
    model = fit("lenet", "digits", layers, detector=detector, pooling=pooling, false_alarms=rate, **FIT)
    assert len(model.calibration.folds) == (1 if rate == 0.1 else 5)
    said = model.to_onnx(tmp_path / "model.onnx", "digits", samples=20)
    assert said.difference < 1e-4
    test = reprq.load_dataset("digits", "test").sample(12)
    expected = model.score(test)
    found = run(tmp_path / "model.onnx", export._pixels(model, test))
    usual = np.median(np.concatenate([held for _, held in model.calibration.folds]))
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5, atol=1e-5 * abs(usual))
    np.testing.assert_allclose(found["p_value"], expected["p_value"], atol=1.5 / model.calibration.n)
    np.testing.assert_array_equal(found["anomalous"], found["score"] > model.threshold)


@pytest.mark.parametrize(
    ("layers", "detector", "rate"),
    [
        (1, {"name": "patchcore", "coreset": 0.05}, 0.1),
        ("1,2", {"name": "patchcore", "coreset": 40, "neighbors": 1, "normalize": True}, 0.05),
        ("1,2", {"name": "padim", "channels": 12}, 0.1),
        ("1,2", {"name": "spade", "images": 5}, 0.1),
    ],
)
def test_a_graph_of_patches_gives_the_numbers_of_the_model(
    layers: Any, detector: Any, rate: float, tmp_path: Path
) -> None:
    made = fit("lenet", "digits", layers, detector=detector, false_alarms=rate, **{**FIT, "samples": 40})
    made.save(tmp_path / "model")
    model = reprq.load_model(tmp_path / "model")
    assert model.to_onnx(tmp_path / "model.onnx", "digits", samples=20).difference < 1e-4
    test = reprq.load_dataset("digits", "test").sample(12)
    found = run(tmp_path / "model.onnx", export._pixels(model, test))
    np.testing.assert_allclose(found["score"], model.score(test)["score"], rtol=1e-4)


def test_one_image_and_many_and_what_the_file_says(model: Model, tmp_path: Path) -> None:
    import onnx

    said = model.to_onnx(tmp_path / "model.onnx", samples=10)
    assert str(said).startswith(f"{tmp_path / 'model.onnx'}: scores of 10 samples differ by at most")
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    pixels = np.random.default_rng(0).random((3, 3, 32, 32), np.float32)
    alone = [run(tmp_path / "model.onnx", pixels[i : i + 1])["score"][0] for i in range(3)]
    np.testing.assert_allclose(run(tmp_path / "model.onnx", pixels)["score"], alone, rtol=1e-5)
    (entry,) = onnx.load(str(tmp_path / "model.onnx")).metadata_props
    known = json.loads(entry.value)
    assert (entry.key, known["threshold"], known["preprocessing"]["size"]) == ("reprq", model.threshold, 32)


def test_a_file_whose_scores_differ_is_not_left(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init = export.Graph.__init__

    def wrong(self: Any, given: Model) -> None:
        init(self, given)
        self.rows.scales = (1.001,)

    monkeypatch.setattr(export.Graph, "__init__", wrong)
    with pytest.raises(ReprqError, match=r"the scores of the model to 0.0001, got a difference of .* no file is left"):
        model.to_onnx(tmp_path / "model.onnx", samples=10)
    assert not list(tmp_path.iterdir())


def test_what_has_no_graph(model: Model, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.onnx"
    rows = fit(None, np.random.default_rng(0).standard_normal((60, 3)), false_alarms=0.05)
    pca = fit("lenet", "digits", 2, detector="pca", false_alarms=0.05, **FIT)
    graph = fit("lenet", "digits", 2, detector={"name": "knn", "index": "hnsw"}, false_alarms=0.1, **FIT)
    odd = fit("lenet", "digits", 0, pooling="grid:3x3", false_alarms=0.05, **FIT)
    held = fit("lenet", reprq.load_dataset("digits").sample(60), 2, false_alarms=0.05, weights="random", progress=False)
    held.record["trained_on"]["data"] = "python:list"
    for given, said in (
        (rows, "needs a model with a backbone and a detector of rows or patches, got knn"),
        (pca, "knows knn, mahalanobis, centroid, patchcore, padim and spade, got PCA; fit one"),
        (graph, "needs a knn with index 'flat', which is exact, got 'hnsw'"),
        (odd, "must be made of operations that ONNX has, got .*adaptive_avg_pool2d"),
        (held, "data must be given for a model that was fitted on what a program held"),
    ):
        with pytest.raises(InputError, match=said):
            given.to_onnx(path, samples=5)
    with pytest.raises(InputError, match=r"must end in \.onnx, got model\.pt"):
        model.to_onnx(tmp_path / "model.pt")
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr().out == ""
    path.touch()
    with pytest.raises(OutputExistsError, match="--force"):
        model.to_onnx(path)


def test_models_of_texts_are_refused_in_words(write_documents: Callable[..., Path], bert: Path, tmp_path: Path) -> None:
    documents = f"text:{write_documents(tmp_path / 'documents', classes=2, each=30)}"
    how = {"benign": "class0", "false_alarms": 0.2, "progress": False, "cache_dir": tmp_path / "cache"}
    made = fit(f"hf:{bert}", documents, 1, pooling="mean", detector={"name": "knn", "k": 1}, **how)
    with pytest.raises(InputError, match="models of images, and this one reads text: .* tokenizer, would stay outside"):
        made.to_onnx(tmp_path / "model.onnx")


def test_the_command(model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from reprq.cli import cli

    model.save(tmp_path / "model")
    main: Callable[..., Any] = cli.main
    asked = ["export", str(tmp_path / "model"), "--onnx", str(tmp_path / "model.onnx"), "--samples", "5"]
    main([*asked, "--data", "digits"], standalone_mode=False)
    assert "scores of 5 samples differ by at most" in capsys.readouterr().out
    with pytest.raises(OutputExistsError):
        main(asked, standalone_mode=False)

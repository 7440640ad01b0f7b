"""A model: the rate that its threshold keeps to, the scores of its calibration, and the same numbers from a file."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import reprq
from reprq.detectors import KNN, threshold
from reprq.detectors.calibration import calibrate
from reprq.embeddings import Embeddings
from reprq.errors import InputError, OutputExistsError, ReprqError, UnknownNameError, WeightsError
from reprq.models import Model, fit, load_model
from reprq.models.drift import drift_between
from reprq.models.files import check_free
from reprq.models.scores import ScoreFile
from reprq.storage import exact_floats

LENET = {"weights": "random", "progress": False, "benign": "0,1,2"}


@pytest.fixture(scope="module")
def lenet() -> Model:
    return fit("lenet", "digits", "2,3", detector={"name": "knn", "k": 1}, false_alarms=0.02, **LENET)


def normal(n: int, d: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


class TestThreshold:
    def test_one_fold_is_split_conformal(self) -> None:
        model = fit(None, normal(500), false_alarms=0.05)
        ((detector, held),) = model.calibration.folds
        expected = threshold(held, 0.05)
        assert model.threshold == expected.value
        assert model.calibration.interval == pytest.approx((expected.low, expected.high))
        new = normal(50, seed=1) * 2
        found = model.score(new)
        np.testing.assert_array_equal(found["score"], detector.anomaly_score(new))
        np.testing.assert_allclose(
            found["p_value"], [(1 + (held >= s).sum()) / (len(held) + 1) for s in found["score"]]
        )

    @pytest.mark.parametrize("n", [60, 150, 500])
    @pytest.mark.parametrize("detector", ["knn", "mahalanobis", "centroid"])
    def test_new_benign_rows_are_called_anomalous_at_most_at_the_rate(self, n: int, detector: str) -> None:
        rates = []
        for seed in range(12):
            model = fit(None, normal(n, seed=seed), detector=detector, false_alarms=0.05)
            rates.append(model.score(normal(400, seed=100 + seed))["anomalous"].mean())
        # the mean of 12 rates, each spread by its calibration and by 400 new rows
        spread = np.sqrt((0.05 * 0.95 / (n / 5) + 0.05 * 0.95 / 400) / 12)
        assert np.mean(rates) <= 0.05 + 3 * spread

    @pytest.mark.parametrize("n", [60, 500])
    def test_anomalous_is_a_score_above_the_threshold_and_a_p_value_at_most_the_rate(self, n: int) -> None:
        model = fit(None, normal(n), false_alarms=0.05)
        found = model.score(normal(300, seed=3) * 1.7)
        assert 0 < found["anomalous"].sum() < 300
        np.testing.assert_array_equal(found["anomalous"], found["score"] > model.threshold)
        np.testing.assert_array_equal(found["anomalous"], found["p_value"] <= model.calibration.rate + 1e-12)

    def test_few_rows_say_what_they_can_promise(self) -> None:
        with pytest.raises(InputError, match="0.01 needs at least 99 different benign rows, got 60; .* ask for 0.0164"):
            fit(None, normal(60))
        assert fit(None, normal(60), false_alarms=0.0164).calibration.rate <= 0.0164

    def test_copies_promise_no_more_than_one_row(self) -> None:
        with pytest.raises(InputError, match="got 50, copies counted once"):
            fit(None, np.repeat(normal(50), 4, axis=0), false_alarms=0.01)

    def test_the_rate_of_calibration_is_the_one_asked_for(self) -> None:
        detector = KNN().fit(normal(300))
        assert calibrate(detector).threshold == detector.calibration_.threshold
        assert calibrate(detector, 0.2).threshold < calibrate(detector, 0.05).threshold


class TestSamples:
    def test_scores_are_those_of_the_cached_embeddings(self, lenet: Model) -> None:
        data = reprq.load_dataset("digits", "test")
        cache = reprq.extract("lenet", data, "2,3", weights="random", progress=False)
        scales = lenet.record["scales"]
        rows = np.hstack([cache[name].array / scale for name, scale in zip(cache, scales, strict=True)])
        np.testing.assert_allclose(lenet.score("digits")["score"], lenet.calibration.scores(rows), rtol=1e-4)

    def test_layers_count_alike(self, lenet: Model) -> None:
        cache = reprq.extract("lenet", "digits", "2,3", weights="random", progress=False)
        assert len(lenet.record["scales"]) == len(cache) == 2
        classes = np.isin(cache[next(iter(cache))].labels, [0, 1, 2])
        for name, scale in zip(cache, lenet.record["scales"], strict=True):
            rows = cache[name].array[classes].astype(np.float64)
            assert scale == pytest.approx(np.sqrt(((rows - rows.mean(0)) ** 2).sum(1).mean()), rel=1e-5)

    def test_other_classes_are_more_anomalous(self, lenet: Model) -> None:
        test = reprq.load_dataset("digits", "test")
        scores = lenet.score(test)["score"].to_numpy()
        assert reprq.evaluation.auroc(~np.isin(test.labels, [0, 1, 2]), scores).value > 0.8

    @pytest.mark.parametrize(
        ("detector", "backbone"),
        [
            ({"name": "autoencoder", "epochs": 1}, None),
            ({"name": "deep_svdd", "epochs": 1, "pretrain_epochs": 0}, None),
            ({"name": "raw:centroid"}, None),
            ({"name": "distillation", "epochs": 1}, "lenet"),
        ],
    )
    def test_detectors_that_train_keep_samples_out(
        self, detector: dict[str, object], backbone: str | None, tmp_path: Path
    ) -> None:
        model = fit(backbone, "digits", 2, detector=detector, false_alarms=0.05, samples=60, **LENET)
        assert model.calibration.n >= 19
        before = model.score("digits")
        model.save(tmp_path / "model")
        pd.testing.assert_frame_equal(load_model(tmp_path / "model").score("digits"), before, rtol=1e-6)

    def test_drift(self, lenet: Model) -> None:
        test = reprq.load_dataset("digits", "test")
        benign = test.select(np.flatnonzero(np.isin(test.labels, [0, 1, 2])))
        assert not lenet.monitor(benign).changed
        assert lenet.monitor(test).changed
        few, many = lenet.monitor(benign.select(np.arange(3))), lenet.monitor(benign)
        assert "too few for an interval: give more" in str(few) or few.bounded
        assert f"[{many.low:.2f}, {many.high:.2f}]" in str(many)
        assert "too few for an interval" in str(drift_between(np.arange(4.0), np.arange(3.0)))


def test_several_layers_of_texts_whose_lengths_differ(
    write_documents: Callable[..., Path], bert: Path, tmp_path: Path
) -> None:
    documents = f"text:{write_documents(tmp_path / 'documents', classes=2, each=30)}"
    how = {"pooling": "mean", "progress": False, "cache_dir": tmp_path / "cache"}
    model = fit(
        f"hf:{bert}", documents, "1,2", benign="class0", detector={"name": "knn", "k": 1}, false_alarms=0.1, **how
    )
    assert model.record["inputs"]["modality"] == "text"
    cache = reprq.extract(f"hf:{bert}", reprq.load_dataset(documents, whole=True), "1,2", **how)
    first = cache[next(iter(cache))].labels == 0
    for layer, scale in zip(cache, model.record["scales"], strict=True):
        rows = cache[layer].array[first].astype(np.float64)
        assert scale == pytest.approx(np.sqrt(((rows - rows.mean(0)) ** 2).sum(1).mean()), rel=1e-4)
    rows = np.hstack([cache[layer].array / scale for layer, scale in zip(cache, model.record["scales"], strict=True)])
    found = model.score(documents)
    usual = np.median(np.concatenate([held for _, held in model.calibration.folds]))
    np.testing.assert_allclose(found["score"], model.calibration.scores(rows), atol=1e-4 * usual)
    assert reprq.evaluation.auroc(~first, found["score"].to_numpy()).value > 0.9
    model.save(tmp_path / "model")
    pd.testing.assert_frame_equal(load_model(tmp_path / "model").score(documents), found, rtol=1e-6)
    with pytest.raises(InputError, match="must hold documents, which the model was fitted on, got images"):
        model.score("digits")


def umask() -> int:
    """The umask of this process, which can only be read by setting it."""
    found = os.umask(0)
    os.umask(found)
    return found


class TestFiles:
    def test_another_process_gives_the_same_scores(self, lenet: Model, tmp_path: Path) -> None:
        lenet.save(tmp_path / "model")
        code = "import sys, reprq\nreprq.load_model(sys.argv[1]).score('digits').to_csv(sys.argv[2], index=False)"
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "model"), str(tmp_path / "new.csv")], check=True)
        found = pd.read_csv(tmp_path / "new.csv", dtype={"id": str}, **exact_floats())
        pd.testing.assert_frame_equal(found, lenet.score("digits"), check_exact=True, check_dtype=False)

    def test_weights_in_the_model(self, lenet: Model, tmp_path: Path) -> None:
        lenet.save(tmp_path / "model", with_weights=True)
        found = load_model(tmp_path / "model").score("digits")
        pd.testing.assert_frame_equal(found, lenet.score("digits"), check_exact=True)

    def test_other_weights_are_refused(self, lenet: Model, tmp_path: Path) -> None:
        lenet.save(tmp_path / "model")
        record = json.loads((tmp_path / "model/model.json").read_text())
        record["backbone"]["seed"] = 7
        (tmp_path / "model/model.json").write_text(json.dumps(record))
        with pytest.raises(WeightsError, match="must have the weights of the fitting"):
            load_model(tmp_path / "model")

    def test_a_changed_or_missing_file_is_told(self, lenet: Model, tmp_path: Path) -> None:
        lenet.save(tmp_path / "model", with_weights=True)
        assert {file.stat().st_mode & 0o777 for file in (tmp_path / "model").iterdir()} == {0o666 & ~umask()}
        for name in ("detector.safetensors", "weights.safetensors"):
            content = (tmp_path / "model" / name).read_bytes()
            (tmp_path / "model" / name).write_bytes(content[:-8] + bytes(x ^ 1 for x in content[-8:]))
            with pytest.raises(InputError, match=f"got a {name} that was changed; fit again"):
                load_model(tmp_path / "model")
            (tmp_path / "model" / name).write_bytes(content)
        (tmp_path / "model/detector.safetensors").unlink()
        with pytest.raises(InputError, match=r"got no detector\.safetensors in it; fit again"):
            load_model(tmp_path / "model")
        with pytest.raises(InputError, match=r"nothing must be a model .*, got no model\.json in it; give its folder"):
            load_model(tmp_path / "nothing")

    def test_nothing_is_replaced_unasked(self, lenet: Model, tmp_path: Path) -> None:
        (tmp_path / "own").mkdir()
        (tmp_path / "own/photo.png").touch()
        with pytest.raises(OutputExistsError, match="is no model of reprq"):
            lenet.save(tmp_path / "own", force=True)
        lenet.save(tmp_path / "model")
        with pytest.raises(OutputExistsError, match="to replace it"):
            lenet.save(tmp_path / "model")
        lenet.save(tmp_path / "model", force=True)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "own"]
        with pytest.raises(ReprqError, match="takes no folder; give another path"):
            check_free(tmp_path / "own/photo.png/model", force=False)

    @pytest.mark.parametrize("name", ["model.json", "detector.safetensors"])
    @pytest.mark.parametrize("damage", ["gone", "cut", "foreign"])
    def test_damage_is_one_sentence(self, lenet: Model, tmp_path: Path, name: str, damage: str) -> None:
        lenet.save(tmp_path / "model")
        path = tmp_path / "model" / name
        content = path.read_bytes()
        path.unlink()
        if damage != "gone":
            path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"{}")
        with pytest.raises(InputError, match="must be") as refused:
            load_model(tmp_path / "model")
        assert "KeyError" not in str(refused.value)

    def test_a_network_of_ones_own_needs_its_weights(self, tmp_path: Path) -> None:
        backbone = reprq.load_backbone("lenet", "random")
        model = fit(backbone, "digits", 2, false_alarms=0.05, progress=False, benign="0,1,2")
        with pytest.raises(InputError, match="save it with with_weights=True"):
            model.save(tmp_path / "model")
        model.save(tmp_path / "model", with_weights=True)
        assert load_model(tmp_path / "model").threshold == model.threshold


class TestRefusals:
    def test_rows_of_another_width_or_network(self) -> None:
        made = {"backbone": "resnet18", "weights_digest": "aaa"}
        model = fit(None, Embeddings(normal(60), provenance=made), false_alarms=0.05)
        with pytest.raises(InputError, match="must have 4 columns"):
            model.score(normal(3, 5))
        with pytest.raises(InputError, match="weights digest that the model was fitted on, aaa, got bbb"):
            model.score(Embeddings(normal(3), provenance={**made, "weights_digest": "bbb"}))
        assert len(model.score(Embeddings(normal(3), provenance={"backbone": "file", "file": "x.npy"}))) == 3
        of_file = fit(None, Embeddings(normal(60), provenance={"backbone": "file", "file": "x.npy"}), false_alarms=0.05)
        assert of_file.record["trained_on"]["data"] == "x.npy"
        assert len(of_file.score(Embeddings(normal(3), provenance=made))) == 3
        with pytest.raises(InputError, match="must be rows of numbers"):
            model.score("digits")
        assert len(model.score(normal(3))) == 3

    def test_other_sizes_and_colors(self, tmp_path: Path) -> None:
        def photos(name: str, size: tuple[int, int], mode: str) -> str:
            (tmp_path / name).mkdir()
            for i in range(25):
                pixels = np.random.default_rng(i).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
                Image.fromarray(pixels).convert(mode).save(tmp_path / name / f"{i}.png")
            return f"folder:{tmp_path / name}"

        model = fit("lenet", photos("good", (40, 30), "L"), 2, weights="random", false_alarms=0.05, progress=False)
        assert len(model.score(photos("same", (40, 30), "L"))) == 25
        for data, said in (
            (photos("large", (80, 60), "L"), "one size, 40 x 30 pixels, and .* has some of 80 x 60 pixels"),
            (photos("color", (40, 30), "RGB"), "one color, gray, and .* has some of color"),
        ):
            with pytest.raises(InputError, match=said):
                model.score(data)
            assert len(model.score(data, any_kind=True)) == 25
        with pytest.raises(InputError, match="must hold images, which the model was fitted on, got documents"):
            model.score(["a text of words", "another text of words"])

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"backbone": None, "data": "digits"}, "detector knn needs a backbone"),
            ({"backbone": "lenet", "data": "digits", "detector": "autoencoder"}, "without a backbone"),
            ({"backbone": "lenet", "data": normal(50)}, "backbone must be None for rows"),
            ({"backbone": None, "data": normal(50), "detector": "hsc"}, "needs auxiliary samples; give some"),
            ({"backbone": None, "data": normal(50), "labelled": normal(5)}, "does not learn from labelled"),
            ({"backbone": None, "data": normal(50), "false_alarms": 1.0}, "false_alarms must be between 0 and 1"),
            ({"backbone": "lenet", "data": "digits", "pooling": "avg,max"}, "pooling must be one"),
        ],
    )
    def test_what_cannot_be_fitted(self, arguments: dict[str, object], said: str) -> None:
        with pytest.raises(InputError, match=said):
            fit(**{"weights": "random", "progress": False, **arguments})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(None, normal(60), false_alarms=0.05)


class TestScoreFile:
    @pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
    def test_an_interrupted_run_goes_on(
        self, model: Model, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
        data = model.check(normal(1300, seed=5))
        whole = model.score(normal(1300, seed=5))
        judge, asked = Model.judge, []

        def interrupted(self: Model, *args: object, start: int = 0, **how: object) -> object:
            for part in judge(self, *args, start=start, **how):  # type: ignore[arg-type]
                if len(asked) == 1:
                    raise KeyboardInterrupt
                asked.append(start)
                yield part

        target = ScoreFile(tmp_path / name)
        monkeypatch.setattr(Model, "judge", interrupted)
        with pytest.raises(KeyboardInterrupt):
            target.write(model, data, "model")
        monkeypatch.undo()
        with target.partial.open("a") as file:
            file.write('{"content": "cut sho')
        starts = []
        monkeypatch.setattr(
            Model, "judge", lambda self, *a, start=0, **how: starts.append(start) or judge(self, *a, start=start, **how)
        )
        ScoreFile(tmp_path / name).write(model, data, "model")
        assert starts == [512]
        read = pd.read_csv if name.endswith("csv") else pd.read_parquet
        found = read(tmp_path / name)
        assert list(found) == ["id", "score", "p_value", "anomalous"]
        np.testing.assert_allclose(found["score"], whole["score"], rtol=1e-15)
        assert json.loads((tmp_path / f"{name}.json").read_text())["samples"] == 1300
        assert not target.partial.exists()

    def test_other_samples_of_the_same_names_start_anew(
        self, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = ScoreFile(tmp_path / "scores.csv")
        with monkeypatch.context() as stopped:  # before the file is put in place
            stopped.setattr(ScoreFile, "_put", lambda *given: None)
            target.write(model, model.check(normal(600, seed=5)), "model")
        assert target.partial.exists()
        table = target.write(model, model.check(normal(600, seed=6)), "model")
        np.testing.assert_array_equal(table["score"], model.score(normal(600, seed=6))["score"])

    def test_a_name_that_cannot_be(self, model: Model, tmp_path: Path) -> None:
        with pytest.raises(UnknownNameError, match=r"\.csv, \.parquet"):
            ScoreFile(tmp_path / "scores.txt")
        (tmp_path / "there.csv").touch()
        with pytest.raises(OutputExistsError, match="--force"):
            ScoreFile(tmp_path / "there.csv")
        with pytest.raises(ReprqError, match="cannot be written"):
            ScoreFile(tmp_path / "nowhere" / "scores.csv").write(model, model.check(normal(5)), "model")

"""Splits in a study's TOML: pollution, named classes, known and external anomalies, corpora, protocols."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import reprq.study.compute as compute
from reprq.cli.study import study as study_command
from reprq.data import load_dataset
from reprq.data.image import protocols as of_images
from reprq.detectors import DETECTORS, KNN
from reprq.errors import ConfigError, InputError, ReprqError, UnknownNameError
from reprq.evaluation import auroc
from reprq.registry import Entry
from reprq.report import render_page
from reprq.study import StudyResults, estimate_study, run_study
from reprq.study.jobs import definition_of
from reprq.study.loading import load_config
from reprq.study.plan import Plan
from reprq.study.sources import Teachers

ONE = {
    "data": {"name": "digits", "classes": ["0", "1", "2"], "train_per_class": 30, "test_per_class": 20},
    "backbones": [{"name": "lenet", "weights": "random", "layers": "conv1,pooled"}],
    "metrics": ["rankme"],
    "detectors": [{"name": "knn", "k": 1}],
    "tasks": ["unimodal:0"],
}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def made(out: str = "run", **changed: Any) -> StudyResults:
        return run_study({**ONE, **changed}, tmp_path / out, cache_dir=tmp_path / "cache", force=True, progress=False)

    return made


def plan(tmp_path: Path, **changed: Any) -> Plan:
    config = load_config({**ONE, **changed})
    return Plan(config, Teachers(tmp_path, config.datasets, "cpu"))


def test_pollution_is_rows_of_its_own_and_the_plain_task_is_found_again(run: Any, monkeypatch: Any) -> None:
    plain = run()
    with monkeypatch.context() as patched:
        patched.setattr(compute, "detect", lambda *_: pytest.fail("the plain cell is computed again"))
        run(splits={"pollution": 0.0})
    found = run(splits={"pollution": [0, 0.1]})
    assert found.detectors["scenario"].unique().tolist() == ["", "10 % polluted"]
    assert found.detectors["task"].unique().tolist() == ["unimodal:0", "unimodal:0, 10 % polluted"]
    dirty = found.detectors[found.detectors["scenario"] != ""]
    assert set(dirty["n_train"]) == {33}
    assert set(found.metrics.loc[found.metrics["scenario"] != "", "n"]) == {33}
    clean = found.detectors[found.detectors["scenario"] == ""].reset_index(drop=True)
    pd.testing.assert_frame_equal(clean, plain.detectors)


def test_keys_of_plain_cells_are_those_of_studies_before_there_were_splits(tmp_path: Path) -> None:
    first = plan(tmp_path)
    part = first.parts[0]
    keys = [key for cell in first.cells(part) for key in cell.keys.values()]
    from reprq.provenance import digest
    from reprq.study.jobs import identity

    network = first.network_of(part)
    assert network is not None
    rows = [digest(identity(network, samples, "float32")) for samples in first.samples[0, "digits"]]
    metric = first.metrics["rankme"]
    expected = []
    for layer in ("conv1", "pooled"):
        base = {"layer": layer, "task": "unimodal:0"}
        expected.append(digest({**base, "rows": rows[:1], "metric": metric}))
        expected.append(digest({**base, "rows": rows, "detector": definition_of({"name": "knn", "k": 1}), "seed": 0}))
    assert keys == expected


def test_splits_that_share_their_training_rows_share_the_metrics(tmp_path: Path) -> None:
    made = plan(tmp_path, splits={"anomaly": ["1"]}), plan(tmp_path)
    keys = [[dict(cell.keys) for cell in p.cells(p.parts[0]) if cell.detector is None] for p in made]
    assert keys[0] == keys[1]


def test_what_needs_no_backbone_is_fitted_once_a_split_and_seed_and_goes_on(run: Any, monkeypatch: Any) -> None:
    found = run(detectors=[{"name": "knn", "k": 1}, {"name": "raw:knn", "k": 1}], seeds=[0, 1])
    alone = found.detectors[found.detectors["detector"] == "raw:knn"]
    assert alone["seed"].tolist() == [0, 1]
    assert alone[["backbone", "network", "weights", "layer", "layer_number"]].isna().all(axis=None)
    train, test = (
        load_dataset("digits", side).restrict(["0", "1", "2"]).sample(per_class=n)
        for side, n in (("train", 30), ("test", 20))
    )
    rows = [
        np.stack([np.asarray(d.item(i), dtype=np.float32).ravel() for i in range(len(d))]) / 255 for d in (train, test)
    ]
    expected = auroc(test.labels != 0, KNN(k=1).fit(rows[0][train.labels == 0]).anomaly_score(rows[1]))
    assert alone["auroc"].iloc[0] == expected.value
    monkeypatch.setattr(compute.CellRunner, "_compute", lambda *_: pytest.fail("computed again"))
    again = run(detectors=[{"name": "knn", "k": 1}, {"name": "raw:knn", "k": 1}], seeds=[0, 1])
    pd.testing.assert_frame_equal(again.detectors, found.detectors)
    read = StudyResults.load(found.path)
    as_read = found.detectors.map(lambda value: np.nan if value is None else value)
    pd.testing.assert_frame_equal(read.detectors, as_read, check_dtype=False)
    assert set(read.of_layers.detectors["detector"]) == {"knn"}
    page = render_page(found)
    assert "Detectors that need no layer" in page


def test_a_study_of_such_detectors_alone_runs_through_the_command(tmp_path: Path) -> None:
    from click.testing import CliRunner

    path = tmp_path / "s.toml"
    path.write_text(
        'tasks = ["unimodal:0"]\ndetectors = ["raw:knn"]\nmetrics = ["rankme"]\n[data]\nname = "digits"\n'
        'train_per_class = 20\ntest_per_class = 10\n[[backbones]]\nname = "lenet"\nweights = "random"\n'
    )
    done = CliRunner().invoke(study_command, [str(path), "--out", str(tmp_path / "run"), "--quiet"])
    assert done.exit_code == 0, done.output
    assert len(StudyResults.load(tmp_path / "run").detectors) == 1


ALONE = (
    'tasks = ["unimodal:0"]\ndetectors = ["raw:knn"]\n[data]\nname = "digits"\ntrain_per_class = 20\n'
    "test_per_class = 10\n"
)


def test_the_lines_of_a_sweep_are_told_apart(tmp_path: Path) -> None:
    from click.testing import CliRunner

    sweep = ", ".join(f'{{ name = "raw:knn", k = {k} }}' for k in (1, 3))
    (tmp_path / "s.toml").write_text(ALONE.replace('"raw:knn"', sweep))
    done = CliRunner().invoke(study_command, [str(tmp_path / "s.toml"), "--out", str(tmp_path / "run"), "--quiet"])
    assert done.exit_code == 0, done.output
    assert all(f"raw:knn[k={k}," in done.output for k in (1, 3)), done.output


def test_a_study_without_backbones_has_tables_and_a_report_and_nothing_to_correlate(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from reprq.cli import cli

    (tmp_path / "s.toml").write_text(ALONE)
    out = str(tmp_path / "run")
    done = CliRunner().invoke(cli, ["study", str(tmp_path / "s.toml"), "--out", out, "--quiet"])
    assert done.exit_code == 0, done.output
    assert "there is nothing to correlate" in done.output
    found = StudyResults.load(out)
    assert found.metrics.empty
    assert found.detectors["detector"].tolist() == ["raw:knn"]
    dry = CliRunner().invoke(cli, ["study", str(tmp_path / "s.toml"), "--out", out, "--dry-run", "--quiet"])
    assert dry.exit_code == 0, dry.output
    page = render_page(found)
    assert "There is nothing to correlate" in page
    assert "Detectors that need no layer" in page
    for command in (["correlate", out], ["correlate", out, "--against", "depth"], ["recommend", out]):
        with pytest.raises(InputError, match="nothing to correlate: the study has no backbones"):
            CliRunner().invoke(cli, command, catch_exceptions=False, standalone_mode=False)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"detectors": ["raw:knn", "knn"]}, "detector 'knn' needs one of"),
        ({"detectors": ["distillation"]}, "detector 'distillation' needs one of"),
        ({"detectors": ["raw:knn"], "metrics": ["rankme"]}, "metrics measure the layers"),
        ({"detectors": ["raw:knn"], "data": {"name": "embeddings"}}, "no backbone is the embedding files"),
    ],
)
def test_what_takes_a_backbone_is_refused_without_one(changed: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config({"data": {"name": "digits"}, **changed})


class OfNetwork:
    """A detector that needs a network but no layer."""

    def __init__(self, backbone: Any = None, device: str = "cpu") -> None:
        self.backbone, self.device = backbone, device

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"backbone": self.backbone, "device": self.device}

    def set_params(self, **params: Any) -> "OfNetwork":
        self.__dict__.update(params)
        return self

    def describe(self) -> str:
        return "of_network"

    def fit(self, X: Any, *, labelled: Any = None) -> "OfNetwork":
        assert self.backbone.name == "lenet"
        return self

    def anomaly_score(self, X: Any) -> Any:
        return np.arange(len(X), dtype=float)


@pytest.fixture
def of_network() -> Any:
    DETECTORS.register(Entry(name="of_network", target=OfNetwork, inputs="samples", needs=frozenset({"backbone"})))
    yield
    DETECTORS.remove("of_network")


def test_what_needs_a_backbone_but_no_layer_is_fitted_once_a_network(run: Any, of_network: Any) -> None:
    found = run(detectors=["of_network"]).detectors
    assert found["backbone"].tolist() == ["lenet random"]
    assert found["layer"].isna().all()


def test_each_anomalous_class_has_its_own_auroc(run: Any) -> None:
    found = run(detectors=["centroid"])
    assert len(found.classes) == 2 * len(found.detectors)
    assert found.classes["anomaly"].unique().tolist() == ["1", "2"]
    assert set(found.classes["n_anomalies"]) == {20}
    whole = found.classes.groupby("layer")["auroc"].mean()  # classes of one size
    judged = found.detectors.set_index("layer")["auroc"]
    assert whole.to_dict() == pytest.approx(judged.to_dict())
    pd.testing.assert_frame_equal(StudyResults.load(found.path).classes, found.classes, check_dtype=False)


def test_cells_of_older_studies_have_no_classes(run: Any, tmp_path: Path) -> None:
    found = run()
    lines = [json.loads(line) for line in (tmp_path / "run" / "cells.jsonl").read_text().splitlines()]
    for line in lines:
        line["rows"][0].pop("by_class", None)
    (tmp_path / "run" / "cells.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = run()
    assert again.classes.empty
    pd.testing.assert_frame_equal(again.detectors, found.detectors)


def test_external_anomalies_are_other_peoples_images(run: Any, tmp_path: Path) -> None:
    for i in range(5):
        path = tmp_path / "noise" / "static" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    splits = {"external": f"folder:{tmp_path / 'noise'}"}
    found = run(detectors=[{"name": "knn", "k": 1}, {"name": "raw:knn", "k": 1}], splits=splits, tasks="all")
    assert found.failures.empty
    assert set(found.detectors["task_kind"]) == {"multimodal"}
    assert found.detectors["task"].str.startswith("all classes vs folder:").all()
    assert set(found.detectors["n_anomalies"]) == {5}
    assert found.detectors["auroc"].min() > 0.9
    assert found.classes["anomaly"].str.startswith("folder:").all()


class Helped(OfNetwork):
    """A detector that needs labelled anomalies and a corpus."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def describe(self) -> str:
        return "helped"

    def fit(self, X: Any, *, labelled: Any = None, auxiliary: Any = None) -> "Helped":
        self.offset_ = len(labelled) + len(auxiliary)
        return self

    def anomaly_score(self, X: Any) -> Any:
        return np.asarray(X).sum(axis=1) + self.offset_


@pytest.fixture
def helped() -> Any:
    DETECTORS.register(Entry(name="helped", target=Helped, inputs="rows", needs=frozenset({"labelled", "auxiliary"})))
    yield
    DETECTORS.remove("helped")


def test_labelled_anomalies_and_a_corpus_reach_what_needs_them(run: Any, helped: Any) -> None:
    corpus = {"name": "digits", "classes": ["7", "9"], "train_per_class": 4}
    splits = {"labelled": 0.1, "labelled_from": "each", "auxiliary": corpus}
    found = run(detectors=["helped", "centroid"], splits=splits)
    assert found.failures.empty, found.failures
    tasks = ["unimodal:0, 10 % labelled from 1", "unimodal:0, 10 % labelled from 2"]
    assert found.detectors["task"].unique().tolist() == tasks


@pytest.mark.parametrize(
    ("splits", "said"),
    [({"auxiliary": "digits"}, "needs labelled anomalies"), ({"labelled": 3}, "needs an auxiliary corpus")],
)
def test_what_a_detector_lacks_is_said_before_any_work(run: Any, helped: Any, splits: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(detectors=["helped"], splits=splits)


def test_the_dry_run_says_which_splits_are_the_same_rows(tmp_path: Path) -> None:
    two = {**ONE, "data": {**ONE["data"], "classes": ["0", "1"]}, "tasks": ["unimodal", "multimodal:1", "benign:0"]}
    two["splits"] = [{}, {"pollution": [0.0, 0.1]}]
    found = estimate_study(two, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert found.cells == 4 * 2 * 2  # splits, layers, the metrics and a detector
    assert "multimodal:1 is left out: the rows of unimodal:0" in found.notes


def test_a_protocol_with_objects_of_several_images(run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    rng = np.random.default_rng(0)
    for kind, parcels in (("benign", 8), ("threat", 4)):
        (tmp_path / "parcels" / kind).mkdir(parents=True)
        for parcel in range(parcels):
            for view in "ab":
                pixels = rng.integers(0, 200, (224, 224, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "parcels" / kind / f"{parcel}_{view}.png")
    data = {"name": "xray-parcels", "root": str(tmp_path / "parcels")}
    found = run(data=data, tasks="all", detectors=["centroid", "raw:knn"])
    assert found.failures.empty, found.failures
    assert set(found.detectors["n_test"]) == {len(of_images.load_protocol("xray-parcels", data["root"])[0].test) // 2}
    with pytest.raises(ConfigError, match="xray-parcels is a protocol with splits of its own"):
        run(data=data, tasks="all", splits={"pollution": 0.1})
    with pytest.raises(ConfigError, match="is a protocol, which says its own train_per_class"):
        run(data={**data, "train_per_class": 4})


def test_a_small_mode_has_rows_of_its_own_for_each_share_and_mode(run: Any) -> None:
    found = run(tasks="unimodal:0", splits={"small_mode": "1", "share": [1, 0]}, detectors=["centroid"])
    assert found.failures.empty, found.failures
    said = [f"with {share} % of 1, judged on {mode}" for share in (100, 0) for mode in (0, 1)]
    assert list(dict.fromkeys(found.detectors["scenario"])) == said
    counts = found.detectors.groupby("scenario")["n_train"].first()
    assert counts[said[0]] == counts[said[1]] > counts[said[2]] == counts[said[3]]


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"pollution": 0.1, "polluting": ["x"]}, UnknownNameError, "unknown class of digits 'x'"),
        ({"pollution": 0.1, "polluting": ["0"]}, InputError, "a class that unimodal:0 does not train on, got '0'"),
        ({"pollution": 1.5}, ConfigError, r"splits\[0\].pollution\[0\]: input should be less than 1, got 1.5"),
        ({"pollution": "much"}, ConfigError, r"splits\[0\].pollution: .* got 'much'"),
        ({"polluting": ["1"]}, ConfigError, "splits has polluting without pollution"),
        ({"labelled": 1.5}, InputError, "a count of 0 or more, or a share below 1"),
        ({"labelled": 5, "labelled_from": 3}, InputError, "labelled_from must be from 1 to 2"),
        ({"labelled": 5, "labelled_from": "some"}, ConfigError, "labelled_from"),
        ({"share": 0.1}, ConfigError, "splits has share without small_mode"),
        ({"small_mode": "1", "share": 2}, ConfigError, r"splits\[0\].share\[0\]"),
        ({"small_mode": "1", "pollution": 0.1}, ConfigError, "splits has small_mode and pollution"),
        ({"small_mode": "x"}, UnknownNameError, "unknown class of digits 'x'"),
        ({"anomaly": ["0"]}, InputError, "does not train on, got '0'"),
        ({"external": "digit"}, UnknownNameError, "unknown data set 'digit'"),
        ({"external": "digits", "anomaly": ["1"]}, InputError, "give one of them"),
        ({"polution": 0.1}, ConfigError, "unknown key splits.*polution; did you mean 'pollution'"),
        ({"datasets": ["other"]}, ConfigError, "splits names the data set 'other'"),
    ],
)
def test_a_mistake_is_one_sentence_before_any_work(
    changed: Any, error: type[ReprqError], said: str, run: Any, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        run(splits=changed)
    assert not (tmp_path / "run").exists()


def test_a_study_can_insist_on_figures_by_pixel(tmp_path):
    rng = np.random.default_rng(0)
    for kind, n in (("train/good", 6), ("test/good", 4), ("test/crack", 4)):
        (tmp_path / kind).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(tmp_path / kind / f"{i}.png")
    study = {"data": {"name": f"folder:{tmp_path}"}, "detectors": ["raw:knn"], "pixels": True}
    with pytest.raises(InputError, match="detector raw:knn has no anomaly maps to judge by pixel; name"):
        run_study(study, tmp_path / "run", progress=False)
    fcdd = {"name": "fcdd", "network": "fashion_mnist", "size": 16, "epochs": 1, "batch_size": 4}
    with pytest.raises(InputError, match="the split unimodal:good has no masks of its anomalies to judge maps by"):
        run_study({**study, "detectors": [fcdd, "raw:knn"]}, tmp_path / "run", progress=False)
    (tmp_path / "ground_truth/crack").mkdir(parents=True)
    for i in range(4):
        mask = np.zeros((16, 16), dtype=np.uint8)
        mask[2:7, 3:9] = 255
        Image.fromarray(mask).save(tmp_path / f"ground_truth/crack/{i}_mask.png")
    found = run_study({**study, "detectors": [fcdd, "raw:knn"]}, tmp_path / "run", progress=False).detectors
    assert found.set_index("detector")["pixel_auroc"].notna().to_dict() == {"fcdd": True, "raw:knn": False}

"""The Brittle Features study: who sees what, every number from its own computation, the claims' arithmetic, one run."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from reprq import detectors
from reprq.backbones import load_backbone
from reprq.data import load_dataset, select_tasks
from reprq.errors import DataError, OutputExistsError, ReprqError, UnknownNameError
from reprq.evaluation import auroc
from reprq.papers import names, reproduce
from reprq.papers.mai2021 import PAPER
from reprq.papers.mai2021.cases import load_cases, load_other, teacher_images
from reprq.papers.mai2021.cells import DIRECT, Mai2021Cell
from reprq.papers.mai2021.claims import findings
from reprq.papers.mai2021.presets import PRESETS, PRETEXTS, Training
from reprq.papers.mai2021.tables import absent, detector_table, mean_of, representation_means
from reprq.provenance import digest

TINY = dataclasses.replace(
    PRESETS["smoke"],
    tasks=("unimodal:6", "multimodal:8"),
    benign_images=16,
    other_per_class=6,
    test_per_class=8,
    probe_per_class=8,
    teacher=Training(epochs=1, batch_size=8),
    student=Training(epochs=1, batch_size=8),
)
COLORS = "colorization"
BLIND = [name for name in PRETEXTS if name not in ("supervised", COLORS)]  # digits are gray


@pytest.fixture(scope="module")
def cases():
    return load_cases(TINY, None, seed=0)


@pytest.fixture(scope="module")
def other():
    return load_other(TINY, None, seed=0)


class _Guarded:
    """A source that cannot show an anomaly."""

    def __init__(self, source, forbidden):
        self.source, self.forbidden = source, set(forbidden)

    def item(self, i):
        assert i not in self.forbidden, "a teacher saw an anomaly"
        return self.source.item(i)

    def digest(self, i):
        return self.source.digest(i)

    def verify(self, i):
        self.source.verify(i)


@pytest.mark.parametrize("pretext", BLIND)
@pytest.mark.parametrize("task", [0, 1])
def test_a_teacher_never_sees_an_anomaly(cases, other, tmp_path, pretext, task):
    case = cases[task]
    whole = load_dataset("digits").restrict(TINY.classes)
    (chosen,) = select_tasks(whole.classes, case.name)
    anomalous = whole.rows[chosen.anomaly_labels(whole.labels) == 1]
    train = dataclasses.replace(case.split.train, source=_Guarded(case.split.train.source, anomalous))
    guarded = dataclasses.replace(case, split=dataclasses.replace(case.split, train=train))
    images = teacher_images(pretext, guarded, other)
    if pretext == "classification":  # another data set: none of its classes is in this one
        assert not set(images.classes) & set(TINY.classes)
    else:
        assert not set(images.rows) & set(anomalous)
    Mai2021Cell(TINY, pretext, guarded, images, tmp_path, "cpu", False)._teacher()


def test_the_ceiling_alone_sees_anomalies_and_knows_them(cases, other):
    images = teacher_images("supervised", cases[0], other)
    assert images.classes == ("benign", "anomalous")
    whole = load_dataset("digits").restrict(TINY.classes)
    classes = [whole.classes[whole.labels[list(whole.rows).index(row)]] for row in images.rows]
    assert [name != "6" for name in classes] == images.labels.astype(bool).tolist()
    assert np.bincount(images.labels).tolist() == [16, 16]


class _Red:
    """A source whose images are red."""

    def __init__(self, source):
        self.digest, self.verify, self._source = source.digest, source.verify, source

    def item(self, i):
        return Image.merge("RGB", (self._source.item(i).convert("L"), *[Image.new("L", (8, 8))] * 2))


def test_colors_are_learned_from_colored_images_alone(cases, other):
    case = cases[0]
    assert teacher_images(COLORS, case, other) is None
    red = dataclasses.replace(case.split.train, source=_Red(case.split.train.source))
    colored = dataclasses.replace(case, split=dataclasses.replace(case.split, train=red))
    assert teacher_images(COLORS, colored, other) is red


def test_no_test_image_trains_anything(cases, other):
    for case in cases:
        seen = {*case.split.train.ids, *case.split.labelled.ids, *case.probe[0].ids}
        shown = {case.split.test.source.digest(int(row)) for row in case.split.test.rows}
        sources = [case.split.train, case.split.labelled, case.probe[0]]
        used = {part.source.digest(int(row)) for part in sources for row in part.rows}
        assert seen
        assert not shown & used


@pytest.fixture(scope="module")
def cell(cases, other, tmp_path_factory):
    case = cases[0]
    images = teacher_images("rotation", case, other)
    return Mai2021Cell(TINY, "rotation", case, images, tmp_path_factory.mktemp("teachers"), "cpu", False)


def test_the_rows_of_a_cell_are_what_their_names_say(cell):
    rows = cell.rows()
    teacher = load_backbone(f"teacher:{cell._teacher()}")

    def embed(data):
        x = torch.stack([teacher.preprocessing(data.item(i)) for i in range(len(data))])
        with torch.inference_mode():
            return teacher.network.features(x).numpy()

    split = cell.case.split
    benign, scored = embed(split.train), embed(split.test)
    by_name = {row["detector"]: row for row in rows[:-1]}
    assert list(by_name) == ["distillation", *DIRECT]
    for name, spec in DIRECT.items():
        slow = auroc(split.labels, detectors.create(spec).fit(benign).anomaly_score(scored))
        assert by_name[name]["auroc"] == pytest.approx(slow.value, abs=0.02)
    measured = rows[-1]
    assert measured["trace"] == pytest.approx(np.trace(np.cov(benign.T.astype(np.float64))), rel=1e-3)
    for norm in ("l2", "l1", "linf"):
        assert measured[f"brittleness_{norm}"] == pytest.approx(measured[f"gradient_{norm}"] / measured["trace"])
    assert measured["gradient_linf"] < measured["gradient_l2"] < measured["gradient_l1"]
    assert 0 <= measured["benign_accuracy"] <= 1
    again = cell.rows()
    timing = {"seconds", "teacher_seconds"}
    assert [{k: v for k, v in row.items() if k not in timing} for row in again] == [
        {k: v for k, v in row.items() if k not in timing} for row in rows
    ]


def test_everything_that_decides_the_rows_is_in_the_key(cell, cases, other):
    def key(**changes):
        given = {"preset": TINY, "pretext": "rotation", "case": cases[0], "images": cell.images, **changes}
        return Mai2021Cell(**given, folder=cell.folder, device="cpu", progress=False).decides

    student = dataclasses.replace(TINY, student=Training(epochs=2, batch_size=8))
    teacher = dataclasses.replace(TINY, teacher=Training(epochs=1, batch_size=8, lr=0.1))
    seeded = dataclasses.replace(cases[0], seed=1)
    changed = [key(preset=student), key(preset=teacher), key(case=seeded), key(pretext="simclr"), key(case=cases[1])]
    assert key() == cell.decides
    assert len({digest(each) for each in (cell.decides, *changed)}) == 6


def tables(values):
    """Detector and representation tables from {(task, pretext): {detector or measure: value}}."""
    detected = [
        {"seed": 0, "task": task, "pretext": pretext, "detector": name, "auroc": value}
        for (task, pretext), found in values.items()
        for name, value in found.items()
        if name not in ("accuracy", "brittleness_l2")
    ]
    measured = [
        {"seed": 0, "task": task, "pretext": pretext, **{k: found[k] for k in ("accuracy", "brittleness_l2")}}
        for (task, pretext), found in values.items()
    ]
    return pd.DataFrame(detected), pd.DataFrame(measured)


@pytest.fixture(scope="module")
def known():
    """Six tasks in which (a) holds, accuracy is against, brittleness with, and SimCLR is last but classifies best."""
    rng = np.random.default_rng(0)
    values = {}
    for task in range(6):
        for rank, pretext in enumerate(["simclr", "random", "rotation", "denoising", "supervised"]):
            score = 0.6 + 0.05 * rank + 0.001 * rng.normal()
            scores = dict.fromkeys(("centroid", "mahalanobis_diagonal", "knn"), score - 0.1)
            values[f"task {task}", pretext] = {
                **scores, "distillation": score, "mahalanobis": score - 0.05 + 0.001 * rng.normal(),
                "accuracy": 0.9 - 0.1 * rank, "brittleness_l2": 10.0**rank,
            }  # fmt: skip
    return tables(values)


def test_the_claims_follow_the_numbers(known):
    found = findings(*known, representation_means(*known))
    by_claim = {}
    for finding in found:
        by_claim.setdefault(finding.claim[:3], []).append(finding)
    over, without = by_claim["(a)"][0], by_claim["(a)"][2]
    assert (over.value, over.note[:17]) == (pytest.approx(1.0), "5 representations")
    assert "without supervised" in without.note
    within = by_claim["(a)"][-1]
    assert (within.value, within.verdict) == (pytest.approx(1.0), "held")
    accuracy = [finding for finding in by_claim["(b)"] if finding.quantity.startswith("spearman within")]
    assert accuracy[0].value == pytest.approx(-1.0)
    less = by_claim["(b)"][-1]
    assert (less.value, less.verdict) == (pytest.approx(2.0), "held")
    assert by_claim["(c)"][0].value == pytest.approx(1.0)
    classifies, detects = by_claim["(d)"]
    assert classifies.value == pytest.approx(0.9 - np.mean([0.8, 0.7, 0.6]))
    assert detects.value == pytest.approx(0.1, abs=0.005)
    assert {finding.verdict for finding in by_claim["(e)"]} == {"held"}
    assert len(by_claim["(e)"]) == 5 * 3


def test_a_contradicted_and_an_open_claim(known):
    detected, measured = known
    worse = detected.copy()
    worse.loc[worse["detector"] == "distillation", "auroc"] -= 0.2
    found = {f.claim: f.verdict for f in findings(worse, measured, representation_means(worse, measured))}
    assert found["(e) distillation beats knn on rotation"] == "contradicted"
    noise = detected.copy()
    rows = (noise["detector"] == "distillation") & (noise["pretext"] == "rotation")
    same = (noise["detector"] == "knn") & (noise["pretext"] == "rotation")
    noise.loc[rows, "auroc"] = noise.loc[same, "auroc"].to_numpy()
    noise.loc[rows, "auroc"] += np.array([0.1, -0.1] * 3)
    found = {f.claim: f.verdict for f in findings(noise, measured, representation_means(noise, measured))}
    assert found["(e) distillation beats knn on rotation"] == "open"


def test_means_over_tasks_are_student_s_and_sizes_go_by_their_logarithm(known):
    means = representation_means(*known).set_index(["pretext", "measure"])
    row = means.loc["rotation", "brittleness_l2"]
    assert (row["mean"], row["low"], row["high"]) == (pytest.approx(100), pytest.approx(100), pytest.approx(100))
    found = mean_of(pd.Series([1.0, 3.0]))
    assert (found["mean"], found["n_tasks"]) == (2.0, 2)
    assert (found["low"], found["high"]) == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-3)
    assert np.isnan(mean_of(pd.Series([1.0]))["low"])
    assert "| rotation | 70.0 [" in detector_table(representation_means(*known))


def test_one_run_writes_everything_and_the_next_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", dataclasses.replace(TINY, tasks=("unimodal:6", "unimodal:7")))
    paths = PAPER("tiny", tmp_path / "run", progress=False)
    assert all(path.stat().st_size > 100 for path in paths)
    assert {path.suffix for path in paths} == {".csv", ".md", ".json", ".png", ".svg"}
    detected = pd.read_csv(tmp_path / "run/detectors.csv")
    assert set(detected["pretext"]) == set(PRETEXTS) - {COLORS}
    assert len(detected) == 2 * (len(PRETEXTS) - 1) * 5
    assert "There is no colorization teacher: the images are gray." in (tmp_path / "run/detectors.md").read_text()
    made = json.loads((tmp_path / "run/mai2021.json").read_text())
    assert made["setting"]["benign_images"] == 16
    assert {"versions", "data", "first_seed"} <= set(made)
    assert not list((tmp_path / "run/teachers").glob(".*"))

    def no_work(self):
        raise AssertionError("a finished cell was computed again")

    monkeypatch.setattr(Mai2021Cell, "rows", no_work)
    before = {path.name: path.read_bytes() for path in paths}
    PAPER("tiny", tmp_path / "run", progress=False)
    assert {path.name: path.read_bytes() for path in paths} == before
    monkeypatch.setitem(PRESETS, "other", dataclasses.replace(TINY, tasks=("unimodal:9",)))
    with pytest.raises(OutputExistsError, match="holds the tables of another run; give another --out"):
        PAPER("other", tmp_path / "run", progress=False)


def test_names_that_do_not_exist_are_refused(tmp_path):
    assert "mai2021" in names()
    with pytest.raises(UnknownNameError, match="did you mean 'mai2021'"):
        reproduce("mai2012", out=tmp_path)
    with pytest.raises(UnknownNameError, match="unknown preset of mai2021 'smok': did you mean 'smoke'"):
        reproduce("mai2021", "smok", tmp_path)
    with pytest.raises(DataError, match="plant-pathology-2020"):
        reproduce("mai2021", "plant-pathology-2020", tmp_path / "out", root=tmp_path, progress=False)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_named_before_any_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ReprqError, match="file cannot be made: a file stands in its way; give another --out"):
        reproduce("mai2021", "smoke", tmp_path / "file", progress=False)


def test_one_task_shows_no_spread_and_an_interval_stays_in_its_range(known):
    detected, measured = known
    first = detected[detected["task"] == "task 0"], measured[measured["task"] == "task 0"]
    found = [f for f in findings(*first, representation_means(*first)) if f.quantity.startswith("difference in")]
    assert {finding.verdict for finding in found} == {"cannot be said"}
    every = findings(*known, representation_means(*known))
    assert all(-2 <= f.low <= f.high <= 2 for f in every if f.low is not None)
    assert all(-1 <= f.low <= f.high <= 1 for f in every if f.quantity.startswith("spearman within"))


def test_what_the_images_do_not_allow_is_said(known):
    detected, measured = (frame.replace({"pretext": {"rotation": COLORS}}) for frame in known)
    assert absent(detected, measured) == []
    (gray,) = absent(*known)
    assert gray == "There is no colorization teacher: the images are gray."
    blind = measured.drop(columns="accuracy")
    probe, ceiling = absent(detected[detected["pretext"] != "supervised"], blind)
    assert probe.startswith("There is no linear probe, so no accuracy: the images have no classes")
    assert ceiling.startswith("There is no supervised teacher, the ceiling")
    found = {finding.claim: finding for finding in findings(detected, blind, representation_means(detected, blind))}
    assert found["(b) accuracy and distillation correlate"].verdict == "cannot be said"
    assert found["(d) SimCLR classifies well and detects poorly"].note == "no classes for a linear probe"
